"""The fold: which bars a log of ticks and marks gives, to the last digit."""

import msgspec
import pytest

from aggregator.core.fold import Issue, Kind, PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.records import T0, key, mark, tick

HEARD = ("SIM:A", "heard", T0 - HOUR)


def fold_of(*records: wire.Tick | wire.Mark, rules: Rules | None = None) -> list[Issue]:
    """Fold records whose append time is when they were received (marks: when they vouch)."""
    fold = PartitionFold(rules or Rules())
    for record in records:
        if isinstance(record, wire.Mark):
            fold.mark(record, record.through)
        else:
            fold.tick(key(f"{record.exchange}:{record.symbol}"), record, record.received_at)
    return fold.take()


def bars_of(issues: list[Issue], interval: str = "1m") -> list[wire.Bar]:
    return [i.record for i in issues if isinstance(i.record, wire.Bar) and i.record.interval == interval]


def gaps_of(issues: list[Issue]) -> list[wire.GapEvent]:
    return [issue.record for issue in issues if isinstance(issue.record, wire.GapEvent)]


def start(cumulative: float | None = 10.0) -> tuple[wire.Mark, wire.Tick, wire.Mark]:
    """A symbol that is heard from the minute before T0 on."""
    return (
        mark(T0 - 30_000),
        tick(T0 - 20_000, 9.0, cumulative, is_baseline=True, trading_day=T0),
        mark(T0 - 19_000, HEARD),
    )


def test_a_minute_closes_at_the_mark_that_passes_its_end_and_the_lateness() -> None:
    ticks = [tick(T0 + 1_000, 10.0, 11.0), tick(T0 + 2_000, 12.0, 11.5), tick(T0 + 59_900, 11.0, 13.25)]
    before = fold_of(*start(), *ticks, mark(T0 + MINUTE + 1_999))
    assert bars_of(before) == []
    (bar,) = bars_of(fold_of(*start(), *ticks, mark(T0 + MINUTE + 2_000)))
    assert (bar.open_time, bar.close_time) == (T0, T0 + MINUTE)
    assert (bar.open, bar.high, bar.low, bar.close) == (10.0, 12.0, 10.0, 11.0)
    assert bar.volume == 3.25
    assert (bar.tick_count, bar.first_tick_time, bar.last_tick_time) == (3, T0 + 1_000, T0 + 59_900)
    assert (bar.gap_ms, bar.origin, bar.revision) == (0, "ticks", 0)


def test_a_record_timestamp_behind_through_holds_the_clock_back() -> None:
    fold = PartitionFold(Rules())
    fold.mark(mark(T0 + HOUR), T0)
    assert fold.clock == T0
    fold.mark(mark(T0 - HOUR), T0 + HOUR)
    assert fold.clock == T0, "the clock never goes back"


def test_no_bar_for_a_minute_without_a_tick() -> None:
    issues = fold_of(*start(), tick(T0 + 500, 1.0, 11.0), mark(T0 + 5 * MINUTE))
    assert [bar.open_time for bar in bars_of(issues)] == [T0]


def test_a_baseline_is_no_tick_and_what_moved_unheard_before_it_is_no_volume() -> None:
    issues = fold_of(
        *start(cumulative=100.0),
        mark(T0 - 5_000, ("SIM:A", "deaf", T0 - 10_000)),
        tick(T0 + 1_000, 50.0, 107.0, is_baseline=True),
        mark(T0 + 1_050, ("SIM:A", "heard", T0 + 1_050)),
        tick(T0 + 2_000, 10.0, 109.0),
        mark(T0 + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.open, bar.high, bar.volume, bar.tick_count) == (10.0, 10.0, 2.0, 1)


def test_what_moved_before_a_baseline_while_somebody_heard_is_volume() -> None:
    """An owner that takes over begins with a baseline, while the one before still hears: nothing was lost."""
    issues = fold_of(
        *start(cumulative=100.0),
        tick(T0 + 1_000, 50.0, 107.0, is_baseline=True),
        mark(T0 + 1_100, ("SIM:A", "heard", T0 + 1_050), run=2),
        tick(T0 + 2_000, 10.0, 109.0),
        mark(T0 + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.open, bar.high, bar.volume, bar.tick_count) == (10.0, 10.0, 9.0, 1)
    assert gaps_of(issues) == []


def test_what_moved_while_a_run_was_silent_is_volume_if_it_vouches_for_that_time_after_all() -> None:
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 10.0, 11.0),
        mark(T0 + 2_000),
        tick(T0 + 58_000, 10.0, 15.0, is_baseline=True, received_at=T0 + 59_000),
        mark(T0 + 62_500, ("SIM:A", "heard", T0 + 62_400), run=2),
        mark(T0 + 62_600),
        mark(T0 + 65_000, run=2),
        mark(T0 + 10 * MINUTE, run=2),
    )
    assert gaps_of(issues) == []
    assert [(bar.revision, bar.volume) for bar in bars_of(issues)] == [(0, 1.0), (1, 5.0)]


def test_the_residual_of_a_silent_minute_is_carried_to_no_bar() -> None:
    issues = fold_of(
        *start(cumulative=100.0),
        tick(T0 + 1_000, 10.0, 101.0),
        mark(T0 + 10_000, ("SIM:A", "deaf", T0 + 5_000)),
        tick(T0 + MINUTE + 1_000, 10.0, 151.0, is_baseline=True),
        mark(T0 + MINUTE + 1_050, ("SIM:A", "heard", T0 + MINUTE + 1_050)),
        tick(T0 + 2 * MINUTE + 1_000, 10.0, 153.0),
        mark(T0 + 3 * MINUTE + 5_000),
    )
    assert [bar.volume for bar in bars_of(issues)] == [1.0, 2.0]
    assert [(gap.start, gap.end, gap.residual_volume) for gap in gaps_of(issues)] == [
        (T0 + 5_000, T0 + MINUTE + 1_050, 50.0)
    ]


def test_a_symbol_that_joins_has_only_the_volume_that_was_heard() -> None:
    issues = fold_of(mark(T0), tick(T0 + 1_000, 10.0, 500.0), tick(T0 + 3_000, 10.0, 501.5), mark(T0 + 2 * MINUTE))
    assert [bar.volume for bar in bars_of(issues)] == [1.5]


def test_a_heard_day_roll_counts_the_new_day_from_zero() -> None:
    day = T0 + DAY
    issues = fold_of(
        mark(day - HOUR),
        tick(day - 30_000, 10.0, 900.0, is_baseline=True),
        mark(day - 29_000, ("SIM:A", "heard", day - 30_000)),
        tick(day - 10_000, 10.0, 905.0),
        tick(day + 1_000, 11.0, None),
        tick(day + 2_000, 11.0, 4.0),
        mark(day + 2 * MINUTE),
    )
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(day - MINUTE, 5.0), (day, 4.0)]


def test_a_day_that_began_unheard_gives_its_first_volume_to_no_bar() -> None:
    day = T0 + DAY
    issues = fold_of(
        mark(day - HOUR),
        tick(day - 30_000, 10.0, 900.0, is_baseline=True),
        mark(day - 29_000, ("SIM:A", "heard", day - 30_000)),
        mark(day - 20_000, ("SIM:A", "deaf", day - 25_000)),
        tick(day + 5_000, 11.0, 70.0, is_baseline=True),
        mark(day + 6_000, ("SIM:A", "heard", day + 5_000)),
        tick(day + 9_000, 11.0, 71.0),
        mark(day + 2 * MINUTE),
    )
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(day, 1.0)]
    assert bars_of(issues)[0].gap_ms == 5_000


@pytest.mark.parametrize("traded_at", [5_000, -HOUR], ids=["in an open minute", "in a closed minute"])
def test_a_day_that_began_while_no_run_vouched_gives_its_first_volume_to_no_bar(traded_at: int) -> None:
    """A process that was killed says nothing: its hearing ended at its last mark."""
    day = T0 + DAY
    back = day + 2 * HOUR
    issues = fold_of(
        mark(day - HOUR),
        tick(day - 30_000, 10.0, 900.0, is_baseline=True),
        mark(day - 29_000, ("SIM:A", "heard", day - 30_000)),
        mark(back, run=2),
        tick(back + traded_at, 11.0, 70.0, is_baseline=True, received_at=back + 5_000),
        mark(back + 6_000, ("SIM:A", "heard", back + 5_000), run=2),
        tick(back + 9_000, 11.0, 71.0),
        mark(back + 2 * MINUTE, run=2),
    )
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(back, 1.0)]


def test_a_day_that_turns_inside_a_minute_keeps_both_days_volume() -> None:
    evening = T0 + 23 * HOUR
    issues = fold_of(
        mark(evening),
        tick(evening + 1_000, 10.0, 100.0, is_baseline=True, trading_day=T0),
        mark(evening + 1_500, ("SIM:A", "heard", evening)),
        tick(evening + 2_000, 10.0, 103.0, trading_day=T0),
        tick(evening + 30_000, 12.0, 2.0, trading_day=T0 + DAY),
        mark(evening + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert bar.volume == 5.0


def test_a_symbol_without_volume_has_bars_without_volume() -> None:
    day = T0 + DAY
    issues = fold_of(*start(cumulative=None), tick(T0 + 1_000, 5.0), mark(T0 + 2 * MINUTE), tick(day + 1, 6.0),
                     mark(day + 2 * MINUTE))  # fmt: skip
    assert [bar.volume for bar in bars_of(issues)] == [None, None]
    assert bars_of(issues, "1d")[0].volume is None


def test_a_fall_of_the_counter_within_a_day_is_ignored() -> None:
    issues = fold_of(
        *start(cumulative=100.0),
        tick(T0 + 1_000, 1.0, 110.0),
        tick(T0 + 2_000, 1.0, 90.0),
        tick(T0 + 3_000, 1.0, 111.0),
        mark(T0 + 2 * MINUTE),
    )
    assert [bar.volume for bar in bars_of(issues)] == [11.0]


def test_falls_of_the_counter_are_counted_and_a_new_day_is_none() -> None:
    fold = PartitionFold(Rules())
    minute = T0 + MINUTE
    for one in start(cumulative=100.0):
        fold.feed([(key() if isinstance(one, wire.Tick) else b"!", one, T0 - 1_000)])
    for at, cumulative, counted in ((1_000, 110.0, 0), (2_000, 90.0, 1), (3_000, 90.0, 2), (4_000, 111.0, 2)):
        fold.tick(key(), tick(T0 + at, 1.0, cumulative), T0 + at)
        assert fold.regressions == counted
    fold.tick(key(), tick(minute + 1_000, 1.0, 50.0), minute + 1_000)
    fold.mark(mark(minute + 3_000), minute + 3_000)
    assert fold.regressions == 2
    fold.tick(key(), tick(minute + MINUTE, 1.0, 1.0, trading_day=T0 + DAY), minute + MINUTE)
    fold.mark(mark(minute + 3 * MINUTE), minute + 3 * MINUTE)
    assert fold.regressions == 3, "that of the second minute, known when it closes"


def test_an_extreme_that_only_the_day_high_betrays_belongs_to_the_minute() -> None:
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 10.0, 11.0, day_high=10.5, day_low=8.0),
        tick(T0 + 9_000, 10.2, 12.0, day_high=14.0, day_low=7.5),
        mark(T0 + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.high, bar.low) == (14.0, 7.5)


def test_a_day_high_that_an_earlier_price_explains_is_not_the_minutes() -> None:
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 14.0, 11.0, day_high=10.5),
        tick(T0 + MINUTE, 10.0, 12.0, day_high=10.5),
        tick(T0 + MINUTE + 5_000, 10.2, 13.0, day_high=14.0),
        mark(T0 + 3 * MINUTE),
    )
    assert [bar.high for bar in bars_of(issues)] == [14.0, 10.2]


def test_a_day_low_that_an_earlier_price_explains_is_not_the_minutes() -> None:
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 8.0, 11.0, day_low=9.5),
        tick(T0 + MINUTE, 10.0, 12.0, day_low=9.5),
        tick(T0 + MINUTE + 5_000, 10.2, 13.0, day_low=8.0),
        mark(T0 + 3 * MINUTE),
    )
    assert [bar.low for bar in bars_of(issues)] == [8.0, 10.0]


def test_after_a_day_turned_in_a_minute_the_new_days_extremes_count_from_its_first_observation() -> None:
    next_day = T0 + DAY
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 10.0, 11.0, day_high=12.0, day_low=8.0),
        tick(T0 + 2_000, 10.1, 1.0, day_high=10.1, day_low=10.1, trading_day=next_day),
        tick(T0 + 3_000, 10.2, 2.0, day_high=11.0, day_low=9.5, trading_day=next_day),
        mark(T0 + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.high, bar.low) == (11.0, 9.5)


def test_after_a_day_turned_in_a_minute_without_volume_too() -> None:
    next_day = T0 + DAY
    issues = fold_of(
        *start(None),
        tick(T0 + 1_000, 10.0, day_low=8.0),
        tick(T0 + 2_000, 10.1, day_low=10.1, trading_day=next_day),
        tick(T0 + 3_000, 10.2, day_low=9.5, trading_day=next_day),
        mark(T0 + 2 * MINUTE),
    )
    assert [bar.low for bar in bars_of(issues)] == [9.5]


def test_after_a_day_turned_a_straggler_of_the_day_before_hides_no_extreme() -> None:
    next_day = T0 + DAY
    issues = fold_of(
        *start(),
        tick(T0 + 2_000, 10.1, 1.0, day_low=10.1, trading_day=next_day),
        tick(T0 + 3_000, 10.2, 2.0, day_low=9.5, trading_day=next_day),
        tick(T0 + 4_000, 10.3, 12.0, day_low=8.0),
        tick(T0 + 1_000, 10.4, 11.0, day_low=8.0),
        mark(T0 + 2 * MINUTE),
    )
    assert [(bar.low, bar.close, bar.tick_count) for bar in bars_of(issues)] == [(9.5, 10.3, 4)]


def test_a_baseline_of_the_day_before_counts_from_what_that_day_had_reached_when_it_turned() -> None:
    minute, next_day = T0 + MINUTE, T0 + DAY
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 10.0, 15.0),
        tick(minute + 500, 10.0, 16.0),
        tick(minute + 1_000, 10.0, 1.0, trading_day=next_day),
        mark(minute + 2_000, ("SIM:A", "deaf", minute + 1_500)),
        tick(T0 + 30_000, 10.0, 18.0, is_baseline=True, received_at=minute + 9_000),
        mark(minute + 9_900, ("SIM:A", "heard", minute + 9_000)),
        mark(minute + 10 * MINUTE),
    )
    (gap,) = gaps_of(issues)
    assert gap.residual_volume == 2.0


def test_a_baseline_that_turns_the_day_of_a_minute_counts_from_what_the_new_day_had_reached_before() -> None:
    minute, next_day = T0 + MINUTE, T0 + DAY
    issues = fold_of(
        *start(),
        tick(minute + 500, 10.0, 16.0),
        tick(T0 + 50_000, 10.0, 1.0, trading_day=next_day, received_at=minute + 1_000),
        mark(minute + 2_000, ("SIM:A", "deaf", minute + 1_500)),
        tick(minute + 8_000, 10.0, 5.0, trading_day=next_day, is_baseline=True, received_at=minute + 9_000),
        mark(minute + 9_900, ("SIM:A", "heard", minute + 9_000)),
        mark(minute + 10 * MINUTE),
    )
    (gap,) = gaps_of(issues)
    assert gap.residual_volume == 4.0


def test_the_day_high_of_the_first_observation_is_no_news() -> None:
    issues = fold_of(*start(), tick(T0 + 1_000, 10.0, 11.0, day_high=99.0), mark(T0 + 2 * MINUTE))
    assert [bar.high for bar in bars_of(issues)] == [10.0]


def revisions_of(issues: list[Issue]) -> list[tuple[str, int, int, float, float | None, int]]:
    """The bars that were issued again: interval, label, revision, high, volume, ticks."""
    bars = [issue.record for issue in issues if isinstance(issue.record, wire.Bar) and issue.record.revision]
    assert all(bar.reason == "late_tick" for bar in bars)
    return [
        (bar.interval, (bar.open_time - T0) // MINUTE, bar.revision, bar.high, bar.volume, bar.tick_count)
        for bar in bars
    ]


def test_a_late_tick_changes_its_minute_and_every_closed_longer_bar_at_the_next_mark() -> None:
    fold = PartitionFold(Rules())
    records: list[wire.Tick | wire.Mark] = [*start()]
    records += [tick(T0 + minute * MINUTE + 1_000, 1.0 + minute / 10, 11.0 + minute) for minute in range(4)]
    for record in (*records, mark(T0 + 4 * MINUTE + 2_000)):
        if isinstance(record, wire.Mark):
            fold.mark(record, record.through)
        else:
            fold.tick(key(), record, record.received_at)
    assert [bar.volume for bar in bars_of(fold.take())] == [1.0, 1.0, 1.0, 1.0]
    at = T0 + 4 * MINUTE + 3_000
    fold.tick(key(), tick(T0 + MINUTE + 30_000, 9.0, 12.5, received_at=at, sequence=at * 4096), at)
    assert fold.take() == [], "only marks correct"
    fold.mark(mark(at + 1_000), at + 1_000)
    assert revisions_of(fold.take()) == [
        ("1m", 1, 1, 9.0, 1.5, 2),
        ("1m", 2, 1, 1.2, 0.5, 1),
        ("3m", 0, 1, 9.0, 3.0, 4),
    ]
    fold.mark(mark(T0 + 5 * MINUTE + 2_000), T0 + 5 * MINUTE + 2_000)
    (bar,) = [i.record for i in fold.take() if isinstance(i.record, wire.Bar) and i.record.interval == "5m"]
    assert (bar.high, bar.volume, bar.tick_count, bar.revision) == (9.0, 4.0, 5, 0)


def test_a_late_tick_of_a_silent_minute_makes_a_bar_of_its_own() -> None:
    at = T0 + 4 * MINUTE
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 1.0, 11.0),
        tick(T0 + 3 * MINUTE, 2.0, 15.0),
        mark(T0 + 3 * MINUTE + 30_000),
        tick(T0 + MINUTE, 5.0, 12.0, received_at=at, sequence=at * 4096),
        mark(T0 + 5 * MINUTE),
    )
    assert [((bar.open_time - T0) // MINUTE, bar.revision, bar.volume) for bar in bars_of(issues)] == [
        (0, 0, 1.0), (1, 0, 1.0), (3, 0, 3.0),
    ]  # fmt: skip
    assert revisions_of(issues) == [("3m", 0, 1, 5.0, 2.0, 2)]


@pytest.mark.parametrize("late_by", [-1, 0], ids=["within", "beyond"])
def test_a_late_tick_counts_up_to_the_correction_horizon(late_by: int) -> None:
    horizon = T0 + 6 * MINUTE + 2_000
    straggler = tick(T0 + 5_000, 99.0, 12.0, received_at=horizon, sequence=horizon * 4096)
    issues = fold_of(*start(), tick(T0 + 1_000, 1.0, 11.0), mark(horizon + late_by), straggler, mark(horizon + MINUTE))
    late = [issue.record for issue in issues if isinstance(issue.record, wire.LateTick)]
    if late_by < 0:
        assert late == []
        assert revisions_of(issues) == [
            ("1m", 0, 1, 99.0, 2.0, 2), ("3m", 0, 1, 99.0, 2.0, 2), ("5m", 0, 1, 99.0, 2.0, 2),
        ]  # fmt: skip
        return
    assert revisions_of(issues) == []
    assert [(one.tick, one.reason, one.bar_open_time, one.closed_until) for one in late] == [
        (straggler, "beyond_horizon", T0, T0 + MINUTE)
    ]


def test_the_same_late_tick_twice_changes_only_the_tick_count() -> None:
    at = T0 + 2 * MINUTE
    again = tick(T0 + 1_000, 1.0, 11.0)
    issues = fold_of(*start(), again, mark(at), again, mark(at + 1_000))
    assert revisions_of(issues) == [("1m", 0, 1, 1.0, 1.0, 2)]


def test_gaps_are_told_once_with_bounds_and_residual_when_they_have_ended() -> None:
    heard_again = T0 + 40_000
    records: list[wire.Tick | wire.Mark] = [
        *start(cumulative=100.0),
        tick(T0 + 1_000, 1.0, 101.0),
        mark(T0 + 20_000, ("SIM:A", "deaf", T0 + 10_000)),
        tick(heard_again, 1.0, 108.0, is_baseline=True, received_at=heard_again),
        mark(heard_again, ("SIM:A", "heard", heard_again)),
        mark(heard_again + 1_999),
    ]
    assert gaps_of(fold_of(*records)) == []
    repeated = mark(heard_again + 9_000, ("SIM:A", "heard", heard_again))
    (gap,) = gaps_of(fold_of(*records, mark(heard_again + 2_000), repeated, mark(T0 + HOUR)))
    assert (gap.start, gap.end, gap.residual_volume, gap.at) == (T0 + 10_000, heard_again, 7.0, heard_again + 2_000)


def test_a_run_that_was_killed_leaves_a_gap_up_to_the_next_that_hears() -> None:
    again = T0 + 15_000
    issues = fold_of(
        *start(cumulative=None), mark(T0), mark(T0 + 12_000, run=2),
        tick(again, 5.0, None, is_baseline=True, received_at=again),
        mark(again, ("SIM:A", "heard", again), run=2), mark(again + 2_000, run=2),
    )  # fmt: skip
    assert [(gap.start, gap.end, gap.residual_volume) for gap in gaps_of(issues)] == [(T0, again, None)]


def test_a_hand_over_that_overlaps_is_no_gap_and_neither_is_a_symbol_that_left() -> None:
    issues = fold_of(
        *start(),
        mark(T0),
        mark(T0 + 500, ("SIM:A", "heard", T0 + 400), run=2),
        mark(T0 + 450),
        mark(T0 + HOUR, ("SIM:A", "left", T0 + HOUR), run=2),
        mark(T0 + 2 * HOUR, ("SIM:A", "heard", T0 + 2 * HOUR), run=2),
        mark(T0 + 3 * HOUR, run=2),
    )
    assert gaps_of(issues) == []


def test_a_change_of_delay_class_closes_every_bar_once() -> None:
    late = 900_000
    records: list[wire.Tick | wire.Mark] = [mark(T0 + late, ("SIM:A", "heard", T0), ("SIM:B", "heard", T0))]
    for second in range(0, 40 * 60, 20):
        delay = 900 if second < 20 * 60 else 0
        at = T0 + second * 1_000 if delay else T0 + late + second * 1_000
        received = T0 + late + second * 1_000
        records.append(tick(at, 1.0 + second % 7, 1.0 + second, delay=delay, received_at=received,
                            sequence=received * 4096))  # fmt: skip
        records.append(tick(received, 1.0, symbol="SIM:B", received_at=received))
        records.append(mark(received + 1))
    issues = fold_of(*records, mark(T0 + 4 * HOUR + 2_000))
    bars = [i.record for i in issues if isinstance(i.record, wire.Bar) and i.record.symbol == "A"]
    labels = [(bar.interval, bar.open_time) for bar in bars]
    assert len(set(labels)) == len(labels)
    minutes = [bar for bar in bars if bar.interval == "1m"]
    assert sum(bar.tick_count for bar in minutes) == 120
    for interval in (Interval.M3, Interval.M5, Interval.M15, Interval.H1):
        for bar in (bar for bar in bars if bar.interval == interval):
            parts = [m for m in minutes if interval.open_time(m.open_time, T0) == bar.open_time]
            assert bar.tick_count == sum(part.tick_count for part in parts)
        assert sum(bar.tick_count for bar in bars if bar.interval == interval) == 120
    assert [issue for issue in issues if issue.kind in {Kind.LATE, Kind.DEAD}] == []


def test_a_symbol_whose_delay_changes_within_a_minute_is_of_the_new_class() -> None:
    ticks = [tick(T0 + 1_000, 10.0, 11.0), tick(T0 + 2_000, 12.0, 12.0, delay=900)]
    assert bars_of(fold_of(*start(), *ticks, mark(T0 + 2 * MINUTE))) == []
    (bar,) = bars_of(fold_of(*start(), *ticks, mark(T0 + MINUTE + 902_000)))
    assert bar.tick_count == 2


def test_a_gap_tells_the_delay_of_its_symbol() -> None:
    issues = fold_of(
        mark(T0),
        tick(T0 - 900_000, 9.0, 10.0, is_baseline=True, delay=900, received_at=T0),
        mark(T0 + 1_000, HEARD),
        mark(T0 + 10_000, ("SIM:A", "deaf", T0 + 5_000)),
        mark(T0 + 20_000, ("SIM:A", "heard", T0 + 15_000)),
        mark(T0 + 40_000),
    )
    assert [(gap.start, gap.end, gap.delay) for gap in gaps_of(issues)] == [(T0 + 5_000, T0 + 15_000, 900)]


def test_a_tick_from_the_future_is_dead_and_says_by_how_much() -> None:
    fold = PartitionFold(Rules())
    fold.mark(mark(T0, HEARD), T0)
    fold.tick(key(), tick(T0 + 61_001, 1.0), T0 + 1_000)
    fold.tick(key(), tick(T0 + 61_000, 1.0), T0 + 1_000)
    issues = fold.take()
    assert [(issue.kind, issue.record) for issue in issues] == [(Kind.DEAD, "event_time is 60001 ms in the future")]
    assert fold.open_minutes == 1


def test_a_tick_is_held_against_the_clock_where_its_own_timestamp_is_behind_it() -> None:
    fold = PartitionFold(Rules())
    fold.mark(mark(T0 + 30_000, HEARD), T0 + 30_000)
    for at in (T0 + 58_500, T0 + 59_000, T0 + 90_001):
        fold.tick(key(), tick(at, 1.0), T0 - 2_000)
    issues = fold.take()
    assert [(issue.kind, issue.record) for issue in issues] == [(Kind.DEAD, "event_time is 60001 ms in the future")]
    fold.mark(mark(T0 + MINUTE + 2_000), T0 + MINUTE + 2_000)
    (minute,) = bars_of(fold.take())
    assert minute.tick_count == 2


def test_before_the_first_mark_an_old_tick_is_late() -> None:
    fold = PartitionFold(Rules())
    fold.tick(key(), tick(T0 - 2 * DAY, 1.0), T0)
    assert [issue.kind for issue in fold.take()] == [Kind.LATE]
    fold.mark(mark(T0 + HOUR), T0 + HOUR)
    assert [issue for issue in fold.take() if issue.kind is Kind.BAR] == []


def test_a_tick_that_is_too_late_for_any_bar_does_not_begin_its_symbol() -> None:
    old = tick(T0 - 2 * HOUR, 9.0, 100.0, received_at=T0)
    ticks = [tick(T0 + 1_000, 10.0, 150.0), tick(T0 + 2_000, 10.0, 151.0)]
    issues = fold_of(old, *ticks, mark(T0 + 3_000, HEARD), mark(T0 + 2 * MINUTE))
    assert [issue.kind for issue in issues][:1] == [Kind.LATE]
    assert [bar.volume for bar in bars_of(issues)] == [1.0], "what was traded between the two is no bar's"


def test_all_thirteen_intervals_agree_and_close_on_time_though_the_symbol_is_silent() -> None:
    first = T0 + 10 * MINUTE
    records: list[wire.Tick | wire.Mark] = [*start()]
    for i in range(200):
        at = first + i * 61_000
        records += [tick(at, 100.0 + (i * 37) % 50, 10.0 + i * 0.125), mark(at + 900)]
    closes = {interval: interval.close_time(interval.open_time(first, T0)) for interval in Interval}
    for close in sorted(close for close in closes.values() if close > first + 4 * HOUR):
        records += [mark(close + 1_999), mark(close + 2_000)]
    issues = fold_of(*records)
    minutes = bars_of(issues)
    for interval in Interval:
        bars = bars_of(issues, interval.value)
        assert bars, interval
        assert len({bar.open_time for bar in bars}) == len(bars), interval
        for bar in bars:
            parts = [m for m in minutes if interval.open_time(m.open_time, T0) == bar.open_time]
            assert (bar.open, bar.close) == (parts[0].open, parts[-1].close)
            assert (bar.high, bar.low) == (max(p.high for p in parts), min(p.low for p in parts))
            assert bar.volume == sum(p.volume or 0 for p in parts)
            assert bar.tick_count == sum(p.tick_count for p in parts)
    assert [bar.close_time for bar in bars_of(issues, "1M")] == [T0 + 31 * DAY]


@pytest.mark.parametrize("horizon_ms", [0, 5 * MINUTE, 20 * MINUTE])
def test_a_clock_that_jumps_closes_what_one_that_walks_closes(horizon_ms: int) -> None:
    walking, jumping = [PartitionFold(Rules(horizon_ms=horizon_ms)) for _ in range(2)]
    other, begin, end = "SIM:B", T0 + 4 * MINUTE, T0 + 33 * DAY
    for fold in (walking, jumping):
        fold.mark(mark(T0, HEARD, (other, "heard", T0)), T0)
        for i in range(7):
            fold.tick(key(), tick(T0 + i * 61_000, 10.0 + i, 100.0 + i), T0 + i * 61_000)
        fold.tick(key(other), tick(T0 + 1_000, 5.0, 7.0, symbol=other), T0 + 1_000)
    for at in range(begin, end, MINUTE):
        walking.mark(mark(at), at)
    for fold in (walking, jumping):
        fold.mark(mark(end), end)
    issues = walking.take()
    assert issues == jumping.take()
    assert {bar.interval for bar in bars_of(issues, "1M")} == {"1M"}
    walked, jumped = dict(walking.save(1)), dict(jumping.save(1))
    for name in (key(), key(other)):
        assert walked[name] == jumped[name]
        _, _, _, _, _, _, minutes, retained, settled, issued, _ = msgspec.msgpack.decode(walked[name] or b"")
        assert (minutes, retained, settled, issued) == ([], [], {}, {}), "nothing is kept of a month that is over"


def test_at_a_shared_boundary_short_bars_stand_before_long_ones_and_the_end_is_told() -> None:
    issues = fold_of(*start(), tick(T0 + 14 * MINUTE, 1.0, 11.0), mark(T0 + 15 * MINUTE + 2_000))
    told = [
        (i.record.interval, i.record.count if isinstance(i.record, wire.IntervalComplete) else "bar")
        for i in issues
        if isinstance(i.record, wire.Bar | wire.IntervalComplete)
        and getattr(i.record, "close_time", T0 + 15 * MINUTE) == T0 + 15 * MINUTE
    ][-8:]
    assert told == [
        ("1m", "bar"), ("3m", "bar"), ("5m", "bar"), ("15m", "bar"), ("1m", 1), ("3m", 1), ("5m", 1), ("15m", 1),
    ]  # fmt: skip


def test_an_empty_minute_is_told_complete_too() -> None:
    issues = fold_of(*start(), mark(T0 + 62_000), mark(T0 + 122_000))
    told = [i.record for i in issues if isinstance(i.record, wire.IntervalComplete) and i.record.interval == "1m"]
    assert [(record.open_time, record.count) for record in told][-2:] == [(T0, 0), (T0 + MINUTE, 0)]
    assert all(issue.key is None for issue in issues if issue.kind is Kind.COMPLETE)


def test_a_delayed_symbol_closes_its_delay_later() -> None:
    at = T0 + 1_000
    late = 900_000
    records: list[wire.Tick | wire.Mark] = [
        mark(at + late - 500, ("SIM:A", "heard", T0)),
        tick(at, 5.0, 1.0, delay=900, received_at=at + late, sequence=(at + late) * 4096),
    ]
    assert bars_of(fold_of(*records, mark(T0 + MINUTE + late + 1_999))) == []
    (bar,) = bars_of(fold_of(*records, mark(T0 + MINUTE + late + 2_000)))
    assert (bar.open_time, bar.gap_ms) == (T0, 0)


def test_a_future_bar_of_sunday_evening_belongs_to_monday() -> None:
    sunday_evening = T0 + 3 * DAY + 23 * HOUR
    monday = T0 + 4 * DAY
    issues = fold_of(
        mark(sunday_evening - 1, ("SIM:A", "heard", sunday_evening - 1)),
        tick(sunday_evening + 1, 7.0, 1.0, trading_day=monday),
        mark(monday + DAY + 2_000),
        mark(monday + 7 * DAY + 2_000),
    )
    assert [bar.open_time for bar in bars_of(issues, "1h")] == [sunday_evening]
    assert [bar.open_time for bar in bars_of(issues, "1d")] == [monday]
    assert [bar.open_time for bar in bars_of(issues, "1w")] == [monday]


def test_gap_ms_of_every_interval_counts_what_was_not_heard() -> None:
    issues = fold_of(
        *start(),
        tick(T0 + 1_000, 1.0, 11.0),
        mark(T0 + 20_000, ("SIM:A", "deaf", T0 + 10_000)),
        tick(T0 + 40_000, 1.0, 12.0, is_baseline=True),
        mark(T0 + 40_000, ("SIM:A", "heard", T0 + 40_000)),
        tick(T0 + 2 * MINUTE, 1.0, 13.0),
        mark(T0 + 5 * MINUTE + 2_000),
    )
    assert [(bar.interval, bar.gap_ms) for bar in bars_of(issues) + bars_of(issues, "3m") + bars_of(issues, "5m")] == [
        ("1m", 32_000), ("1m", 0), ("3m", 32_000), ("5m", 32_000),
    ]  # fmt: skip


def test_intervals_that_are_not_built_leave_the_others_as_they_are() -> None:
    records: list[wire.Tick | wire.Mark] = [*start()]
    records += [*(tick(T0 + i * 20_000, 1.0 + i % 7, 10.0 + i) for i in range(400)), mark(T0 + 40 * DAY)]
    everything = fold_of(*records)
    for built in ((Interval.M1, Interval.H1, Interval.MO1), (Interval.M1, Interval.M45, Interval.W1)):
        some = fold_of(*records, rules=Rules(intervals=built))
        assert some == [issue for issue in everything if getattr(issue.record, "interval", "") in set(built)]


def test_intervals_out_of_order_or_without_minutes_are_refused() -> None:
    for wrong in ((), (Interval.H1,), (Interval.M1, Interval.H1, Interval.M5)):
        with pytest.raises(ValueError, match="1m upwards"):
            Rules(intervals=wrong)


def test_forming_bars_are_what_would_close_now_and_are_told_once() -> None:
    fold = PartitionFold(Rules())
    records: list[wire.Tick | wire.Mark] = [*start()]
    records += [tick(T0 + 1_000, 10.0, 11.0), tick(T0 + MINUTE + 500, 12.0, 14.5)]
    for record in records:
        if isinstance(record, wire.Mark):
            fold.mark(record, record.through)
        else:
            fold.tick(key(), record, record.received_at)
    ((told_key, forming),) = [*fold.forming()]
    assert told_key == key()
    by_interval = {bar.interval: bar for bar in forming.bars}
    assert list(by_interval) == [interval.value for interval in Interval]
    assert (by_interval["1m"].open_time, by_interval["1m"].volume) == (T0 + MINUTE, 3.5)
    assert (by_interval["1h"].open, by_interval["1h"].close, by_interval["1h"].volume) == (10.0, 12.0, 4.5)
    assert [*fold.forming()] == []
    fold.tick(key(), tick(T0 + MINUTE + 900, 13.0, 14.5), T0 + MINUTE + 950)
    assert len([*fold.forming()]) == 1


def test_forming_bars_count_as_unheard_only_what_is_over_and_is_told() -> None:
    fold = PartitionFold(Rules())
    records = [*start(), tick(T0 + 1_000, 10.0, 11.0), tick(T0 + 2_000, 10.0, 13.0, is_baseline=True)]
    for record in [*records, tick(T0 + 3_000, 10.0, 14.0)]:
        fold.feed([(key(), record, record.received_at)] if isinstance(record, wire.Tick) else [])
        if isinstance(record, wire.Mark):
            fold.mark(record, record.through)
    ((_, forming),) = fold.forming()
    minute = forming.bars[0]
    assert (minute.volume, minute.gap_ms) == (4.0, 0), "nobody has said yet that it was unheard"
    fold.mark(mark(T0 + 30_000), T0 + 30_000)
    fold.mark(mark(T0 + 50_000, ("SIM:A", "deaf", T0 + 31_000)), T0 + 50_000)
    fold.tick(key(), tick(T0 + 46_000, 10.0, 14.0), T0 + 50_500)
    ((_, forming),) = fold.forming()
    told = {bar.interval: bar.gap_ms for bar in forming.bars}
    assert told["1m"] == told["4h"] == 19_000, "from 2 s before 0:31, which may have come after it, up to 0:48"


def quiet(begin: int, end: int) -> list[wire.Tick | wire.Mark]:
    """Nothing but marks, one a second."""
    return [mark(at) for at in range(begin, end, 1_000)]


def test_what_moved_unheard_is_residual_once_however_often_the_feed_is_lost_afterwards() -> None:
    records: list[wire.Tick | wire.Mark] = [*start(100.0), tick(T0 + 1_000, 9.0, 100.0)]
    at = T0 + 2 * MINUTE
    records += quiet(T0 + 2_000, at)
    for _ in range(4):
        records += [mark(at, ("SIM:A", "deaf", at - 1)), *quiet(at + 250, at + 10_000)]
        at += 10_000
        records += [tick(at, 9.0, 150.0, is_baseline=True), mark(at + 51, ("SIM:A", "heard", at + 50))]
        records += quiet(at + 1_000, at + 10 * MINUTE)
        at += 10 * MINUTE
    at += MINUTE - at % MINUTE
    records += [tick(at, 9.0, 150.0), tick(at + 2_000, 9.0, 1_150.0), *quiet(at + 3_000, at + 2 * MINUTE)]
    issues = fold_of(*records)
    assert [gap.residual_volume for gap in gaps_of(issues)] == [50.0, 0.0, 0.0, 0.0]
    assert bars_of(issues)[-1].volume == 1_000.0


@pytest.mark.parametrize("after_the_boundary", [0, 500, 1_500, 2_500, 30_000])
def test_a_gap_tells_what_moved_in_it_whenever_in_a_minute_it_ends(after_the_boundary: int) -> None:
    ends = T0 + 40 * MINUTE + after_the_boundary
    traded = tick(T0 + 2 * MINUTE, 9.5, 900.0, is_baseline=True, received_at=ends, sequence=ends * 4096)
    issues = fold_of(
        *start(100.0), tick(T0 + 500, 9.0, 101.0), *quiet(T0 + 1_000, T0 + 30_000),
        mark(T0 + 31_000, ("SIM:A", "deaf", T0 + 30_000)), *quiet(T0 + 32_000, ends),
        traded, mark(ends + 1, ("SIM:A", "heard", ends)), *quiet(ends + 250, ends + 10 * MINUTE),
    )  # fmt: skip
    assert [(gap.start, gap.end, gap.residual_volume) for gap in gaps_of(issues)] == [(T0 + 30_000, ends, 799.0)]


def test_a_first_mark_that_tells_no_time_begins_nothing() -> None:
    fold = PartitionFold(Rules())
    fold.tick(key(), tick(T0, 9.0, 10.0, is_baseline=True), T0)
    fold.mark(mark(0, ("SIM:B", "left", T0 - 5)), T0 + 10)
    fold.mark(mark(T0 + 300), T0 + 300)
    assert fold.take() == []
    fold.mark(mark(T0 + 62_000), T0 + 62_000)
    told = [i.record for i in fold.take() if isinstance(i.record, wire.IntervalComplete)]
    assert [record.open_time for record in told if record.interval == "1m"] == [T0 - MINUTE, T0]


def test_a_late_tick_is_seen_in_the_forming_bars_at_once() -> None:
    fold = PartitionFold(Rules())
    for record in (*start(), tick(T0 + 1_000, 10.0, 11.0), mark(T0 + 62_500), tick(T0 + 63_000, 10.0, 12.0)):
        if isinstance(record, wire.Mark):
            fold.mark(record, record.through)
        else:
            fold.tick(key(), record, record.received_at)
    assert len(list(fold.forming())) == 1
    assert list(fold.forming()) == []
    fold.tick(key(), tick(T0 + 2_000, 99.0, 11.5, received_at=T0 + 64_000), T0 + 64_000)
    fold.mark(mark(T0 + 64_500), T0 + 64_500)
    ((_, told),) = fold.forming()
    assert {bar.interval: bar.high for bar in told.bars}["1h"] == 99.0


def test_symbols_that_nobody_wants_are_not_announced_as_unheard_when_all_others_are_heard_again() -> None:
    issues = fold_of(
        *start(), mark(T0, ("SIM:A", "left", T0)), mark(T0 + 1_000, ("*", "heard", T0 + 1_000)),
        mark(T0 + HOUR, ("SIM:A", "heard", T0 + HOUR)), mark(T0 + HOUR + 3_000),
    )  # fmt: skip
    assert gaps_of(issues) == []
