"""The guard of everything that changes something: its requests carry the API key as X-API-Key."""

from hmac import compare_digest

from fastapi import Security
from fastapi.security import APIKeyHeader
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from query_api.problems import problem

GUARDED = Security(
    APIKeyHeader(name="X-API-Key", auto_error=False, description="Required with every request that changes something")
)
"""What OpenAPI tells of the guard; the guard itself judges a request before its body is read."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Answers 401 to requests of other methods than the reading ones, unless they carry the key.

    The key is compared in a time that does not depend on how much of it is right.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READING:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("x-api-key")
        expected: str = scope["app"].state.parts.api_key
        if given is not None and compare_digest(given.encode("latin-1"), expected.encode()):
            await self._app(scope, receive, send)
            return
        detail = "X-API-Key is missing" if given is None else "X-API-Key is not the key of this API"
        response = problem(request, 401, detail, headers={"WWW-Authenticate": 'ApiKey realm="candlewick"'})
        await response(scope, receive, send)
