"""What counts as traded when a cumulative volume rises, falls, shoots up or begins anew."""

from collections.abc import Sequence

import pytest

from aggregator.core.counter import Counter, Observed
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.counter_cases import CASES, Case
from tests.support.folds import NOON, all_bars, bars_of, begun, dead_of, fold_of, put, restarted, start
from tests.support.records import T0, mark, tick

UNIT = 10**8
BY_NAME = [pytest.param(case, id=case.name) for case in CASES]


def last_bars(bars: Sequence[wire.Bar]) -> dict[tuple[str, int], wire.Bar]:
    return {(bar.interval, bar.open_time): bar for bar in bars}


@pytest.mark.parametrize("case", BY_NAME)
def test_every_known_log_gives_the_volumes_and_extremes_that_were_traded(case: Case) -> None:
    fold = PartitionFold(Rules())
    fold.feed(case.log)
    issues = fold.take()
    assert dead_of(issues) == []
    assert case.differences(last_bars(all_bars(issues))) == []


@pytest.mark.parametrize("case", BY_NAME)
def test_restarts_and_forming_bars_between_any_two_records_change_nothing(case: Case) -> None:
    whole, fold = PartitionFold(Rules()), PartitionFold(Rules())
    whole.feed(case.log)
    changelog: dict[bytes, bytes] = {}
    issues = []
    for position, record in enumerate(case.log, 1):
        fold.feed([record])
        issues += fold.take()
        list(fold.forming())
        fold = restarted(fold, changelog, position)
    assert issues == whole.take()


def seen(value: float, at: int, *, day_open: float | None = None, final_until: int = 0) -> Observed:
    """An observation of a market round the clock that is received when it happens."""
    minute, opening = at - at % MINUTE, at - at % DAY
    return Observed(
        value, at, at, day_open, minute, minute + MINUTE, opening, opening, opening, opening, final_until, True
    )


def counted(first: Observed, *others: Observed) -> dict[int | None, float]:
    """What each minute got in the end."""
    counter = Counter.first(first)
    volumes: dict[int | None, float] = {}
    for one in others:
        for minute, units in counter.observe(one):
            volumes[minute] = volumes.get(minute, 0) + units / UNIT
    return volumes


def walk(*values: float, step: int = 1_000) -> list[Observed]:
    return [seen(value, NOON + place * step) for place, value in enumerate(values)]


def test_the_first_value_counts_nothing_and_rises_count_their_difference() -> None:
    assert counted(*walk(500, 501.5, 501.5, 504)) == {NOON: 4.0}


def test_volumes_are_whole_units_however_large_the_counter_is() -> None:
    assert counted(*walk(1e12, 1e12 + 1, 1e12 + 3, 1e12 + 6)) == {NOON: 6.0}


def test_a_value_above_both_its_neighbours_is_taken_back() -> None:
    assert counted(*walk(1_000, 1_001, 1e12, 1_002, 1_003)) == {NOON: 3.0}


def test_what_is_taken_back_is_taken_from_the_minute_in_which_it_counted() -> None:
    volumes = counted(seen(1_000, NOON), seen(1_001, NOON + 1_000), seen(5_000, NOON + 59_000),
                      seen(1_004, NOON + 61_000))  # fmt: skip
    assert volumes == {NOON: 1.0, NOON + MINUTE: 3.0}


def test_a_glitch_whose_minute_is_final_stands_and_the_counter_goes_on_from_below() -> None:
    final = NOON + MINUTE
    volumes = counted(seen(1_000, NOON), seen(1_001, NOON + 1_000), seen(5_000, NOON + 2_000),
                      seen(1_004, final + 1_000, final_until=final),
                      seen(1_005, final + 2_000, final_until=final))  # fmt: skip
    assert volumes == {NOON: 4_000.0, final: 1.0}


def test_a_fall_begins_a_segment_of_which_the_first_value_is_no_volume() -> None:
    assert counted(*walk(1_000, 1_061, 561, 562, 564)) == {NOON: 64.0}


def test_an_older_update_in_between_counts_nothing_twice() -> None:
    assert counted(*walk(1_000, 1_012, 1_010, 1_012, 1_015)) == {NOON: 15.0}


def test_a_fall_that_the_next_value_does_not_confirm_is_taken_back() -> None:
    assert counted(*walk(1_010, 1_012, 1_003, 1_004, 1_012, 1_015)) == {NOON: 2 + 1 + 8 + 3}
    assert counted(*walk(1_010, 1_012, 1_003, 1_013)) == {NOON: 3.0}


def test_two_falls_in_a_row_are_two_segments() -> None:
    assert counted(*walk(1_000, 1_010, 600, 300, 302)) == {NOON: 12.0}


def test_the_old_total_after_midnight_counts_nothing_and_the_reset_counts_from_zero() -> None:
    midnight = T0 + DAY
    volumes = counted(seen(20_050, midnight - 2_000), seen(20_060, midnight - 1_000), seen(20_060, midnight + 50),
                      seen(1, midnight + 2_000), seen(6, midnight + 3_000))  # fmt: skip
    assert volumes == {midnight - MINUTE: 10.0, midnight: 6.0}


@pytest.mark.parametrize(("lag_ms", "volume"), [(59_999, 5.0), (60_000, 3.0)])
def test_a_reset_counts_from_zero_if_the_old_total_grew_last_in_the_first_minute_of_the_day(
    lag_ms: int, volume: float
) -> None:
    midnight = T0 + DAY
    volumes = counted(seen(100, midnight - 1_000), seen(101, midnight + lag_ms), seen(2, midnight + lag_ms + 1_000),
                      seen(4, midnight + lag_ms + 2_000))  # fmt: skip
    assert sum(volumes.values()) == volume


def test_a_day_has_one_reset_to_zero() -> None:
    midnight = T0 + DAY
    volumes = counted(seen(100, midnight - 1_000), seen(5, midnight + 1_000), seen(50, midnight + 2_000),
                      seen(3, midnight + 3_000), seen(4, midnight + 4_000))  # fmt: skip
    assert volumes == {midnight: 51.0}, "the second fall is a correction: its first value is no volume"


def test_a_fall_over_the_opening_with_another_open_needs_no_other_value() -> None:
    midnight = T0 + DAY
    volumes = counted(seen(5, midnight - 2_000, day_open=1.0), seen(10, midnight - 1_000, day_open=1.0),
                      seen(7, midnight + 1_000, day_open=2.0), seen(12, midnight + 2_000, day_open=2.0))  # fmt: skip
    assert volumes == {midnight - MINUTE: 5.0, midnight: 12.0}


def test_a_rise_over_a_closed_night_begins_a_segment_and_one_round_the_clock_does_not() -> None:
    closed, opened = NOON, NOON + 17 * HOUR
    before = Observed(500, closed - 1_000, closed, None, closed - MINUTE, closed, T0, closed - 6 * HOUR, T0, 0, 0, True)
    after = Observed(
        800, opened + 1_000, opened, None, opened, opened + MINUTE, T0 + DAY, opened, T0 + DAY, closed, 0, True
    )
    assert counted(before, after) == {opened: 800.0}
    assert counted(seen(500, NOON), seen(800, NOON + DAY)) == {NOON + DAY: 300.0}


def test_a_rise_with_another_open_begins_a_segment_round_the_clock_too() -> None:
    midnight = T0 + DAY
    volumes = counted(seen(500, midnight - 1_000, day_open=1.0), seen(800, midnight + 1_000, day_open=2.0))
    assert volumes == {midnight: 800.0}


def test_a_day_open_that_becomes_known_begins_nothing() -> None:
    assert counted(seen(500, NOON), seen(501, NOON + 1, day_open=2.0), seen(502, NOON + 2)) == {NOON: 2.0}


def test_a_fall_of_the_counter_is_counted_for_the_metrics() -> None:
    fold = begun(*start(cumulative=100.0))
    for at, cumulative, falls in ((1_000, 110.0, 0), (2_000, 90.0, 1), (3_000, 90.0, 1), (4_000, 111.0, 1)):
        put(fold, tick(NOON + at, 1.0, cumulative))
        assert fold.falls == falls
    put(fold, tick(NOON + MINUTE, 1.0, 50.0), mark(NOON + MINUTE + 3_000))
    assert fold.falls == 2


def test_a_symbol_that_joins_has_only_the_volume_that_was_observed() -> None:
    issues = fold_of(
        mark(NOON), tick(NOON + 1_000, 10.0, 500.0), tick(NOON + 3_000, 10.0, 501.5), mark(NOON + 2 * MINUTE)
    )
    assert [bar.volume for bar in bars_of(issues)] == [1.5]


def test_a_tick_without_a_counter_between_two_days_hides_no_reset() -> None:
    day = T0 + DAY
    issues = fold_of(
        mark(day - HOUR),
        tick(day - 30_000, 10.0, 900.0, is_baseline=True),
        mark(day - 29_000, ("SIM:A", "covered", day - 30_000)),
        tick(day - 10_000, 10.0, 905.0),
        tick(day + 1_000, 11.0, None),
        tick(day + 2_000, 11.0, 4.0),
        mark(day + 2 * MINUTE),
    )
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(day - MINUTE, 5.0), (day, 4.0)]


def test_the_trading_day_that_a_tick_names_is_ignored() -> None:
    ticks = [tick(NOON + 1_000, 10.0, 12.0, trading_day=T0 - DAY), tick(NOON + 2_000, 10.0, 11.0, trading_day=T0 + DAY),
             tick(NOON + 3_000, 10.0, 13.0)]  # fmt: skip
    issues = fold_of(*start(), *ticks, mark(NOON + 2 * DAY))
    assert [(bar.volume, bar.trading_day) for bar in bars_of(issues)] == [(3.0, T0)]
    assert [bar.open_time for bar in bars_of(issues, "1d")] == [T0]


def test_a_minute_none_of_whose_ticks_has_a_counter_has_no_volume() -> None:
    issues = fold_of(*start(), tick(NOON + 1_000, 5.0, 11.0), tick(NOON + MINUTE, 6.0), mark(NOON + DAY))
    assert [bar.volume for bar in bars_of(issues)] == [1.0, None]
    assert [bar.volume for bar in bars_of(issues, "1d")] == [1.0]


def test_what_is_taken_back_of_a_closed_minute_is_emitted_again() -> None:
    minute = NOON + MINUTE
    issues = fold_of(
        *start(), tick(NOON + 1_000, 5.0, 11.0), tick(NOON + 59_000, 5.0, 1e12), mark(minute + 2_000),
        tick(minute + 3_000, 5.0, 13.0), mark(minute + 4_000), mark(NOON + 3 * MINUTE + 2_000),
    )  # fmt: skip
    assert [(bar.open_time, bar.revision, bar.volume, bar.reason) for bar in bars_of(issues)] == [
        (NOON, 0, 1e12 - 10, None), (NOON, 1, 1.0, "volume"), (minute, 0, 2.0, None),
    ]  # fmt: skip
    assert [bar.volume for bar in bars_of(issues, "3m")] == [3.0]
