"""What a failed fetch means for its job: try again after a while, or end with a code."""

from contracts.history import MAX_BARS

MOST_ATTEMPTS = 4
FIRST_WAIT_S = 0.5


class ProviderUnavailable(Exception):  # noqa: N818 - a state of the world
    """The provider did not answer, or not to the end; another try may succeed. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class SeriesRefused(Exception):  # noqa: N818 - the provider's word
    """The provider will not serve this series, however often it is asked. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def wait_before(attempt: int) -> float | None:
    """Seconds to wait before the attempt of this number (the first is 1); None if there shall be no such attempt."""
    return None if attempt > MOST_ATTEMPTS else FIRST_WAIT_S * 2 ** (attempt - 1)


def asked_bars(bars: int) -> int:
    """How many bars to ask for so that `bars` closed ones come: the newest is usually forming."""
    return min(bars + 1, MAX_BARS)
