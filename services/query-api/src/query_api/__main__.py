"""`python -m query_api`: serve the API over HTTP until a signal asks to stop."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import uvicorn

from chassis import logs
from chassis.probes import PortInUse
from chassis.process import Program, leave, run
from chassis.stop import Stop
from query_api.app import build
from query_api.settings import ApiSettings

_PROGRAM = Program(
    command="python -m query_api",
    distribution="query-api",
    about=(
        "The HTTP API of Candlewick: reads bars from MongoDB and Redis, live quotes from Redis, the feed's state from "
        "Kafka; every command becomes a record on Kafka. GET /docs lists its operations; /livez, /readyz and /metrics "
        "are on the same port."
    ),
)
_FINISH_WITHIN_S = 10
"""What requests that are being answered may take once the process shall end."""

_log = logs.get("query_api")


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it runs in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: ApiSettings, stop: Stop, _resources: AsyncExitStack) -> None:
    """Serve until `stop`: then no new connections, requests are finished, the parts are closed, in this order."""
    listener = listen(settings.http_host, settings.http_port)
    config = uvicorn.Config(
        build(settings, stop),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=_FINISH_WITHIN_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    _log.info("listening", host=settings.http_host, port=listener.getsockname()[1])
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopping.cancel()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises `PortInUse` that names the settings to change."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
    except OSError as error:
        raise PortInUse(host, port, error.strerror or str(error)) from error


if __name__ == "__main__":
    leave(run(_PROGRAM, ApiSettings, serve))
