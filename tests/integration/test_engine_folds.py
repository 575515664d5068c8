"""The engine on real Kafka: what it publishes is the fold of the log, and bad records do not stop it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message

from candlewick_local.parts import RealParts
from chassis.clock import now_ms
from contracts import topics, wire
from contracts.bars import Forming
from contracts.feed import GapEvent, decode_feed_event
from contracts.intervals import MINUTE, Interval
from contracts.topics import MARK_KEY, partition_of
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import Entry, TickLog, calm_log, entry_of, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import until
from tests.support.records import T0, calendar, key, mark, tick
from tests.support.topics import headers_of, read_all, write


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def assert_published_is_the_fold(system: Aggregator) -> None:
    folded = fold_topic(system.kafka, PARTITIONS)
    wanted = folded.published()
    until(lambda: sum(map(len, system.published().values())) >= sum(map(len, wanted.values())), "all is published")
    assert system.published() == wanted
    assert folded.bars


def test_what_is_published_is_the_fold_of_the_log_byte_for_byte(system: Aggregator) -> None:
    engine = system.engine().wait_ready()
    write(system.kafka, topics.TICKS.name, calm_log(symbols_named("fold", 12), minutes=16).entries)
    assert_published_is_the_fold(system)
    bars = system.bars()
    assert {bar.interval for bar in bars} >= {"1m", "3m", "5m", "15m"}
    assert all(
        number == partition_of(record.key or b"", PARTITIONS)
        for number, records in system.published().items()
        for record in records
        if record.key != MARK_KEY
    )
    assert engine.metric("engine_bars_total") == len(bars)
    assert engine.metric("engine_close_latency_seconds_count") >= 1
    assert engine.metric("engine_transaction_seconds_count") >= 1
    assert engine.metric("engine_restore_seconds_count") == engine.metric("engine_partitions") == PARTITIONS
    assert engine.metric("engine_state_records_total") >= 12 + PARTITIONS
    assert engine.metric("engine_tick_age_seconds_count") >= 1
    assert engine.metric("engine_aborts_total") == engine.metric("engine_forming_lost_total") == 0
    until(lambda: engine.metric("engine_committed_lag_records") == 0, "all is committed", process=engine)
    assert engine.metric("engine_position_lag_records") == engine.metric("engine_open_minutes") == 0
    assert engine.stop() == 0


def test_a_log_that_was_there_before_the_engine_is_folded_from_its_beginning(system: Aggregator) -> None:
    write(system.kafka, topics.TICKS.name, calm_log(symbols_named("before", 3), minutes=4).entries)
    system.engine().wait_ready()
    assert_published_is_the_fold(system)


def test_headers_say_what_a_record_is_and_its_time_is_the_last_millisecond_that_it_covers(system: Aggregator) -> None:
    system.engine().wait_ready()
    write(system.kafka, topics.TICKS.name, calm_log(["SIM:HEADS0"], minutes=3).entries)
    assert_published_is_the_fold(system)
    records = system.published()[partition_of(key("SIM:HEADS0"), PARTITIONS)]
    marked = [wire.decode_mark(m.value() or b"").watermark for m in ticks_of(system, MARK_KEY)]
    last = T0 + 3 * MINUTE + 5_000
    assert marked[-1] == last
    kinds = []
    for record in records:
        headers = dict(record.headers)
        assert [name for name, _ in record.headers] == list(headers), "each header once"
        assert int(headers.pop("emitted_at")) in marked, "the log's clock"
        assert headers.pop("schema") == b"2"
        kinds.append(headers.pop("kind"))
        if kinds[-1] == b"bar":
            bar = wire.decode_bar(record.value or b"")
            assert headers == {"interval": bar.interval.encode()}
            assert (record.key, record.timestamp) == (b"SIM:HEADS0", bar.close_time - 1)
        else:
            complete = wire.decode_bars_complete(record.value or b"")
            assert headers == {}
            assert (record.key, record.timestamp) == (MARK_KEY, complete.closed_through - 1)
    before, minutes = [b"bars_complete"] * 2, [b"bar", b"bars_complete"] * 2
    assert kinds == [*before, *minutes, b"bar", b"bar", b"bars_complete"], "1m and 3m"
    assert dict(records[-1].headers)["emitted_at"] == b"%d" % last
    complete = wire.decode_bars_complete(records[-1].value or b"")
    assert (complete.delay, complete.closed_through, complete.count) == (0, T0 + 3 * MINUTE, 2)


def ticks_of(system: Aggregator, name: bytes) -> list[Message]:
    """What stands under a key in the tick log, in the partition of this file's symbols or in all of them."""
    return [m for m in read_all(system.kafka, topics.TICKS.name) if m.key() == name]


def test_a_tick_without_a_calendar_before_it_is_put_aside(system: Aggregator) -> None:
    engine = system.engine().wait_ready()
    log = TickLog(PARTITIONS)
    log.mark(mark(T0, ("SIM:LOST0", "covered", T0)))
    log.tick(tick(T0 + 1_000, 10.0, symbol="SIM:LOST0"))
    log.calendar(*calendar("SIM:LOST0"))
    log.tick(tick(T0 + 2_000, 11.0, symbol="SIM:LOST0"))
    log.mark(mark(T0 + MINUTE + 2_000))
    write(system.kafka, topics.TICKS.name, log.entries)
    assert_published_is_the_fold(system)
    assert {(bar.open, bar.tick_count) for bar in system.bars()} == {(11.0, 1)}
    (letter,) = read_all(system.kafka, topics.TICKS.dead.name)
    assert wire.decode_tick(letter.value() or b"").price == 10.0
    assert headers_of(letter)["kind"] == "no_calendar"
    assert engine.metric("engine_dead_records_total") == 1


def test_bad_records_become_dead_letters_with_cause_and_position_and_work_goes_on(system: Aggregator) -> None:
    name = key("SIM:BAD0")
    partition = partition_of(name, PARTITIONS)
    good = calm_log(["SIM:BAD0"], minutes=2)
    future = tick(T0 + 400 * 24 * 3_600_000 * 10, 5.0, 2.0, symbol="SIM:BAD0")
    bad = TickLog(PARTITIONS)
    bad.raw(name, b"{not json")
    bad.raw(name, b'{"price":' + b"[" * 100_000)
    bad.raw(name, wire.encode(tick(T0 + 1, 5.0, 1e300, symbol="SIM:BAD0")))
    bad.raw(name, wire.encode(tick(T0 + 1, 5.0, symbol="SIM:OTHER")))
    bad.raw(name, wire.encode(future))
    bad.entries.append(Entry(partition, b"!", b"[]"))
    bad.entries.append(Entry(partition, b"!SIM:BAD0", wire.encode(calendar("SIM:OTHER")[1])))
    bad.calendar(*calendar("SIM:BAD0", "0930-1600", "Mars/Olympus"))
    elsewhere = next(s for s in symbols_named("away", 20) if partition_of(key(s), PARTITIONS) != partition)
    bad.entries.append(Entry(partition, key(elsewhere), wire.encode(tick(T0 + 2, 5.0, symbol=elsewhere))))
    half = len(good.entries) // 2
    write(system.kafka, topics.TICKS.name, [*good.entries[:half], *bad.entries, *good.entries[half:]])
    engine = system.engine().wait_ready()
    assert_published_is_the_fold(system)

    stood = {m.value(): (m.partition(), m.offset()) for m in read_all(system.kafka, topics.TICKS.name)}
    letters = read_all(system.kafka, topics.TICKS.dead.name)
    headers = [headers_of(letter) for letter in letters]
    assert [letter.value() for letter in letters] == [entry.value for entry in bad.entries]
    assert [(int(h["partition"]), int(h["offset"])) for h in headers] == [stood[entry.value] for entry in bad.entries]
    assert [h["kind"] for h in headers] == [
        *("undecodable", "undecodable", "undecodable", "key_mismatch", "future", "undecodable"),
        *("key_mismatch", "invalid_calendar", "misplaced"),
    ]
    assert "in the future" in headers[4]["cause"]
    assert all(h["topic"] == topics.TICKS.name and h["cause"] for h in headers)
    assert engine.metric("engine_dead_records_total") == len(bad.entries)


def test_a_tick_from_the_future_among_good_ones_is_put_aside_with_its_own_position(system: Aggregator) -> None:
    log = calm_log(["SIM:AHEAD0"], minutes=2)
    write(system.kafka, topics.TICKS.name, log.entries)
    engine = system.engine().wait_ready()
    at = T0 + 2 * MINUTE + 10_000
    ticks = [tick(at + second * 1_000, 5.0, 9_000.0 + second, symbol="SIM:AHEAD0") for second in range(9)]
    ticks.insert(5, tick(T0 + 400 * 24 * 3_600_000 * 10, 5.0, 9_005.0, symbol="SIM:AHEAD0"))
    write(system.kafka, topics.TICKS.name, [entry_of(one, PARTITIONS) for one in ticks])
    until(lambda: engine.metric("engine_dead_records_total") == 1, "it is put aside", process=engine)
    until(lambda: len(read_all(system.kafka, topics.TICKS.dead.name)) == 1, "it can be read", process=engine)
    (letter,) = read_all(system.kafka, topics.TICKS.dead.name)
    assert letter.value() == wire.encode(ticks[5])
    stood = {m.value(): str(m.offset()) for m in read_all(system.kafka, topics.TICKS.name)}
    assert headers_of(letter)["offset"] == stood[wire.encode(ticks[5])]


def test_late_ticks_correct_bars_or_go_to_their_topic_and_gaps_are_announced(system: Aggregator) -> None:
    name = "SIM:LATE0"
    end = T0 + 8 * MINUTE
    log = calm_log([name], minutes=8)
    log.mark(mark(end + 2_500))
    log.tick(tick(T0 + 30_000, 77.0, 1e6, symbol=name))
    log.tick(tick(end - 30_000, 78.0, 1e6 + 1, symbol=name, received_at=end + 2_600))
    log.mark(mark(end + 10_000, (name, "uncovered", end + 5_000)))
    log.tick(tick(end + 20_000, 79.0, 1e6 + 5, symbol=name, is_baseline=True))
    log.mark(mark(end + 20_050, (name, "covered", end + 20_050)))
    log.mark(mark(end + MINUTE))
    write(system.kafka, topics.TICKS.name, log.entries)
    engine = system.engine().wait_ready()
    assert_published_is_the_fold(system)
    folded = fold_topic(system.kafka, PARTITIONS)
    assert {bar.interval for bar in folded.bars if bar.revision == 1} == {"1m"}
    (late,) = read_all(system.kafka, topics.TICKS_LATE.name)
    assert (late.key(), late.value()) == (key(name), wire.encode(folded.late[0]))
    assert folded.late[0].reason == "beyond_grace_period"
    (told,) = read_all(system.kafka, topics.FEED.name)
    at, back = end + MINUTE, end + 20_050
    assert decode_feed_event(told.value() or b"") == GapEvent(
        exchange="SIM", symbol="LATE0", start=end + 5_000, end=back, delay=0, event_start=end + 3_000, event_end=back,
        session_ms=back - end - 3_000, gap_volume=4.0, at=at,
    )  # fmt: skip
    assert engine.metric("engine_late_ticks_total") == 1
    assert engine.metric("engine_revisions_total") == 1
    assert engine.metric("engine_gaps_total") == 1


def test_forming_bars_are_published_while_live_at_most_four_times_a_second(system: Aggregator) -> None:
    system.engine().wait_ready()
    write(system.kafka, topics.TICKS.name, calm_log(["SIM:FORM0"], minutes=1).entries)
    began = time.monotonic()
    ticks = [tick(T0 + MINUTE + at, 50.0 + at, 2_000.0 + at, symbol="SIM:FORM0") for at in range(300)]
    write(system.kafka, topics.TICKS.name, [entry_of(record, PARTITIONS) for record in ticks], one_by_one=True)

    def told() -> list[Forming]:
        return [Forming.decode(m.value() or b"") for m in read_all(system.kafka, topics.FORMING.name)]

    until(lambda: told() and told()[-1].bars[0].close == 349.0, "the last price is told")
    assert len(told()) <= 4 * (time.monotonic() - began) + 2
    last = told()[-1]
    assert [bar.interval for bar in last.bars] == list(Interval)
    assert (last.bars[0].open_time, last.bars[0].tick_count) == (T0 + MINUTE, 300)
    assert last.bars[-1].tick_count == 306, "longer bars hold the closed minute too"


def test_silence_gets_into_the_log_and_bars_close(system: Aggregator) -> None:
    start = now_ms() // MINUTE * MINUTE - 3 * MINUTE
    log = calm_log(["SIM:QUIET0"], minutes=1, start=start)
    # Without the last marks, which close the minute.
    write(system.kafka, topics.TICKS.name, log.entries[:-PARTITIONS])
    engine = system.engine(silence_ms=1_000).wait_ready()
    until(lambda: engine.metric("engine_own_marks_total") >= PARTITIONS, "every partition is marked")
    until(lambda: system.bars(), "the bar is closed")
    marks = [m for m in read_all(system.kafka, topics.TICKS.name) if m.key() == b"!"]
    own = [wire.decode_mark(m.value() or b"") for m in marks]
    assert {mark.epoch for mark in own} == {0, 1}
    assert engine.stop() == 0
    (bar,) = [bar for bar in system.bars() if bar.interval == "1m"]
    assert bar in fold_topic(system.kafka, PARTITIONS).bars
    assert (bar.symbol, bar.open_time, bar.tick_count) == ("QUIET0", start, 6)
