"""What MongoDB holds of syncs: the job of a request, and the status of each series; written by history-sync only."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from contracts.base import Exchange, Millis, Name, Record, Text, Ticker, first_fault
from contracts.documents import Document, series_id
from contracts.errors import BadData
from contracts.history import MAX_BARS, RequestId, Series, SyncPriority, SyncStatus
from contracts.intervals import Interval

_Count = Annotated[int, Field(ge=0)]


class Job(Record):
    """A document of `jobs`; its `_id` is `job_id`.

    A request of one series is one job under the request's own id. A request of several is a parent without `series`,
    and a child for each (`SyncRequest.job_id`) that names it in `parent_id`; the parent is done when all of them are.
    """

    job_id: RequestId
    request_id: RequestId
    parent_id: RequestId | None = None
    series: Series | None
    series_count: Annotated[int, Field(ge=1)] = 1
    bars: Annotated[int, Field(ge=1, le=MAX_BARS)]
    priority: SyncPriority
    status: SyncStatus
    requested_at: Millis
    reason: Name | None = None
    started_at: Millis | None = None
    finished_at: Millis | None = None
    bars_fetched: _Count = 0
    bars_written: _Count = 0
    first_open_time: Millis | None = None
    last_open_time: Millis | None = None
    bars_rejected: _Count = 0
    rejected_detail: Text | None = None
    bars_off_grid: _Count = 0
    off_grid_detail: Text | None = None
    error_code: Name | None = None
    error_detail: Text | None = None

    @property
    def is_done(self) -> bool:
        return self.status in {SyncStatus.COMPLETED, SyncStatus.ERROR}


class SeriesStatus(Record):
    """A document of `sync_status`; its `_id` is `EX:SYM|interval`. The figures are those of the last job that ended."""

    exchange: Exchange
    symbol: Ticker
    interval: Interval
    status: SyncStatus
    job_id: RequestId | None = None
    bars_fetched: _Count = 0
    bars_written: _Count = 0
    first_open_time: Millis | None = None
    last_open_time: Millis | None = None
    bars_rejected: _Count = 0
    rejected_detail: Text | None = None
    bars_off_grid: _Count = 0
    off_grid_detail: Text | None = None
    error_code: Name | None = None
    error_detail: Text | None = None
    updated_at: Millis

    @property
    def series(self) -> Series:
        return Series(exchange=self.exchange, symbol=self.symbol, interval=self.interval)


def job_document(job: Job) -> Document:
    """The stored form of a job; `series` is text, so that an index finds the jobs of a series."""
    fields = job.model_dump(mode="json", exclude={"job_id", "series"})
    return {"_id": job.job_id, "series": None if job.series is None else series_id(job.series), **fields}


def job_of(document: Mapping[str, Any]) -> Job:
    """The job that a stored document holds (its other fields are history-sync's own); `BadData` if it holds none."""
    fields = dict(document) | {"job_id": document.get("_id")}
    if isinstance(series := document.get("series"), str):
        identity, _, interval = series.rpartition("|")
        exchange, _, symbol = identity.partition(":")
        fields["series"] = {"exchange": exchange, "symbol": symbol, "interval": interval}
    try:
        return Job.model_validate(fields, strict=False, extra="ignore")
    except ValidationError as error:
        raise BadData(first_fault(error), kind="undecodable") from None


def status_document(status: SeriesStatus) -> Document:
    """The stored form of a series' status."""
    return {"_id": series_id(status.series), **status.model_dump(mode="json")}


def status_of(document: Mapping[str, Any]) -> SeriesStatus:
    """The status that a stored document holds; `BadData` if it holds none."""
    try:
        return SeriesStatus.model_validate(dict(document), strict=False, extra="ignore")
    except ValidationError as error:
        raise BadData(first_fault(error), kind="undecodable") from None
