"""A server of quotes that costs little: it sends WebSocket frames that are rendered already. Touches sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tradingview.codec import Heartbeat, Message, decode, encode, heartbeat, render
from tradingview.codec import Hello as Greeting

HEARTBEAT_S = 10.0


class Line(asyncio.Protocol):
    """One connection: it greets, answers what is subscribed with snapshots, and sends what it is given.

    `symbols` in the order in which they were added; `is_ready` once the list of fast symbols has come.
    """

    def __init__(self, snapshot: Callable[[str], dict[str, object]], lines: "list[Line]") -> None:
        self.symbols: list[str] = []
        self.session = ""
        self.is_ready = False
        self.heartbeats = self.echoes = 0
        self._snapshot = snapshot
        self._lines = lines
        self._websocket = ServerProtocol()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._lines:
            self._lines.remove(self)
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._websocket.send_response(self._websocket.accept(event))
                self._flush()
                self._lines.append(self)
                self._say(render(Greeting("", None, {"session_id": "bench"})))
                self.beat()
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                for packet in decode(bytes(event.data)):
                    self._handle(packet)
        self._flush()

    def _handle(self, packet: object) -> None:
        match packet:
            case Heartbeat():
                self.echoes += 1
            case Message(method="quote_create_session", params=(str(session),)):
                self.session = session
            case Message(method="quote_add_symbols", params=(_, *symbols)):
                self.symbols += symbols
                for name in symbols:
                    self._say(
                        encode("qsd", self.session, {"n": name, "s": "ok", "v": self._snapshot(name)})
                        + encode("quote_completed", self.session, name)
                    )
            case Message(method="quote_fast_symbols"):
                self.is_ready = True

    def beat(self) -> None:
        """Send a heartbeat, from now on again and again."""
        if self._transport is not None and not self._transport.is_closing():
            self.heartbeats += 1
            self._say(heartbeat(self.heartbeats))
            asyncio.get_running_loop().call_later(HEARTBEAT_S, self.beat)

    async def write(self, frames: bytes) -> None:
        """Send frames as `framed` gives them, as fast as they are taken."""
        assert self._transport is not None
        self._transport.write(frames)
        await self._may_write.wait()

    def _say(self, text: str) -> None:
        assert self._transport is not None
        self._transport.write(framed(text))

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)


def framed(text: str) -> bytes:
    """A server's WebSocket frame with this ASCII text."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@asynccontextmanager
async def server(snapshot: Callable[[str], dict[str, object]]) -> AsyncIterator[tuple[str, list[Line]]]:
    """A running server: its URL and the connections that are open."""
    lines: list[Line] = []
    listening = await asyncio.get_running_loop().create_server(lambda: Line(snapshot, lines), "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/", lines
    finally:
        listening.close()
