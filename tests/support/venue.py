"""A TradingView that answers a history request as a test tells it: whatever tvDatafeed may meet. Touches loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tradingview.codec import Hello, Message, Packet, decode, encode, render

T0 = 1_766_029_500
"""The stamp of the first bar, in seconds; the following ones are a minute apart."""
NOW_MS = (T0 + 86_400) * 1_000


def values(count: int, first: int = 0) -> list[list[float]]:
    """`v` of so many bars with volume, beginning so many minutes after `T0`."""
    return [[float(T0 + 60 * place), 10.0, 11.0, 9.0, 10.5, 100.0 + place] for place in range(first, first + count)]


@dataclass
class Asked:
    """One connection: what the client said so far, and means to answer it."""

    socket: ServerConnection
    headers: Any
    chart: str
    heard: list[Packet] = field(default_factory=list)

    async def say(self, *frames: str) -> None:
        """Send the frames as one."""
        await self.socket.send("".join(frames))

    async def cut(self) -> None:
        """End the connection without a close frame."""
        self.socket.transport.abort()

    def update(self, bars: Sequence[Any]) -> str:
        elements = [{"i": place, "v": bar} for place, bar in enumerate(bars)]
        series = {"s1": {"node": "n", "s": elements, "ns": {"d": "", "indexes": []}, "t": "s1"}}
        return encode("timescale_update", self.chart, series, {"index": 0}, t_ms=NOW_MS)

    def resolved(self, **info: Any) -> str:
        return encode("symbol_resolved", self.chart, "symbol_1", info, t_ms=NOW_MS)

    def completed(self, mode: str = "streaming", pace: int = 0) -> str:
        return encode("series_completed", self.chart, "s1", mode, "s1", {"rt_update_period": pace}, t_ms=NOW_MS)


Act = Callable[[Asked], Awaitable[None]]


@dataclass
class Venue:
    """Its address, and the connections it had."""

    url: str
    asked: list[Asked]
    closed: int = 0


@asynccontextmanager
async def venue(act: Act, status: int | None = None, *, resolves: bool = True) -> AsyncIterator[Venue]:
    """A provider that calls `act` when a series is asked for, or refuses the handshake with a status.

    Before that it resolves the symbol, with metadata that say nothing, unless told not to.
    """
    found = Venue("", [])

    def refuse(socket: ServerConnection, _request: Request) -> Response | None:
        return None if status is None else socket.respond(HTTPStatus(status), "no\n")

    async def serve_one(socket: ServerConnection) -> None:
        assert socket.request is not None
        asked = Asked(socket, socket.request.headers, "")
        found.asked.append(asked)
        answering: asyncio.Task[None] | None = None
        try:
            await socket.send(render(Hello("0.1", NOW_MS, {"session_id": "0.1", "timestampMs": NOW_MS})))
            async for frame in socket:
                for packet in decode(frame):
                    asked.heard.append(packet)
                    if isinstance(packet, Message) and packet.method == "create_series":
                        asked.chart = packet.params[0]
                        if resolves:
                            await asked.say(asked.resolved())
                        answering = asyncio.create_task(_answer(act, asked))
        except ConnectionClosed:
            pass
        finally:
            found.closed += 1
            if answering is not None:
                answering.cancel()

    async with serve(serve_one, "127.0.0.1", 0, process_request=refuse, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        found.url = f"ws://127.0.0.1:{port}/socket.io/websocket"
        yield found


async def _answer(act: Act, asked: Asked) -> None:
    try:
        await act(asked)
    except ConnectionClosed:
        return
