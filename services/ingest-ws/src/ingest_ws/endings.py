"""How connections end, and what that means for the next one."""

from typing import NamedTuple

TOO_MANY_S = 30.0
"""The least wait after a 429 (protocol §9)."""


class Ending(NamedTuple):
    """How a connection ended: `cause` is a word for metrics; `is_final` means that trying again is in vain."""

    cause: str
    reason: str
    least_wait_s: float = 0.0
    is_final: bool = False


class Ended(Exception):  # noqa: N818 - the course of things
    """The connection is over."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.reason)
        self.ending = ending


def refusal(status: int) -> Ending:
    """The handshake was answered with this HTTP status."""
    if status in {401, 403}:
        return unauthorized(f"the handshake was answered {status}")
    if status == 429:
        return Ending("too_many", "the handshake was answered 429: too many connections", TOO_MANY_S)
    return Ending("refused", f"the handshake was answered {status}")


def unauthorized(what: str) -> Ending:
    """Nothing will change until a person does something; says what."""
    remedy = (
        "the feed is stopped; check TRADINGVIEW_AUTH_TOKEN (or TRADINGVIEW_COOKIES) and TRADINGVIEW_URL, "
        "then restart, or stop and start the feed"
    )
    return Ending("unauthorized", f"{what}: {remedy}", is_final=True)
