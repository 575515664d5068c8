"""What an orchestrator asks a process: /livez, /readyz and /metrics, served on a port from a thread of their own."""

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypedDict

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client import REGISTRY as PROCESS_REGISTRY

from chassis.errors import Misconfigured
from chassis.redaction import SECRETS
from chassis.stop import Stop

_MOST_CONDITIONS = 64
_LONGEST_REASON = 300
_MOST_REQUESTS = 8
_REQUEST_TIMEOUT_S = 5.0


class ReadinessReport(TypedDict):
    """The body of /readyz: `waiting` has the reason of each condition that does not hold."""

    ready: bool
    waiting: dict[str, str]


class Readiness:
    """Whether a process can do its work: named conditions, each with the reason why it does not hold. Thread-safe."""

    def __init__(self, conditions: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, str | None] = dict.fromkeys(conditions, "starting")

    def set(self, condition: str, holds: bool, reason: str = "") -> None:
        """Say whether a condition holds; the reason is kept only while it does not (and is redacted and cut)."""
        with self._lock:
            if condition not in self._waiting and len(self._waiting) >= _MOST_CONDITIONS:
                raise ValueError(f"more than {_MOST_CONDITIONS} conditions; they are named in code, not by data")
            self._waiting[condition] = None if holds else SECRETS.text(reason)[:_LONGEST_REASON] or "not ready"

    def report(self) -> ReadinessReport:
        """Ready is who has no condition that fails."""
        with self._lock:
            waiting = {name: reason for name, reason in self._waiting.items() if reason is not None}
        return ReadinessReport(ready=not waiting, waiting=waiting)


class Heartbeat:
    """Whether the main loop still turns: it must beat at least every `limit_s` seconds. Thread-safe."""

    def __init__(self, limit_s: float = 30.0) -> None:
        self.limit_s = limit_s
        self._last = time.monotonic()

    def beat(self) -> None:
        """Called by the loop on each turn; costs one clock reading."""
        self._last = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    @property
    def is_alive(self) -> bool:
        return self.silent_s() <= self.limit_s


async def keep_beating(alive: Heartbeat, stop: Stop, every_s: float = 1.0) -> None:
    """Beat from the event loop until the process shall end: who blocks the loop stops the heart."""
    alive.beat()
    while not await stop.sleep(every_s):
        alive.beat()


class PortInUse(Misconfigured):
    """HTTP cannot listen: somebody else has the port (or the address is not ours)."""

    def __init__(self, host: str, port: int, cause: str) -> None:
        super().__init__(f"cannot listen on {host}:{port} (HTTP_HOST, HTTP_PORT): {cause}")
        self.port = port


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes


class ProbeServer:
    """Serves the probes while the context is open; `port` is the real one when 0 was asked for."""

    def __init__(
        self,
        host: str,
        port: int,
        ready: Readiness,
        alive: Heartbeat,
        registry: CollectorRegistry = PROCESS_REGISTRY,
    ) -> None:
        self._ready = ready
        self._alive = alive
        self._registry = registry
        try:
            self._server = _BoundedServer((host, port), self)
        except OSError as error:
            raise PortInUse(host, port, error.strerror or str(error)) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="probes", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=_REQUEST_TIMEOUT_S)

    def answer(self, path: str) -> _Answer:
        """What a GET of this path is answered."""
        match path.partition("?")[0]:
            case "/livez":
                silent = round(self._alive.silent_s(), 1)
                return _json(self._alive.is_alive, {"alive": self._alive.is_alive, "silent_s": silent})
            case "/readyz":
                report = self._ready.report()
                return _json(report["ready"], report)
            case "/metrics":
                return _Answer(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
            case _:
                return _Answer(404, "text/plain; charset=utf-8", b"/livez, /readyz and /metrics are here\n")


def _json(good: bool, body: object) -> _Answer:
    return _Answer(200 if good else 503, "application/json", json.dumps(body).encode())


class _BoundedServer(ThreadingHTTPServer):
    """A thread per request, at most `_MOST_REQUESTS` at once; more are hung up on."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], probes: ProbeServer) -> None:
        self.probes = probes
        self._free = threading.BoundedSemaphore(_MOST_REQUESTS)
        super().__init__(address, _Handler)

    def process_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_TIMEOUT_S
    server: _BoundedServer

    def do_GET(self) -> None:
        answer = self.server.probes.answer(self.path)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Probes come every few seconds: they are not logged."""
