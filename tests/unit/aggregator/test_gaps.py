"""Gaps: which are announced, when and with what, and how much of a bar they cost."""

import pytest

from aggregator.core.fold import PartitionFold
from aggregator.core.gaps import NEVER, Gaps
from aggregator.core.rules import Rules
from contracts import wire
from contracts.base import MAX_MS, MIN_MS
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from contracts.marks import ENGINE_EPOCH, Coverage
from tests.support.counter_cases import CLOSE, NEW_YORK, OPENING
from tests.support.folds import (
    COVERED,
    NOON,
    all_bars,
    bars_of,
    begun,
    completes_of,
    fold_of,
    gaps_of,
    listed,
    put,
    start,
)
from tests.support.records import mark, tick
from tests.support.tick_logs import Record

STOCK = listed(session="0930-1600", timezone=NEW_YORK)


def test_a_record_timestamp_behind_the_watermark_holds_the_clock_back() -> None:
    fold = PartitionFold(Rules())
    fold.mark(mark(NOON + HOUR), NOON)
    assert fold.clock == NOON
    fold.mark(mark(NOON - HOUR), NOON + HOUR)
    assert fold.clock == NOON, "the clock never goes back"


def test_a_watermark_ahead_of_its_append_time_vouches_for_nothing() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 10.0, 11.0))
    fold.mark(mark(NOON + 5 * MINUTE), NOON + 30_000)
    assert all_bars(fold.take()) == [], "nothing closes"
    again = NOON + 90_000
    issues = put(fold, mark(again, ("SIM:A", "covered", again), epoch=2), mark(NOON + 3 * MINUTE, epoch=2))
    (gap,) = gaps_of(issues)
    assert (gap.start, gap.end) == (NOON + 30_000, again)
    assert bars_of(issues)[0].gap_ms == 32_000, "from 0:28, since what happened then may come up to 2 s later"


def test_gaps_are_announced_once_with_bounds_and_volume_when_they_have_ended() -> None:
    again = NOON + 40_000
    records: list[Record] = [
        *start(cumulative=100.0),
        tick(NOON + 1_000, 1.0, 101.0),
        mark(NOON + 20_000, ("SIM:A", "uncovered", NOON + 10_000)),
        tick(again, 1.0, 108.0, is_baseline=True, received_at=again),
        mark(again, ("SIM:A", "covered", again)),
    ]
    fold = begun(*records, mark(again + 1_999))
    assert gaps_of(fold.take()) == []
    (gap,) = gaps_of(put(fold, mark(again + 2_000)))
    assert (gap.start, gap.end, gap.gap_volume, gap.at) == (NOON + 10_000, again, 7.0, again + 2_000)
    assert (gap.event_start, gap.event_end, gap.session_ms) == (NOON + 8_000, again, 32_000)
    repeated = mark(again + 9_000, ("SIM:A", "covered", again))
    assert gaps_of(put(fold, repeated, mark(NOON + HOUR))) == []


def test_an_epoch_that_was_killed_leaves_a_gap_up_to_the_next_that_covers() -> None:
    again = NOON + 15_000
    issues = fold_of(
        *start(cumulative=None), mark(NOON), mark(NOON + 12_000, epoch=2),
        tick(again, 5.0, None, is_baseline=True, received_at=again),
        mark(again, ("SIM:A", "covered", again), epoch=2), mark(again + 2_000, epoch=2),
    )  # fmt: skip
    assert [(gap.start, gap.end, gap.gap_volume) for gap in gaps_of(issues)] == [(NOON, again, None)]


def test_a_hand_over_that_overlaps_is_no_gap_and_neither_is_a_symbol_that_was_released() -> None:
    issues = fold_of(
        *start(),
        mark(NOON),
        mark(NOON + 500, ("SIM:A", "covered", NOON + 400), epoch=2),
        mark(NOON + 450),
        mark(NOON + HOUR, ("SIM:A", "released", NOON + HOUR), epoch=2),
        mark(NOON + 2 * HOUR, ("SIM:A", "covered", NOON + 2 * HOUR), epoch=2),
        mark(NOON + 3 * HOUR, epoch=2),
    )
    assert gaps_of(issues) == []


def test_released_symbols_have_no_gap_when_all_others_are_covered_again() -> None:
    issues = fold_of(
        *start(), mark(NOON, ("SIM:A", "released", NOON)), mark(NOON + 1_000, ("*", "covered", NOON + 1_000)),
        mark(NOON + HOUR, ("SIM:A", "covered", NOON + HOUR)), mark(NOON + HOUR + 3_000),
    )  # fmt: skip
    assert gaps_of(issues) == []


def test_a_symbol_without_a_tick_has_its_gap_announced() -> None:
    issues = fold_of(
        mark(NOON, ("SIM:B", "covered", NOON)), mark(NOON + 9_000, ("SIM:B", "uncovered", NOON + 5_000)),
        mark(NOON + 20_000, ("SIM:B", "covered", NOON + 15_000)), mark(NOON + 22_000),
    )  # fmt: skip
    (gap,) = gaps_of(issues)
    assert (gap.symbol, gap.start, gap.end, gap.delay, gap.gap_volume) == ("B", NOON + 5_000, NOON + 15_000, 0, None)


def test_a_gap_states_the_delay_of_its_symbol_and_the_event_time_that_it_cost() -> None:
    issues = fold_of(
        mark(NOON),
        tick(NOON - 900_000, 9.0, 10.0, is_baseline=True, delay=900, received_at=NOON),
        mark(NOON + 1_000, COVERED),
        mark(NOON + 10_000, ("SIM:A", "uncovered", NOON + 5_000)),
        mark(NOON + 20_000, ("SIM:A", "covered", NOON + 15_000)),
        mark(NOON + 40_000),
    )
    (gap,) = gaps_of(issues)
    assert (gap.start, gap.end, gap.delay) == (NOON + 5_000, NOON + 15_000, 900)
    assert (gap.event_start, gap.event_end) == (NOON + 3_000 - 900_000, NOON + 15_000 - 900_000)


def test_gap_ms_of_every_interval_counts_what_was_not_covered() -> None:
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 1.0, 11.0),
        mark(NOON + 20_000, ("SIM:A", "uncovered", NOON + 10_000)),
        tick(NOON + 40_000, 1.0, 12.0, is_baseline=True),
        mark(NOON + 40_000, ("SIM:A", "covered", NOON + 40_000)),
        tick(NOON + 2 * MINUTE, 1.0, 13.0),
        mark(NOON + 5 * MINUTE + 2_000),
    )
    assert [(bar.interval, bar.gap_ms) for bar in bars_of(issues) + bars_of(issues, "3m") + bars_of(issues, "5m")] == [
        ("1m", 32_000), ("1m", 0), ("3m", 32_000), ("5m", 32_000),
    ]  # fmt: skip


def test_minutes_without_a_bar_count_in_the_gap_of_longer_bars() -> None:
    begins, ends = NOON + 5 * MINUTE, NOON + 8 * MINUTE
    issues = fold_of(
        *start(), tick(NOON + 1_000, 1.0, 11.0), mark(begins, ("SIM:A", "uncovered", begins)),
        tick(ends, 1.0, 12.0, is_baseline=True), mark(ends + 50, ("SIM:A", "covered", ends + 50)),
        tick(NOON + 14 * MINUTE, 1.0, 13.0), mark(NOON + 15 * MINUTE + 2_000),
    )  # fmt: skip
    assert [bar.gap_ms for bar in bars_of(issues)] == [0, 0]
    assert [bar.gap_ms for bar in bars_of(issues, "15m")] == [ends + 50 - begins + 2_000]


def night(*reconnects: int) -> list[Record]:
    """A stock in its last and first minute, with a reconnect of ten seconds at some instants in between."""
    begin = CLOSE - HOUR
    log: list[Record] = [STOCK, mark(begin), tick(begin, 10.0, 100.0, is_baseline=True)]
    log += [mark(begin + 60, ("SIM:A", "covered", begin - 30 * DAY)), tick(CLOSE - 5_000, 10.0, 101.0)]
    for at in reconnects:
        log += [mark(at, ("SIM:A", "uncovered", at)), tick(at + 9_000, 10.0, 101.0, is_baseline=True)]
        log += [mark(at + 10_000, ("SIM:A", "covered", at + 10_000))]
    return [*log, tick(OPENING + DAY, 10.0, 5.0), mark(CLOSE + DAY + 2_000), mark(CLOSE + 30 * DAY)]


def test_reconnects_of_a_closed_market_cost_nothing() -> None:
    issues = fold_of(*night(CLOSE + 2 * HOUR, CLOSE + 5 * HOUR))
    assert [(gap.session_ms, gap.event_end - gap.event_start) for gap in gaps_of(issues)] == [(0, 12_000)] * 2
    assert {bar.gap_ms for bar in all_bars(issues)} == {0}
    assert len(bars_of(issues)) == 2


def test_of_a_gap_over_an_opening_only_the_session_counts() -> None:
    begins, ends = OPENING + DAY - HOUR, OPENING + DAY + 30_000
    issues = fold_of(
        *night()[:-3], mark(begins, ("SIM:A", "uncovered", begins)), tick(ends, 10.0, 5.0, is_baseline=True),
        mark(ends, ("SIM:A", "covered", ends)), tick(ends + 1_000, 10.0, 6.0), mark(CLOSE + DAY + 2_000),
        mark(CLOSE + 30 * DAY),
    )  # fmt: skip
    (gap,) = gaps_of(issues)
    assert (gap.session_ms, gap.event_start, gap.event_end) == (30_000, begins - 2_000, ends)
    after = [bar for bar in all_bars(issues) if bar.close_time > OPENING + DAY]
    assert {bar.interval: bar.gap_ms for bar in after} == dict.fromkeys(map(str, Interval), 30_000)
    assert {bar.gap_ms for bar in all_bars(issues) if bar not in after} == {0}


def test_coverage_that_is_taken_back_after_a_bar_closed_is_emitted_again() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 1.0, 11.0), mark(NOON + 3 * MINUTE + 2_000))
    assert [bar.gap_ms for bar in bars_of(fold.take())] == [0]
    issues = put(fold, mark(NOON + 3 * MINUTE + 3_000, ("SIM:A", "uncovered", NOON + 40_000)))
    assert [(bar.interval, bar.revision, bar.gap_ms, bar.reason) for bar in all_bars(issues)] == [
        ("1m", 1, 22_000, "gap"), ("3m", 1, 142_000, "gap"),
    ]  # fmt: skip


def test_a_gap_that_a_later_mark_makes_smaller_is_emitted_again() -> None:
    """An epoch that was silent when the minute closed says afterwards that it covered the symbol."""
    fold = begun(
        *start(), tick(NOON + 1_000, 1.0, 11.0), mark(NOON + 30_000),
        mark(NOON + 62_000, ("SIM:A", "covered", NOON + 62_000), epoch=2),
    )  # fmt: skip
    assert [bar.gap_ms for bar in bars_of(fold.take())] == [32_000]
    issues = put(fold, mark(NOON + 61_000), mark(NOON + 64_000, epoch=2))
    assert [(bar.interval, bar.revision, bar.gap_ms, bar.reason) for bar in all_bars(issues)] == [
        ("1m", 1, 1_000, "gap")
    ]


def test_what_is_taken_back_after_the_grace_period_changes_no_bar() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 1.0, 11.0), mark(NOON + 37 * MINUTE))
    fold.take()
    issues = put(fold, mark(NOON + 37 * MINUTE + 1_000, ("SIM:A", "uncovered", NOON + 10_000)))
    assert all_bars(issues) == []
    fold = begun(*night()[:-3], mark(CLOSE + HOUR))
    closed_through = completes_of(fold.take())[-1].closed_through
    issues = put(fold, mark(CLOSE + HOUR + 1_000, ("SIM:A", "uncovered", CLOSE - MINUTE)))
    assert closed_through == CLOSE + HOUR - MINUTE
    assert all_bars(issues) == []


def coverage(*marks: wire.Mark) -> tuple[Coverage, Gaps]:
    of, gaps = Coverage(), Gaps(2_000)
    for one in marks:
        of.apply(one, one.watermark)
        gaps.apply(one, of)
    return of, gaps


def test_only_what_ended_is_due_and_only_once() -> None:
    of, gaps = coverage(mark(NOON, COVERED), mark(NOON + 10_000, ("SIM:A", "uncovered", NOON + 5_000)))
    assert gaps.due == NEVER
    again = mark(NOON + 20_000, ("SIM:A", "covered", NOON + 20_000))
    of.apply(again, again.watermark)
    gaps.apply(again, of)
    assert gaps.due == NOON + 22_000
    assert list(gaps.take(NOON + 21_999, of)) == []
    assert list(gaps.take(NOON + 22_000, of)) == [("SIM:A", NOON + 5_000, NOON + 20_000)]
    assert gaps.due == NEVER


def test_marks_of_the_engine_itself_cover_nothing() -> None:
    of, gaps = coverage(mark(NOON, COVERED, epoch=ENGINE_EPOCH))
    assert gaps.touched == set()
    assert gaps.saved("SIM:A", of) is None


@pytest.mark.parametrize("state", ["released", "uncovered"])
def test_what_every_symbol_is_said_to_be_touches_those_that_are_wanted(state: str) -> None:
    of, gaps = coverage(
        mark(NOON, COVERED, ("SIM:B", "covered", NOON)), mark(NOON + 1_000, ("SIM:B", "released", NOON + 1_000))
    )
    gaps.touched.clear()
    every = mark(NOON + 2_000, ("*", state, NOON + 2_000))
    of.apply(every, every.watermark)
    changed = gaps.apply(every, of)
    assert changed == (["SIM:A"] if state == "uncovered" else [])


def test_a_gap_that_begins_before_every_calendar_is_announced_and_the_fold_goes_on() -> None:
    fold = begun(mark(OPENING, ("SIM:A", "covered", MIN_MS)), STOCK, tick(OPENING, 10.0, 100.0))
    ended, again = ("SIM:A", "uncovered", MIN_MS + 1_000), ("SIM:A", "covered", OPENING + 1_000)
    issues = put(fold, mark(OPENING + 1_000, ended), mark(OPENING + 2_000, again), mark(OPENING + 5_000))
    (gap,) = gaps_of(issues)
    assert (gap.start, gap.end, gap.session_ms) == (MIN_MS + 1_000, OPENING + 1_000, gap.event_end - gap.event_start)
    issues = put(fold, tick(OPENING + MINUTE, 10.0, 101.0), mark(OPENING + 3 * MINUTE))
    assert [bar.open_time for bar in bars_of(issues) if not bar.revision] == [OPENING, OPENING + MINUTE]


@pytest.mark.parametrize("received_at", [MIN_MS, MAX_MS])
def test_a_delay_that_falls_at_a_time_that_no_calendar_covers_does_not_end_the_fold(received_at: int) -> None:
    fold = begun(mark(OPENING, ("SIM:A", "covered", OPENING)), STOCK, tick(OPENING, 10.0, 100.0, delay=900))
    fold.tick(b"SIM:A", tick(OPENING + 1_000, 10.0, 101.0, received_at=received_at, sequence=2**52), OPENING + 1_050)
    assert len(gaps_of(put(fold, mark(OPENING + 20 * MINUTE), mark(OPENING + 40 * MINUTE)))) == 1
