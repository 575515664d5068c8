"""The simulator as a whole: the WebSocket server, the HTTP server and the timers behind the feeds."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from itertools import count
from urllib.parse import urlsplit

import uvicorn
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.http11 import Request, Response

from tradingview_simulator.connection import Connection
from tradingview_simulator.control import control_app
from tradingview_simulator.journal import Journal
from tradingview_simulator.model.market import Market
from tradingview_simulator.orders import Faults
from tradingview_simulator.quotes.hub import Hub
from tradingview_simulator.settings import SimulatorSettings
from tradingview_simulator.timers import Timers

PATH = "/socket.io/websocket"
LARGEST_CLIENT_FRAME = 1 << 20


class Simulator:
    """A running simulator. `url` is for TRADINGVIEW_URL, `http_url` for TRADINGVIEW_HTTP_URL, `faults` for mischief.

    tasks: what runs behind the sockets; one that ends while the simulator runs has failed.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.market = Market(settings.seed)
        self.journal = Journal(settings.journal_entries)
        self.timers = Timers(settings.now)
        self.connections: dict[int, Connection] = {}
        self.url = ""
        self.http_url = ""
        self.tasks: tuple[asyncio.Task[None], ...] = ()
        self._hub = Hub(self.market, self.timers, settings)
        self.sign_in = self._hub.sign_in
        self.faults = Faults(self._hub.mischief, self.timers, self.connections, self._hub.correct)
        self._numbers = count(1)

    async def handle(self, websocket: ServerConnection) -> None:
        """Serve one accepted WebSocket."""
        number = next(self._numbers)
        connection = self.connections[number] = Connection(number, websocket, self._hub, self.journal)
        try:
            await connection.serve()
        finally:
            del self.connections[number]

    def admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake by path (404), by Origin (403, protocol §1.2) or on demand; None lets it through."""
        if request.path.partition("?")[0] != PATH:
            return websocket.respond(HTTPStatus.NOT_FOUND, "no such path\n")
        if (refusal := self._hub.mischief.strike("refuse")) is not None:
            return websocket.respond(HTTPStatus(refusal["status"]), "refused\n")
        origin = request.headers.get("Origin")
        host = "none" if origin is None else urlsplit(origin).hostname or ""
        if host in self.settings.origins or f".{host}".endswith(".tradingview.com"):
            return None
        return websocket.respond(HTTPStatus.FORBIDDEN, "this Origin may not connect\n")


class _HttpServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(settings: SimulatorSettings) -> AsyncIterator[Simulator]:
    """A simulator that listens while the block runs. OSError where a port is taken."""
    simulator = Simulator(settings)
    config = uvicorn.Config(
        control_app(simulator),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    http = _HttpServer(config)
    with _listen(settings.host, settings.http_port) as http_socket:
        async with serve_websockets(
            simulator.handle,
            settings.host,
            settings.port,
            process_request=simulator.admit,
            compression=None,
            ping_interval=None,
            max_size=LARGEST_CLIENT_FRAME,
            server_header="tv",
            close_timeout=1,
        ) as websockets:
            beat = asyncio.create_task(simulator.timers.run())
            answer = asyncio.create_task(http.serve(sockets=[http_socket]))
            simulator.tasks = (beat, answer)
            port = next(iter(websockets.sockets)).getsockname()[1]
            simulator.url = f"ws://{settings.host}:{port}{PATH}"
            simulator.http_url = f"http://{settings.host}:{http_socket.getsockname()[1]}"
            try:
                yield simulator
            finally:
                http.should_exit = True
                beat.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await beat
                await answer


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port), backlog=128)
    listener.setblocking(False)
    return listener
