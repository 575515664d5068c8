"""Extremes that only the day's high and low show: when they are a minute's prices, and when they are old."""

from typing import Any

import msgspec
import pytest

from aggregator.core.figures import NONE, Figures
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.folds import NOON, bars_of, fold_of, listed, start
from tests.support.records import T0, mark, tick

OPENED = 100.0


def shown(high: float | None, low: float | None = None, *, opened: float | None = OPENED, at: int = NOON) -> wire.Tick:
    return tick(at, 100.0, day_open=opened, day_high=high, day_low=low)


def test_the_figures_of_the_first_observation_say_nothing() -> None:
    issues = fold_of(mark(NOON), tick(NOON + 1_000, 10.0, 11.0, day_high=99.0, day_low=1.0), mark(NOON + 2 * MINUTE))
    assert [(bar.high, bar.low) for bar in bars_of(issues)] == [(10.0, 10.0)]


def test_an_extreme_that_only_the_day_shows_belongs_to_the_minute() -> None:
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 10.0, 11.0, day_high=10.5, day_low=8.0),
        tick(NOON + 9_000, 10.2, 12.0, day_high=14.0, day_low=7.5),
        mark(NOON + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.high, bar.low) == (14.0, 7.5)


def test_an_extreme_between_two_minutes_belongs_to_the_one_that_shows_it() -> None:
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 101.0, 11.0, day_high=101.0, day_low=99.0),
        tick(NOON + 50_000, 101.0, 12.0, day_high=110.0, day_low=99.0),
        tick(NOON + 70_000, 100.0, 13.0, day_high=110.0, day_low=90.0),
        mark(NOON + DAY),
    )
    assert [(bar.high, bar.low) for bar in bars_of(issues)] == [(110.0, 101.0), (100.0, 90.0)]
    assert [(bar.high, bar.low) for bar in bars_of(issues, "1d")] == [(110.0, 90.0)]


def test_an_extreme_that_an_earlier_price_explains_is_not_the_minutes() -> None:
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 14.0, 11.0, day_high=10.5, day_low=9.5),
        tick(NOON + 2_000, 8.0, 11.5, day_high=10.5, day_low=9.5),
        tick(NOON + MINUTE, 10.0, 12.0, day_high=10.5, day_low=9.5),
        tick(NOON + MINUTE + 5_000, 10.2, 13.0, day_high=14.0, day_low=8.0),
        mark(NOON + 3 * MINUTE),
    )
    assert [(bar.high, bar.low) for bar in bars_of(issues)] == [(14.0, 8.0), (10.2, 10.0)]


def test_a_baseline_begins_a_stretch_with_its_own_figures() -> None:
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 10.0, 11.0, day_high=10.5),
        tick(NOON + 2_000, 10.0, 11.0, day_high=20.0, is_baseline=True),
        tick(NOON + 3_000, 10.0, 12.0, day_high=20.0),
        tick(NOON + 4_000, 10.0, 12.0, day_high=21.0),
        mark(NOON + 2 * MINUTE),
    )
    assert [bar.high for bar in bars_of(issues)] == [21.0]


def test_figures_of_another_epoch_than_the_followed_one_say_nothing() -> None:
    issues = fold_of(
        *start(), mark(NOON, ("SIM:A", "covered", NOON), epoch=2),
        tick(NOON + 1_000, 10.0, 11.0, day_high=10.5), mark(NOON + 1_900),
        tick(NOON + 2_000, 10.0, 12.0, day_high=12.0, epoch=2), mark(NOON + 2_100),
        tick(NOON + 3_000, 10.0, 12.0, day_high=13.0, epoch=2),
        mark(NOON + 3_100), tick(NOON + 4_000, 10.0, 12.0, day_high=11.0), mark(NOON + 2 * MINUTE),
    )  # fmt: skip
    assert [bar.high for bar in bars_of(issues)] == [11.0]


def test_at_a_hand_over_figures_go_on_from_what_the_next_epoch_showed_last() -> None:
    issues = fold_of(
        *start(), mark(NOON, ("SIM:A", "covered", NOON), epoch=2),
        tick(NOON + 1_000, 10.0, 11.0, day_high=10.5), mark(NOON + 1_900),
        tick(NOON + 2_000, 10.0, 12.0, day_high=12.0, epoch=2), mark(NOON + 2_100),
        mark(NOON + 2_200, ("*", "uncovered", NOON + 2_200)),
        tick(NOON + 3_000, 10.0, 12.0, day_high=12.0, epoch=2),
        tick(NOON + 4_000, 10.0, 12.0, day_high=12.5, epoch=2), mark(NOON + 2 * MINUTE, epoch=2),
    )  # fmt: skip
    assert [bar.high for bar in bars_of(issues)] == [12.5]


def test_yesterdays_figures_are_stale_until_they_differ_each_by_itself() -> None:
    figures = Figures.first(shown(110.0, 90.0), T0)
    assert figures.see(shown(110.0, 90.0), T0 + DAY) == NONE
    assert figures.see(shown(104.0, 90.0), T0 + DAY) == (104.0, None), "the day is covered from its opening on"
    assert figures.see(shown(104.0, 90.0), T0 + DAY) == NONE
    assert figures.see(shown(105.0, 99.0), T0 + DAY) == (105.0, 99.0)
    assert figures.see(shown(105.0, 98.0), T0 + DAY) == (None, 98.0)


def test_a_day_whose_opening_was_not_covered_begins_with_what_it_shows() -> None:
    figures = Figures.first(shown(110.0, 90.0), T0)
    figures.rebase(shown(104.0, 98.0), T0 + DAY)
    assert figures.see(shown(104.0, 98.0), T0 + DAY) == NONE
    assert figures.see(shown(104.5, 98.0), T0 + DAY) == (104.5, None)


def test_another_open_within_a_day_that_was_joined_begins_the_figures_anew() -> None:
    figures = Figures.first(shown(110.0, 90.0), T0)
    assert figures.see(shown(210.0, 190.0, opened=200.0), T0) == NONE
    assert figures.see(shown(211.0, 190.0, opened=200.0), T0) == NONE, "in the same minute, however its ticks are taken"
    assert figures.see(shown(212.0, 190.0, opened=200.0, at=NOON + MINUTE), T0) == (212.0, None)


def test_a_hand_over_begins_a_new_stretch_though_the_figures_are_still_yesterdays() -> None:
    midnight = T0 + DAY
    old: dict[str, Any] = {"day_open": 100.0, "day_low": 90.0}
    new: dict[str, Any] = {"day_open": 101.0, "day_low": 99.0}
    issues = fold_of(
        mark(midnight - 9_000, ("SIM:A", "covered", midnight - 9_000)),
        tick(midnight - 9_000, 100.0, 1.0, is_baseline=True, **old), mark(midnight - 8_100),
        tick(midnight - 8_000, 100.0, 2.0, is_baseline=True, epoch=2, **old),
        mark(midnight - 7_900, ("SIM:A", "covered", midnight - 8_000), epoch=2), mark(midnight - 7_800),
        tick(midnight + 5_000, 100.0, 3.0, **old), mark(midnight + 5_900),
        tick(midnight + 6_000, 100.0, 3.0, epoch=2, **old), mark(midnight + 6_100),
        mark(midnight + 7_000, ("*", "uncovered", midnight + 7_000)),
        tick(midnight + 8_000, 100.0, 3.0, epoch=2, **new), mark(midnight + 2 * MINUTE, epoch=2),
    )  # fmt: skip
    assert [bar.low for bar in bars_of(issues) if bar.open_time == midnight] == [100.0]


def test_an_observation_of_an_earlier_day_says_nothing_and_hides_nothing() -> None:
    figures = Figures.first(shown(100.0, 100.0), T0 + DAY)
    assert figures.see(shown(150.0, 50.0), T0) == NONE
    assert figures.see(shown(101.0, 99.0), T0 + DAY) == (101.0, 99.0)


@pytest.mark.parametrize("missing", ["day_high", "day_low"])
def test_a_figure_that_is_missing_once_is_compared_with_the_one_before(missing: str) -> None:
    figures = Figures.first(shown(110.0, 90.0), T0)
    assert figures.see(msgspec.structs.replace(shown(110.0, 90.0), **{missing: None}), T0) == NONE
    assert figures.see(shown(111.0, 89.0), T0) == (111.0, 89.0)


def test_a_price_beyond_the_figure_hides_the_figure_that_follows_it() -> None:
    figures = Figures.first(shown(110.0, 90.0), T0)
    figures.priced(T0, 115.0, 85.0)
    assert figures.see(shown(115.0, 85.0), T0) == NONE
    assert figures.see(shown(116.0, 84.0), T0) == (116.0, 84.0)
    figures.priced(T0 - DAY, 500.0, 1.0)
    assert figures.see(shown(117.0, 83.0), T0) == (117.0, 83.0), "prices of another day hide nothing"


def test_figures_before_the_session_are_followed_and_are_no_bars() -> None:
    opening = T0 + 14 * HOUR + 30 * MINUTE
    issues = fold_of(
        listed(session="0930-1600", timezone="America/New_York"), mark(opening - HOUR),
        tick(opening - HOUR, 10.0, 1.0, is_baseline=True, day_high=10.0),
        mark(opening - HOUR + 1_000, ("SIM:A", "covered", opening - HOUR)),
        tick(opening - MINUTE, 10.0, 2.0, day_high=12.0), tick(opening + 1_000, 10.0, 3.0, day_high=12.0),
        tick(opening + 2_000, 10.0, 3.0, day_high=13.0), mark(opening + 2 * MINUTE),
    )  # fmt: skip
    assert [bar.high for bar in bars_of(issues)] == [13.0]


def test_the_short_way_and_the_long_way_show_the_same_extremes() -> None:
    """A tick that a straggler follows is taken over in between: nothing is lost of what it showed."""
    ticks = [tick(NOON + 1_000, 10.0, 11.0, day_high=10.0), tick(NOON + 5_000, 10.0, 12.0, day_high=15.0)]
    straggler = tick(NOON + 2_000, 9.0, 11.5, received_at=NOON + 5_500, sequence=ticks[0].sequence + 1, day_high=10.0)
    last = tick(NOON + 6_000, 10.0, 13.0, day_high=15.0)
    (bar,) = bars_of(fold_of(*start(), *ticks, straggler, last, mark(NOON + 2 * MINUTE)))
    assert (bar.high, bar.low, bar.volume, bar.tick_count) == (15.0, 9.0, 3.0, 4)
