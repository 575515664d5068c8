"""Batches of a real Kafka: acknowledged exactly, and each kind of error has its answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream.kafka import KafkaBroker
from prometheus_client import REGISTRY

from chassis import waiting
from chassis.kafka.batches import Consuming, Handler, PutAside, subscribe
from chassis.kafka.broker import Publish, build_broker, publisher, start
from chassis.kafka.reader import TopicReader
from chassis.kafka.topics import ensure_topics
from chassis.probes import Readiness
from chassis.process import BUG, Program, run
from chassis.record import Record
from chassis.settings import KafkaSettings
from chassis.stop import Stop
from contracts.errors import BadData, Unavailable
from contracts.topics import Topic
from tests.support.parts import Parts

GROUP = "readers"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 0.02)


@dataclass
class Service:
    """A process of one subscription, as an app would wire it."""

    bootstrap: str
    topic: Topic
    broker: KafkaBroker
    publish: Publish
    ready: Readiness
    stop: Stop

    async def committed(self, partition: int) -> int | None:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=GROUP + self.topic.name)
        await consumer.start()
        try:
            return await consumer.committed(TopicPartition(self.topic.name, partition))  # type: ignore[no-any-return]
        finally:
            await consumer.stop()

    async def dead(self) -> list[Record]:
        async with TopicReader(self.bootstrap, self.topic.dead.name, [0]) as reader:
            return [record async for batch in reader.to_end() for record in batch]


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def settings(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(kafka_bootstrap_servers=bootstrap)


def fresh_topic() -> Topic:
    return Topic(f"test.{uuid4().hex}", 2)


@asynccontextmanager
async def serving(
    bootstrap: str, handle: Handler, topic: Topic | None = None, stop: Stop | None = None
) -> AsyncIterator[Service]:
    topic, ready, stop = topic or fresh_topic(), Readiness(["Kafka"]), stop or Stop()
    await ensure_topics(bootstrap, [topic, topic.dead], 1, ready, stop)
    broker = build_broker(settings(bootstrap), "test")
    publish = publisher(broker)
    subscribe(broker, [topic.name], GROUP + topic.name, handle, Consuming(publish, ready, stop))
    await start(broker, ready, stop)
    try:
        yield Service(bootstrap, topic, broker, publish, ready, stop)
    finally:
        stop.request("the test is over")
        await broker.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def committed_at(service: Service, partition: int, offset: int) -> None:
    async with asyncio.timeout(20):
        while await service.committed(partition) != offset:
            await asyncio.sleep(0.05)


async def test_records_arrive_raw_in_order_and_their_exact_offsets_are_committed(parts: Parts) -> None:
    seen: list[Record] = []

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        seen.extend(records)

    async with serving(parts.kafka, handle) as service:
        for n in range(5):
            await service.publish(service.topic.name, b"%d" % n, key=b"k", partition=n % 2, headers={"n": str(n)})
        await service.publish(service.topic.name, None, key=b"gone", partition=1)
        await until(lambda: len(seen) == 6)
        await committed_at(service, 0, 3)
        await committed_at(service, 1, 3)
    assert [record.value for record in seen if record.partition == 0] == [b"0", b"2", b"4"]
    assert [record.value for record in seen if record.partition == 1] == [b"1", b"3", None]
    assert {record.key for record in seen} == {b"k", b"gone"}
    assert {dict(record.headers).get("n") for record in seen} == {b"0", b"1", b"2", b"3", b"4", None}


async def test_a_record_put_aside_becomes_a_dead_letter_with_cause_and_position_and_the_rest_goes_on(
    parts: Parts,
) -> None:
    good: list[bytes | None] = []

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        for record in records:
            if record.value == b"{":
                put_aside(record, BadData("no price", kind="undecodable"))
            else:
                good.append(record.value)

    async with serving(parts.kafka, handle) as service:
        for value in (b"1", b"{", b"2"):
            await service.publish(service.topic.name, value, key=b"k", partition=1)
        await committed_at(service, 1, 3)
        assert good == [b"1", b"2"]
        (letter,) = await service.dead()
        headers = {name: text.decode() for name, text in letter.headers}
    assert (letter.key, letter.value) == (b"k", b"{")
    assert headers.items() >= {
        "cause": "no price", "kind": "undecodable", "topic": service.topic.name, "partition": "1", "offset": "1",
        "key": "k", "length": "1",
    }.items()  # fmt: skip
    labels = {"topic": service.topic.name, "kind": "undecodable"}
    assert REGISTRY.get_sample_value("dead_letters_total", labels) == 1


async def test_bad_data_that_is_raised_is_isolated_and_the_rest_of_the_batch_is_handled(parts: Parts) -> None:
    good: set[bytes | None] = set()

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        values = [record.value for record in records]
        if b"bad" in values:
            raise BadData("bad")
        good.update(values)

    topic = fresh_topic()
    async with serving(parts.kafka, handle, topic) as service:
        sent = [b"bad" if n % 4 == 1 else b"%d" % n for n in range(8)]
        await asyncio.gather(*(service.publish(topic.name, value, partition=0) for value in sent))
        await committed_at(service, 0, 8)
        assert good == set(sent) - {b"bad"}
        assert [letter.value for letter in await service.dead()] == [b"bad", b"bad"]


async def test_while_a_store_is_unavailable_the_offset_is_held_the_batch_repeated_and_the_service_not_ready(
    parts: Parts,
) -> None:
    tries: list[tuple[bytes | None, ...]] = []
    is_back = asyncio.Event()

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        tries.append(tuple(record.value for record in records))
        if not is_back.is_set():
            raise Unavailable("MongoDB", "no primary")

    async with serving(parts.kafka, handle) as service:
        await service.publish(service.topic.name, b"1", partition=0)
        await until(lambda: len(tries) >= 3)
        assert service.ready.report()["waiting"] == {"MongoDB": "MongoDB is unavailable: no primary"}
        await service.publish(service.topic.name, b"2", partition=0)
        assert await service.committed(0) is None
        is_back.set()
        await committed_at(service, 0, 2)
        assert service.ready.report()["ready"]
    assert set(tries[:-1]) == {(b"1",)}
    assert tries[-1] == (b"2",)


async def test_what_was_not_committed_is_handled_again_by_the_next_process(parts: Parts) -> None:
    async def unavailable(records: Sequence[Record], put_aside: PutAside) -> None:
        raise Unavailable("MongoDB")

    seen: list[bytes | None] = []

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        seen.extend(record.value for record in records)

    topic = fresh_topic()
    async with serving(parts.kafka, unavailable, topic) as service:
        await service.publish(topic.name, b"1", partition=0)
        await until(lambda: not service.ready.report()["ready"])
    async with serving(parts.kafka, handle, topic):
        await until(lambda: seen == [b"1"])


async def test_a_bug_stops_the_process_and_nothing_is_committed_or_handled_after_it(parts: Parts) -> None:
    tries = 0

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        nonlocal tries
        tries += 1
        raise ZeroDivisionError

    async with serving(parts.kafka, handle) as service:
        await service.publish(service.topic.name, b"1", partition=0)
        async with asyncio.timeout(20):
            await service.stop.wait()
        await service.publish(service.topic.name, b"2", partition=0)
        assert isinstance(service.stop.failure, ZeroDivisionError)
        assert await service.committed(0) is None
    assert tries == 1


@pytest.mark.usefixtures("_logging_as_it_was")
def test_a_bug_in_a_handler_ends_the_process_with_1(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", parts.kafka)

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        raise ZeroDivisionError("in the handler")

    async def main(settings: KafkaSettings, stop: Stop, resources: AsyncExitStack) -> None:
        service = await resources.enter_async_context(serving(settings.kafka_bootstrap_servers, handle, stop=stop))
        await service.publish(service.topic.name, b"1", partition=0)
        async with asyncio.timeout(20):
            await stop.wait()

    assert run(Program("x", "chassis", "X."), KafkaSettings, main, []) == BUG
    assert "ZeroDivisionError: in the handler" in capsys.readouterr().out


async def test_records_of_a_partition_that_moved_away_meanwhile_are_left_to_its_owner(parts: Parts) -> None:
    first, second = Recorder(is_store_back=False), Recorder(is_store_back=True)
    topic = fresh_topic()
    await fill(parts.kafka, topic)
    async with serving(parts.kafka, first.handle, topic) as waiting_one:
        await until(lambda: first.tried == {0, 1})
        async with serving(parts.kafka, second.handle, topic) as other:
            await until(lambda: len(second.handled) == 1)
            (moved,) = second.handled
            await committed_at(other, moved, 1)
            first.is_store_back = True
            await committed_at(waiting_one, 1 - moved, 1)
    assert set(first.handled) == {1 - moved}


async def fill(bootstrap: str, topic: Topic) -> None:
    """One record in each of its two partitions, before anybody reads, so that one batch holds both."""
    ready, stop = Readiness(), Stop()
    await ensure_topics(bootstrap, [topic, topic.dead], 1, ready, stop)
    broker = build_broker(settings(bootstrap), "test")
    await start(broker, ready, stop)
    for partition in (0, 1):
        await publisher(broker)(topic.name, b"%d" % partition, partition=partition)
    await broker.stop()


@dataclass
class Recorder:
    """A handler that remembers the partitions it was given, and fails while its store is away."""

    is_store_back: bool
    tried: set[int] = field(default_factory=set)
    handled: list[int] = field(default_factory=list)

    async def handle(self, records: Sequence[Record], put_aside: PutAside) -> None:
        partitions = [record.partition for record in records]
        self.tried.update(partitions)
        if not self.is_store_back:
            raise Unavailable("MongoDB")
        self.handled += partitions
