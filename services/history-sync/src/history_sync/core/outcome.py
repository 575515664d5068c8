"""How a job ended, as its document, its series' status and its event tell it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contracts.bars import Bar
from contracts.base import MAX_MS, MIN_MS
from contracts.calendar import Calendar
from contracts.history import HistoryEvent, HistoryEventType, Series, SyncStatus
from contracts.intervals import rfc3339
from contracts.jobs import Job
from history_sync.core.failures import JobError
from history_sync.core.rows import Sorted

LONGEST_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Tally:
    """What was noted about the rows of an answer; the fields have the names of those of `Job` and `SeriesStatus`."""

    bars_rejected: int = 0
    rejected_detail: str | None = None
    bars_off_grid: int = 0
    off_grid_detail: str | None = None


NOTHING = Tally()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of a job that ended; they have the names of the fields of `Job` and `SeriesStatus`."""

    bars_fetched: int = 0
    bars_written: int = 0
    first_open_time: int | None = None
    last_open_time: int | None = None
    bars_rejected: int = 0
    rejected_detail: str | None = None
    bars_off_grid: int = 0
    off_grid_detail: str | None = None
    error_code: str | None = None
    error_detail: str | None = None

    @property
    def status(self) -> SyncStatus:
        return SyncStatus.COMPLETED if self.error_code is None else SyncStatus.ERROR

    def figures(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def tally(series: Series, calendar: Calendar, found: Sorted) -> Tally:
    """The rows that were put aside, by cause and with the first of them; and the bars that are off the grid."""
    rejected = off_grid = None
    if found.rejected:
        first = found.examples[0]
        causes = ", ".join(f"{cause} {count}" for cause, count in sorted(found.rejected.items()))
        rejected = f"{causes}; the first is row {first.position}, {_stamp(first.row.stamped_ms)}: {first.cause}"
    if found.off_grid:
        hours = f"{calendar.session} {calendar.timezone}"
        off_grid = (
            f"the trading calendar {hours[:200]} has no {series.interval} bar that opens at {_stamp(found.off_grid[0])}"
            + (f"; the last such is {_stamp(found.off_grid[-1])}" if len(found.off_grid) > 1 else "")
        )
    return Tally(
        sum(found.rejected.values()),
        rejected and rejected[:LONGEST_DETAIL],
        len(found.off_grid),
        off_grid and off_grid[:LONGEST_DETAIL],
    )


def completed(bars: Sequence[Bar], written: int, noted: Tally = NOTHING) -> Outcome:
    """The bars came, ascending, and so many of them won against what was stored."""
    return Outcome(len(bars), written, bars[0].open_time, bars[-1].open_time, **asdict(noted))


def failed(error: JobError, noted: Tally = NOTHING) -> Outcome:
    """No bars came."""
    return Outcome(error_code=error.code.value, error_detail=error.detail[:LONGEST_DETAIL], **asdict(noted))


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
        bars_rejected=job.bars_rejected,
        rejected_detail=job.rejected_detail,
        bars_off_grid=job.bars_off_grid,
        off_grid_detail=job.off_grid_detail,
        error_code=job.error_code,
        error_detail=job.error_detail,
        at=at,
    )


def _stamp(instant_ms: int) -> str:
    return rfc3339(instant_ms) if MIN_MS <= instant_ms <= MAX_MS else f"{instant_ms} ms"
