"""ingest-ws in this process, on topics of its own, with a simulator: what its integration tests have in common."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from chassis.kafka.broker import build_broker, publisher, start
from chassis.kafka.topics import ensure_topics
from chassis.probes import Readiness
from chassis.settings import KafkaSettings
from chassis.stop import Stop, Stopped
from contracts import wire
from contracts.feed import FeedControl, Subscription
from contracts.marks import Coverage
from contracts.symbols import SymbolId
from contracts.topics import CONTROL_KEY, MARK_KEY, partition_of
from ingest_ws.app import work
from ingest_ws.reports import Topics
from ingest_ws.settings import IngestSettings
from tests.support.parts import Parts

PARTITIONS = 2
WITHIN_S = 60.0


def topics_of(prefix: str) -> Topics:
    """The topics of one test."""
    own = Topics()
    return Topics(
        **{
            name: replace(topic, name=prefix + topic.name)
            for name in ("ticks", "status", "symbols", "feed", "subscriptions", "control")
            for topic in (getattr(own, name),)
        }
    )


def settings_of(parts: Parts, prefix: str, url: str, **more: Any) -> IngestSettings:
    """Settings of a replica of this test's group."""
    fields: dict[str, Any] = {
        "kafka_bootstrap_servers": parts.kafka,
        "kafka_partitions": PARTITIONS,
        "redis_url": SecretStr(parts.redis),
        "http_port": 0,
        "tradingview_url": url,
        "ingest_replica": "replica-1",
        "ingest_group": f"{prefix}group",
    }
    return IngestSettings(**fields | more)


@asynccontextmanager
async def ingest(settings: IngestSettings, topics: Topics) -> AsyncIterator[Stop]:
    """A running ingest-ws; what it raises is raised here, and leaving stops it as SIGTERM does."""
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


@dataclass
class Wishes:
    """Writes the desired state, as the API does."""

    topics: Topics
    publish: Any
    partitions: int

    async def want(self, *names: str) -> None:
        for name in names:
            identity = SymbolId.parse(name)
            value = Subscription(exchange=identity.exchange, symbol=identity.symbol, wanted_at=0).encode()
            await self.put(identity.key, value)

    async def forget(self, *names: str) -> None:
        for name in names:
            await self.put(SymbolId.parse(name).key, None)

    async def put(self, key: bytes, value: bytes | None) -> None:
        await self.publish(self.topics.subscriptions.name, value, key=key, partition=partition_of(key, self.partitions))

    async def run(self, *, running: bool) -> None:
        value = FeedControl(running=running, requested_at=0).encode()
        await self.publish(self.topics.control.name, value, key=CONTROL_KEY, partition=0)


@asynccontextmanager
async def wishes(parts: Parts, topics: Topics, partitions: int = PARTITIONS) -> AsyncIterator[Wishes]:
    """Wishes for a test's own topics, which are made."""
    ready, stop = Readiness(), Stop()
    await ensure_topics(parts.kafka, topics.all, partitions, ready, stop)
    broker = build_broker(KafkaSettings(kafka_bootstrap_servers=parts.kafka), "test")
    await start(broker, ready, stop)
    try:
        yield Wishes(topics, publisher(broker), partitions)
    finally:
        await broker.stop()


class Log:
    """What stands in a topic so far: `records` as (partition, key, value, timestamp), in the order of partitions."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: int) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self.records: list[tuple[int, bytes | None, bytes | None, int]] = []
        self.headers: list[dict[str, str]] = []
        self.coverage: dict[int, Coverage] = {partition: Coverage() for partition in range(partitions)}
        self.marks: list[tuple[int, wire.Mark]] = []
        self.ticks: list[tuple[int, wire.Tick]] = []
        self._by_name: dict[str, list[wire.Tick]] = defaultdict(list)

    async def read(self) -> None:
        """Take what has come."""
        for batch in (await self._consumer.getmany(timeout_ms=100)).values():
            for record in batch:
                self.records.append((record.partition, record.key, record.value, record.timestamp))
                self.headers.append({name: value.decode() for name, value in record.headers})
                if record.key == MARK_KEY:
                    mark = wire.decode_mark(record.value)
                    self.marks.append((record.partition, mark))
                    self.coverage[record.partition].apply(mark, record.timestamp)
                elif b'"received_at"' in (record.value or b""):
                    tick = wire.decode_tick(record.value)
                    self.ticks.append((record.partition, tick))
                    self._by_name[f"{tick.exchange}:{tick.symbol}"].append(tick)

    async def until(self, holds: Callable[[], Any], within_s: float = WITHIN_S) -> None:
        """Read until a condition holds."""
        async with asyncio.timeout(within_s):
            while not holds():
                await self.read()

    def ticks_of(self, name: str) -> list[wire.Tick]:
        return self._by_name[name]

    def covered(self, name: str, start: int, end: int) -> list[tuple[int, int]]:
        return self.coverage[partition_of(name.encode(), self._partitions)].covered(name, start, end)

    def changes_of(self, name: str) -> list[wire.CoverageChange]:
        return [change for _, mark in self.marks for change in mark.coverage if change.symbol == name]


@asynccontextmanager
async def log_of(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> AsyncIterator[Log]:
    """A topic from its beginning."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(assigned)
        await consumer.seek_to_beginning(*assigned)
        yield Log(consumer, partitions)
    finally:
        await consumer.stop()


async def journal(http_url: str, name: str) -> list[dict[str, Any]]:
    """What the simulator says it sent about a symbol."""
    async with httpx.AsyncClient(base_url=http_url) as http:
        page = (await http.get("/control/journal", params={"symbol": name, "limit": "50000"})).json()
    assert page["dropped"] == 0
    entries: list[dict[str, Any]] = page["entries"]
    return entries


async def fault(http_url: str, name: str, **more: Any) -> None:
    """Have the simulator do something wrong."""
    async with httpx.AsyncClient(base_url=http_url) as http:
        answer = await http.post("/control/fault", json={"fault": name, **more})
        assert answer.status_code == 200, answer.text


async def drop(http_url: str) -> None:
    """Cut all sockets of the simulator."""
    async with httpx.AsyncClient(base_url=http_url) as http:
        assert (await http.post("/control/drop")).json()["dropped"]
