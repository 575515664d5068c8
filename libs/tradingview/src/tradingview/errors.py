"""The exceptions of this library: whose fault it is stands in the type.

    TradingViewError
    ├── Misuse              we asked for something that cannot be: a bug in the caller
    └── RemoteFault         the other side sent something that cannot be read
        ├── BadFrame        a WebSocket frame (from `codec.decode`)
        └── BadAnswer       an HTTP body (from `symbols.parse_search`)

Sessions raise `Misuse` only. What the other side does wrong comes out of them as events.
"""

from typing import Any, Literal

Cause = Literal["not_utf8", "no_header", "truncated", "bad_heartbeat", "not_json", "unexpected_shape"]


class TradingViewError(Exception):
    """Anything this library raises."""


class Misuse(TradingViewError, ValueError):  # noqa: N818 - it reads as what it is
    """The caller asked for something that the protocol cannot say."""


class RemoteFault(TradingViewError):  # noqa: N818 - it reads as what it is
    """The other side sent something that cannot be read."""


class BadAnswer(RemoteFault):
    """An HTTP body is not what the endpoint answers; often it is a challenge page in HTML."""


class BadFrame(RemoteFault):
    """A frame that cannot be read whole.

    `cause` is one of a few words, fit for a label of a counter. `position` is where the first fault stands: UTF-16
    code units from the start of the frame (bytes, for `not_utf8`). `packets` are those packets of the frame that
    could be read, in their order: use them, since the other side will not send them again.
    """

    def __init__(self, cause: Cause, position: int, detail: str, packets: tuple[Any, ...] = ()) -> None:
        super().__init__(cause, position, detail, packets)
        self.cause: Cause = cause
        self.position = position
        self.detail = detail
        self.packets = packets

    def __str__(self) -> str:
        return f"{self.cause} at {self.position}: {self.detail}"
