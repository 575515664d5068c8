"""Topics on a real Kafka: created where absent, verified where present."""

import asyncio
import socket
from dataclasses import replace
from uuid import uuid4

import pytest

from chassis.kafka.topics import TopicMismatch, ensure_topics
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from contracts.topics import Topic
from tests.support.parts import Parts


def topic(**config: str) -> Topic:
    return Topic(f"test.{uuid4().hex}", None, {key.replace("_", "."): value for key, value in config.items()})


async def test_absent_topics_are_created_as_they_must_be_and_then_verified(parts: Parts) -> None:
    ready = Readiness(["Kafka"])
    shared = topic(cleanup_policy="compact", message_timestamp_type="LogAppendTime")
    single = replace(topic(), partitions=1)
    for _ in range(2):
        await ensure_topics(parts.kafka, [shared, single], 3, ready, Stop())
    assert ready.report()["ready"]
    with pytest.raises(TopicMismatch) as caught:
        await ensure_topics(parts.kafka, [replace(shared, config={}), single], 4, ready, Stop())
    assert [(fault.topic, fault.what, fault.actual, fault.wanted) for fault in caught.value.mismatches] == [
        (shared.name, "partitions", "3", "4"),
        (shared.name, "cleanup.policy", "compact", "delete"),
        (shared.name, "message.timestamp.type", "LogAppendTime", "CreateTime"),
    ]


async def test_a_mismatch_names_the_topic_what_is_what_must_be_and_what_to_do(parts: Parts) -> None:
    wanted = topic()
    await ensure_topics(parts.kafka, [wanted], 2, Readiness(), Stop())
    with pytest.raises(
        TopicMismatch, match=rf"topic {wanted.name}: partitions is 2, must be 24; set KAFKA_PARTITIONS=2"
    ):
        await ensure_topics(parts.kafka, [wanted], 24, Readiness(), Stop())
    with pytest.raises(TopicMismatch, match=r"set message\.timestamp\.type=LogAppendTime on the topic"):
        await ensure_topics(
            parts.kafka, [replace(wanted, config={"message.timestamp.type": "LogAppendTime"})], 2, Readiness(), Stop()
        )


async def test_several_processes_may_create_at_once(parts: Parts) -> None:
    wanted = [topic() for _ in range(5)]
    await asyncio.gather(*(ensure_topics(parts.kafka, wanted, 2, Readiness(), Stop()) for _ in range(4)))


async def test_while_kafka_is_away_it_waits_not_ready_until_it_comes(parts: Parts) -> None:
    host, port = parts.kafka.split(",")[0].rsplit(":", 1)
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        door = reserved.getsockname()[1]
    ready, wanted = Readiness(["Kafka"]), topic()
    waiting = asyncio.create_task(ensure_topics(f"127.0.0.1:{door}", [wanted], 1, ready, Stop()))
    while "unavailable" not in ready.report()["waiting"].get("Kafka", ""):
        await asyncio.sleep(0.01)
    assert str(door) in ready.report()["waiting"]["Kafka"]

    async def forward(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        kafka, requests = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pump(client, requests), _pump(kafka, answers))

    async with await asyncio.start_server(forward, "127.0.0.1", door):
        async with asyncio.timeout(30):
            await waiting
    assert ready.report()["ready"]


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        sink.write(chunk)
    sink.close()


async def test_a_stop_ends_the_wait_for_kafka() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        door = reserved.getsockname()[1]
    ready, stop = Readiness(), Stop()
    waiting = asyncio.create_task(ensure_topics(f"127.0.0.1:{door}", [topic()], 1, ready, stop))
    while not ready.report()["waiting"]:
        await asyncio.sleep(0.01)
    stop.request("SIGTERM")
    with pytest.raises(Stopped):
        async with asyncio.timeout(10):
            await waiting
