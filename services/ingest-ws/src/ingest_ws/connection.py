"""A line to TradingView: opens a WebSocket, pumps frames between it and a quote session, and opens it again.

Only what the network or the provider does wrong is met by trying again; anything else ends the process. How long to
wait depends on how the last connection ended (`Ending`).
"""

import asyncio
import string
from contextlib import suppress
from secrets import choice
from typing import TYPE_CHECKING, Literal, NoReturn

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from chassis import logs
from chassis.backoff import delays
from chassis.clock import now_ms
from chassis.stop import Stop
from contracts.errors import BadData, Unavailable
from contracts.feed import ConnectionEvent, SymbolErrorEvent
from contracts.symbols import SymbolId
from ingest_ws import metrics
from ingest_ws.core.feed import Link, Served
from ingest_ws.endings import Ended, Ending, refusal, unauthorized
from ingest_ws.tokens import Unauthorized
from tradingview.connection import ConnectionRefused, HelloReceived, ProtocolFailed, Rejected, Stalled
from tradingview.quotes import QuoteChanged, QuoteEvent, QuoteSession, SessionLost, SnapshotCompleted, SymbolFailed

if TYPE_CHECKING:
    from ingest_ws.provider import Provider

ORIGIN = "https://www.tradingview.com"
LARGEST_FRAME = 16 * 1024 * 1024
LOOK_UP_S = 0.2
"""How often a line looks up: for its deadlines, and, where nothing comes, for what is wanted."""
STABLE_S = 60.0
SILENCE_MS = 21_000
"""Two heartbeats (protocol §1.5): who sends nothing for so long is gone."""
REFRESH_MS = 2_000
"""The least time between two sessions on one connection."""
FIRST_DATA_MS = 20_000
"""Within which something about the symbols asked for must come."""
_OPEN_WITHIN_S = 8.0
_SEND_WITHIN_S = 10.0
_ID_LETTERS = string.ascii_letters + string.digits

_log = logs.get("ingest_ws.connection")


class _connect(connect):  # noqa: N801 - used as the function it extends
    """`connect`, but a redirect is a refusal: nobody but the configured host is shown our token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Line:
    """One place for connections, one after another, while the provider's lines need it."""

    def __init__(self, number: int, provider: "Provider") -> None:
        self.number = number
        """Of the line; that of its connection changes with each."""
        self.is_up = False
        """The provider has greeted."""
        self.trouble = "connecting"
        """Why it is not up."""
        self._provider = provider
        self._feed = provider.feed
        self._reports = provider.reports
        self._connection = 0
        self._subscribed: dict[str, Served] = {}
        self._version = -1
        """Of the placement, when the session was last brought to it."""
        self._link = Link(0)
        """Of the connection: when its last packet came."""
        self._refresh_at: int | None = None
        self._refreshed_at = 0
        """When a session anew is due, because something of this one could not be read; and when the last one was."""
        self._is_recreated = False
        """Whether the session was lost and no snapshot has come since."""
        self._session: QuoteSession | None = None
        self._token: str | None = None
        """The newest that the provider was shown."""

    def is_live(self, now: int) -> bool:
        """Whether it is up and, by its symbols' rhythm, alive."""
        return self.is_up and self._session is not None and not self._session.is_late(now)

    async def run(self, stop: Stop) -> None:
        """Until the process shall end, the feed is stopped, or the line has no symbol any more."""
        provider = self._provider
        waits = delays(1.0, 60.0, provider.random)
        while not stop.is_set and provider.may_run and self._wanted():
            began = asyncio.get_running_loop().time()
            ending = await self._connect(stop)
            self._end(ending)
            if ending.is_final:
                provider.refuse(ending, self._token)
            if stop.is_set or ending.is_final or ending.cause == "stopped":
                continue
            metrics.RECONNECTS.labels(ending.cause).inc()
            self.trouble = ending.reason
            if asyncio.get_running_loop().time() - began >= STABLE_S:
                waits = delays(1.0, 60.0, provider.random)
            wait_s = next(waits)
            if ending.least_wait_s:
                wait_s = max(wait_s, ending.least_wait_s * (1 + provider.random.random()))
                provider.hold_back(wait_s)
            _log.warning(
                "connection ended", line=self.number, cause=ending.cause, reason=ending.reason,
                again_in_s=round(wait_s, 1),
            )  # fmt: skip
            await stop.sleep(wait_s)

    def _wanted(self) -> dict[str, Served]:
        return self._provider.placement.lines.get(self.number, {})

    async def _connect(self, stop: Stop) -> Ending:
        provider = self._provider
        await provider.turn_to_open(stop)
        if stop.is_set or not provider.may_run:
            return Ending("stopped", "the feed was stopped")
        provider.connections += 1
        self._connection = provider.connections
        self._token = None
        try:
            token = self._token = await provider.token()
            async with asyncio.timeout(_OPEN_WITHIN_S):
                socket = await _connect(
                    provider.url,
                    origin=Origin(ORIGIN),
                    compression=None,
                    max_size=LARGEST_FRAME,
                    ping_interval=None,
                    open_timeout=None,
                    close_timeout=1,
                )
        except Unavailable as error:
            return Ending("no_token", f"no token: {error}"[:300])
        except Unauthorized as error:
            return unauthorized(error.reason)
        except InvalidStatus as error:
            return refusal(error.response.status_code)
        except (InvalidHandshake, OSError, TimeoutError, EOFError) as error:
            return Ending("unreachable", f"cannot connect: {type(error).__name__} {error}"[:300])
        metrics.CONNECTED.inc()
        try:
            await self._serve(socket, token, stop)
        except Ended as ended:
            return ended.ending
        except ConnectionClosed as error:
            return Ending("closed", f"the connection was closed: {error}"[:300])
        except (OSError, TimeoutError) as error:
            return Ending("network", f"{type(error).__name__} {error}"[:300])
        finally:
            metrics.CONNECTED.dec()
            await socket.close()

    async def _serve(self, socket: ClientConnection, token: str, stop: Stop) -> NoReturn:
        """Pump frames until the connection ends: raises `Ended`, or an error of the network."""
        provider, feed = self._provider, self._feed
        now = provider.present()
        self._link = Link(now)
        self._refresh_at = None
        self._is_recreated = False
        self._version = -1
        generation = feed.generation
        session = self._session = QuoteSession(
            _session_id(), now, auth_token=token, fast_list_ms=0, silence_ms=SILENCE_MS, first_data_ms=FIRST_DATA_MS
        )
        while True:
            self._subscribe(session, now)
            if provider.newest_token not in {token, None}:
                token = self._token = provider.newest_token or token
                session.authenticate(token)
            if self._refresh_at is not None and now >= self._refresh_at:
                self._refresh_at, self._refreshed_at = None, now
                session.recreate(_session_id(), now)
            due = session.next_deadline()
            if due is not None and now >= due:
                self._handle(session, session.expire(now), now)
            for frame in session.frames_to_send():
                async with asyncio.timeout(_SEND_WITHIN_S):
                    await socket.send(frame)
            if stop.is_set or not provider.may_run or not self._subscribed:
                raise Ended(Ending("stopped", "nothing is subscribed" if provider.may_run else "the feed was stopped"))
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_UP_S):
                    while self._has_nothing_to_do(session, stop):
                        received = await socket.recv()
                        self._take(session, received, generation)
            now = self._present(generation)

    def _has_nothing_to_do(self, session: QuoteSession, stop: Stop) -> bool:
        """Nothing but to receive."""
        provider = self._provider
        return not (
            session.has_frames_to_send
            or (self._refresh_at is not None and provider.now() >= self._refresh_at)
            or stop.is_set
            or provider.placement.version != self._version
            or not provider.may_run
        )

    def _present(self, generation: int) -> int:
        """The feed's instant; ends the connection if it is one from before a long absence."""
        now = self._provider.present()
        if self._feed.generation != generation:
            raise Ended(Ending("away", "this process was stopped for so long that others have its symbols"))
        return now

    def _take(self, session: QuoteSession, received: str | bytes, generation: int) -> None:
        now = self._present(generation)
        metrics.FRAMES.inc()
        metrics.BYTES.inc(len(received))
        metrics.LAST_PACKET.set(now / 1000)
        self._handle(session, session.receive(received, now), now)
        self._provider.wake()

    def _subscribe(self, session: QuoteSession, now: int) -> None:
        """Bring the session to what is wanted, touching nothing else."""
        if self._provider.placement.version == self._version:
            return
        self._version = self._provider.placement.version
        wanted, have = self._wanted(), self._subscribed
        gone = [name for name, served in have.items() if wanted.get(name) is not served]
        new = [name for name in wanted if name not in have or wanted[name] is not have[name]]
        if not gone and not new:
            return
        if gone:
            session.remove(gone, now)
        if new:
            session.add(new, now)
        self._subscribed = dict(wanted)
        for served in wanted.values():
            served.link = self._link
        _log.info("symbols", added=len(new), removed=len(gone), connection=self._connection, symbols=len(wanted))

    def _handle(self, session: QuoteSession, events: list[QuoteEvent], now: int) -> None:
        """Pass on what a frame, or a deadline, says. What it holds was received, if it could be read."""
        if any(type(event) is Rejected for event in events):
            self._lose(now)
        for event in events:
            if type(event) is QuoteChanged:
                fault = self._feed.changed(event.symbol, event.fields, now)
                if fault is not None:
                    raw = msgspec.json.encode({"symbol": event.symbol, "changed": event.changed})
                    self._reports.dead_letter(fault, raw, connection=self._connection, at=now)
            elif type(event) is SnapshotCompleted:
                self._is_recreated = False
                if self._feed.symbols.get(event.symbol) is self._subscribed.get(event.symbol):
                    self._feed.completed(event.symbol, now)
            else:
                self._handle_rare(session, event, now)
        for refused, named in self._feed.refused:
            self._reports.dead_letter(refused, named, connection=self._connection, at=now)
        self._feed.refused.clear()
        self._link.last_packet_at = session.last_packet_ms

    def _lose(self, now: int) -> None:
        """Something could not be read: absent means unchanged, so nothing is certain any more since the packet before.

        Only snapshots name every field, and a new session brings them.
        """
        self._feed.uncover(self._served_names(), self._link.last_packet_at, now)
        if self._refresh_at is None:
            self._refresh_at = max(now, self._refreshed_at + REFRESH_MS)

    def _handle_rare(self, session: QuoteSession, event: QuoteEvent, now: int) -> None:
        match event:
            case HelloReceived(server_time_ms=server_time_ms):
                if server_time_ms is not None and not self._provider.clock.greeted(server_time_ms, now_ms()):
                    _log.warning("a greeting shows a broken clock, and corrects nothing", said_ms=server_time_ms)
                self.is_up = True
                _log.info("connected", connection=self._connection, line=self.number, symbols=len(self._subscribed))
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
                self._reports.dead_letter(fault, raw, connection=self._connection, at=now, position=position)
            case SessionLost(reason=reason, detail=detail):
                _log.warning("session lost", connection=self._connection, reason=reason, detail=detail)
                self._feed.uncover(self._served_names(), now, now)
                if self._is_recreated:
                    raise Ended(Ending("session_lost", f"the session was lost twice without data: {reason}"[:300]))
                self._is_recreated = True
                session.recreate(_session_id(), now)
            case Stalled(reason=reason, last_packet_ms=covered_until):
                self._link.last_packet_at = min(self._link.last_packet_at, covered_until)
                self._event("stalled", reason, now)
                raise Ended(Ending("stalled", f"the connection does not live: {reason}"))
            case ProtocolFailed(reason=reason):
                raise Ended(Ending("protocol_error", f"protocol_error: {reason}"[:300]))
            case ConnectionRefused(reason=reason):
                raise Ended(unauthorized(f"TradingView says {reason!r}"))

    def _served_names(self) -> list[str]:
        return [name for name, served in self._subscribed.items() if self._feed.symbols.get(name) is served]

    def _end(self, ending: Ending) -> None:
        """All that was subscribed was covered up to the last packet."""
        now = self._provider.present()
        self._feed.uncover(self._served_names(), self._link.last_packet_at, now)
        self._provider.wake()
        count, self._subscribed = len(self._subscribed), {}
        self.is_up, self._session = False, None
        self.trouble = ending.reason
        if ending.is_final:
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
                type=kind, replica=self._reports.replica, connection=self._connection, reason=reason, symbols=count,
                at=now,
            )
        )  # fmt: skip


def _session_id() -> str:
    return "qs_" + "".join(choice(_ID_LETTERS) for _ in range(12))
