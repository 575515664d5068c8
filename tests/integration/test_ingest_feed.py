"""ingest-ws between a simulator and real Kafka and Redis: ticks, marks, quotes, events."""

import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from chassis.clock import now_ms
from contracts.feed import ConnectionEvent, SymbolErrorEvent, SymbolState, SymbolStatus, decode_feed_event
from contracts.ticks import CalendarRecord, Quote, QuoteTick
from contracts.topics import partition_of
from tests.support.ingest import (
    PARTITIONS,
    drop,
    ingest,
    journal,
    log_of,
    settings_of,
    topics_of,
    wishes,
)
from tests.support.journal import verify
from tests.support.parts import Parts
from tests.support.stalls import stalls
from tradingview_simulator import Simulator, SimulatorSettings, serve

BTC, NOBODY = "BINANCE:BTCUSDT", "BINANCE:NOBODY"
TRAVEL_MS = 1_500
"""What may lie between sending and receiving on a busy machine."""
MANY = tuple(f"SIM:S{number:04}" for number in range(1, 9))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(SimulatorSettings()) as running:
        yield running


@pytest.fixture
async def redis(parts: Parts) -> AsyncIterator[Redis]:
    client = Redis.from_url(parts.redis)
    yield client
    await client.aclose()


async def test_every_change_becomes_a_tick_at_the_time_of_its_trade_in_the_partition_of_its_symbol(
    parts: Parts, prefix: str, simulator: Simulator
) -> None:
    topics = topics_of(prefix)
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        stalls() as stalled,
    ):
        await desired.want(*MANY)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: all(len(log.ticks_of(name)) > 6 for name in MANY))
        entries = {name: await journal(simulator.http_url, name) for name in MANY}
        last = max(mark.watermark for _, mark in log.marks)
        await log.until(lambda: log.marks[-1][1].watermark >= last)
        for _ in range(5):
            await log.read()
        covered = await verify(simulator.http_url, log, MANY, stalled)
    for name in MANY:
        ticks = log.ticks_of(name)
        assert ticks[0].is_baseline
        assert sum(tick.is_baseline for tick in ticks) == len(covered[name])
        for tick in ticks:
            if tick.is_baseline:
                continue
            [trade] = {
                entry["trade_time_ms"]
                for entry in entries[name]
                if entry["fields"].get("volume") == tick.cumulative_volume
            }
            assert tick.event_time // 60_000 == trade // 60_000
            assert abs(tick.event_time - trade) < 2_000
        assert [tick.sequence for tick in ticks] == sorted({tick.sequence for tick in ticks})
    assert {partition for partition, _ in log.marks} == set(range(PARTITIONS))
    described: set[bytes] = set()
    for partition, key, value, _ in log.records:
        assert key is not None and value is not None
        if key == b"!":
            continue
        assert partition == partition_of(key.removeprefix(b"!"), PARTITIONS)
        if key.startswith(b"!"):
            assert CalendarRecord.decode(value).key == key
            described.add(key[1:])
        else:
            assert QuoteTick.decode(value).identity.key == key
            assert key in described, "its calendar stands before it"


async def test_a_dropped_socket_is_uncovered_in_the_marks_and_covered_again_and_ticks_flow(
    parts: Parts, prefix: str, simulator: Simulator
) -> None:
    topics = topics_of(prefix)
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.feed.name, 1) as events,
    ):
        await desired.want(*MANY)
        async with ingest(settings_of(parts, prefix, simulator.url), topics), stalls() as stalled:
            await log.until(lambda: all(len(log.ticks_of(name)) > 3 for name in MANY))
            before = now_ms()
            await drop(simulator.http_url)
            after = now_ms()
            counts = {name: len(log.ticks_of(name)) for name in MANY}
            await log.until(lambda: all(len(log.ticks_of(name)) > counts[name] + 3 for name in MANY))
            await events.until(lambda: len(events.records) >= 3)
        kinds = [decode_feed_event(value or b"") for _, _, value, _ in events.records]
        assert [event.type for event in kinds[:3]] == ["connected", "disconnected", "connected"]
        for name, covered in (
            await verify(simulator.http_url, log, MANY, [(before - 2_000, after + 12_000), *stalled])
        ).items():
            again = next(start for start, _ in covered if start > after)
            assert any(before - 2_000 < end <= after for _, end in covered)
            first = next(tick for tick in log.ticks_of(name) if tick.received_at >= again)
            assert first.is_baseline


async def test_a_symbol_that_nobody_wants_any_more_has_left_and_its_quote_is_deleted(
    parts: Parts, prefix: str, simulator: Simulator, redis: Redis
) -> None:
    topics = topics_of(prefix)
    name = "SIM:S0777"
    key = "quote:latest:SIM:S0777"
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        await desired.want(name, BTC)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: len(log.ticks_of(name)) > 2)
            quote = Quote.decode(await redis.get(key) or b"")
            assert quote.price is not None and quote.description == "Synthetic coin 777"
            assert 0 < await redis.ttl(key) <= 60
            await statuses.until(lambda: state_in(statuses.records, name) == SymbolState.LIVE)
            await desired.forget(name)
            await log.until(lambda: [change.state for change in log.changes_of(name)] == ["covered", "released"])
            while await redis.get(key):
                await log.read()
            await statuses.until(lambda: state_in(statuses.records, name) is None)
            count = len(log.ticks_of(BTC))
            await log.until(lambda: len(log.ticks_of(BTC)) > count + 2)
        assert [change.state for change in log.changes_of(BTC)] == ["covered"]


def state_in(records: list[tuple[int, bytes | None, bytes | None, int]], name: str) -> SymbolState | None:
    """The newest status of a symbol in the records of the topic."""
    values = [value for _, key, value, _ in records if key == f"{name}|replica-1".encode()]
    return SymbolStatus.decode(values[-1]).state if values and values[-1] is not None else None


async def test_an_undecodable_subscription_is_put_aside_and_the_others_are_served(
    parts: Parts, prefix: str, simulator: Simulator
) -> None:
    topics = topics_of(prefix)
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.subscriptions.dead.name, 1) as dead,
    ):
        await desired.put(b"SIM:S0001", b"not json")
        await desired.put(b"SIM:S0002", json.dumps({"exchange": "SIM", "symbol": "S0003", "wanted_at": 0}).encode())
        await desired.want(BTC)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: len(log.ticks_of(BTC)) > 1)
            await dead.until(lambda: len(dead.records) == 2)
    assert {headers["kind"] for headers in dead.headers} == {"undecodable", "invalid_key"}
    assert {headers["topic"] for headers in dead.headers} == {topics.subscriptions.name}


async def test_an_unknown_symbol_is_an_event_and_a_status_and_disturbs_nobody(
    parts: Parts, prefix: str, simulator: Simulator
) -> None:
    topics = topics_of(prefix)
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.feed.name, 1) as events,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        await desired.want(NOBODY, BTC)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: len(log.ticks_of(BTC)) > 1)
            await statuses.until(lambda: state_in(statuses.records, NOBODY) == SymbolState.ERROR)
            await events.until(lambda: len(events.records) >= 2)
    found = [decode_feed_event(value or b"") for _, _, value, _ in events.records]
    assert any(isinstance(each, SymbolErrorEvent) and each.reason == "no_such_symbol" for each in found)
    assert any(isinstance(each, ConnectionEvent) and each.type == "connected" for each in found)
    assert not log.changes_of(NOBODY)


async def test_a_stopped_feed_is_uncovered_and_a_started_one_covers_again(
    parts: Parts, prefix: str, simulator: Simulator
) -> None:
    topics = topics_of(prefix)
    async with (
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        await desired.want(BTC)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: len(log.ticks_of(BTC)) > 1)
            await desired.run(running=False)
            await statuses.until(lambda: state_in(statuses.records, BTC) == SymbolState.STOPPED)
            assert not simulator.connections
            count = len(log.ticks_of(BTC))
            await desired.run(running=True)
            await log.until(lambda: len(log.ticks_of(BTC)) > count + 2)
    assert [change.state for change in log.changes_of(BTC)] == ["covered", "uncovered", "covered"]


async def test_two_replicas_share_the_partitions_and_each_marks_its_own(
    parts: Parts, prefix: str, simulator: Simulator
) -> None:
    topics = topics_of(prefix)
    async with wishes(parts, topics) as desired, log_of(parts.kafka, topics.ticks.name) as log:
        await desired.want(*MANY)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: all(log.ticks_of(name) for name in MANY))
            epochs = {mark.epoch for _, mark in log.marks}
            async with ingest(settings_of(parts, prefix, simulator.url, ingest_replica="replica-2"), topics):

                def is_shared() -> bool:
                    newest = {partition: mark.epoch for partition, mark in log.marks}
                    others = {partition for partition, epoch in newest.items() if epoch not in epochs}
                    return bool(others) and len({epoch % 4096 for epoch in newest.values()}) == 2

                await log.until(is_shared)
                counts = {name: len(log.ticks_of(name)) for name in MANY}
                await log.until(lambda: all(len(log.ticks_of(name)) > counts[name] + 2 for name in MANY))
