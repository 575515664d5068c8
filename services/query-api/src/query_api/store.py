"""Reading MongoDB: bars, the symbols that have some, the status of series, and jobs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import pymongo
from prometheus_client import Counter
from pymongo.asynchronous.database import AsyncDatabase

from chassis import logs
from chassis.mongo import mongo_errors
from contracts import wire
from contracts.documents import JOBS, OHLCV, SYNC_STATUS
from contracts.errors import BadData
from contracts.history import MAX_SERIES
from contracts.intervals import Interval
from contracts.jobs import Job, SeriesStatus, job_of, status_of
from contracts.symbols import SymbolId
from query_api.core.bars import PROJECTION, stored_bar
from query_api.core.pages import past
from query_api.core.ranges import BarQuery, Sort

READ_WITHIN_S = 5.0
"""What a read may take, waiting for a server included, before it is answered with 503."""

UNREADABLE = Counter("unreadable_documents_total", "Stored documents left out of answers", ("collection",))
_log = logs.get("query_api.store")
Document = dict[str, Any]
T = TypeVar("T")


class MongoStore:
    """The store; every method raises `Unavailable` when it cannot be read within `READ_WITHIN_S`."""

    def __init__(self, db: AsyncDatabase[Document]) -> None:
        self._db = db

    async def bars(self, identity: SymbolId, interval: Interval, query: BarQuery) -> list[wire.Bar]:
        """The bars that a query means, in its order; documents that hold no bar are counted and left out."""
        wanted: Document = {"symbol": identity.symbol, "exchange": identity.exchange, "interval": interval.value}
        bounds = {"$gte": query.start, "$lt": query.end}
        if bounds := {operator: bound for operator, bound in bounds.items() if bound is not None}:
            wanted["open_time"] = bounds
        reading = Sort.ASCENDING if query.from_start else Sort.DESCENDING
        cursor = self._db[OHLCV].find(
            wanted,
            dict.fromkeys(PROJECTION, 1) | {"_id": 0},
            sort=[("open_time", 1 if reading is Sort.ASCENDING else -1)],
            limit=query.limit,
            batch_size=query.limit,
        )
        with _bounded():
            documents = await cursor.to_list()
        bars = _understood(OHLCV, documents, stored_bar)
        return bars if query.sort is reading else bars[::-1]

    async def symbols(self, after: SymbolId | None, limit: int) -> list[SymbolId]:
        """Symbols of which bars are stored, in the order of their `_id`s; one jump in the index for each."""
        found: list[SymbolId] = []
        bound = "" if after is None else past(str(after))
        with _bounded():
            while len(found) < limit:
                document = await self._db[OHLCV].find_one({"_id": {"$gt": bound}}, {"_id": 1}, sort=[("_id", 1)])
                if document is None:
                    break
                name = document["_id"].rsplit("|", 2)[0]
                bound = past(name)
                try:
                    found.append(SymbolId.parse(name))
                except BadData as fault:
                    _put_aside(OHLCV, fault, document)
        return found

    async def job(self, job_id: str) -> Job | None:
        """A job by its id; one that cannot be read is no job that can be told of."""
        with _bounded():
            document = await self._db[JOBS].find_one({"_id": job_id})
        return None if document is None else next(iter(_understood(JOBS, [document], job_of)), None)

    async def children(self, parent_id: str) -> list[Job]:
        """The jobs of the series of a bulk job, in the order in which they were asked for."""
        with _bounded():
            documents = await self._db[JOBS].find({"parent_id": parent_id}, limit=MAX_SERIES).to_list()
        children = _understood(JOBS, documents, job_of)
        return sorted(children, key=lambda job: (len(job.job_id), job.job_id))

    async def sync_statuses(self, chosen: Mapping[str, str], after: str | None, limit: int) -> list[SeriesStatus]:
        """Statuses of the series that have these fields, by `_id`, beginning after one of them."""
        wanted: Document = dict(chosen) | ({} if after is None else {"_id": {"$gt": after}})
        with _bounded():
            documents = await self._db[SYNC_STATUS].find(wanted, sort=[("_id", 1)], limit=limit).to_list()
        return _understood(SYNC_STATUS, documents, status_of)

    async def ping(self) -> None:
        """Return when a primary answers."""
        with _bounded():
            await self._db.client.admin.command("ping")


@contextmanager
def _bounded() -> Iterator[None]:
    with mongo_errors(), pymongo.timeout(READ_WITHIN_S):
        yield


def _understood(collection: str, documents: Iterable[Document], read: Callable[[Document], T]) -> list[T]:
    """What documents hold; those that hold no such thing are counted, logged and left out."""
    found: list[T] = []
    for document in documents:
        try:
            found.append(read(document))
        except BadData as fault:
            _put_aside(collection, fault, document)
    return found


def _put_aside(collection: str, fault: BadData, document: Document) -> None:
    UNREADABLE.labels(collection=collection).inc()
    where = {name: str(document.get(name))[:200] for name in ("_id", "exchange", "symbol", "interval", "open_time")}
    _log.error("a stored document is unreadable", collection=collection, cause=fault.cause, **where)
