"""The WebSocket to TradingView: opens it, pumps frames between it and a quote session, and opens it again.

Only what the network or the provider does wrong is met by trying again; anything else ends the process. How long to
wait is told by how the last connection ended (`Ending`).
"""

import asyncio
import string
from collections.abc import Callable
from random import Random
from secrets import choice
from typing import Literal, NoReturn

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from chassis import logs
from chassis.backoff import delays
from chassis.clock import now_ms
from chassis.probes import Readiness
from chassis.stop import Stop
from contracts.errors import BadData
from contracts.feed import ConnectionEvent, SymbolErrorEvent, SymbolState
from contracts.symbols import SymbolId
from ingest_ws import metrics
from ingest_ws.core.clock import FeedClock
from ingest_ws.core.feed import Feed, Served
from ingest_ws.endings import Ended, Ending, refusal, unauthorized
from ingest_ws.reports import Reports
from tradingview.connection import ConnectionRefused, HelloReceived, ProtocolFailed, Rejected, Stalled
from tradingview.quotes import QuoteChanged, QuoteEvent, QuoteSession, SessionLost, SnapshotCompleted, SymbolFailed

TRADINGVIEW = "TradingView"
"""How the provider is called in logs and as a condition of readiness."""
ORIGIN = "https://www.tradingview.com"
LARGEST_FRAME = 16 * 1024 * 1024
PULSE_S = 0.025
EXPIRE_MS = 20
"""How often what is held is looked through."""
STABLE_S = 60.0
_OPEN_WITHIN_S = 8.0
_SEND_WITHIN_S = 10.0
_IDLE_S = 0.2
_ID_LETTERS = string.ascii_letters + string.digits

_log = logs.get("ingest_ws.connection")


class Provider:
    """Keeps one connection open while the feed shall run and symbols are wanted."""

    def __init__(
        self, url: str, token: str, *, feed: Feed, clock: FeedClock, reports: Reports, wake: Callable[[], None]
    ) -> None:
        self.state: SymbolState | None = SymbolState.STALLED
        """The state of the whole feed where it is not up."""
        self.is_running = True
        self._url = url
        self._token = token
        self._feed = feed
        self._clock = clock
        self._reports = reports
        self._wake = wake
        self._random = Random()  # noqa: S311 - jitter needs no secrecy
        self._number = 0
        self._subscribed: dict[str, Served] = {}
        self._version = -1
        """Of the feed's symbols, when the session was last brought to them."""
        self._heard_until = 0
        self._is_recreated = False
        """Whether the session was lost and has told nothing since."""
        self._refused = False

    def now(self) -> int:
        """The feed's instant."""
        return self._clock.read(now_ms())

    def set_running(self, is_running: bool) -> None:
        """Run or stop the feed; to be told so again ends a refusal."""
        self.is_running = is_running
        self._refused = False

    async def run(self, ready: Readiness, stop: Stop) -> None:
        """Until the process shall end."""
        waits = delays(1.0, 60.0, self._random)
        while not stop.is_set:
            if not await self._is_due(ready, stop):
                continue
            began = asyncio.get_running_loop().time()
            ending = await self._connect(ready, stop)
            self._end(ending)
            if stop.is_set or ending.cause == "stopped":
                continue
            metrics.RECONNECTS.labels(ending.cause).inc()
            ready.set(TRADINGVIEW, False, ending.reason)
            if ending.is_final:
                self._refused = True
                self.state = SymbolState.UNAUTHORIZED
                continue
            if asyncio.get_running_loop().time() - began >= STABLE_S:
                waits = delays(1.0, 60.0, self._random)
            wait_s = max(next(waits), ending.least_wait_s * (1 + self._random.random()))
            _log.warning("connection ended", cause=ending.cause, reason=ending.reason, again_in_s=round(wait_s, 1))
            await stop.sleep(wait_s)

    async def _is_due(self, ready: Readiness, stop: Stop) -> bool:
        """Whether to connect; waits a little if not."""
        if self.is_running and not self._refused and self._feed.symbols:
            return True
        if not self.is_running:
            self.state = SymbolState.STOPPED
        if not self._refused:
            ready.set(TRADINGVIEW, True)
        await stop.sleep(_IDLE_S)
        return False

    async def _connect(self, ready: Readiness, stop: Stop) -> Ending:
        self._number += 1
        self.state = SymbolState.STALLED
        try:
            async with asyncio.timeout(_OPEN_WITHIN_S):
                socket = await connect(
                    self._url,
                    origin=Origin(ORIGIN),
                    compression=None,
                    max_size=LARGEST_FRAME,
                    ping_interval=None,
                    open_timeout=None,
                    close_timeout=1,
                )
        except InvalidStatus as error:
            return refusal(error.response.status_code)
        except (InvalidHandshake, OSError, TimeoutError, EOFError) as error:
            return Ending("unreachable", f"cannot connect: {type(error).__name__} {error}"[:300])
        metrics.CONNECTED.inc()
        try:
            await self._serve(socket, ready, stop)
        except Ended as ended:
            return ended.ending
        except ConnectionClosed as error:
            return Ending("closed", f"the connection was closed: {error}"[:300])
        except (OSError, TimeoutError) as error:
            return Ending("network", f"{type(error).__name__} {error}"[:300])
        finally:
            metrics.CONNECTED.dec()
            await socket.close()

    async def _serve(self, socket: ClientConnection, ready: Readiness, stop: Stop) -> NoReturn:
        """Pump frames until the connection ends, which is told by `Ended` or an error of the network."""
        now = self._present()
        self._heard_until = expired_at = now
        self._is_recreated = False
        self._version = -1
        session = QuoteSession(_session_id(), now, auth_token=self._token, fast_list_ms=0)
        while True:
            self._subscribe(session, now)
            if now - expired_at >= EXPIRE_MS:
                self._feed.expire(now)
                expired_at = now
            due = session.next_deadline()
            if due is not None and now >= due:
                self._handle(session, session.expire(now), now, ready)
            self._wake()
            for frame in session.frames_to_send():
                async with asyncio.timeout(_SEND_WITHIN_S):
                    await socket.send(frame)
            if stop.is_set or not self.is_running or not self._feed.symbols:
                raise Ended(Ending("stopped", "the feed was stopped" if not self.is_running else "nothing to hear"))
            try:
                async with asyncio.timeout(PULSE_S):
                    received = await socket.recv()
            except TimeoutError:
                now = self._present()
                continue
            now = self._present()
            self._heard_until = now
            metrics.FRAMES.inc()
            metrics.BYTES.inc(len(received))
            metrics.LAST_PACKET.set(now / 1000)
            self._handle(session, session.receive(received, now), now, ready)

    def _present(self) -> int:
        now = self.now()
        away_ms = self._feed.present(now)
        if away_ms is not None:
            metrics.AWAY.inc(away_ms / 1000)
            _log.warning("this process did not run for a while: that time is deaf", away_ms=away_ms)
        return now

    def _subscribe(self, session: QuoteSession, now: int) -> None:
        """Bring the session to what is wanted, touching nothing else."""
        if self._feed.version == self._version:
            return
        self._version = self._feed.version
        wanted, have = self._feed.symbols, self._subscribed
        gone = [name for name, served in have.items() if wanted.get(name) is not served]
        new = [name for name in wanted if name not in have or wanted[name] is not have[name]]
        if not gone and not new:
            return
        if gone:
            session.remove(gone, now)
        if new:
            session.add(new, now)
        self._subscribed = dict(wanted)
        _log.info("symbols", added=len(new), removed=len(gone), connection=self._number, symbols=len(wanted))

    def _handle(self, session: QuoteSession, events: list[QuoteEvent], now: int, ready: Readiness) -> None:
        for event in events:
            if type(event) is QuoteChanged:
                try:
                    self._feed.changed(event.symbol, event.changed, now)
                except BadData as error:
                    raw = msgspec.json.encode({"symbol": event.symbol, "changed": event.changed})
                    self._reports.dead_letter(error, raw, connection=self._number, at=now)
            elif type(event) is SnapshotCompleted:
                self._is_recreated = False
                self._feed.completed(event.symbol, now)
            else:
                self._handle_rare(session, event, now, ready)

    def _handle_rare(self, session: QuoteSession, event: QuoteEvent, now: int, ready: Readiness) -> None:
        match event:
            case HelloReceived(server_time_ms=server_time_ms):
                if server_time_ms is not None and not self._clock.greeted(server_time_ms, now_ms()):
                    _log.warning("a greeting tells of a broken clock, and corrects nothing", said_ms=server_time_ms)
                self.state = None
                ready.set(TRADINGVIEW, True)
                _log.info("connected", connection=self._number, symbols=len(self._subscribed))
                self._event("connected", None, now)
            case SymbolFailed(symbol=symbol, reason=reason, detail=detail):
                text = f"{reason}: {detail}" if detail and detail != reason else reason
                self._feed.failed(symbol, text[:1000], now)
                _log.warning("symbol refused", symbol=symbol, reason=text)
                exchange, ticker = SymbolId.parse(symbol)
                self._reports.event(
                    SymbolErrorEvent(
                        replica=self._reports.replica, exchange=exchange, symbol=ticker, reason=text[:1000], at=now
                    )
                )
            case Rejected(cause=cause, position=position, detail=detail, raw=raw):
                fault = BadData(detail, kind=cause)
                self._reports.dead_letter(fault, raw, connection=self._number, at=now, position=position)
            case SessionLost(reason=reason, detail=detail):
                _log.warning("session lost", connection=self._number, reason=reason, detail=detail)
                self._feed.deafened(list(self._subscribed), now, now)
                if self._is_recreated:
                    raise Ended(Ending("session_lost", f"the session was lost twice without data: {reason}"[:300]))
                self._is_recreated = True
                session.recreate(_session_id(), now)
            case Stalled(reason=reason):
                self._event("stalled", reason, now)
                raise Ended(Ending("stalled", f"the connection does not live: {reason}"))
            case ProtocolFailed(reason=reason):
                raise Ended(Ending("protocol_error", f"protocol_error: {reason}"[:300]))
            case ConnectionRefused(reason=reason):
                raise Ended(unauthorized(f"TradingView says {reason!r}"))

    def _end(self, ending: Ending) -> None:
        """All that was subscribed was heard up to the last packet."""
        now = self.now()
        names = [name for name, served in self._subscribed.items() if self._feed.symbols.get(name) is served]
        self._feed.deafened(names, self._heard_until, now)
        self._wake()
        count, self._subscribed = len(self._subscribed), {}
        self.state = SymbolState.STALLED if self.is_running else SymbolState.STOPPED
        if ending.is_final:
            _log.error("TradingView refuses us", reason=ending.reason)
            self._event("unauthorized", ending.reason, now, count)
        elif count:
            self._event("disconnected", ending.reason, now, count)

    def _event(
        self,
        kind: Literal["connected", "disconnected", "stalled", "unauthorized"],
        reason: str | None,
        now: int,
        symbols: int | None = None,
    ) -> None:
        count = len(self._subscribed) if symbols is None else symbols
        self._reports.event(
            ConnectionEvent(
                type=kind, replica=self._reports.replica, connection=self._number, reason=reason, symbols=count, at=now
            )
        )


def _session_id() -> str:
    return "qs_" + "".join(choice(_ID_LETTERS) for _ in range(12))
