"""One client's WebSocket: greets, beats, reads its packets and hands them to its sessions."""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import count
from random import Random

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tradingview import codec
from tradingview.errors import BadFrame
from tradingview_simulator.charts.session import ChartSession
from tradingview_simulator.faults import ProtocolFaultError, unknown_session
from tradingview_simulator.journal import Journal
from tradingview_simulator.outbox import Outbox
from tradingview_simulator.quotes.hub import Hub
from tradingview_simulator.quotes.session import QuoteSession

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
        self._socket = socket
        self._hub = hub
        self._settings = hub.settings
        self._chance = Random(f"{self._settings.seed}|connection|{number}")  # noqa: S311 - repeatable, not secret
        self._outbox = Outbox(
            number,
            write=socket.send,
            overflowed=self.drop,
            journal=journal,
            now=self._settings.now,
            chance=self._chance,
        )
        self._quotes: dict[str, QuoteSession] = {}
        self._charts: dict[str, ChartSession] = {}
        self._echoed_at = 0.0

    @property
    def sessions(self) -> list[str]:
        """The names of the open sessions."""
        return [*self._quotes, *self._charts]

    def drop(self) -> None:
        """Cut the connection without a close frame."""
        self._socket.transport.abort()

    async def serve(self) -> None:
        """Serve the client until it leaves, is thrown out or is dropped."""
        self._echoed_at = asyncio.get_running_loop().time()
        self._outbox.put(codec.render(self._hello()))
        workers = [asyncio.create_task(self._send()), asyncio.create_task(self._beat())]
        try:
            async for text in self._socket:
                await self._receive(text)
        except (BadFrame, ConnectionClosed):
            return
        except ProtocolFaultError as fault:
            self._outbox.put(codec.encode("protocol_error", str(fault)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._outbox.drained(), FAREWELL_S)
        finally:
            for name in list(self._quotes):
                self._close_quotes(name)
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

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
            if self._settings.auth_tokens and name not in self._settings.auth_tokens:
                raise ProtocolFaultError("bad auth token")
        elif method == "quote_create_session" and isinstance(name, str):
            self._close_quotes(name)
            self._quotes[name] = QuoteSession(name, self._hub, self._outbox.put, self._chance)
        elif method == "chart_create_session" and isinstance(name, str):
            self._charts[name] = ChartSession(name, self._hub.market, self._settings, self._outbox.put)
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

    def _close_quotes(self, name: str) -> None:
        if (session := self._quotes.pop(name, None)) is not None:
            session.close()
