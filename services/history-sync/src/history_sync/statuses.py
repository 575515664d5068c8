"""The status of each series in MongoDB (`sync_status`): moved along legal ways only, together with its job."""

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from chassis.mongo import Document, mongo_errors
from contracts.documents import series_id
from contracts.history import Series, SyncStatus
from contracts.jobs import Job
from history_sync.core.outcome import Outcome
from history_sync.core.transitions import steps

_CHUNK = 500


class Statuses:
    """Writes `sync_status`. The figures of a series stay those of its last job that ended."""

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        self._collection = collection

    async def asked(self, jobs: Iterable[Job], now: int) -> None:
        """The series of these jobs are pending, but for those that are worked on."""
        operations = [
            UpdateOne({"_id": series_id(job.series)}, [{"$set": _asked(job.series, job.job_id, now)}], upsert=True)
            for job in jobs
            if job.series is not None
        ]
        with mongo_errors():
            for start in range(0, len(operations), _CHUNK):
                await self._collection.bulk_write(operations[start : start + _CHUNK], ordered=False)

    async def move(
        self,
        session: AsyncClientSession,
        series: Series,
        wanted: SyncStatus,
        *,
        job_id: str,
        now: int,
        outcome: Outcome | None = None,
    ) -> None:
        """Bring a series to a status, step by step, within the transaction of its job."""
        key = {"_id": series_id(series)}
        stored = await self._collection.find_one(key, {"status": 1}, session=session)
        current = None if stored is None else SyncStatus(stored["status"])
        told: Mapping[str, Any] = {"job_id": job_id, "updated_at": now}
        figures = Outcome().figures()
        first = {"exchange": series.exchange, "symbol": series.symbol, "interval": series.interval.value}
        for status in steps(current, wanted) or (wanted,):
            last = status is wanted and outcome is not None
            change = {"status": status.value, **told, **(outcome.figures() if last and outcome else {})}
            absent = {**first, **{name: value for name, value in figures.items() if name not in change}}
            await self._collection.update_one(
                key, {"$set": change, "$setOnInsert": absent}, upsert=True, session=session
            )


def _asked(series: Series, job_id: str, now: int) -> Document:
    """The stage of an update that makes a series pending unless it is syncing."""
    is_syncing = {"$eq": ["$status", SyncStatus.SYNCING.value]}
    return {
        "exchange": {"$literal": series.exchange},
        "symbol": {"$literal": series.symbol},
        "interval": series.interval.value,
        "status": {"$cond": [is_syncing, "$status", SyncStatus.PENDING.value]},
        "job_id": {"$cond": [is_syncing, "$job_id", {"$literal": job_id}]},
        "updated_at": {"$cond": [is_syncing, "$updated_at", now]},
        **{name: {"$ifNull": [f"${name}", value]} for name, value in Outcome().figures().items()},
    }
