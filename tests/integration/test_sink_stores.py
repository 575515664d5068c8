"""The sink on real Kafka, MongoDB and Redis: winners are stored, caches dropped, bad records put aside."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo import MongoClient
from redis import Redis

from aggregator.engine.clients import GROUP
from candlewick_local.parts import RealParts
from chassis.clock import now_ms
from contracts import topics, wire
from contracts.bars import Bar, FormingBar, Origin
from contracts.cache import forming_key, generation_key, series_key
from contracts.documents import BARS_VERSION, CONTRACT, bar_of, ohlcv_document
from contracts.headers import bar_headers, complete_headers
from contracts.intervals import MINUTE, Interval
from contracts.symbols import SymbolId
from contracts.topics import MARK_KEY
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.bars import bar, forming
from tests.support.logs import Entry, calm_log, entry_of, symbols_named
from tests.support.oracle import fold_topic, winners
from tests.support.processes import until
from tests.support.records import T0, tick
from tests.support.topics import forget_group, headers_of, made_anew, read_all, write

Stored = dict[str, Bar]


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


@pytest.fixture
def redis(local_parts: RealParts) -> Iterator["Redis"]:
    with Redis.from_url(local_parts.redis) as client:
        client.flushdb()
        yield client


def stored(system: Aggregator) -> Stored:
    """Every bar in MongoDB by its `_id`."""
    with MongoClient[dict[str, Any]](system.parts.mongo) as client:
        return {document["_id"]: bar_of(document) for document in client[system.database]["ohlcv"].find()}


def send(system: Aggregator, records: Sequence[Any], topic: str = topics.BARS.name) -> None:
    write(system.kafka, topic, [entry_of(record, PARTITIONS) for record in records])


def test_a_log_becomes_stored_bars_and_forming_bars(system: Aggregator, redis: "Redis") -> None:
    log = calm_log(symbols_named("whole", 5), minutes=6)
    log.tick(tick(T0 + 6 * MINUTE + 7_000, 123.25, 5_000.0, symbol="SIM:WHOLE0"))
    write(system.kafka, topics.TICKS.name, log.entries)
    system.engine().wait_ready()
    system.sink().wait_ready()
    wanted = winners(fold_topic(system.kafka, PARTITIONS).bars)
    until(lambda: len(stored(system)) == len(wanted), "all bars are stored")
    assert stored(system) == wanted
    keys = [forming_key(SymbolId("SIM", "WHOLE0"), interval) for interval in Interval]
    until(lambda: redis.exists(*keys) == len(keys), "all forming bars are in Redis")
    current = FormingBar.decode(redis.hget(keys[0], "bar") or b"")
    assert (current.open_time, current.close, current.tick_count) == (T0 + 6 * MINUTE, 123.25, 1)


def test_bars_that_are_issued_again_leave_the_store_as_it_was(system: Aggregator) -> None:
    """An engine that begins anew folds the whole log again."""
    write(system.kafka, topics.TICKS.name, calm_log(symbols_named("twice", 3), minutes=4).entries)
    engine = system.engine().wait_ready()
    sink = system.sink().wait_ready()
    wanted = winners(fold_topic(system.kafka, PARTITIONS).bars)
    until(lambda: stored(system) == wanted, "all bars are stored")
    assert engine.stop() == 0
    forget_group(system.kafka, GROUP)
    made_anew(system.kafka, [topics.ROLLUP], PARTITIONS)
    system.engine().wait_ready()
    until(lambda: sink.metric("sink_bars_total") == 2 * len(wanted), "all came again")
    assert stored(system) == wanted


def test_whatever_the_order_the_store_holds_the_winners(system: Aggregator) -> None:
    sink = system.sink(batch_records=3).wait_ready()
    rivals = [bar(close=float(close), revision=revision) for revision in (2, 0, 3, 1) for close in (12, 9, 11)]
    send(system, rivals)
    until(lambda: sink.metric("sink_bars_total") >= len(rivals), "all are read")
    assert stored(system) == winners(rivals)


def test_a_bar_of_a_transaction_that_was_given_up_is_not_stored(system: Aggregator) -> None:
    system.sink().wait_ready()
    given_up, whole = entry_of(bar(close=99.0), PARTITIONS), bar(T0 + MINUTE, close=10.0)
    producer = Producer({"bootstrap.servers": system.kafka, "transactional.id": "given-up"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topics.BARS.name, given_up.value, given_up.key, partition=given_up.partition)
    assert producer.flush(30) == 0
    producer.abort_transaction(30)
    send(system, [whole])
    until(lambda: stored(system), "what came after it is stored")
    assert stored(system) == winners([whole])


def test_a_backfill_bar_never_replaces_a_bar_from_ticks_and_final_ones_are_left_alone(system: Aggregator) -> None:
    sink = system.sink().wait_ready()
    ours = bar(close=10.0)
    send(system, [ours])
    until(lambda: len(stored(system)) == 1, "ours is stored")
    rivals = [
        bar(close=12.0, origin=Origin.BACKFILL.value, revision=now_ms(), tick_count=0),
        bar(close=13.0, origin=Origin.PROVIDER_FINAL.value, revision=now_ms(), reason="repair"),
        bar(T0 + MINUTE, close=14.0, origin=Origin.BACKFILL.value, revision=now_ms(), tick_count=0),
    ]
    send(system, rivals)
    until(lambda: len(stored(system)) == 2, "the other minute is stored")
    assert stored(system)[f"SIM:A|1m|{T0}"].close == 10.0
    assert sink.metric("sink_bars_total") == 4


def test_a_bar_from_ticks_replaces_a_backfill_bar(system: Aggregator) -> None:
    backfill = Bar.decode(wire.encode(bar(close=12.0, origin=Origin.BACKFILL.value, revision=now_ms())))
    with MongoClient[dict[str, Any]](system.parts.mongo) as client:
        client[system.database][CONTRACT].insert_one(BARS_VERSION.document)
        client[system.database]["ohlcv"].insert_one(ohlcv_document(backfill))
    system.sink().wait_ready()
    send(system, [bar(close=10.0)])
    until(lambda: stored(system)[f"SIM:A|1m|{T0}"].close == 10.0, "ours replaced it")


def test_a_poison_record_becomes_a_dead_letter_and_the_rest_is_stored(system: Aggregator) -> None:
    sink = system.sink().wait_ready()
    headers = bar_headers("1m", T0)
    poison = [
        Entry(0, b"SIM:A", b"\xff{", headers),
        Entry(0, b"SIM:A", wire.encode(bar(revision=2**62)), headers),
        Entry(1, None, b"[]", headers),
    ]
    write(system.kafka, topics.BARS.name, [*poison, entry_of(bar(), PARTITIONS)])
    write(system.kafka, topics.FORMING.name, [Entry(2, b"SIM:A", b"nonsense")])
    until(lambda: len(stored(system)) == 1, "the good one is stored")
    until(lambda: len(read_all(system.kafka, topics.BARS.dead.name)) == 3, "the bad ones are put aside")
    letters = read_all(system.kafka, topics.BARS.dead.name)
    assert {letter.value() for letter in letters} == {record.value for record in poison}
    assert {(headers_of(letter)["partition"], headers_of(letter)["offset"]) for letter in letters} == {
        ("0", "0"), ("0", "1"), ("1", "0"),
    }  # fmt: skip
    until(lambda: len(read_all(system.kafka, topics.FORMING.dead.name)) == 1, "the bad forming record too")
    assert sink.waiting() == {}


def test_records_of_an_older_contract_are_put_aside_and_logged_once(system: Aggregator) -> None:
    sink = system.sink(batch_records=2).wait_ready()
    old = [entry_of(bar(T0 + number * MINUTE), PARTITIONS)._replace(headers=None) for number in range(8)]
    complete = wire.BarsComplete(closed_through=T0, final_through=T0, count=3)
    passed_over = Entry(old[0].partition, MARK_KEY, wire.encode(complete), complete_headers(T0))
    write(system.kafka, topics.BARS.name, [*old, passed_over, entry_of(bar(close=12.0), PARTITIONS)])
    until(lambda: stored(system), "the current one is stored", process=sink)
    letters = read_all(system.kafka, topics.BARS.dead.name)
    assert [letter.value() for letter in letters] == [record.value for record in old]
    assert {headers_of(letter)["kind"] for letter in letters} == {"old_contract"}
    assert sink.log.count("no header schema=2") == 1
    assert stored(system) == winners([bar(close=12.0)])


def test_a_store_of_an_older_contract_is_refused_with_the_command_that_clears_it(system: Aggregator) -> None:
    document = {"_id": f"SIM:A|1m|{T0}", "close": 1.0}
    with MongoClient[dict[str, Any]](system.parts.mongo) as client:
        client[system.database]["ohlcv"].insert_one(document)
        sink = system.sink()
        until(lambda: sink.exit_code is not None, "it does not go on")
        assert sink.exit_code == 2
        assert "make clean" in sink.log
        assert f'getSiblingDB(\\"{system.database}\\").dropDatabase()' in sink.log
        assert client[system.database]["ohlcv"].find_one() == document


def test_a_write_drops_the_cached_answers_of_its_series_and_of_no_other(system: Aggregator, redis: "Redis") -> None:
    written, other = SymbolId("SIM", "A"), SymbolId("SIM", "B")
    for symbol in (written, other):
        redis.hset(series_key(symbol, Interval.M1), "query", "answer")
    system.sink().wait_ready()
    send(system, [bar()])
    until(lambda: not redis.exists(series_key(written, Interval.M1)), "the answers are dropped")
    assert redis.get(generation_key(written, Interval.M1)) == b"1"
    assert redis.exists(series_key(other, Interval.M1))
    assert not redis.exists(generation_key(other, Interval.M1))


def test_an_older_forming_bar_never_replaces_a_newer_one(system: Aggregator, redis: "Redis") -> None:
    sink = system.sink().wait_ready()
    key = forming_key(SymbolId("SIM", "A"), Interval.M1)

    def tell(sequence: int, close: float, open_time: int) -> dict[bytes | str, bytes | str]:
        before = sink.metric("sink_forming_total")
        send(system, [forming(sequence, close, bars=[("1m", open_time)])], topics.FORMING.name)
        until(lambda: sink.metric("sink_forming_total") > before, "it is read")
        return redis.hgetall(key)

    first = tell(100, 5.0, T0)
    assert wire.encode(wire.decode_forming(wire.encode(forming(100, 5.0))).bars[0]) == first[b"bar"]
    assert (first[b"open_time"], first[b"sequence"]) == (str(T0).encode(), b"100")
    assert 290_000 < int(redis.pttl(key)) <= 300_000
    assert tell(99, 6.0, T0) == first, "an older observation of the same bar"
    assert tell(101, 7.0, T0 - MINUTE) == first, "an older bar"
    assert tell(101, 8.0, T0)[b"sequence"] == b"101"
    assert tell(50, 9.0, T0 + MINUTE)[b"open_time"] == str(T0 + MINUTE).encode(), "a later bar"
