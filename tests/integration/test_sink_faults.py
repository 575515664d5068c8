"""The sink on real parts when MongoDB or Redis is away, when it is killed, and when there are several."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from candlewick_local.parts import MONGO, REDIS, RealParts
from contracts import topics
from contracts.bars import Bar
from contracts.cache import generation_key, series_key
from contracts.documents import bar_of
from contracts.intervals import MINUTE, Interval
from contracts.symbols import SymbolId
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.bars import bar, forming
from tests.support.logs import calm_log, entry_of, symbols_named
from tests.support.oracle import fold_topic, winners
from tests.support.processes import until
from tests.support.records import T0
from tests.support.topics import write

Act = Callable[[RealParts, str], None]
SERIES = SymbolId("SIM", "A"), Interval.M1


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def stored(system: Aggregator) -> dict[str, Bar]:
    """Every bar in MongoDB by its `_id`."""
    with MongoClient[dict[str, Any]](system.parts.mongo) as client:
        return {document["_id"]: bar_of(document) for document in client[system.database]["ohlcv"].find()}


def send(system: Aggregator, *records: Any, topic: str = topics.BARS.name) -> None:
    write(system.kafka, topic, [entry_of(record, PARTITIONS) for record in records])


@pytest.mark.parametrize(("go", "come"), [(RealParts.kill, RealParts.start), (RealParts.pause, RealParts.resume)])
def test_while_mongodb_is_away_offsets_are_held_and_all_is_stored_when_it_is_back(
    system: Aggregator, go: Act, come: Act
) -> None:
    sink = system.sink().wait_ready()
    send(system, bar(T0))
    until(lambda: len(stored(system)) == 1, "the first is stored")
    go(system.parts, MONGO)
    try:
        send(system, *(bar(T0 + number * MINUTE) for number in range(1, 50)))
        until(lambda: "MongoDB" in (sink.waiting() or {}), "not ready, and says why", 60.0, sink)
    finally:
        come(system.parts, MONGO)
    until(lambda: len(stored(system)) == 50, "all is stored", 60.0, sink)
    sink.wait_ready()
    assert sink.stop() == 0


def test_a_sink_started_before_mongodb_waits_and_can_be_stopped(system: Aggregator) -> None:
    system.parts.stop(MONGO)
    try:
        stopped, waiting = system.sink(), system.sink()
        until(lambda: "MongoDB" in (stopped.waiting() or {}), "it says so", process=stopped)
        assert stopped.stop() == 0
    finally:
        system.parts.start(MONGO)
    waiting.wait_ready()


def refuse_writes(parts: RealParts, _part: str) -> None:
    with Redis.from_url(parts.redis) as client:
        client.config_set("min-replicas-to-write", 1)


def allow_writes(parts: RealParts, _part: str) -> None:
    with Redis.from_url(parts.redis) as client:
        client.config_set("min-replicas-to-write", 0)


@pytest.mark.parametrize(
    ("go", "come"),
    [(RealParts.kill, RealParts.start), (RealParts.pause, RealParts.resume), (refuse_writes, allow_writes)],
)
def test_while_redis_is_away_bars_are_stored_and_stale_answers_are_dropped_when_it_is_back(
    system: Aggregator, go: Act, come: Act
) -> None:
    sink = system.sink().wait_ready()
    with Redis.from_url(system.parts.redis) as client:
        client.flushdb()
        client.hset(series_key(*SERIES), "query", "answer")
    go(system.parts, REDIS)
    try:
        send(system, bar(), *(bar(T0 + number * MINUTE) for number in range(1, 20)))
        send(system, forming(1), topic=topics.FORMING.name)
        until(lambda: len(stored(system)) == 20, "bars are stored without Redis", process=sink)
        until(lambda: sink.metric("sink_forming_total") == 1, "forming bars are given up", process=sink)
        assert sink.waiting() == {}, "Redis is no reason not to be ready"
    finally:
        come(system.parts, REDIS)
    with Redis.from_url(system.parts.redis) as client:
        until(lambda: client.get(generation_key(*SERIES)), "the generation moved when Redis was back", process=sink)
        assert not client.exists(series_key(*SERIES))


def test_two_sinks_and_one_that_is_killed_store_every_winner(system: Aggregator) -> None:
    one, other = system.sink(batch_records=50).wait_ready(), system.sink(batch_records=50).wait_ready()
    system.engine().wait_ready()
    rounds = count()

    def trade(symbols: int) -> None:
        number = next(rounds)
        traded = calm_log(symbols_named(f"pair{number}_", symbols), minutes=2, start=T0 + number * 5 * MINUTE)
        write(system.kafka, topics.TICKS.name, traded.entries)

    def both_work() -> bool:
        trade(8)
        return bool(one.metric("sink_bars_total") and other.metric("sink_bars_total"))

    until(both_work, "both work", 60.0)
    trade(200)
    other.kill()
    trade(200)
    wanted = winners(fold_topic(system.kafka, PARTITIONS).bars)
    until(lambda: len(stored(system)) == len(wanted), "all is stored", 60.0, one)
    assert stored(system) == wanted
