"""Bodies of the HTTP API, and the codes of its problems (RFC 9457, `application/problem+json`)."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.bars import BarState, Origin
from contracts.base import Name, Text
from contracts.feed import SymbolState
from contracts.history import MAX_BARS, MAX_SERIES, SyncStatus
from contracts.ticks import SessionPhase

PROBLEM_JSON = "application/problem+json"
MAX_SYMBOLS = 1_000


class ProblemCode(StrEnum):
    """What went wrong, in a word that does not change."""

    INVALID_SYMBOL = "invalid_symbol"
    EXPRESSION = "expression"
    INVALID_INTERVAL = "invalid_interval"
    INVALID_RANGE = "invalid_range"
    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
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
    symbol: Annotated[str, Field(max_length=128, examples=["BTCUSDT"])]
    interval: Annotated[str, Field(max_length=16, examples=["1m"])] = "1d"
    n_bars: Annotated[int, Field(ge=1, le=MAX_BARS)] = 1_000


class BulkSyncBody(Body):
    """Ask for every interval of every symbol (`EXCHANGE:SYMBOL`), at most 1,000 series in all."""

    symbols: Annotated[
        tuple[Annotated[str, Field(max_length=128)], ...],
        Field(min_length=1, max_length=MAX_SERIES, examples=[["BINANCE:BTCUSDT"]]),
    ]
    intervals: Annotated[tuple[Annotated[str, Field(max_length=16)], ...], Field(min_length=1, max_length=26)] = ("1d",)
    n_bars: Annotated[int, Field(ge=1, le=MAX_BARS)] = 1_000


class SymbolsBody(Body):
    """Symbols to subscribe or unsubscribe, as `EXCHANGE:SYMBOL`."""

    symbols: Annotated[
        tuple[Annotated[str, Field(max_length=128)], ...],
        Field(min_length=1, max_length=MAX_SYMBOLS, examples=[["BINANCE:BTCUSDT"]]),
    ]


class OHLCV(Body):
    """A bar as it is served. Times are RFC 3339 in UTC; `close_time` is the first instant after the bar.

    `trading_day` is the date of the trading day that the bar belongs to, of 1w and 1M the first day of their period.
    `gap_ms` is how much of its session time nothing covered, `delay` the delay of the feed (seconds) with which it
    closed; a forming bar has no `delay`, `origin`, `revision` and `reason`.
    """

    open_time: str
    close_time: str
    trading_day: Annotated[str, Field(examples=["2026-01-30"])]
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    tick_count: int
    first_tick_time: str | None = None
    last_tick_time: str | None = None
    state: BarState
    origin: Origin | None = None
    revision: int | None = None
    gap_ms: int = 0
    delay: int | None = None
    reason: str | None = None


class SeriesBody(Body):
    """Bars of one series, newest first unless asked otherwise."""

    exchange: str
    symbol: str
    interval: str
    count: int
    bars: tuple[OHLCV, ...]


class CurrentBarBody(Body):
    """The forming bar of a symbol as the engine last published it; its `gap_ms` counts what nothing covered so far."""

    exchange: str
    symbol: str
    interval: str
    bar: OHLCV


class QuoteBody(Body):
    """The merged latest state of a symbol. `delay` is in seconds; the day's figures are of `trading_day`.

    `extended_price` is the last price before or after the market, at `extended_time`.
    """

    exchange: str
    symbol: str
    price: float | None
    cumulative_volume: float | None
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    change: float | None
    change_percent: float | None
    day_open: float | None
    day_high: float | None
    day_low: float | None
    previous_close: float | None
    extended_price: float | None = None
    extended_time: str | None = None
    trading_day: Annotated[str | None, Field(examples=["2026-01-30"])]
    session: SessionPhase
    delay: int
    currency: str | None
    description: str | None
    event_time: str | None
    received_at: str


class QuotesBody(Body):
    """The latest quotes of all subscribed symbols; `missing` are those that have none at the moment."""

    count: int
    quotes: tuple[QuoteBody, ...]
    missing: tuple[str, ...]


class FeedBody(Body):
    """Whether the feed is wanted to run."""

    running: bool


class WantedBody(Body):
    """What was accepted, and the complete set of subscribed symbols after it."""

    accepted: tuple[str, ...]
    count: int
    symbols: tuple[str, ...]


class SymbolReportBody(Body):
    """How the feed stands with a symbol, in the words of the replica that serves it."""

    replica: str
    state: SymbolState
    detail: str | None
    last_tick_time: str | None
    at: str


class SymbolStatusBody(Body):
    """One symbol of the feed: `state` is the newest report's of a replica that lives.

    It is null when no replica has reported on it, and `stalled` when all that have are gone; `reports` begins with it.
    """

    symbol: str
    wanted: bool
    state: SymbolState | None
    reports: tuple[SymbolReportBody, ...]


class ReplicaBody(Body):
    """One replica of the feed: whether it lives (it reported within 90 s), how many symbols it serves, its report."""

    replica: str
    alive: bool
    symbols: int
    last_report_at: str


class FeedStatusBody(Body):
    """The feed: whether it is wanted to run, every symbol that is wanted or reported on, every replica."""

    running: bool
    wanted: int
    states: dict[str, int]
    symbols: tuple[SymbolStatusBody, ...]
    replicas: tuple[ReplicaBody, ...]


class KnownSymbolBody(Body):
    """A symbol that is subscribed or of which bars are stored."""

    exchange: str
    symbol: str
    subscribed: bool
    stored: bool


class KnownSymbolsBody(Body):
    """Known symbols in the order of their identities; `next` continues after the last one, null at the end."""

    count: int
    symbols: tuple[KnownSymbolBody, ...]
    next: str | None


class SeriesStatusBody(Body):
    """Where the sync of one series is, and what its last one brought; `bars_rejected` and on as in a job."""

    exchange: str
    symbol: str
    interval: str
    status: SyncStatus
    job_id: str | None
    bars_fetched: int | None
    bars_written: int | None
    first_open_time: str | None
    last_open_time: str | None
    bars_rejected: int = 0
    rejected_detail: str | None = None
    bars_off_grid: int = 0
    off_grid_detail: str | None = None
    error_code: str | None
    error_detail: str | None
    updated_at: str | None


class SyncStatusBody(Body):
    """Sync status of the series that pass the filters, in the order of their names; `next` is null at the end."""

    count: int
    series: tuple[SeriesStatusBody, ...]
    next: str | None


class ChildJobBody(Body):
    """One series of a bulk job."""

    job_id: str
    exchange: str
    symbol: str
    interval: str
    status: SyncStatus
    bars_rejected: int = 0
    bars_off_grid: int = 0
    error_detail: str | None


class JobBody(Body):
    """A sync job: where it is and what it did. A bulk job has `children` instead of a series of its own.

    `bars_fetched` closed bars came from the provider, `bars_written` of them won against what was stored.
    `bars_rejected` rows of its answer are no bars and were put aside; `bars_off_grid` of the bars open where the
    symbol's trading calendar has no bar, and were stored under the provider's instants. The details name the causes
    and the first of each. A bulk job has the sums of its children.
    """

    job_id: str
    status: SyncStatus
    exchange: str | None = None
    symbol: str | None = None
    interval: str | None = None
    bars_fetched: int = 0
    bars_written: int = 0
    first_open_time: str | None = None
    last_open_time: str | None = None
    bars_rejected: int = 0
    rejected_detail: str | None = None
    bars_off_grid: int = 0
    off_grid_detail: str | None = None
    requested_at: str | None = None
    finished_at: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    children: tuple[ChildJobBody, ...] = ()
