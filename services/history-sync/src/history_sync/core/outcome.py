"""How a job ended, as its document, its series' status and its event tell it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contracts.bars import Bar
from contracts.history import HistoryEvent, HistoryEventType, SyncStatus
from contracts.jobs import Job
from history_sync.core.failures import JobError

LONGEST_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a job that ended; they have the names of the fields of `Job` and `SeriesStatus`."""

    bars_fetched: int = 0
    bars_written: int = 0
    first_open_time: int | None = None
    last_open_time: int | None = None
    error_code: str | None = None
    error_detail: str | None = None

    @property
    def status(self) -> SyncStatus:
        return SyncStatus.COMPLETED if self.error_code is None else SyncStatus.ERROR

    def figures(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def completed(bars: Sequence[Bar], written: int) -> Outcome:
    """The bars came, ascending, and so many of them won against what was stored."""
    return Outcome(len(bars), written, bars[0].open_time, bars[-1].open_time)


def failed(error: JobError) -> Outcome:
    """No bars came."""
    return Outcome(error_code=error.code.value, error_detail=error.detail[:LONGEST_DETAIL])


def accepted_event(job: Job, at: int) -> HistoryEvent:
    """A request's series is about to become this job."""
    return _event(job, HistoryEventType.ACCEPTED, at)


def ended_event(job: Job) -> HistoryEvent:
    """The end of a job, from its document."""
    kind = HistoryEventType.COMPLETED if job.status is SyncStatus.COMPLETED else HistoryEventType.ERROR
    return _event(job, kind, job.finished_at or 0)


def _event(job: Job, kind: HistoryEventType, at: int) -> HistoryEvent:
    if job.series is None:
        raise ValueError("a parent has no events of its own")
    return HistoryEvent(
        type=kind,
        request_id=job.request_id,
        job_id=job.job_id,
        series=job.series,
        bars_fetched=job.bars_fetched,
        bars_written=job.bars_written,
        first_open_time=job.first_open_time,
        last_open_time=job.last_open_time,
        error_code=job.error_code,
        error_detail=job.error_detail,
        at=at,
    )
