"""What may come of a fetch instead of bars, and whether it is tried again."""

from dataclasses import dataclass
from enum import StrEnum

FIRST_RETRY_MS = 2_000
LONGEST_RETRY_MS = 60_000
AFTER_TOO_MANY_MS = 30_000
"""The least wait after the provider said that there are too many of us (429; protocol §9)."""


class ErrorCode(StrEnum):
    """Why a job ended in an error, in a word that does not change."""

    SYMBOL_REFUSED = "symbol_refused"
    SERIES_REFUSED = "series_refused"
    NO_DATA = "no_data"
    UNUSABLE_DATA = "unusable_data"
    UNREADABLE_CALENDAR = "unreadable_calendar"
    UNAUTHORIZED = "unauthorized"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class JobError:
    """The end of a job that failed; `detail` is for people."""

    code: ErrorCode
    detail: str


@dataclass(frozen=True, slots=True)
class Retry:
    """A job goes back to the queue for at least this long."""

    wait_ms: int


def after_unavailable(attempts: int, most: int, detail: str, at_least_ms: int = 0) -> Retry | JobError:
    """What becomes of a job whose provider did not answer well in its attempt number `attempts` (1, 2 …) of `most`.

    Waits double from `FIRST_RETRY_MS`, and are never below what the provider asked for.
    """
    if attempts >= most:
        return JobError(ErrorCode.PROVIDER_UNAVAILABLE, f"{detail} ({attempts} attempts)")
    backoff = min(FIRST_RETRY_MS * 2 ** min(attempts - 1, 16), LONGEST_RETRY_MS)
    return Retry(max(backoff, at_least_ms))


def after_lost_lease(attempts: int, most: int) -> Retry | JobError:
    """What becomes of a job whose worker went silent: a job that ends each of its workers is given up."""
    if attempts >= most:
        return JobError(ErrorCode.ABANDONED, f"its workers went silent {attempts} times")
    return Retry(0)
