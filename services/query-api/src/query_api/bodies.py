"""The bound of request bodies: larger ones are refused as soon as that is known, declared or counted."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_api.problems import problem

MOST_BYTES = 256 * 1024
"""A thousand of the longest symbols and their punctuation are half of that."""


class BodyBound:
    """Reads the body before the application asks for it; answers 413 if it has more than `MOST_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        body = None if _declares_too_much(request.headers.get("content-length", "")) else await _read(receive)
        if body is None:
            response = problem(request, 413, f"a body may have at most {MOST_BYTES} bytes")
            await response(scope, receive, send)
            return
        unread = [body]

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, replay, send)


def _declares_too_much(length: str) -> bool:
    return length.isdecimal() and (len(length) > 9 or int(length) > MOST_BYTES)


async def _read(receive: Receive) -> Message | None:
    """The whole body as one message, or that the caller has gone; None if it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            return None
        if not message.get("more_body", False):
            return {"type": "http.request", "body": b"".join(parts), "more_body": False}
