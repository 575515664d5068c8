"""Commands of the API on a real Kafka: where they land, and that every replica answers for them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pymongo import AsyncMongoClient

from chassis.clock import now_ms
from chassis.record import Record
from contracts.documents import JOBS
from contracts.feed import FeedControl, Subscription, SymbolState, SymbolStatus
from contracts.history import SyncPriority, SyncRequest, SyncStatus
from contracts.jobs import Job, job_document
from contracts.symbols import SymbolId
from contracts.topics import CONTROL, HISTORY_REQUESTS, STATUS, SUBSCRIPTIONS, Topic, partition_of
from tests.support.parts import Parts, unique
from tests.support.running_api import PARTITIONS, RunningApi, running, settings_of, until


def fresh_symbol() -> SymbolId:
    """A symbol of one test alone: the topics are shared."""
    return SymbolId("TEST", unique("s").upper().replace("-", "_")[:60])


@pytest.fixture
async def api(parts: Parts, database: str) -> AsyncIterator[RunningApi]:
    async with running(settings_of(parts, database, sync_timeout=0.2)) as api:
        await api.ready()
        yield api


async def records_of(parts: Parts, topic: Topic, key: bytes | None) -> list[Record]:
    """Every record of a key, in whatever partition it is."""
    count = topic.partitions or PARTITIONS
    consumer = AIOKafkaConsumer(bootstrap_servers=parts.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(count)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Record] = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [record for record in batch if record.key == key]
        return found
    finally:
        await consumer.stop()


async def publish(parts: Parts, topic: Topic, key: bytes, value: bytes | None) -> None:
    """A record by somebody else."""
    producer = AIOKafkaProducer(bootstrap_servers=parts.kafka)
    await producer.start()
    try:
        partition = partition_of(key, topic.partitions or PARTITIONS)
        await producer.send_and_wait(topic.name, value, key=key, partition=partition)
    finally:
        await producer.stop()


async def test_subscriptions_and_their_ends_land_in_the_partition_of_the_symbol(api: RunningApi, parts: Parts) -> None:
    symbols = [fresh_symbol() for _ in range(6)]
    names = [str(one) for one in symbols]
    answer = await api.post("/quotes/subscribe", {"symbols": names})
    assert (answer.status_code, answer.json()["accepted"]) == (200, names)
    assert set(names) <= set(answer.json()["symbols"])
    await api.post("/quotes/unsubscribe", {"symbols": names})
    for one in symbols:
        first, second = await records_of(parts, SUBSCRIPTIONS, one.key)
        assert first.partition == second.partition == partition_of(one.key, PARTITIONS)
        assert first.value is not None
        assert Subscription.decode(first.value).identity == one
        assert second.value is None


async def test_a_command_is_seen_by_the_replica_that_took_it_at_once_and_by_others_soon(
    api: RunningApi, parts: Parts, database: str
) -> None:
    name = str(fresh_symbol())
    async with running(settings_of(parts, database)) as other:
        await other.ready()
        await api.post("/quotes/subscribe", {"symbols": [name]})
        assert name in (await api.get("/quotes/all")).json()["missing"]

        async def known_there() -> bool:
            return name in (await other.get("/quotes/all")).json()["missing"]

        await until(known_there)
        await other.post("/quotes/unsubscribe", {"symbols": [name]})
        assert name not in (await other.get("/quotes/all")).json()["missing"]


async def test_a_replica_that_starts_knows_what_was_wanted_before(api: RunningApi, parts: Parts, database: str) -> None:
    wanted, given_up = str(fresh_symbol()), str(fresh_symbol())
    await api.post("/quotes/subscribe", {"symbols": [wanted, given_up]})
    await api.post("/quotes/unsubscribe", {"symbols": [given_up]})
    async with running(settings_of(parts, database)) as later:
        await later.ready()
        missing = (await later.get("/quotes/all")).json()["missing"]
    assert wanted in missing
    assert given_up not in missing
    await api.post("/quotes/unsubscribe", {"symbols": [wanted]})


async def test_stop_and_start_are_the_last_word_under_one_key(api: RunningApi, parts: Parts) -> None:
    for path, running_ in (("/quotes/stop", False), ("/quotes/start", True)):
        assert (await api.post(path)).json() == {"running": running_}
        assert (await api.get("/quotes/status")).json()["running"] is running_
    *_, last = await records_of(parts, CONTROL, b"feed")
    assert last.value is not None
    assert FeedControl.decode(last.value).running


async def test_the_status_of_a_symbol_comes_from_the_replica_that_serves_it(api: RunningApi, parts: Parts) -> None:
    one = fresh_symbol()
    status = SymbolStatus(
        exchange=one.exchange, symbol=one.symbol, replica="ingest-test", state=SymbolState.QUIET, at=now_ms()
    )
    await publish(parts, STATUS, status.key, status.encode())

    async def states() -> list[str]:
        symbols = (await api.get("/quotes/status")).json()["symbols"]
        return [symbol["state"] for symbol in symbols if symbol["symbol"] == str(one)]

    async def told() -> bool:
        return await states() == ["quiet"]

    async def gone() -> bool:
        return await states() == []

    await until(told)
    await publish(parts, STATUS, status.key, None)
    await until(gone)


async def test_an_unreadable_record_becomes_a_dead_letter_and_the_next_one_counts(
    api: RunningApi, parts: Parts
) -> None:
    broken, good = fresh_symbol(), fresh_symbol()
    await publish(parts, SUBSCRIPTIONS, broken.key, b"{ not json")
    await api.post("/quotes/subscribe", {"symbols": [str(good)]})
    missing = (await api.get("/quotes/all")).json()["missing"]
    assert str(good) in missing
    assert str(broken) not in missing

    async def buried() -> bool:
        return bool(await records_of(parts, SUBSCRIPTIONS.dead, broken.key))

    await until(buried)
    letter = (await records_of(parts, SUBSCRIPTIONS.dead, broken.key))[0]
    headers = dict(letter.headers)
    assert (letter.value, headers["topic"], headers["kind"]) == (
        b"{ not json", SUBSCRIPTIONS.name.encode(), b"undecodable",
    )  # fmt: skip
    await publish(parts, SUBSCRIPTIONS, broken.key, None)
    await api.post("/quotes/unsubscribe", {"symbols": [str(good)]})


async def test_a_request_for_history_lands_under_its_id_and_its_job_is_waited_for(
    api: RunningApi, parts: Parts, database: str
) -> None:
    name = unique("order")
    body = {"exchange": "NYMEX", "symbol": "CL1!", "interval": "1h", "n_bars": 7}
    headers = {"Idempotency-Key": name}
    waiting = await api.post("/market-data/sync", body, **headers)
    assert (waiting.status_code, waiting.headers["location"]) == (202, f"/market-data/jobs/{name}")
    (record,) = await records_of(parts, HISTORY_REQUESTS, name.encode())
    assert record.partition == partition_of(name.encode(), HISTORY_REQUESTS.partitions or 0)
    assert record.value is not None
    request = SyncRequest.decode(record.value)
    assert (str(request.series[0]), request.bars, request.priority) == ("NYMEX:CL1!|1h", 7, SyncPriority.INTERACTIVE)

    job = Job(
        job_id=name, request_id=name, series=request.series[0], bars=7, priority=request.priority,
        status=SyncStatus.SYNCING, requested_at=request.requested_at,
    )  # fmt: skip
    async with AsyncMongoClient[dict[str, object]](parts.mongo) as client:
        jobs = client[database][JOBS]
        await jobs.insert_one(job_document(job))
        asked_again = asyncio.create_task(api.post("/market-data/sync", body, **headers))
        done = {"status": "completed", "bars_fetched": 7, "bars_written": 7}
        await jobs.update_one({"_id": name}, {"$set": done})
        answer = await asked_again
    assert (answer.status_code, answer.json()["bars_written"]) == (200, 7)
    assert len(await records_of(parts, HISTORY_REQUESTS, name.encode())) == 1
