"""The engine on real Kafka when it is stopped, killed, joined by another, or loses the broker."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from aggregator.engine.clients import GROUP
from candlewick_local.parts import KAFKA, RealParts
from contracts import topics
from contracts.intervals import DAY, MINUTE
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import TickLog, calm_log, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import Process, until
from tests.support.records import T0, mark, tick
from tests.support.topics import write


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def size(published: Mapping[int, Sequence[object]]) -> int:
    return sum(map(len, published.values()))


def assert_is_the_fold(system: Aggregator) -> None:
    """Everything once and in order, whoever put it there."""
    folded = fold_topic(system.kafka, PARTITIONS).published()
    until(lambda: size(system.published()) >= size(folded), "all is published")
    assert system.published() == folded


def test_a_restarted_engine_goes_on_where_it_was_and_issues_nothing_twice(system: Aggregator) -> None:
    log = calm_log(symbols_named("again", 5), minutes=6).entries
    half = len(log) // 2
    write(system.kafka, topics.TICKS.name, log[:half])
    first = system.engine().wait_ready()
    until(lambda: size(system.published()), "some bars are out", process=first)
    assert first.stop() == 0
    second = system.engine().wait_ready()
    assert second.metric("engine_ticks_total") == 0, "what was taken is in the state"
    write(system.kafka, topics.TICKS.name, log[half:])
    assert_is_the_fold(system)
    assert second.stop() == 0


def test_an_engine_that_is_killed_midway_is_replaced_without_a_record_lost_or_doubled(system: Aggregator) -> None:
    log = calm_log(symbols_named("killed", 100), minutes=60, ticks_a_minute=12)
    write(system.kafka, topics.TICKS.name, log.entries)
    first = system.engine()
    until(lambda: read_some(system), "some bars are out", process=first)
    first.kill()
    assert size(system.published()) < size(fold_topic(system.kafka, PARTITIONS).published()), "it was midway"
    system.engine().wait_ready()
    assert_is_the_fold(system)


def test_a_position_in_an_open_transaction_is_waited_for(system: Aggregator) -> None:
    log = calm_log(symbols_named("uncertain", 5), minutes=4).entries
    half = len(log) // 2
    write(system.kafka, topics.TICKS.name, log[:half])
    first = system.engine().wait_ready()
    until(lambda: size(system.published()), "some bars are out", process=first)
    assert first.stop() == 0
    another = Producer({"bootstrap.servers": system.kafka, "transactional.id": "another"})
    outsider = Consumer({"bootstrap.servers": system.kafka, "group.id": GROUP})
    another.init_transactions(30)
    another.begin_transaction()
    moved = [TopicPartition(topics.TICKS.name, number, 1) for number in range(PARTITIONS)]
    another.send_offsets_to_transaction(moved, outsider.consumer_group_metadata(), 30)
    second = system.engine()
    until(lambda: "not told yet" in second.log, "it asks again", process=second)
    assert "state read" not in second.log
    another.abort_transaction(30)
    outsider.close()
    second.wait_ready()
    write(system.kafka, topics.TICKS.name, log[half:])
    assert_is_the_fold(system)


def test_a_symbol_that_was_forgotten_begins_anew_after_a_restart(system: Aggregator) -> None:
    name, later = "SIM:GONE0", T0 + 100 * DAY
    log = calm_log([name], minutes=3)
    log.mark(mark(T0 + 4 * MINUTE, (name, "left", T0 + 4 * MINUTE)))
    write(system.kafka, topics.TICKS.name, log.entries)
    first = system.engine().wait_ready()
    assert_is_the_fold(system)
    silent = TickLog(PARTITIONS)
    silent.mark(mark(later))
    write(system.kafka, topics.TICKS.name, silent.entries)
    assert_is_the_fold(system)
    assert first.stop() == 0
    back = TickLog(PARTITIONS)
    back.tick(tick(later + 1_000, 10.0, 500.0, symbol=name, is_baseline=True))
    back.mark(mark(later + 2_000, (name, "heard", later + 1_500)))
    back.tick(tick(later + 3_000, 11.0, 600.0, symbol=name))
    back.mark(mark(later + 2 * MINUTE))
    write(system.kafka, topics.TICKS.name, back.entries)
    second = system.engine().wait_ready()
    restored = [json.loads(line) for line in second.log.splitlines() if '"state read"' in line]
    assert [one["records"] for one in restored] == [1] * PARTITIONS, "of each partition the header"
    assert_is_the_fold(system)


def read_some(system: Aggregator) -> bool:
    """Whether anything is on market.bars: asked of the broker, which is quicker than to read it."""
    consumer = Consumer({"bootstrap.servers": system.kafka, "group.id": "test-ends"})
    try:
        asked = [TopicPartition(topics.BARS.name, number) for number in range(PARTITIONS)]
        return any(consumer.get_watermark_offsets(partition, timeout=10)[1] for partition in asked)
    finally:
        consumer.close()


def test_two_engines_share_the_partitions_and_one_takes_over_when_the_other_dies(system: Aggregator) -> None:
    one, other = system.engine("engine-1").wait_ready(), system.engine("engine-2").wait_ready()
    until(lambda: owned(one) == owned(other) == 2, "each owns two partitions")
    log = calm_log(symbols_named("shared", 12), minutes=4)
    half = len(log.entries) // 2
    write(system.kafka, topics.TICKS.name, log.entries[:half])
    until(lambda: one.metric("engine_ticks_total") and other.metric("engine_ticks_total"), "both work")
    other.kill()
    write(system.kafka, topics.TICKS.name, log.entries[half:])
    until(lambda: owned(one) == PARTITIONS, "the survivor owns all")
    assert_is_the_fold(system)


def owned(engine: Process) -> float:
    return engine.metric("engine_partitions")


def test_an_engine_of_the_same_name_ends_the_older_one_with_an_error(system: Aggregator) -> None:
    older = system.engine("engine-1").wait_ready()
    newer = system.engine("engine-1").wait_ready()
    until(lambda: older.exit_code is not None, "the older one is fenced")
    assert older.exit_code == 1
    assert "another engine is called engine-1 too" in older.log
    assert "Traceback" not in older.log
    assert newer.stop() == 0


def test_while_kafka_is_away_the_engine_is_not_ready_and_goes_on_when_it_is_back(
    system: Aggregator, local_parts: RealParts
) -> None:
    """One that had a transaction open may end, fenced: whoever supervises it starts it again, as the storms do."""
    log = calm_log(symbols_named("away", 6), minutes=4)
    half = len(log.entries) // 2
    write(system.kafka, topics.TICKS.name, log.entries[:half])
    engine = system.engine(silence_ms=600_000).wait_ready()
    assert_is_the_fold(system)
    until(lambda: engine.metric("engine_committed_lag_records") == 0, "no transaction is open", process=engine)
    local_parts.kill(KAFKA)
    try:
        until(lambda: "Kafka" in (engine.waiting() or {}), "not ready", process=engine)
    finally:
        local_parts.start(KAFKA)
    write(system.kafka, topics.TICKS.name, log.entries[half:])
    engine.wait_ready()
    assert_is_the_fold(system)


def test_an_engine_started_before_kafka_waits_and_can_be_stopped(system: Aggregator, local_parts: RealParts) -> None:
    local_parts.stop(KAFKA)
    try:
        stopped, waiting = system.engine("engine-1"), system.engine("engine-2")
        until(lambda: "Kafka" in (stopped.waiting() or {}), "it says so", process=stopped)
        assert stopped.stop() == 0
    finally:
        local_parts.start(KAFKA)
    waiting.wait_ready()
