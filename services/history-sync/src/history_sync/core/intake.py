"""A request as jobs: one for one series, else a parent and a child for each."""

from contracts.errors import BadData
from contracts.history import SyncRequest, SyncStatus
from contracts.jobs import Job

LONGEST_ID = 100


def jobs_of(request: SyncRequest) -> list[Job]:
    """The jobs of a request, children first, so that who sees the parent can count on them.

    `BadData` for a request whose id leaves no room for the numbers of its children.
    """
    count = len(request.series)
    if len(request.job_id(count - 1)) > LONGEST_ID:
        raise BadData(f"request_id: with {count} series it may have at most {LONGEST_ID - 5} characters", kind="id")
    parent_id = None if count == 1 else request.request_id
    jobs = [
        Job(
            job_id=request.job_id(index),
            request_id=request.request_id,
            parent_id=parent_id,
            series=series,
            bars=request.bars,
            priority=request.priority,
            status=SyncStatus.PENDING,
            requested_at=request.requested_at,
            reason=request.reason,
        )
        for index, series in enumerate(request.series)
    ]
    if parent_id is not None:
        jobs.append(
            Job(
                job_id=parent_id,
                request_id=parent_id,
                series=None,
                series_count=count,
                bars=request.bars,
                priority=request.priority,
                status=SyncStatus.PENDING,
                requested_at=request.requested_at,
                reason=request.reason,
            )
        )
    return jobs
