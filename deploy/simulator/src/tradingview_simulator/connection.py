"""One client's WebSocket: greets, beats, reads its packets and hands them to its sessions."""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from tradingview import codec
from tradingview.errors import BadFrame
from tradingview_simulator.charts.session import ChartSession
from tradingview_simulator.faults import ProtocolFaultError, unknown_session
from tradingview_simulator.journal import Journal, Sent
from tradingview_simulator.outbox import Outbox
from tradingview_simulator.quotes.hub import Hub
from tradingview_simulator.quotes.session import QuoteSession

DEEDS_S = 2.0
"""How long what was still to be sent or closed may take when a connection ends."""
FAREWELL_S = 1.0
"""How long a protocol_error may take to leave before the socket is closed."""

CHART_CALLS = frozenset(
    {
        "switch_timezone",
        "resolve_symbol",
        "create_series",
        "modify_series",
        "request_more_data",
        "request_more_tickmarks",
        "remove_series",
        "chart_delete_session",
    }
)
QUOTE_CALLS = frozenset(
    {
        "quote_set_fields",
        "quote_add_symbols",
        "quote_remove_symbols",
        "quote_fast_symbols",
        "quote_hibernate_all",
        "quote_list_fields",
        "quote_switch_timezone",
        "quote_delete_session",
    }
)


class Connection:
    """The state of one socket (protocol §10.4). `number` counts connections from 1."""

    def __init__(self, number: int, socket: ServerConnection, hub: Hub, journal: Journal) -> None:
        self.number = number
        self.opened_at_ms = hub.settings.now()
        self.token: object = None
        """The newest that the client has shown and that was taken."""
        self._socket = socket
        self._hub = hub
        self._settings = hub.settings
        self._chance = Random(f"{self._settings.seed}|connection|{number}")  # noqa: S311 - repeatable, not secret
        self._outbox = Outbox(
            number,
            write=socket.send,
            is_live=lambda: self._is_live and socket.state is State.OPEN,
            overflowed=self.drop,
            journal=journal,
            now=self._settings.now,
            chance=self._chance,
        )
        self._quotes: dict[str, QuoteSession] = {}
        self._charts: dict[str, ChartSession] = {}
        self._is_live = True
        self._echoed_at = 0.0
        self._late = 0
        self._late_until = 0.0
        self._deeds: set[asyncio.Task[None]] = set()

    @property
    def sessions(self) -> list[str]:
        """The names of the open sessions."""
        return [*self._quotes, *self._charts]

    def drop(self) -> None:
        """Cut the connection without a close frame."""
        self._is_live = False
        self._socket.transport.abort()

    def close(self, code: int) -> None:
        """Close the connection in good order."""
        self._later(self._socket.close(code))

    def fail(self, text: str) -> None:
        """Say `protocol_error`, then close."""

        async def say() -> None:
            await self._socket.send(codec.encode("protocol_error", text))
            await self._socket.close()

        self._later(say())

    def send_raw(self, frame: str | bytes) -> None:
        """Send a frame of its own, whatever it holds."""
        self._later(self._socket.send(frame))

    def kill_sessions(self) -> None:
        """End every quote session with `critical_error`; the socket lives (protocol §6)."""
        for session in self._quotes.values():
            session.kill("internal_error", "session killed")

    def repeat_the_past(self, symbol: str | None) -> None:
        """Send an older state of a symbol, or of all (protocol §4.3)."""
        for session in self._quotes.values():
            for subscription in session.of(symbol):
                subscription.repeat_the_past()

    def regress(self, symbol: str | None) -> None:
        """Send a lower cumulative volume than before of a symbol, or of all."""
        for session in self._quotes.values():
            for subscription in session.of(symbol):
                subscription.regress()

    async def serve(self) -> None:
        """Serve the client until it leaves, is thrown out or is dropped."""
        self._echoed_at = asyncio.get_running_loop().time()
        if not self._hub.mischief.is_silent:
            self._outbox.put(codec.render(self._hello()))
        workers = [asyncio.create_task(self._send()), asyncio.create_task(self._beat())]
        try:
            async for text in self._socket:
                await self._receive(text)
        except (BadFrame, ConnectionClosed):
            return
        except ProtocolFaultError as fault:
            if not self._hub.mischief.is_silent:
                self._outbox.put(codec.encode("protocol_error", str(fault)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._outbox.drained()
        finally:
            for name in list(self._quotes):
                self._close_quotes(name)
            for worker in workers:
                worker.cancel()
            if self._deeds:
                _, late = await asyncio.wait(self._deeds, timeout=DEEDS_S)
                workers += late
                for deed in late:
                    deed.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _later(self, work: Coroutine[Any, Any, object]) -> None:
        async def run() -> None:
            with contextlib.suppress(ConnectionClosed):
                await work

        task = asyncio.create_task(run())
        self._deeds.add(task)
        task.add_done_callback(self._deeds.discard)

    def _put(self, packet: str, sent: Sent | None = None) -> None:
        """Data of a session, as it leaves: not at all, later (never before what was to leave earlier) or now."""
        slow_ms = self._hub.mischief.slow_ms
        if not slow_ms and not self._late:
            self._put_now(packet, sent)
        elif not self._hub.mischief.is_mute:
            self._late += 1
            self._late_until = max(self._settings.now() + slow_ms, self._late_until)
            self._hub.timers.at(self._late_until, partial(self._put_late, packet, sent))

    def _put_late(self, packet: str, sent: Sent | None) -> None:
        self._late -= 1
        self._put_now(packet, sent)

    def _put_now(self, packet: str, sent: Sent | None) -> None:
        mischief = self._hub.mischief
        if mischief.is_mute:
            return
        self._outbox.put(packet, sent)
        if sent is not None and sent.fault is None and mischief.doubled and self._chance.random() < mischief.doubled:
            self._outbox.put(packet, sent._replace(fault="duplicate"))

    def _hello(self) -> codec.Hello:
        now = self._settings.now()
        session_id = f"0.{self.number}.1_simulator-charts-1"
        fields = {
            "session_id": session_id,
            "timestamp": now // 1_000,
            "timestampMs": now,
            "release": "simulator",
            "studies_metadata_hash": "0" * 40,
            "auth_scheme_vsn": 2,
            "protocol": "json",
            "via": "127.0.0.1:443",
            "javastudies": ["3.66"],
        }
        return codec.Hello(session_id, now, fields)

    async def _send(self) -> None:
        try:
            await self._outbox.run()
        except ConnectionClosed:
            return  # the reading side ends for the same reason

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        for number in count(1):
            await asyncio.sleep(self._settings.hb_interval)
            if loop.time() - self._echoed_at > self._settings.hb_grace:
                self.drop()
                return
            if not self._hub.mischief.is_silent:
                self._outbox.put_heartbeat(codec.heartbeat(number))

    async def _receive(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            return  # the binary mode of 2019 is gone (protocol §1.3)
        for packet in codec.decode(text):
            if isinstance(packet, codec.Heartbeat):
                self._echoed_at = asyncio.get_running_loop().time()
            elif isinstance(packet, codec.Message):
                await self._call(packet.method, packet.params)

    async def _call(self, method: str, params: Sequence[object]) -> None:
        name = params[0] if params else None
        if method == "set_auth_token":
            if self._hub.mischief.strike("bad_token") is not None or not self._takes(name):
                raise ProtocolFaultError("bad auth token")
            self.token = name
        elif method == "quote_create_session" and isinstance(name, str):
            self._close_quotes(name)
            self._quotes[name] = QuoteSession(name, self._hub, self._put, self._chance)
        elif method == "chart_create_session" and isinstance(name, str):
            self._charts[name] = ChartSession(name, self._hub.market, self._settings, self._put)
        elif method in QUOTE_CALLS:
            if not isinstance(name, str) or name not in self._quotes:
                raise unknown_session(method, name, params[1:])
            if method == "quote_delete_session":
                self._close_quotes(name)
            else:
                self._quotes[name].call(method, params[1:])
        elif method in CHART_CALLS:
            if not isinstance(name, str) or name not in self._charts:
                raise unknown_session(method, name, params[1:])
            if method == "chart_delete_session":
                del self._charts[name]
            else:
                await self._charts[name].call(method, params[1:])

    def _takes(self, token: object) -> bool:
        given, is_strict = self._settings.auth_tokens, self._settings.needs_token
        return not (given or is_strict) or token in given or (is_strict and self._hub.sign_in.is_valid(token))

    def _close_quotes(self, name: str) -> None:
        if (session := self._quotes.pop(name, None)) is not None:
            session.close()
