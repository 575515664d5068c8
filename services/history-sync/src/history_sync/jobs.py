"""The queue of jobs in MongoDB (`jobs`): added once, leased to one worker at a time, ended by who holds them.

A job, the status of its series and its parent change in one transaction. Leases are measured by the server's clock, so
replicas' clocks do not matter; the token of a lease fences out whoever held the job before. Own fields of a document:
`attempts`, `not_before`, `lease` {owner, token, until}, `untold` (ended, its event not yet published); of a parent
also `ended` and `failed`, the children that are done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from pymongo import AsyncMongoClient, ReturnDocument, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from chassis.mongo import Document, mongo_errors
from contracts.documents import JOBS, SYNC_STATUS
from contracts.errors import BadData
from contracts.history import Series, SyncPriority, SyncStatus
from contracts.jobs import Job, job_document, job_of
from history_sync.core.failures import JobError, Retry, after_lost_lease
from history_sync.core.outcome import Outcome, failed
from history_sync.statuses import Statuses
from history_sync.transactions import together

PENDING, SYNCING = SyncStatus.PENDING.value, SyncStatus.SYNCING.value
_OWN: Document = {"attempts": 0, "not_before": None, "lease": None, "untold": False}
_CHUNK = 500
_MOST_LOST = 100
_RIVALS = 5


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that one worker holds while its token stands in the document; `attempts` counts this one."""

    job: Job
    series: Series
    token: str
    attempts: int


class Queue:
    """All methods raise `Unavailable` while MongoDB is away and may then be repeated."""

    def __init__(self, mongo: AsyncMongoClient[Document], db: AsyncDatabase[Document], owner: str, lease_s: float):
        self._mongo = mongo
        self._jobs = db[JOBS]
        self._statuses = Statuses(db[SYNC_STATUS])
        self._owner = owner
        self._lease_ms = round(lease_s * 1000)

    async def absent(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that are not there yet. `BadData` if an id belongs to a job of another request."""
        request_id, known = jobs[0].request_id, set()
        with mongo_errors():
            async for document in self._jobs.find({"_id": {"$in": [job.job_id for job in jobs]}}, {"request_id": 1}):
                if document["request_id"] != request_id:
                    raise BadData("the id of a job is taken by another request", kind="id_taken")
                known.add(document["_id"])
        return [job for job in jobs if job.job_id not in known]

    async def add(self, jobs: Sequence[Job], now: int) -> None:
        """Put jobs into the queue; their series are pending before, so that no worker's word is overwritten."""
        await self._statuses.asked(jobs, now)
        operations = []
        for job in jobs:
            document = job_document(job) | _OWN | ({} if job.series else {"ended": 0, "failed": 0})
            operations.append(UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True))
        with mongo_errors():
            for start in range(0, len(operations), _CHUNK):
                await self._jobs.bulk_write(operations[start : start + _CHUNK])

    async def lease(self, now: int) -> Lease | None:
        """The next job that may be worked on, by priority and then by age; no two of one series at a time."""
        with mongo_errors():
            if await self._jobs.find_one({"status": PENDING, "series": {"$type": "string"}}, {"_id": 1}) is None:
                return None
        for _ in range(_RIVALS):
            try:
                return await together(self._mongo, lambda session: self._lease(session, now))
            except DuplicateKeyError:
                continue  # a rival has just begun with that series: look again
        return None

    async def renew(self, lease: Lease) -> bool:
        """Hold a job for longer; false if it is another's by now."""
        with mongo_errors():
            result = await self._jobs.update_one(_held(lease), [{"$set": {"lease.until": self._until()}}])
        return result.matched_count == 1

    async def finish(self, lease: Lease, outcome: Outcome, now: int) -> bool:
        """End a job, with its series and its part of its parent; false if it is another's by now."""
        return await together(self._mongo, lambda session: self._end(session, _held(lease), lease.job, outcome, now))

    async def postpone(self, lease: Lease, wait_ms: int, now: int) -> bool:
        """Put a job back for at least this long; false if it is another's by now."""
        not_before = {"$add": ["$$NOW", wait_ms]}
        return await together(
            self._mongo,
            lambda session: self._put_back(session, _held(lease), lease.job, {"not_before": not_before}, now),
        )

    async def give_back(self, lease: Lease, now: int) -> bool:
        """Put a job back as if it had not been taken; false if it is another's by now."""
        untried = {"attempts": {"$subtract": ["$attempts", 1]}}
        return await together(
            self._mongo, lambda session: self._put_back(session, _held(lease), lease.job, untried, now)
        )

    async def take_from_silent(self, most_attempts: int, now: int) -> int:
        """Put back the jobs whose workers went silent, or end those that silenced too many; how many there were."""
        silent = {"status": SYNCING, "series": {"$type": "string"}, "$expr": {"$lt": ["$lease.until", "$$NOW"]}}
        with mongo_errors():
            documents = await self._jobs.find(silent, limit=_MOST_LOST).to_list()
        taken = 0
        for document in documents:
            held = {"_id": document["_id"], "lease.token": document["lease"]["token"], **silent}
            taken += await self._take(
                held, job_of(document), after_lost_lease(document["attempts"], most_attempts), now
            )
        return taken

    async def untold(self, ended_before: int, limit: int) -> list[Job]:
        """Jobs that ended and whose event may not have been published."""
        with mongo_errors():
            found = self._jobs.find(
                {"untold": True, "finished_at": {"$lt": ended_before}}, sort=[("finished_at", 1)], limit=limit
            )
            return [job_of(document) async for document in found]

    async def told(self, job_id: str) -> None:
        """The event of a job that ended is published."""
        with mongo_errors():
            await self._jobs.update_one({"_id": job_id}, {"$set": {"untold": False}})

    async def ended(self, job_id: str) -> Job | None:
        """A job that ended, as it is stored; None if it did not."""
        with mongo_errors():
            document = await self._jobs.find_one({"_id": job_id})
        return None if document is None or not (job := job_of(document)).is_done else job

    async def counts(self) -> dict[str, int]:
        """How many jobs of a series wait and how many are worked on."""
        with mongo_errors():
            return {
                status: await self._jobs.count_documents({"status": status, "series": {"$type": "string"}})
                for status in (PENDING, SYNCING)
            }

    async def _lease(self, session: AsyncClientSession, now: int) -> Lease | None:
        busy = await self._jobs.distinct("series", {"status": SYNCING, "series": {"$type": "string"}}, session=session)
        token = uuid4().hex
        change = {
            "status": SYNCING,
            "started_at": {"$ifNull": ["$started_at", now]},
            "attempts": {"$add": ["$attempts", 1]},
            "lease": {"owner": {"$literal": self._owner}, "token": token, "until": self._until()},
        }
        for priority in SyncPriority:
            document = await self._jobs.find_one_and_update(
                {
                    "status": PENDING,
                    "priority": priority.value,
                    "series": {"$type": "string", "$nin": busy},
                    "$expr": {"$lte": ["$not_before", "$$NOW"]},
                },
                [{"$set": change}],
                sort=[("requested_at", 1)],
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if document is not None:
                break
        else:
            return None
        job = job_of(document)
        assert job.series is not None, "the filter asks for one"
        await self._statuses.move(session, job.series, SyncStatus.SYNCING, job_id=job.job_id, now=now)
        if job.parent_id is not None:
            begun = {"$set": {"status": SYNCING, "started_at": now}}
            await self._jobs.update_one({"_id": job.parent_id, "status": PENDING}, begun, session=session)
        return Lease(job, job.series, token, document["attempts"])

    async def _end(self, session: AsyncClientSession, held: Document, job: Job, outcome: Outcome, now: int) -> bool:
        change = {"status": outcome.status.value, "finished_at": now, "lease": None, "untold": True}
        result = await self._jobs.update_one(held, {"$set": change | outcome.figures()}, session=session)
        if result.matched_count == 0:
            return False
        assert job.series is not None, "a parent is not leased"
        await self._statuses.move(session, job.series, outcome.status, job_id=job.job_id, now=now, outcome=outcome)
        if job.parent_id is not None:
            await self._count_child(session, job.parent_id, outcome, now)
        return True

    async def _count_child(self, session: AsyncClientSession, parent_id: str, outcome: Outcome, now: int) -> None:
        counted = {
            "ended": 1,
            "failed": int(outcome.status is SyncStatus.ERROR),
            "bars_fetched": outcome.bars_fetched,
            "bars_written": outcome.bars_written,
            "bars_rejected": outcome.bars_rejected,
            "bars_off_grid": outcome.bars_off_grid,
        }
        parent = await self._jobs.find_one_and_update(
            {"_id": parent_id}, {"$inc": counted}, return_document=ReturnDocument.AFTER, session=session
        )
        if parent is None or parent["ended"] < parent["series_count"]:
            return
        change: Document = {"status": SyncStatus.COMPLETED.value, "finished_at": now}
        if parent["failed"]:
            detail = f"{parent['failed']} of {parent['series_count']} series failed"
            change |= {"status": SyncStatus.ERROR.value, "error_code": "series_failed", "error_detail": detail}
        await self._jobs.update_one({"_id": parent_id}, {"$set": change}, session=session)

    async def _put_back(
        self, session: AsyncClientSession, held: Document, job: Job, change: Document, now: int
    ) -> bool:
        stage = {"status": PENDING, "lease": None, **change}
        result = await self._jobs.update_one(held, [{"$set": stage}], session=session)
        if result.matched_count == 0:
            return False
        assert job.series is not None, "a parent is not leased"
        await self._statuses.move(session, job.series, SyncStatus.PENDING, job_id=job.job_id, now=now)
        return True

    async def _take(self, held: Document, job: Job, verdict: Retry | JobError, now: int) -> bool:
        async def work(session: AsyncClientSession) -> bool:
            if isinstance(verdict, Retry):
                return await self._put_back(session, held, job, {}, now)
            return await self._end(session, held, job, failed(verdict), now)

        return await together(self._mongo, work)

    def _until(self) -> Document:
        return {"$add": ["$$NOW", self._lease_ms]}


def _held(lease: Lease) -> Document:
    return {"_id": lease.job.job_id, "status": SYNCING, "lease.token": lease.token}
