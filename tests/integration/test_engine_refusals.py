"""What an engine must not go on from: it says why and what to do, and exits with 2."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from aggregator.core.snapshot import HEADER_KEY
from aggregator.engine.app import TOPICS
from aggregator.engine.clients import GROUP
from candlewick_local.parts import RealParts
from contracts import topics
from contracts.topics import MARK_KEY
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import Entry, calm_log, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import until
from tests.support.records import T0
from tests.support.topics import forget_group, made_anew, read_all, write


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def run_once(system: Aggregator) -> None:
    """An engine that has folded a log, and was stopped."""
    write(system.kafka, topics.TICKS.name, calm_log(symbols_named("refused", 8), minutes=3).entries)
    engine = system.engine().wait_ready()
    wanted = sum(map(len, fold_topic(system.kafka, PARTITIONS).published().values()))
    until(lambda: sum(map(len, system.published().values())) == wanted, "all is published", process=engine)
    assert engine.stop() == 0


def assert_refused(system: Aggregator, *texts: str, partitions: int = PARTITIONS) -> None:
    engine = system.engine(partitions=partitions)
    until(lambda: engine.exit_code is not None, "it does not go on")
    assert engine.exit_code == 2
    assert [text for text in texts if text not in engine.log] == []


def test_a_state_without_the_positions_that_belong_to_it(system: Aggregator) -> None:
    run_once(system)
    forget_group(system.kafka, GROUP)
    assert_refused(
        system, "the state in market.rollup.v1 is of offset", f"the group {GROUP} has no offset", "to begin anew"
    )


def test_positions_without_the_state_that_belongs_to_them(system: Aggregator) -> None:
    run_once(system)
    made_anew(system.kafka, [topics.ROLLUP], PARTITIONS)
    assert_refused(system, "there is no state", f"the group {GROUP} is at offset", "to begin anew")


def test_a_log_whose_records_were_deleted_before_they_were_taken(system: Aggregator) -> None:
    run_once(system)
    write(system.kafka, topics.TICKS.name, calm_log(symbols_named("refused", 8), minutes=3).entries)
    ends = [TopicPartition(topics.TICKS.name, number, -1) for number in range(PARTITIONS)]
    admin = AdminClient({"bootstrap.servers": system.kafka})
    for future in admin.delete_records(ends).values():
        future.result(timeout=10)
    assert_refused(system, "is retained from offset", "is lost", "to begin anew")


def test_anew_as_the_refusal_says_the_log_is_folded_from_its_beginning(system: Aggregator) -> None:
    run_once(system)
    before = system.published()
    forget_group(system.kafka, GROUP)
    made_anew(system.kafka, [topics.ROLLUP], PARTITIONS)
    engine = system.engine().wait_ready()
    twice = {number: records * 2 for number, records in before.items()}
    until(lambda: system.published() == twice, "the same is emitted again", process=engine)


def test_a_partition_count_that_changed(system: Aggregator) -> None:
    run_once(system)
    assert_refused(system, "partitions is 4, must be 8", partitions=8)


def test_a_partition_count_that_was_raised_everywhere(system: Aggregator) -> None:
    run_once(system)
    admin = AdminClient({"bootstrap.servers": system.kafka})
    raised = [NewPartitions(topic.name, 8) for topic in TOPICS if topic.partitions is None]
    for future in admin.create_partitions(raised).values():
        future.result(timeout=10)
    assert_refused(system, "of a log of 4 partitions, and 8 are meant now", "make it 4 again", partitions=8)


CLEARS = ("make clean", "kafka-topics.sh --delete", "--delete --group aggregator-engine", "db.dropDatabase()")
"""The commands that clear everything of an older contract."""


def test_a_log_whose_marks_are_of_an_older_contract(system: Aggregator) -> None:
    old = b'{"kind":"mark","run":7,"through":%d,"changes":[{"symbol":"SIM:A","state":"heard","at":%d}]}' % (T0, T0)
    write(system.kafka, topics.TICKS.name, [Entry(2, MARK_KEY, old)])
    assert_refused(system, "partition 2 of market.ticks.v1 holds marks of an older contract", *CLEARS)
    assert read_all(system.kafka, topics.TICKS.dead.name) == []
    assert read_all(system.kafka, topics.ROLLUP.name) == [], "it has taken nothing"


def test_a_running_engine_ends_where_marks_of_an_older_contract_begin(system: Aggregator) -> None:
    engine = system.engine().wait_ready()
    old = b'{"kind":"mark","run":7,"through":%d}' % T0
    write(system.kafka, topics.TICKS.name, [*calm_log(["SIM:A"], minutes=2).entries, Entry(0, MARK_KEY, old)])
    until(lambda: engine.exit_code is not None, "it does not go on")
    assert engine.exit_code == 2
    assert "holds marks of an older contract" in engine.log


def test_a_state_of_an_older_format(system: Aggregator) -> None:
    run_once(system)
    header = [m.value() or b"" for m in read_all(system.kafka, topics.ROLLUP.name) if m.key() == HEADER_KEY][-1]
    older = b"".join((header[:1], b"\x01", header[2:]))
    write(system.kafka, topics.ROLLUP.name, [Entry(1, HEADER_KEY, older)])
    assert_refused(system, "the state is of format 1, this engine's is 2", *CLEARS)


@pytest.mark.parametrize(("wrong", "why"), [("5m,1h", "1m must be among them"), ("1m,7m", "'7m' is not an interval")])
def test_intervals_that_make_no_sense(system: Aggregator, wrong: str, why: str) -> None:
    engine = system.start(["aggregator", "engine"], "engine-1", INTERVALS=wrong)
    until(lambda: engine.exit_code is not None, "it refuses")
    assert engine.exit_code == 2
    assert "INTERVALS" in engine.log
    assert why in engine.log


def test_intervals_that_are_taken_out_are_built_no_more(system: Aggregator) -> None:
    log = calm_log(symbols_named("fewer", 4), minutes=8).entries
    half = len(log) // 2
    write(system.kafka, topics.TICKS.name, log[:half])
    engine = system.engine().wait_ready()
    until(lambda: sum(map(len, system.published().values())), "something is published", process=engine)
    assert engine.stop() == 0
    first = sum(map(len, system.published().values()))
    fewer = system.start(["aggregator", "engine"], "engine-1", INTERVALS="1m,5m,1h").wait_ready()
    write(system.kafka, topics.TICKS.name, log[half:])
    until(
        lambda: sum(bar.interval == "1m" for bar in system.bars()) == 4 * 8, "every minute is published", process=fewer
    )
    assert sum(map(len, system.published().values())) > first
    until(lambda: fewer.labels("engine_bars_total", "interval") == {"1m", "5m"}, "no others", process=fewer)


def test_a_log_whose_records_have_the_time_of_their_producers(system: Aggregator) -> None:
    config = {name: value for name, value in topics.TICKS.config.items() if name != "message.timestamp.type"}
    made_anew(system.kafka, [topics.Topic(topics.TICKS.name, None, config)], PARTITIONS)
    assert_refused(system, topics.TICKS.name, "message.timestamp.type", "LogAppendTime")
