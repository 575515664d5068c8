"""What surrounds every request: its id, its log line, its metrics, and an answer when there is a bug."""

import re
import time
from uuid import uuid4

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs
from query_api.problems import problem

REQUESTS = Counter("http_requests_total", "Requests answered", ("method", "route", "status"))
OPEN = Gauge("http_requests_open", "Requests that are being answered")
SECONDS = Histogram("http_request_seconds", "Time from a request's head to the end of its answer", ("route",))

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_log = logs.get("query_api.requests")


class Envelope:
    """Gives each request an id (the caller's X-Request-ID if it is a plain one), which its answer and logs carry."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-request-id", "")
        request.state.request_id = given if _ID.fullmatch(given) else uuid4().hex
        with OPEN.track_inprogress(), structlog.contextvars.bound_contextvars(request_id=request.state.request_id):
            await self._answer(request, receive, send)

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        status = 0
        begun = time.monotonic()

        async def labelled(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request.state.request_id.encode())]
            await send(message)

        try:
            await self._app(request.scope, receive, labelled)
        except Exception:  # the one place that logs a bug met by a request
            _log.exception("a bug", method=request.method, path=request.url.path)
            if status:
                raise
            response = problem(request, 500, "something went wrong here; the log has more under the request id")
            await response(request.scope, receive, labelled)
        _account(request, status, time.monotonic() - begun)


def _account(request: Request, status: int, seconds: float) -> None:
    route = getattr(request.scope.get("route"), "path", "none")
    method = request.method if request.method in _METHODS else "other"
    REQUESTS.labels(method=method, route=route, status=str(status)).inc()
    SECONDS.labels(route=route).observe(seconds)
    is_notable = route not in _PROBES and (method not in {"GET", "HEAD", "OPTIONS"} or status >= 500)
    log = _log.info if is_notable else _log.debug
    log("answered", method=method, path=request.url.path[:300], status=status, ms=round(seconds * 1000, 1))
