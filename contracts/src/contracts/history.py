"""Requests for history, the status of a series, and the events of history-sync's work."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.base import Exchange, Millis, Name, Record, Text, Ticker
from contracts.intervals import Interval
from contracts.symbols import SymbolId

MAX_BARS = 5_000
"""Bars of one call of tvDatafeed (protocol §3.4: what an anonymous account reaches)."""
MAX_SERIES = 1_000

RequestId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]


class SyncStatus(StrEnum):
    """Where the sync of a series is."""

    PENDING = "pending"
    SYNCING = "syncing"
    COMPLETED = "completed"
    ERROR = "error"

    def may_become(self, after: "SyncStatus") -> bool:
        """Whether the transition is legal: forward, back to pending when asked again, or when a lease was lost."""
        return after in _TRANSITIONS[self]


_TRANSITIONS: Mapping[SyncStatus, frozenset[SyncStatus]] = MappingProxyType(
    {
        SyncStatus.PENDING: frozenset({SyncStatus.SYNCING, SyncStatus.ERROR}),
        SyncStatus.SYNCING: frozenset({SyncStatus.COMPLETED, SyncStatus.ERROR, SyncStatus.PENDING}),
        SyncStatus.COMPLETED: frozenset({SyncStatus.PENDING}),
        SyncStatus.ERROR: frozenset({SyncStatus.PENDING}),
    }
)


class SyncPriority(StrEnum):
    """In which order jobs are taken, first to last."""

    REPAIR = "repair"
    INTERACTIVE = "interactive"
    SCHEDULED = "scheduled"
    BULK = "bulk"


class Series(Record):
    """One symbol and interval."""

    exchange: Exchange
    symbol: Ticker
    interval: Interval

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}|{self.interval}"


class SyncRequest(Record):
    """Fetch the newest `bars` bars of each series: the value of `history.requests` under the key `request_id`.

    `request_id` is the idempotency key: asking twice with the same one is asking once.
    """

    request_id: RequestId
    priority: SyncPriority = SyncPriority.INTERACTIVE
    series: Annotated[tuple[Series, ...], Field(min_length=1, max_length=MAX_SERIES)]
    bars: Annotated[int, Field(ge=1, le=MAX_BARS)] = MAX_BARS
    requested_at: Millis
    reason: Name | None = None

    @model_validator(mode="after")
    def _each_series_once(self) -> Self:
        if len(set(self.series)) != len(self.series):
            raise ValueError("a series is named twice")
        return self

    def job_id(self, index: int) -> str:
        """The id of the job for one of the series: the request's own when there is only one."""
        return self.request_id if len(self.series) == 1 else f"{self.request_id}.{index}"


class HistoryEventType(StrEnum):
    ACCEPTED = "accepted"
    PROGRESS = "progress"
    COMPLETED = "completed"
    ERROR = "error"


class HistoryEvent(Record):
    """What happened to a job: the value of `history.events` under the key `EXCHANGE:TICKER|interval`.

    `bars_fetched` came from the provider, `bars_written` of them won against what was stored. `bars_rejected` rows of
    its answer are no bars, `bars_off_grid` bars open where the symbol's trading calendar has none and were stored all
    the same; the details say why, with the first of each.
    """

    type: HistoryEventType
    request_id: RequestId
    job_id: RequestId
    series: Series
    bars_fetched: Annotated[int, Field(ge=0)] = 0
    bars_written: Annotated[int, Field(ge=0)] = 0
    first_open_time: Millis | None = None
    last_open_time: Millis | None = None
    bars_rejected: Annotated[int, Field(ge=0)] = 0
    rejected_detail: Text | None = None
    bars_off_grid: Annotated[int, Field(ge=0)] = 0
    off_grid_detail: Text | None = None
    error_code: Name | None = None
    error_detail: Text | None = None
    at: Millis
