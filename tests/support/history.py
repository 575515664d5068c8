"""history-sync in this process, on topics and a database of its own: what its integration tests have in common."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from redis.asyncio import Redis

from chassis.kafka.broker import Publish, build_broker, publisher, start
from chassis.kafka.topics import ensure_topics
from chassis.probes import Readiness
from chassis.settings import KafkaSettings
from chassis.stop import Stop, Stopped
from contracts.bars import Bar
from contracts.documents import JOBS, OHLCV, SYNC_STATUS, bar_of
from contracts.history import HistoryEvent, Series, SyncPriority, SyncRequest
from contracts.intervals import Interval
from contracts.jobs import Job, SeriesStatus, job_of, status_of
from contracts.symbols import SymbolId
from contracts.topics import partition_of
from history_sync.app import Topics, work
from history_sync.settings import HistorySettings
from tests.support.parts import Parts
from tests.support.topics import read_all

WITHIN_S = 60.0


def series(name: str, interval: Interval) -> Series:
    identity = SymbolId.parse(name)
    return Series(exchange=identity.exchange, symbol=identity.symbol, interval=interval)


def request(request_id: str, *wanted: Series, bars: int = 100, **more: Any) -> SyncRequest:
    fields: dict[str, Any] = {"priority": SyncPriority.INTERACTIVE, "requested_at": 1_000} | more
    return SyncRequest(request_id=request_id, series=wanted, bars=bars, **fields)


@dataclass(frozen=True)
class History:
    """One test's topics and database, and what it may ask of them."""

    parts: Parts
    database: str
    topics: Topics
    db: AsyncDatabase[dict[str, Any]]
    redis: "Redis"
    publish: Publish

    def settings(self, url: str, **more: Any) -> HistorySettings:
        """Settings of a replica that asks the provider at this address."""
        fields: dict[str, Any] = {
            "kafka_bootstrap_servers": self.parts.kafka,
            "mongodb_url": SecretStr(self.parts.mongo),
            "mongodb_database": self.database,
            "redis_url": SecretStr(self.parts.redis),
            "http_port": 0,
            "tradingview_url": url,
        }
        return HistorySettings(**fields | more)

    async def ask(self, *requests: SyncRequest) -> None:
        for each in requests:
            await self.send(each.request_id.encode(), each.encode())

    async def send(self, key: bytes | None, value: bytes | None, partition: int | None = None) -> None:
        count = self.topics.requests.partitions or 1
        place = partition_of(key or b"", count) if partition is None else partition
        await self.publish(self.topics.requests.name, value, key=key, partition=place)

    async def job(self, job_id: str) -> Job | None:
        document = await self.db[JOBS].find_one({"_id": job_id})
        return None if document is None else job_of(document)

    async def done(self, job_id: str) -> Job:
        """The job once it has ended."""

        async def is_done() -> bool:
            job = await self.job(job_id)
            return job is not None and job.is_done

        await until(is_done, f"the end of {job_id}")
        job = await self.job(job_id)
        assert job is not None
        return job

    async def status(self, wanted: Series) -> SeriesStatus | None:
        document = await self.db[SYNC_STATUS].find_one({"_id": str(wanted)})
        return None if document is None else status_of(document)

    async def bars(self, wanted: Series) -> list[Bar]:
        """The stored bars of a series, ascending."""
        found = self.db[OHLCV].find(
            {"exchange": wanted.exchange, "symbol": wanted.symbol, "interval": wanted.interval.value},
            sort=[("open_time", 1)],
        )
        return [bar_of(document) async for document in found]

    async def events(self, job_id: str) -> list[HistoryEvent]:
        """What was told of a job, in order."""
        records = await asyncio.to_thread(read_all, self.parts.kafka, self.topics.events.name)
        told = [HistoryEvent.decode(record.value() or b"") for record in records]
        return [event for event in told if event.job_id == job_id]


@asynccontextmanager
async def history(parts: Parts, database: str, prefix: str) -> AsyncIterator[History]:
    """Topics of a test's own, and clients."""
    own = Topics()
    topics = Topics(
        requests=replace(own.requests, name=prefix + own.requests.name),
        events=replace(own.events, name=prefix + own.events.name),
    )
    await ensure_topics(parts.kafka, (topics.requests, topics.requests.dead, topics.events), 4, Readiness(), Stop())
    broker = build_broker(KafkaSettings(kafka_bootstrap_servers=parts.kafka), "test")
    await start(broker, Readiness(), Stop())
    async with AsyncMongoClient[dict[str, Any]](parts.mongo) as mongo, Redis.from_url(parts.redis) as redis:
        try:
            yield History(parts, database, topics, mongo[database], redis, publisher(broker))
        finally:
            await broker.stop()


@asynccontextmanager
async def replica(settings: HistorySettings, topics: Topics) -> AsyncIterator[Stop]:
    """A running history-sync; what it raises is raised here, and leaving stops it as SIGTERM does."""
    stop = Stop()

    async def run() -> None:
        async with AsyncExitStack() as resources:
            try:
                await work(settings, stop, resources, topics=topics)
            except Stopped:
                return

    task = asyncio.create_task(run())
    task.add_done_callback(lambda _: stop.request("ended"))
    try:
        yield stop
    finally:
        stop.request("the test is over")
        async with asyncio.timeout(WITHIN_S):
            await task
    if stop.failure is not None:
        raise stop.failure


async def until(holds: Callable[[], Awaitable[object]], what: str, within_s: float = WITHIN_S) -> None:
    """Wait for a condition; the error names it."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


def kinds(events: Sequence[HistoryEvent]) -> list[str]:
    return [event.type.value for event in events]
