"""Kafka and MongoDB that go away in the middle and come back."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from pydantic import SecretStr

from candlewick_local.parts import RealParts
from chassis import waiting
from chassis.kafka import broker as kafka_broker
from chassis.kafka.batches import Consuming, PutAside, subscribe
from chassis.kafka.broker import build_broker, publisher, start, watch
from chassis.kafka.topics import ensure_topics
from chassis.mongo import Written, client, database, guarded_replace, wait_for_mongo
from chassis.probes import Readiness
from chassis.record import Record
from chassis.settings import KafkaSettings, MongoSettings
from chassis.stop import Stop
from contracts.errors import Unavailable
from contracts.topics import Topic

Act = Callable[[RealParts, str], None]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 0.05)
    monkeypatch.setattr(waiting, "LONGEST_S", 0.5)
    monkeypatch.setattr(kafka_broker, "_WATCH_EVERY_S", 0.5)


@pytest.mark.parametrize(("go", "come"), [(RealParts.pause, RealParts.resume), (RealParts.kill, RealParts.start)])
async def test_while_kafka_is_away_we_are_not_ready_and_go_on_when_it_is_back(
    local_parts: RealParts, prefix: str, go: Act, come: Act
) -> None:
    seen: list[bytes | None] = []

    async def handle(records: Sequence[Record], put_aside: PutAside) -> None:
        seen.extend(record.value for record in records)

    topic, ready, stop = Topic(f"{prefix}things", 1), Readiness(["Kafka"]), Stop()
    await ensure_topics(local_parts.kafka, [topic], 1, ready, stop)
    broker = build_broker(KafkaSettings(kafka_bootstrap_servers=local_parts.kafka), "test")
    publish = publisher(broker, within_s=1)
    subscribe(broker, [topic.name], f"{prefix}readers", handle, Consuming(publish, ready, stop))
    await start(broker, ready, stop)
    watching = asyncio.create_task(watch(broker, ready, stop))
    try:
        await publish(topic.name, b"before", partition=0)
        await _until(lambda: seen == [b"before"])
        assert ready.report()["ready"]
        await asyncio.to_thread(go, local_parts, "kafka")
        try:
            with pytest.raises(Unavailable, match="Kafka"):
                async with asyncio.timeout(20):
                    while True:  # what was under way when it went may still be answered
                        await publish(topic.name, b"meanwhile", partition=0)
            await _until(lambda: "Kafka" in ready.report()["waiting"])
        finally:
            await asyncio.to_thread(come, local_parts, "kafka")
        await _until(lambda: ready.report()["ready"])
        await waiting.persistently(lambda: publish(topic.name, b"after", partition=0), ready, stop)
        await _until(lambda: seen[-1] == b"after")
        assert b"meanwhile" in seen
    finally:
        stop.request("the test is over")
        await watching
        await broker.stop()


async def test_a_write_that_mongodb_was_killed_under_is_repeated_until_it_is_back(
    local_parts: RealParts, prefix: str
) -> None:
    ready, stop = Readiness(["MongoDB"]), Stop()
    url = f"{local_parts.mongo}{'&' if '?' in local_parts.mongo else '/?'}serverSelectionTimeoutMS=300"
    settings = MongoSettings(mongodb_url=SecretStr(url), mongodb_database=prefix.removesuffix("."))
    async with client(settings, "test") as mongo:
        await wait_for_mongo(mongo, ready, stop)
        things = database(mongo, settings).things
        items = [(str(n), {"rank": {"$lt": 1}}, {"rank": 1}) for n in range(10)]
        await asyncio.to_thread(local_parts.kill, "mongo")
        try:
            writing = asyncio.create_task(
                waiting.persistently(lambda: guarded_replace(things, items), ready, stop), name="writing"
            )
            await _until(lambda: "MongoDB" in ready.report()["waiting"])
        finally:
            await asyncio.to_thread(local_parts.start, "mongo")
        async with asyncio.timeout(60):
            assert await writing == Written(written=10)
        assert ready.report()["ready"]
        await mongo.drop_database(settings.mongodb_database)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not holds():
            await asyncio.sleep(0.02)
