"""The end of a job as its document, its status and its event tell it."""

import pytest

from contracts.calendar import ALWAYS, Calendar
from contracts.history import HistoryEventType, SyncPriority, SyncStatus
from contracts.intervals import HOUR, MINUTE, Interval
from contracts.jobs import Job
from history_sync.core.failures import ErrorCode, JobError
from history_sync.core.outcome import LONGEST_DETAIL, accepted_event, completed, ended_event, failed, tally
from history_sync.core.rows import bars_of
from tests.unit.history_sync.builders import at, row, series

T0 = at("2026-11-20T12:00")


def job(**fields: object) -> Job:
    known: dict[str, object] = {
        "job_id": "j.1", "request_id": "j", "parent_id": "j", "series": series(), "bars": 5,
        "priority": SyncPriority.BULK, "status": SyncStatus.PENDING, "requested_at": 1,
    }  # fmt: skip
    return Job.model_validate(known | fields)


def test_a_good_end_has_the_bounds_of_its_bars() -> None:
    bars = bars_of(series(), [row(T0), row(T0 + MINUTE)], ALWAYS, revision=1, closed_until=T0 * 2).bars
    found = completed(bars, 1)
    assert found.status is SyncStatus.COMPLETED
    assert found.figures() == {
        "bars_fetched": 2, "bars_written": 1, "first_open_time": T0, "last_open_time": T0 + MINUTE,
        "bars_rejected": 0, "rejected_detail": None, "bars_off_grid": 0, "off_grid_detail": None,
        "error_code": None, "error_detail": None,
    }  # fmt: skip


def test_a_bad_end_has_a_code_and_a_bounded_detail() -> None:
    found = failed(JobError(ErrorCode.SERIES_REFUSED, "x" * 5_000))
    assert found.status is SyncStatus.ERROR
    assert (found.error_code, found.error_detail) == ("series_refused", "x" * LONGEST_DETAIL)


STOCKS = Calendar.parse("America/New_York", "0930-1600")


def test_rows_put_aside_and_bars_off_the_grid_are_named_in_the_result() -> None:
    opens = at("2026-11-20T14:30")
    rows = [row(opens), row(opens), row(opens + MINUTE), row(opens + HOUR, high=1e16), row(opens + 90 * MINUTE)]
    hourly = series(Interval.H1)
    found = bars_of(hourly, rows, STOCKS, revision=1, closed_until=opens * 2)
    noted = tally(hourly, STOCKS, found)
    assert (noted.bars_rejected, noted.bars_off_grid) == (2, 2)
    assert noted.rejected_detail == ("out_of_bounds 1, repeated 1; the first is row 1, 2026-11-20T14:30:00Z: repeated")
    assert noted.off_grid_detail == (
        "the trading calendar 0930-1600 America/New_York has no 1h bar that opens at 2026-11-20T14:31:00Z; "
        "the last such is 2026-11-20T16:00:00Z"
    )
    for outcome in (completed(found.bars, 3, noted), failed(JobError(ErrorCode.NO_DATA, "none"), noted)):
        figures = outcome.figures()
        assert (figures["bars_rejected"], figures["rejected_detail"]) == (2, noted.rejected_detail)
        event = ended_event(job(status=outcome.status, finished_at=7, **figures))
        assert (event.bars_off_grid, event.off_grid_detail) == (2, noted.off_grid_detail)


def test_a_row_of_no_possible_time_is_named_too() -> None:
    found = bars_of(series(), [row(10**18)], ALWAYS, revision=1, closed_until=1)
    assert tally(series(), ALWAYS, found).rejected_detail == (
        "out_of_time 1; the first is row 0, 1000000000000000000 ms: out_of_time"
    )


def test_events_carry_what_the_job_says() -> None:
    assert accepted_event(job(), 9).type is HistoryEventType.ACCEPTED
    ended = ended_event(job(status=SyncStatus.COMPLETED, finished_at=7, bars_fetched=3, bars_written=2))
    assert (ended.type, ended.at, ended.bars_fetched, ended.bars_written) == (HistoryEventType.COMPLETED, 7, 3, 2)
    bad = ended_event(job(status=SyncStatus.ERROR, finished_at=7, error_code="no_data", error_detail="none"))
    assert (bad.type, bad.error_code, bad.error_detail) == (HistoryEventType.ERROR, "no_data", "none")


def test_a_parent_has_no_events() -> None:
    with pytest.raises(ValueError, match="parent"):
        accepted_event(job(series=None), 9)
