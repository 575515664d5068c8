"""Jobs and the status of series in MongoDB: accepted once, leased to one worker at a time, ended by its holder.

Touches the collections `jobs` and `sync_status`. A job outlives its worker: a lease that was not renewed is another's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, ReturnDocument, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, mongo_errors
from contracts.documents import JOBS, SYNC_STATUS, series_id
from contracts.history import Series, SyncPriority, SyncRequest, SyncStatus
from contracts.jobs import Job, SeriesStatus, job_document, job_of, status_document

LEASE_MS = 30_000
RENEW_EVERY_S = 8.0
_ORDER = {priority.value: place for place, priority in enumerate(SyncPriority)}
_FROM = {after: [before.value for before in SyncStatus if before.may_become(after)] for after in SyncStatus}


@dataclass(frozen=True)
class Lease:
    """A job that one worker holds until `until` (ms). `token` fences out who held it before."""

    job: Job
    series: Series
    token: int


def jobs_of(request: SyncRequest) -> list[Job]:
    """The jobs of a request: one for each series, under a parent if there are several."""
    common: dict[str, Any] = {
        "request_id": request.request_id,
        "bars": request.bars,
        "priority": request.priority,
        "status": SyncStatus.PENDING,
        "requested_at": request.requested_at,
        "reason": request.reason,
    }
    several = len(request.series) > 1
    parent_id = request.request_id if several else None
    jobs = [
        Job(job_id=request.job_id(index), parent_id=parent_id, series=series, **common)
        for index, series in enumerate(request.series)
    ]
    if several:
        parent = Job(job_id=request.request_id, series=None, series_count=len(jobs), **common)
        return [parent, *jobs]
    return jobs


class JobStore:
    """All methods raise `Unavailable` while MongoDB is away and are harmless to repeat."""

    def __init__(self, db: AsyncDatabase[Document], owner: str) -> None:
        self._jobs = db[JOBS]
        self._status = db[SYNC_STATUS]
        self._owner = owner

    async def accept(self, request: SyncRequest) -> bool:
        """Store the jobs of a request unless they are there; whether any was new."""
        jobs = jobs_of(request)
        operations = []
        for job in jobs:
            document = job_document(job) | {"order": _ORDER[job.priority.value], "lease_token": 0}
            operations.append(UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True))
        with mongo_errors():
            result = await self._jobs.bulk_write(operations, ordered=False)
        for job in jobs:
            if job.series is not None and result.upserted_count:
                await self.tell(_status(job, job.series, request.requested_at))
        return bool(result.upserted_count)

    async def lease(self, now: int) -> Lease | None:
        """The next job that may be worked on: by priority, then by age. A series is worked on by one at a time."""
        with mongo_errors():
            busy = await self._jobs.distinct(
                "series", {"status": SyncStatus.SYNCING.value, "lease_until": {"$gt": now}}
            )
            waiting = {"status": SyncStatus.PENDING.value, "series": {"$type": "string", "$nin": busy}}
            left = {"status": SyncStatus.SYNCING.value, "series": {"$type": "string"}, "lease_until": {"$lte": now}}
            for chosen in (left, waiting):
                try:
                    document = await self._jobs.find_one_and_update(
                        chosen,
                        {
                            "$set": {
                                "status": SyncStatus.SYNCING.value,
                                "started_at": now,
                                "lease_owner": self._owner,
                                "lease_until": now + LEASE_MS,
                            },
                            "$inc": {"lease_token": 1, "attempts": 1},
                        },
                        sort=[("order", ASCENDING), ("requested_at", ASCENDING)],
                        return_document=ReturnDocument.AFTER,
                    )
                except DuplicateKeyError:
                    return None  # another worker has just begun with this series
                if document is not None:
                    job = job_of(document)
                    assert job.series is not None
                    return Lease(job, job.series, int(document["lease_token"]))
        return None

    async def renew(self, lease: Lease, now: int) -> bool:
        """Hold a job for longer; false if it is another's by now."""
        with mongo_errors():
            result = await self._jobs.update_one(_held(lease), {"$set": {"lease_until": now + LEASE_MS}})
        return bool(result.matched_count)

    async def give_back(self, lease: Lease) -> None:
        """Let another worker have the job at once."""
        with mongo_errors():
            await self._jobs.update_one(_held(lease), {"$set": {"status": SyncStatus.PENDING.value, "lease_until": 0}})

    async def finish(self, lease: Lease, outcome: Mapping[str, Any], now: int) -> bool:
        """End a job, and with it those that asked for no more of the series before this one began.

        `outcome` holds the fields of `Job` that its end decides. False if the job is another's by now.
        """
        fields = {**outcome, "finished_at": now, "lease_until": 0}
        with mongo_errors():
            result = await self._jobs.update_one(_held(lease), {"$set": fields})
            if not result.matched_count:
                return False
            await self._jobs.update_many(
                {
                    "status": SyncStatus.PENDING.value,
                    "series": series_id(lease.series),
                    "requested_at": {"$lte": lease.job.started_at},
                    "bars": {"$lte": lease.job.bars},
                },
                {"$set": {**fields, "started_at": lease.job.started_at}},
            )
        return True

    async def tell(self, status: SeriesStatus) -> None:
        """Move the status of a series, if its transition is legal; a repetition changes nothing."""
        document = status_document(status)
        kept = {"_id", *(() if status.status in {SyncStatus.COMPLETED, SyncStatus.ERROR} else _FIGURES)}
        allowed = [*_FROM[status.status], status.status.value]
        try:
            with mongo_errors():
                await self._status.update_one(
                    {"_id": document["_id"], "status": {"$in": allowed}},
                    {"$set": {name: value for name, value in document.items() if name not in kept}},
                    upsert=True,
                )
        except DuplicateKeyError:
            return  # it stands elsewhere: a request that joins a running sync, or a worker that lost its lease


_FIGURES = ("bars_fetched", "bars_written", "first_open_time", "last_open_time", "error_code", "error_detail")


def _held(lease: Lease) -> Document:
    return {"_id": lease.job.job_id, "status": SyncStatus.SYNCING.value, "lease_token": lease.token}


def _status(job: Job, series: Series, now: int) -> SeriesStatus:
    return SeriesStatus(
        exchange=series.exchange,
        symbol=series.symbol,
        interval=series.interval,
        status=job.status,
        job_id=job.job_id,
        updated_at=now,
    )
