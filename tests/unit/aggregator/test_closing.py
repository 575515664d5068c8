"""What marks bring about: bars close, are emitted again when a late tick changes them, and become final."""

import pytest

from aggregator.core.emission import Issue
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE
from contracts.topics import MARK_KEY
from tests.support.folds import (
    COVERED,
    NOON,
    all_bars,
    bars_of,
    begun,
    completes_of,
    fold_of,
    late_of,
    put,
    start,
)
from tests.support.records import T0, mark, tick


def test_a_minute_closes_at_the_mark_that_passes_its_end_and_the_close_delay() -> None:
    ticks = [tick(NOON + 1_000, 10.0, 11.0), tick(NOON + 2_000, 12.0, 11.5), tick(NOON + 59_900, 11.0, 13.25)]
    fold = begun(*start(), *ticks, mark(NOON + MINUTE + 1_999))
    assert all_bars(fold.take()) == []
    (bar,) = bars_of(put(fold, mark(NOON + MINUTE + 2_000)))
    assert (bar.open_time, bar.close_time, bar.trading_day) == (NOON, NOON + MINUTE, T0)
    assert (bar.open, bar.high, bar.low, bar.close) == (10.0, 12.0, 10.0, 11.0)
    assert bar.volume == 3.25
    assert (bar.tick_count, bar.first_tick_time, bar.last_tick_time) == (3, NOON + 1_000, NOON + 59_900)
    assert (bar.gap_ms, bar.origin, bar.revision, bar.delay, bar.reason) == (0, "ticks", 0, 0, None)


def test_no_bar_for_a_minute_without_a_tick() -> None:
    issues = fold_of(*start(), tick(NOON + 500, 1.0, 11.0), mark(NOON + 5 * MINUTE))
    assert [bar.open_time for bar in bars_of(issues)] == [NOON]


def test_bars_carry_the_clock_at_which_they_were_emitted() -> None:
    at = NOON + MINUTE + 2_345
    issues = fold_of(*start(), tick(NOON + 500, 1.0, 11.0), mark(at))
    assert {issue.at for issue in issues if isinstance(issue.record, wire.Bar)} == {at}


def again(issues: list[Issue]) -> list[tuple[str, int, int, float, float | None, int]]:
    """The bars that were emitted again: interval, minutes after noon, revision, high, volume, ticks."""
    bars = [bar for bar in all_bars(issues) if bar.revision]
    assert all(bar.reason == "late_tick" for bar in bars)
    return [
        (bar.interval, (bar.open_time - NOON) // MINUTE, bar.revision, bar.high, bar.volume, bar.tick_count)
        for bar in bars
    ]


def test_a_late_tick_changes_its_minute_and_every_closed_longer_bar_at_the_next_mark() -> None:
    ticks = [tick(NOON + minute * MINUTE + 1_000, 1.0 + minute / 10, 11.0 + minute) for minute in range(4)]
    fold = begun(*start(), *ticks, mark(NOON + 4 * MINUTE + 2_000))
    assert [bar.volume for bar in bars_of(fold.take())] == [1.0, 1.0, 1.0, 1.0]
    at = NOON + 4 * MINUTE + 3_000
    straggler = tick(NOON + MINUTE + 30_000, 9.0, 14.5, received_at=at, sequence=at * 4096)
    assert put(fold, straggler) == [], "only marks correct"
    assert again(put(fold, mark(at + 1_000))) == [("1m", 1, 1, 9.0, 1.5, 2), ("3m", 0, 1, 9.0, 3.5, 4)]
    (bar,) = bars_of(put(fold, mark(NOON + 5 * MINUTE + 2_000)), "5m")
    assert (bar.high, bar.volume, bar.tick_count, bar.revision) == (9.0, 4.5, 5, 0)


def test_a_late_tick_of_a_silent_minute_makes_a_bar_of_its_own() -> None:
    at = NOON + 4 * MINUTE
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 1.0, 11.0),
        tick(NOON + 3 * MINUTE, 2.0, 15.0),
        mark(NOON + 3 * MINUTE + 30_000),
        tick(NOON + MINUTE, 5.0, 16.0, received_at=at, sequence=at * 4096),
        mark(NOON + 5 * MINUTE),
    )
    assert [((bar.open_time - NOON) // MINUTE, bar.revision, bar.volume) for bar in bars_of(issues)] == [
        (0, 0, 1.0), (1, 0, 1.0), (3, 0, 4.0),
    ]  # fmt: skip
    assert again(issues) == [("3m", 0, 1, 5.0, 2.0, 2)]


@pytest.mark.parametrize("late_by", [-1, 0], ids=["within", "beyond"])
def test_a_late_tick_counts_up_to_the_end_of_the_grace_period(late_by: int) -> None:
    final = NOON + 6 * MINUTE + 2_000
    straggler = tick(NOON + 5_000, 99.0, 12.0, received_at=final, sequence=final * 4096)
    issues = fold_of(*start(), tick(NOON + 1_000, 1.0, 11.0), mark(final + late_by), straggler, mark(final + MINUTE))
    if late_by < 0:
        assert late_of(issues) == []
        assert again(issues) == [
            ("1m", 0, 1, 99.0, 2.0, 2), ("3m", 0, 1, 99.0, 2.0, 2), ("5m", 0, 1, 99.0, 2.0, 2),
        ]  # fmt: skip
        return
    assert again(issues) == []
    assert [(one.tick, one.reason, one.bar_open_time, one.closed_until) for one in late_of(issues)] == [
        (straggler, "beyond_grace_period", NOON, NOON + MINUTE)
    ]


def test_a_tick_that_is_too_late_moves_no_counter() -> None:
    final = NOON + 6 * MINUTE + 2_000
    straggler = tick(NOON + 5_000, 99.0, 500.0, received_at=final, sequence=final * 4096)
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 1.0, 11.0),
        mark(final),
        straggler,
        tick(final, 1.0, 13.0),
        mark(final + 2 * MINUTE),
    )
    assert [bar.volume for bar in bars_of(issues)] == [1.0, 2.0]


def test_the_same_late_tick_twice_changes_only_the_tick_count() -> None:
    at = NOON + 2 * MINUTE
    twice = tick(NOON + 1_000, 1.0, 11.0)
    issues = fold_of(*start(), twice, mark(at), twice, mark(at + 1_000))
    assert again(issues) == [("1m", 0, 1, 1.0, 1.0, 2)]


def test_at_a_shared_boundary_short_bars_stand_before_long_ones_and_then_that_they_are_complete() -> None:
    end = NOON + 15 * MINUTE
    issues = fold_of(*start(), tick(NOON + 14 * MINUTE, 1.0, 11.0), mark(end + 2_000))
    said = [issue.record for issue in issues if getattr(issue.record, "close_time", end) == end][-5:]
    assert [getattr(record, "interval", "complete") for record in said] == ["1m", "3m", "5m", "15m", "complete"]
    (complete,) = completes_of(issues[-1:])
    assert (complete.closed_through, complete.count) == (end, 4)
    assert complete.final_through == end - 5 * MINUTE - MINUTE


def test_symbols_close_in_the_order_of_their_names_each_from_short_to_long() -> None:
    names = ("SIM:C", "SIM:A", "SIM:B")
    ticks = [tick(NOON + 2 * MINUTE + 1_000, 1.0, symbol=name) for name in names]
    issues = fold_of(mark(NOON), *ticks, mark(NOON + 3 * MINUTE + 2_000))
    assert [(bar.symbol, bar.interval) for bar in all_bars(issues)] == [
        (symbol, interval) for symbol in "ABC" for interval in ("1m", "3m")
    ]


def test_a_range_of_silent_boundaries_is_one_record_under_the_key_of_marks() -> None:
    fold = begun(*start())
    fold.take()
    issues = put(fold, mark(NOON + 40 * MINUTE + 2_000), mark(NOON + 41 * MINUTE + 2_000))
    assert [(record.closed_through, record.count) for record in completes_of(issues)] == [
        (NOON + 40 * MINUTE, 0), (NOON + 41 * MINUTE, 0),
    ]  # fmt: skip
    assert {issue.key for issue in issues if isinstance(issue.record, wire.BarsComplete)} == {MARK_KEY}


def test_completeness_is_said_after_each_boundary_with_bars_and_after_the_last() -> None:
    ticks = [tick(NOON + minute * MINUTE, 1.0, 11.0) for minute in (0, 7)]
    fold = begun(*start(), *ticks)
    issues = put(fold, mark(NOON + 20 * MINUTE + 2_000))
    said = [((record.closed_through - NOON) // MINUTE, record.count) for record in completes_of(issues)]
    assert said == [(1, 1), (3, 1), (5, 1), (8, 1), (9, 1), (10, 1), (15, 1), (20, 0)]


def test_bars_that_were_emitted_again_are_counted_by_the_next_record() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 1.0, 11.0), mark(NOON + MINUTE + 2_000))
    fold.take()
    straggler = tick(NOON + 2_000, 2.0, 12.0, received_at=NOON + 70_000)
    issues = put(fold, straggler, mark(NOON + 71_000))
    assert len(all_bars(issues)) == 1
    assert completes_of(issues) == []
    assert [record.count for record in completes_of(put(fold, mark(NOON + 2 * MINUTE + 2_000)))] == [1]


def test_a_clock_that_does_not_pass_a_boundary_says_nothing() -> None:
    fold = begun(*start(), tick(NOON + 500, 1.0, 11.0), mark(NOON + 62_000))
    fold.take()
    assert put(fold, mark(NOON + 63_000), mark(NOON + 121_999)) == []


def test_a_first_mark_that_has_no_time_begins_nothing() -> None:
    fold = begun(tick(NOON, 9.0, 10.0, is_baseline=True))
    assert put(fold, mark(0, ("SIM:B", "released", NOON - 5)), mark(NOON + 300)) == []
    said = completes_of(put(fold, mark(NOON + 62_000)))
    assert [record.closed_through for record in said] == [NOON + MINUTE]


def test_a_mark_closes_what_ticks_before_the_first_mark_opened() -> None:
    ticks = [tick(NOON - 10 * MINUTE, 1.0, 5.0), tick(NOON - 2 * MINUTE, 2.0, 6.0)]
    issues = fold_of(*ticks, mark(NOON, COVERED), mark(NOON + HOUR))
    assert [(bar.open_time - NOON) // MINUTE for bar in bars_of(issues)] == [-10, -2]


def test_a_bar_that_is_final_changes_no_more_though_its_month_is_open() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 1.0, 11.0), mark(NOON + HOUR + 7 * MINUTE))
    fold.take()
    issues = put(fold, tick(NOON + 2_000, 50.0, 12.0, received_at=NOON + HOUR + 8 * MINUTE), mark(NOON + 32 * DAY))
    assert len(late_of(issues)) == 1
    assert [(bar.interval, bar.high, bar.revision) for bar in all_bars(issues)] == [
        ("2h", 1.0, 0), ("3h", 1.0, 0), ("4h", 1.0, 0), ("1d", 1.0, 0), ("1w", 1.0, 0), ("1M", 1.0, 0),
    ]  # fmt: skip
