"""Bodies of the HTTP API, and the codes of its problems (RFC 9457, `application/problem+json`)."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.base import Name, Text
from contracts.history import MAX_BARS, MAX_SERIES

PROBLEM_JSON = "application/problem+json"
MAX_SYMBOLS = 1_000


class ProblemCode(StrEnum):
    """What went wrong, in a word that does not change."""

    INVALID_SYMBOL = "invalid_symbol"
    INVALID_INTERVAL = "invalid_interval"
    INVALID_RANGE = "invalid_range"
    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    SYNC_FAILED = "sync_failed"
    INTERNAL = "internal_error"


class Body(BaseModel):
    """A request or response body: unknown fields of a request are refused, so that a misspelled one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_max_length=4096)


class Fault(Body):
    """One thing that is wrong with a request, and what would be right."""

    where: Name
    message: Text


class Problem(Body):
    """An error, as RFC 9457 shapes it, with a stable `code` and the id of the request."""

    type: str = "about:blank"
    title: Name
    status: Annotated[int, Field(ge=400, le=599)]
    code: ProblemCode
    detail: Text
    request_id: Name | None = None
    faults: tuple[Fault, ...] = ()


class SyncBody(Body):
    """Ask for the newest `n_bars` bars of one series."""

    exchange: Annotated[str, Field(max_length=32, examples=["BINANCE"])]
    symbol: Annotated[str, Field(max_length=64, examples=["BTCUSDT"])]
    interval: Annotated[str, Field(max_length=16, examples=["1m"])] = "1d"
    n_bars: Annotated[int, Field(ge=1, le=MAX_BARS)] = 1_000


class BulkSyncBody(Body):
    """Ask for every interval of every symbol (`EXCHANGE:SYMBOL`)."""

    symbols: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_SERIES)]
    intervals: Annotated[tuple[str, ...], Field(min_length=1, max_length=13)] = ("1d",)
    n_bars: Annotated[int, Field(ge=1, le=MAX_BARS)] = 1_000


class SymbolsBody(Body):
    """Symbols to subscribe or unsubscribe, as `EXCHANGE:SYMBOL`."""

    symbols: Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_SYMBOLS)]


class OHLCV(Body):
    """A stored or served bar. Times are RFC 3339 in UTC; `close_time` is the first instant after the bar."""

    open_time: str
    close_time: str
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    tick_count: int
    first_tick_time: str | None = None
    last_tick_time: str | None = None
    state: Annotated[str, Field(examples=["forming", "closed", "revised"])]
    origin: str | None = None
    revision: int | None = None
    gap_ms: int = 0
    reason: str | None = None


class SeriesBody(Body):
    """Bars of one series, newest first unless asked otherwise."""

    exchange: str
    symbol: str
    interval: str
    count: int
    bars: tuple[OHLCV, ...]


class JobBody(Body):
    """A sync job: where it is and what it did."""

    job_id: str
    status: str
    exchange: str | None = None
    symbol: str | None = None
    interval: str | None = None
    bars_fetched: int = 0
    bars_written: int = 0
    error: Problem | None = None
    children: tuple[dict[str, Any], ...] = ()
