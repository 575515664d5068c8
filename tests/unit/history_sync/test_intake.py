"""Requests as jobs."""

import pytest

from contracts.errors import BadData
from contracts.history import SyncPriority, SyncRequest, SyncStatus
from contracts.intervals import Interval
from history_sync.core.intake import jobs_of
from tests.unit.history_sync.builders import series


def request(request_id: str, count: int) -> SyncRequest:
    wanted = tuple(series(Interval.M1, symbol=f"S{place}") for place in range(count))
    return SyncRequest(
        request_id=request_id, priority=SyncPriority.BULK, series=wanted, bars=7, requested_at=5, reason="why"
    )


def test_a_request_of_one_series_is_one_job_under_its_own_id() -> None:
    [job] = jobs_of(request("r", 1))
    assert (job.job_id, job.request_id, job.parent_id, str(job.series)) == ("r", "r", None, "NASDAQ:S0|1m")
    assert (job.bars, job.priority, job.requested_at, job.reason) == (7, SyncPriority.BULK, 5, "why")
    assert job.status is SyncStatus.PENDING


def test_a_request_of_several_is_its_children_and_then_their_parent() -> None:
    *children, parent = jobs_of(request("r", 3))
    assert [child.job_id for child in children] == ["r.0", "r.1", "r.2"]
    assert {(child.parent_id, child.request_id) for child in children} == {("r", "r")}
    assert (parent.job_id, parent.series, parent.series_count, parent.parent_id) == ("r", None, 3, None)


def test_an_id_without_room_for_the_numbers_of_its_children_is_bad_data() -> None:
    assert len(jobs_of(request("x" * 96, 1_000))) == 1_001
    assert len(jobs_of(request("x" * 100, 1))) == 1
    with pytest.raises(BadData, match="request_id"):
        jobs_of(request("x" * 97, 1_000))
