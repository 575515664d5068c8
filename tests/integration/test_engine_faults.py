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
from contracts.topics import MARK_KEY
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.dying_engine import DYING
from tests.support.logs import Entry, TickLog, calm_log, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import Process, until
from tests.support.records import T0, calendar, mark, tick
from tests.support.topics import read_all, write


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def size(published: Mapping[int, Sequence[object]]) -> int:
    return sum(map(len, published.values()))


def assert_is_the_fold(system: Aggregator) -> None:
    """Everything once and in order, whoever put it there, byte for byte with headers and timestamps."""
    folded = fold_topic(system.kafka, PARTITIONS).published()
    until(lambda: size(system.published()) >= size(folded), "all is published")
    assert system.published() == folded


def all_taken(engine: Process, entries: Sequence[Entry]) -> None:
    """Wait until an engine that was there from the beginning has taken every tick (other keys begin with `!`)."""
    count = sum(entry.key is not None and not entry.key.startswith(MARK_KEY) for entry in entries)
    until(lambda: engine.metric("engine_ticks_total") == count, "all is taken", process=engine)


def test_a_restarted_engine_goes_on_where_it_was_and_emits_nothing_twice(system: Aggregator) -> None:
    log = calm_log(symbols_named("again", 5), minutes=6).entries
    half = len(log) // 2
    write(system.kafka, topics.TICKS.name, log[:half])
    first = system.engine().wait_ready()
    all_taken(first, log[:half])
    assert first.stop() == 0
    assert_is_the_fold(system)
    second = system.engine().wait_ready()
    assert second.metric("engine_ticks_total") == 0, "what was taken is in the state"
    write(system.kafka, topics.TICKS.name, log[half:])
    assert_is_the_fold(system)
    assert second.stop() == 0


def test_an_engine_that_is_killed_midway_is_replaced_without_a_record_lost_or_doubled(system: Aggregator) -> None:
    """The second half of the log is written after the kill, so that no engine is done before it."""
    log = calm_log(symbols_named("killed", 20), minutes=20).entries
    half = len(log) // 2
    write(system.kafka, topics.TICKS.name, log[:half])
    first = system.engine()
    until(lambda: size(system.published()), "some bars are out", process=first)
    first.kill()
    before = size(system.published())
    write(system.kafka, topics.TICKS.name, log[half:])
    system.engine().wait_ready()
    assert_is_the_fold(system)
    assert 0 < before < size(system.published())


def test_an_engine_that_dies_in_a_transaction_leaves_nothing_of_it_behind(system: Aggregator) -> None:
    """All that its transaction holds has reached Kafka by then, and its positions are part of it."""
    log = calm_log(symbols_named("dying", 5), minutes=6).entries
    half = len(log) // 2
    dying = system.start(["tests.support.dying_engine", "engine"], "engine-1").wait_ready()
    write(system.kafka, topics.TICKS.name, log[:half])
    until(lambda: dying.exit_code is not None, "it has died")
    assert dying.exit_code == DYING
    assert size(system.published()) == 0
    uncommitted = read_all(system.kafka, topics.BARS.name, uncommitted=True)
    assert [message for message in uncommitted if message.key() != MARK_KEY], "bars of it stand in the topic"
    write(system.kafka, topics.TICKS.name, log[half:])
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
    until(lambda: "no answer yet" in second.log, "it asks again", process=second)
    assert "state read" not in second.log
    another.abort_transaction(30)
    outsider.close()
    second.wait_ready()
    write(system.kafka, topics.TICKS.name, log[half:])
    assert_is_the_fold(system)


def test_a_symbol_that_was_forgotten_begins_anew_after_a_restart(system: Aggregator) -> None:
    name, later = "SIM:GONE0", T0 + 100 * DAY
    log = calm_log([name], minutes=3)
    log.mark(mark(T0 + 4 * MINUTE, (name, "released", T0 + 4 * MINUTE)))
    write(system.kafka, topics.TICKS.name, log.entries)
    first = system.engine().wait_ready()
    assert_is_the_fold(system)
    silent = TickLog(PARTITIONS)
    silent.mark(mark(later))
    write(system.kafka, topics.TICKS.name, silent.entries)
    assert_is_the_fold(system)
    assert first.stop() == 0
    back = TickLog(PARTITIONS)
    back.calendar(*calendar(name, at=later + 500))
    back.tick(tick(later + 1_000, 10.0, 500.0, symbol=name, is_baseline=True))
    back.mark(mark(later + 2_000, (name, "covered", later + 1_500)))
    back.tick(tick(later + 3_000, 11.0, 600.0, symbol=name))
    back.mark(mark(later + 2 * MINUTE))
    write(system.kafka, topics.TICKS.name, back.entries)
    second = system.engine().wait_ready()
    restored = [json.loads(line) for line in second.log.splitlines() if '"state read"' in line]
    assert [one["records"] for one in restored] == [1] * PARTITIONS, "of each partition the header"
    assert_is_the_fold(system)


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
