"""Topics of a real Kafka read from their beginning without a group."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from chassis.kafka.broker import Publish, build_broker, publisher, start
from chassis.kafka.reader import TopicReader, read_to_end
from chassis.kafka.topics import ensure_topics
from chassis.probes import Readiness
from chassis.settings import KafkaSettings
from chassis.stop import Stop
from contracts.errors import Unavailable
from contracts.topics import Topic
from tests.support.parts import Parts


@asynccontextmanager
async def topic_of(bootstrap: str, **config: str) -> AsyncIterator[tuple[str, Publish]]:
    config = {"cleanup.policy": "compact"} | {name.replace("_", "."): value for name, value in config.items()}
    topic, ready, stop = Topic(f"test.{uuid4().hex}", 2, config), Readiness(), Stop()
    await ensure_topics(bootstrap, [topic], 1, ready, stop)
    broker = build_broker(KafkaSettings(kafka_bootstrap_servers=bootstrap), "test")
    await start(broker, ready, stop)
    try:
        yield topic.name, publisher(broker)
    finally:
        await broker.stop()


async def test_an_empty_topic_has_an_end_at_once(parts: Parts) -> None:
    async with topic_of(parts.kafka) as (name, _):
        assert await read_to_end(parts.kafka, name, [0, 1]) == {}


async def test_the_last_record_of_each_key_is_found_and_tombstones_remove(parts: Parts) -> None:
    async with topic_of(parts.kafka) as (name, publish):
        for key, value, partition in (
            (b"a", b"1", 0), (b"b", b"1", 1), (b"a", b"2", 0), (b"c", b"1", 1), (b"c", None, 1),
        ):  # fmt: skip
            await publish(name, value, key=key, partition=partition)
        last = await read_to_end(parts.kafka, name, [0, 1])
        assert {key: record.value for key, record in last.items()} == {b"a": b"2", b"b": b"1"}
        assert set(await read_to_end(parts.kafka, name, [1])) == {b"b"}


async def test_a_topic_that_was_compacted_has_an_end_although_records_are_missing(parts: Parts) -> None:
    async with topic_of(parts.kafka, segment_ms="100", min_cleanable_dirty_ratio="0.001", delete_retention_ms="1") as (
        name,
        publish,
    ):
        for n in range(20):
            await publish(name, b"%d" % n, key=b"same", partition=0)
        await publish(name, None, key=b"same", partition=0)

        async def stored() -> int:
            async with TopicReader(parts.kafka, name, [0]) as reader:
                return len([record async for batch in reader.to_end() for record in batch if record.key == b"same"])

        async with asyncio.timeout(60):
            while await stored() > 1:
                # Only closed segments are compacted, and a segment closes when something is written after its time.
                await publish(name, b"filler", key=b"filler", partition=0)
                await asyncio.sleep(0.2)
        assert b"same" not in await read_to_end(parts.kafka, name, [0])


async def test_transaction_markers_and_aborted_records_do_not_hide_the_end(parts: Parts) -> None:
    async with topic_of(parts.kafka) as (name, _):
        producer = Producer({"bootstrap.servers": parts.kafka, "transactional.id": name})
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce(name, b"1", b"kept", partition=0)
        producer.commit_transaction(20)
        producer.begin_transaction()
        producer.produce(name, b"2", b"aborted", partition=0)
        producer.flush(20)
        producer.abort_transaction(20)
        async with asyncio.timeout(20):
            assert set(await read_to_end(parts.kafka, name, [0, 1])) == {b"kept"}


async def test_following_goes_on_after_the_end_without_a_gap_until_the_stop(parts: Parts) -> None:
    stop = Stop()
    async with topic_of(parts.kafka) as (name, publish):
        await publish(name, b"1", key=b"a", partition=0)
        async with TopicReader(parts.kafka, name, [0]) as reader:
            before = [record.value async for batch in reader.to_end() for record in batch]
            await publish(name, b"2", key=b"a", partition=0)
            await publish(name, b"3", key=b"a", partition=0)
            after: list[bytes | None] = []
            async for batch in reader.follow(stop):
                after += [record.value for record in batch]
                if len(after) == 2:
                    stop.request("read enough")
    assert (before, after) == ([b"1"], [b"2", b"3"])


async def test_kafka_that_is_away_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        door = reserved.getsockname()[1]
    with pytest.raises(Unavailable, match="Kafka"):
        await read_to_end(f"127.0.0.1:{door}", "t", [0])
