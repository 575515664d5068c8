"""Feed delays: each is a class of its own, and a symbol that changes its class loses nothing silently."""

from collections.abc import Sequence

import pytest

from aggregator.core.emission import Issue, Kind
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CLOSE, NEW_YORK
from tests.support.folds import (
    NOON,
    SECOND,
    all_bars,
    bars_of,
    begun,
    completes_of,
    dead_of,
    fold_of,
    gaps_of,
    late_of,
    listed,
    put,
    restarted,
    start,
)
from tests.support.records import mark, tick
from tests.support.tick_logs import Record

LATE = 900 * SECOND
SWITCH = NOON + 20 * MINUTE
"""When the feed's delay changes, in receive time."""


def test_a_delayed_symbol_closes_its_delay_later() -> None:
    at = NOON + 1_000
    records: list[Record] = [
        mark(at + LATE - 500, ("SIM:A", "covered", NOON)),
        tick(at, 5.0, 1.0, delay=900, received_at=at + LATE, sequence=(at + LATE) * 4096),
    ]
    fold = begun(*records, mark(NOON + MINUTE + LATE + 1_999))
    assert all_bars(fold.take()) == []
    issues = put(fold, mark(NOON + MINUTE + LATE + 2_000))
    assert [(bar.open_time, bar.gap_ms, bar.delay) for bar in bars_of(issues)] == [(NOON, 0, 900)]
    assert [(record.delay, record.closed_through) for record in completes_of(issues)] == [(900, NOON + MINUTE)]


def test_each_class_says_for_itself_how_far_it_is_complete() -> None:
    at = NOON + 1_000
    issues = fold_of(
        mark(NOON - 1), tick(at, 5.0, 1.0), tick(at - LATE, 6.0, 1.0, symbol="SIM:B", delay=900, received_at=at + 60),
        mark(NOON + MINUTE + 2_000), mark(NOON + 2 * MINUTE + 2_000),
    )  # fmt: skip
    said = completes_of(issues)[-4:]
    assert [(record.delay, (record.closed_through - NOON) // MINUTE, record.count) for record in said] == [
        (0, 1, 1), (900, -14, 1), (0, 2, 0), (900, -13, 0),
    ]  # fmt: skip


def switching(first: int, then: int, *, until: int = NOON + HOUR, step: int = 20 * SECOND) -> list[Record]:
    """SIM:A trades 1 every 20 s and is observed with a delay (seconds), from the switch on with another one."""
    log: list[Record] = [mark(NOON), mark(NOON, ("SIM:A", "covered", NOON - DAY), ("SIM:B", "covered", NOON - DAY))]
    for received in range(NOON, until, step):
        delay = first if received < SWITCH else then
        at = received - delay * SECOND
        log.append(tick(at, 1.0 + at // step % 7, 1e6 + (at - NOON) // step, delay=delay, received_at=received,
                        sequence=received * 4096))  # fmt: skip
        log.append(tick(received, 1.0, symbol="SIM:B", received_at=received + 1))
        log.append(mark(received + 2))
    return log


def of_a(issues: Sequence[Issue]) -> list[wire.Bar]:
    return [bar for bar in all_bars(issues) if bar.symbol == "A"]


def test_a_delay_that_falls_is_a_gap_of_the_event_time_that_nobody_describes() -> None:
    issues = fold_of(*switching(900, 0), mark(NOON + 2 * HOUR))
    (gap,) = gaps_of(issues)
    assert (gap.start, gap.end, gap.delay) == (SWITCH - LATE, SWITCH, 0)
    assert (gap.event_start, gap.event_end) == (SWITCH - LATE - 2_000, SWITCH)
    assert gap.session_ms == LATE + 2_000
    assert gap.gap_volume == 46.0, "the trades of fifteen minutes, and the one that the first new observation shows"
    lost = {bar.open_time: bar.gap_ms for bar in bars_of(issues, "1m", "A") if bar.gap_ms}
    assert lost == {SWITCH - LATE - MINUTE: 2_000}, "no minute in between has a tick"
    assert [(bar.open_time - NOON, bar.gap_ms) for bar in bars_of(issues, "15m", "A") if bar.gap_ms] == [
        (0, 10 * MINUTE + 2_000), (15 * MINUTE, 5 * MINUTE),
    ]  # fmt: skip


def test_while_its_delay_falls_a_symbol_stays_in_its_class_and_nothing_that_was_complete_changes() -> None:
    fold = begun(*switching(900, 0, until=SWITCH + LATE - 20 * SECOND))
    assert {bar.delay for bar in of_a(fold.take())} == {900}
    issues = put(fold, mark(SWITCH + LATE - 1))
    assert {bar.delay for bar in of_a(issues)} <= {900}
    issues = put(fold, mark(SWITCH + LATE))
    caught_up = of_a(issues)
    assert {bar.delay for bar in caught_up} == {900}, "what its new class has passed already is closed in the old one"
    assert max(bar.close_time for bar in caught_up) == SWITCH + LATE - MINUTE
    issues = put(fold, mark(SWITCH + LATE + 2_000))
    assert {bar.delay for bar in of_a(issues)} == {0}


def test_a_delay_that_rises_moves_its_symbol_at_once_and_counts_nothing_twice() -> None:
    issues = fold_of(*switching(0, 900), mark(NOON + 3 * HOUR))
    assert gaps_of(issues) == []
    assert len(late_of(issues)) == 27, "nine minutes that were final and are described again"
    volumes = {bar.open_time: bar.volume for bar in bars_of(issues, "1m", "A")}
    assert sum(volume or 0 for volume in volumes.values()) == (HOUR - LATE - 20 * SECOND) // (20 * SECOND)
    assert {bar.delay for bar in of_a(issues) if bar.open_time >= SWITCH} == {900}


@pytest.mark.parametrize(("first", "then"), [(900, 0), (0, 900), (900, 60), (60, 900)])
def test_a_change_of_delay_closes_every_bar_and_each_revision_once(first: int, then: int) -> None:
    issues = fold_of(*switching(first, then), mark(NOON + 2 * DAY))
    bars = of_a(issues)
    labels = [(bar.interval, bar.open_time, bar.revision) for bar in bars]
    assert len(set(labels)) == len(labels)
    last = {(bar.interval, bar.open_time): bar for bar in bars}
    ticks = sum(isinstance(record, wire.Tick) and record.symbol == "A" for record in switching(first, then))
    for interval in (Interval.M1, Interval.M3, Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1):
        found = [bar for (name, _), bar in last.items() if name == interval.value]
        assert sum(bar.tick_count for bar in found) == ticks - len(late_of(issues))
    assert dead_of(issues) == []


@pytest.mark.parametrize(("first", "then"), [(900, 0), (0, 900), (900, 60)])
def test_completeness_stays_true_over_a_change_of_delay(first: int, then: int) -> None:
    """After a class has said that it is complete through an instant, no first bar of it closes by then."""
    issues = fold_of(*switching(first, then), mark(NOON + 2 * DAY))
    through: dict[int, int] = {}
    checked = 0
    for issue in issues:
        if isinstance(issue.record, wire.BarsComplete):
            assert issue.record.closed_through >= through.get(issue.record.delay, 0)
            through[issue.record.delay] = issue.record.closed_through
        elif isinstance(issue.record, wire.Bar) and not issue.record.revision:
            assert issue.record.close_time > through.get(issue.record.delay, 0)
            checked += 1
    assert checked > 100


def test_a_delay_that_falls_and_rises_again_before_the_symbol_has_moved_stays() -> None:
    log = switching(900, 0, until=SWITCH + 2 * MINUTE)
    at = SWITCH + 3 * MINUTE
    back = tick(at - LATE, 3.0, 1e6 + 1, delay=900, received_at=at, sequence=at * 4096)
    issues = fold_of(*log, back, mark(SWITCH + 2 * HOUR))
    assert {bar.delay for bar in of_a(issues)} == {900}
    assert len(gaps_of(issues)) == 1


def test_a_delay_falls_within_a_minute_that_then_is_of_the_old_class() -> None:
    ticks = [tick(NOON + 1_000, 10.0, 11.0), tick(NOON + 2_000, 12.0, 12.0, delay=900)]
    assert bars_of(fold_of(*start(), *ticks, mark(NOON + 2 * MINUTE))) == []
    (bar,) = bars_of(fold_of(*start(), *ticks, mark(NOON + MINUTE + 902_000)))
    assert (bar.tick_count, bar.delay) == (2, 900)


def test_the_gap_of_a_delay_that_falls_after_the_close_costs_no_session() -> None:
    stock = listed(session="0930-1600", timezone=NEW_YORK)
    issues = fold_of(
        stock, mark(CLOSE), tick(CLOSE - LATE, 1.0, 10.0, delay=900, received_at=CLOSE, is_baseline=True),
        mark(CLOSE, ("SIM:A", "covered", CLOSE - DAY)),
        tick(CLOSE - 30_000, 1.0, 11.0, delay=900, received_at=CLOSE + LATE - 30_000), mark(CLOSE + LATE - 20_000),
        tick(CLOSE + HOUR, 1.0, 11.0, received_at=CLOSE + HOUR), mark(CLOSE + 2 * HOUR),
    )  # fmt: skip
    (gap,) = gaps_of(issues)
    assert (gap.event_end, gap.session_ms) == (CLOSE + HOUR, 0)
    assert {bar.gap_ms for bar in all_bars(issues)} == {0}


@pytest.mark.parametrize(("first", "then"), [(900, 0), (0, 900), (900, 60)])
def test_a_restart_after_any_record_of_a_change_changes_nothing(first: int, then: int) -> None:
    log = [listed(), listed("SIM:B"), *switching(first, then, until=SWITCH + LATE + MINUTE), mark(NOON + 2 * HOUR)]
    whole = fold_of(*log)
    fold, changelog, issues = PartitionFold(Rules()), dict[bytes, bytes](), list[Issue]()
    for position, record in enumerate(log, 1):
        issues += put(fold, record)
        if position % 5 == 0:
            fold = restarted(fold, changelog, position)
    assert issues == whole
    assert any(issue.kind is Kind.BAR for issue in issues)


def test_a_symbol_that_is_not_observed_after_its_delay_fell_still_moves() -> None:
    fold = begun(*switching(900, 0, until=SWITCH + 20 * SECOND))
    fold.take()
    issues = put(fold, mark(SWITCH + 2 * HOUR))
    assert [(bar.open_time, bar.delay) for bar in bars_of(issues, "1m", "A")][-2:] == [
        (SWITCH - LATE - MINUTE, 900), (SWITCH, 0),
    ]  # fmt: skip


def test_what_was_uncovered_after_a_delay_fell_is_a_gap_of_the_minutes_that_it_cost() -> None:
    begins, ends = SWITCH + 5 * MINUTE, SWITCH + 6 * MINUTE
    log = switching(900, 0, until=begins)
    log += [mark(begins, ("SIM:A", "uncovered", begins)), mark(ends, ("SIM:A", "covered", ends))]
    log += [tick(ends + 1_000, 1.0), tick(begins + 1, 1.0, received_at=ends + 2_000)]
    issues = fold_of(*log, *(mark(at) for at in range(ends + 3_000, SWITCH + HOUR, 20 * SECOND)))
    first = {bar.open_time: (bar.delay, bar.gap_ms) for bar in bars_of(issues, "1m", "A") if not bar.revision}
    assert first[begins - MINUTE] == (900, 2_000)
    assert first[begins] == (900, 60_000)
    assert first[ends] == (900, 0)


def test_a_delay_that_rose_makes_no_gap_of_what_is_not_over_yet() -> None:
    fold = begun(*switching(0, 900, until=SWITCH + 40 * SECOND))
    fold.take()
    at = SWITCH + 50 * SECOND
    issues = put(fold, mark(at, ("SIM:A", "uncovered", at)), mark(at + 5_000, ("SIM:A", "covered", at + 5_000)))
    assert [bar for bar in bars_of(issues, "1m", "A") if bar.gap_ms] == []


def test_while_two_feeds_overlap_the_delay_of_the_one_that_is_followed_counts() -> None:
    """The next owner of a partition has no account, so its feed is late; it goes on alone from a minute later on."""
    joins, over = NOON + 30 * SECOND, NOON + MINUTE
    fold = begun(*start(10_000.0))
    issues = list[Issue]()
    for at in range(NOON, over + 20 * MINUTE, SECOND):
        traded = 10_000.0 + (at - NOON) / SECOND
        records: list[Record] = []
        if at < over:
            records += [tick(at, 1.0, traded, received_at=at + 50), mark(at + 60)]
        elif at == over:
            records.append(mark(at, ("SIM:A", "uncovered", at)))
        if at >= joins:
            late = tick(at - LATE, 1.0, traded - LATE / SECOND, received_at=at + 100, delay=900, epoch=2,
                        is_baseline=at == joins)  # fmt: skip
            covered = [("SIM:A", "covered", at)] if at == joins else []
            records += [late, mark(at + 110, *covered, epoch=2)]
        issues += put(fold, *records)
    assert gaps_of(issues) == []
    last = {bar.open_time: (bar.volume, bar.gap_ms) for bar in bars_of(issues)}
    assert [last[NOON + number * MINUTE] for number in range(4)] == [(59.0, 0), (60.0, 0), (60.0, 0), (60.0, 0)]
