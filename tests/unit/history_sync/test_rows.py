"""Rows to bars: closed ones only, a bad row put aside without harm to its neighbours."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bars import Origin
from contracts.calendar import ALWAYS, Calendar
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from history_sync.core.rows import (
    MOST_EXAMPLES,
    UNTOLD_DELAY_MS,
    Row,
    bars_of,
    closed_until,
)
from tests.unit.history_sync.builders import at, row, series

T0 = at("2026-11-20T12:00")
LATER = 2**50
PRICES = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


@st.composite
def good_rows(draw: Callable[..., object]) -> list[Row]:
    minutes = sorted(draw(st.sets(st.integers(0, 5_000), max_size=30)))  # type: ignore[call-overload]
    rows = []
    for minute in minutes:
        low, one, other, high = sorted(draw(st.tuples(PRICES, PRICES, PRICES, PRICES)))  # type: ignore[call-overload]
        volume = draw(st.none() | st.floats(min_value=0, max_value=1e12))
        rows.append(Row(T0 + minute * MINUTE, other, high, low, one, volume))  # type: ignore[arg-type]
    return rows


@given(rows=good_rows())
def test_good_rows_become_bars_one_for_one(rows: list[Row]) -> None:
    found = bars_of(series(), rows, ALWAYS, revision=7, closed_until=LATER)
    assert [(bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in found.bars] == rows
    assert {(bar.origin, bar.revision, bar.interval) for bar in found.bars} <= {(Origin.BACKFILL, 7, Interval.M1)}
    assert (found.forming, found.rejected, found.examples) == (0, {}, ())


@given(rows=good_rows(), number=st.floats(), column=st.integers(1, 5), position=st.integers(0, 30), off=st.integers())
def test_whatever_one_row_holds_the_others_are_stored(
    rows: list[Row], number: float, column: int, position: int, off: int
) -> None:
    position = min(position, len(rows))
    values: list[float | None] = [T0 - MINUTE + off % MINUTE, 1.0, 2.0, 0.5, 1.5, None]
    values[column] = number
    bad = Row(*values)  # type: ignore[arg-type]
    found = bars_of(series(), [*rows[:position], bad, *rows[position:]], ALWAYS, revision=7, closed_until=LATER)
    assert [bar.open_time for bar in found.bars if bar.open_time >= T0] == [row.stamped_ms for row in rows]
    assert len(found.bars) + sum(found.rejected.values()) == len(rows) + 1


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (row(T0 + MINUTE, close=math.nan), "not_finite"),
        (row(T0 + MINUTE, high=math.inf), "not_finite"),
        (row(T0 - MINUTE), "not_ascending"),
        (row(T0), "repeated"),
        (row(T0 + MINUTE, high=9.5), "no_bar"),
        (row(T0 + MINUTE, low=10.2), "no_bar"),
        (row(T0 + MINUTE, close=11.5), "no_bar"),
        (row(T0 + MINUTE, high=1e16), "out_of_bounds"),
        (row(T0 + MINUTE, volume=-1.0), "out_of_bounds"),
        (row(T0 + MINUTE, volume=1.1e20), "out_of_bounds"),
        (row(10**13 * MINUTE), "out_of_time"),
        (row(-(10**13) * MINUTE), "out_of_time"),
    ],
)
def test_a_bad_row_is_put_aside_with_its_cause_and_position(bad: Row, cause: str) -> None:
    good = [row(T0), row(T0 + 2 * MINUTE)]
    found = bars_of(series(), [good[0], bad, good[1]], ALWAYS, revision=1, closed_until=LATER)
    assert [bar.open_time for bar in found.bars] == [T0, T0 + 2 * MINUTE]
    assert found.rejected == {cause: 1}
    [example] = found.examples
    assert (example.position, example.cause, example.row.stamped_ms) == (1, cause, bad.stamped_ms)


def test_only_a_few_bad_rows_are_kept_as_examples_and_all_are_counted() -> None:
    found = bars_of(series(), [row(T0 + n, close=1e9) for n in range(1, 50)], ALWAYS, revision=1, closed_until=LATER)
    assert found.rejected == {"no_bar": 49}
    assert len(found.examples) == MOST_EXAMPLES


def test_a_bar_is_stored_from_the_instant_on_at_which_it_ends() -> None:
    rows = [row(T0), row(T0 + MINUTE)]
    assert bars_of(series(), rows, ALWAYS, revision=1, closed_until=T0 + 2 * MINUTE).forming == 0
    held = bars_of(series(), rows, ALWAYS, revision=1, closed_until=T0 + 2 * MINUTE - 1)
    assert [bar.open_time for bar in held.bars] == [T0]
    assert (held.forming, held.rejected) == (1, {})


def test_a_row_far_in_the_future_is_not_stored_and_costs_no_other() -> None:
    rows = [row(T0), row(T0 + 10**6 * MINUTE), row(T0 + MINUTE)]
    found = bars_of(series(), rows, ALWAYS, revision=1, closed_until=T0 + 5 * MINUTE)
    assert [bar.open_time for bar in found.bars] == [T0, T0 + MINUTE]
    assert (found.forming, found.rejected) == (1, {})


STOCKS = Calendar.parse("America/New_York", "0930-1600", "20261126", "0930-1300:20261127")


def test_a_day_is_closed_when_its_session_closes_on_a_half_day_too() -> None:
    for day, close in (("2026-11-25", "21:00"), ("2026-11-27", "18:00")):
        rows, end = [row(at(f"{day}T14:30"))], at(f"{day}T{close}")
        assert bars_of(series(Interval.D1), rows, STOCKS, revision=1, closed_until=end - 1).forming == 1
        [bar] = bars_of(series(Interval.D1), rows, STOCKS, revision=1, closed_until=end).bars
        assert (bar.open_time, bar.close_time, bar.trading_day) == (at(day), end, at(day))


def test_a_session_that_still_trades_is_not_stored_as_closed() -> None:
    """1732748400: the session of 29 November 2024 begins before Thanksgiving and closes two days later."""
    future = Calendar.parse("America/Chicago", "1700-1600", "20241128", "1700F2-1200F1,1700-1215:20241129")
    rows = [row(1_732_748_400_000)]
    half_a_day_later = bars_of(series(Interval.D1), rows, future, revision=1, closed_until=at("2024-11-29T12:00"))
    assert (half_a_day_later.bars, half_a_day_later.forming) == ((), 1)
    [bar] = bars_of(series(Interval.D1), rows, future, revision=1, closed_until=at("2024-11-29T18:15")).bars
    assert (bar.open_time, bar.close_time) == (at("2024-11-29"), at("2024-11-29T18:15"))


def test_the_last_bar_is_forming_while_the_provider_says_so() -> None:
    """Its hours may be longer today than the calendar knows."""
    rows = [row(at("2026-11-24T14:30")), row(at("2026-11-25T14:30"))]
    now, later = at("2026-11-25T21:30"), at("2026-11-25T22:00")
    found = bars_of(series(Interval.D1), rows, STOCKS, revision=1, closed_until=now, last_closes=later)
    assert ([bar.open_time for bar in found.bars], found.forming) == ([at("2026-11-24")], 1)
    assert len(bars_of(series(Interval.D1), rows, STOCKS, revision=1, closed_until=later, last_closes=later).bars) == 2


def test_bars_off_the_calendars_grid_are_stored_and_counted() -> None:
    stamps = [at("2026-11-25T14:30"), at("2026-11-25T15:00"), at("2026-11-25T15:30"), at("2026-11-26T14:30")]
    found = bars_of(series(Interval.H1), [row(stamp) for stamp in stamps], STOCKS, revision=1, closed_until=LATER)
    assert [bar.open_time for bar in found.bars] == stamps
    assert found.off_grid == (stamps[1], stamps[3])
    assert [bar.close_time - bar.open_time for bar in found.bars] == [HOUR] * 4
    assert [bar.trading_day for bar in found.bars] == [at("2026-11-25")] * 3 + [at("2026-11-26")]
    assert found.rejected == {}


def test_a_month_that_opens_before_its_first_by_a_holidays_trading_is_no_second_bar_of_the_month_before() -> None:
    """Gold of June 2010 is stamped Sunday 30 May: Monday was a holiday, traded as a part of Tuesday."""
    gold = Calendar.parse("America/New_York", "1800-1700")
    stamps = [at("2010-05-02T22:00"), at("2010-05-30T22:00"), at("2010-06-30T22:00")]
    rows = [row(stamp) for stamp in stamps]
    found = bars_of(series(Interval.MO1), rows, gold, revision=1, closed_until=LATER)
    assert [bar.open_time for bar in found.bars] == [at("2010-05-01"), at("2010-06-01"), at("2010-07-01")]
    assert (found.off_grid, found.rejected) == ((stamps[1],), {})
    assert found.bars[1].close_time == at("2010-06-30T21:00")
    twice = [row(stamps[0]), row(at("2010-05-12T22:00"))]
    assert bars_of(series(Interval.MO1), twice, gold, revision=1, closed_until=LATER).rejected == {"repeated": 1}


def test_bars_before_1970_are_stored() -> None:
    stamps = [-3 * DAY + 14 * HOUR + 30 * MINUTE, -2 * DAY + 14 * HOUR + 30 * MINUTE]
    found = bars_of(series(Interval.D1), [row(stamp) for stamp in stamps], STOCKS, revision=1, closed_until=LATER)
    assert [bar.open_time for bar in found.bars] == [-3 * DAY, -2 * DAY]


def test_what_a_bar_may_hold_at_most_is_stored_to_the_last_digit() -> None:
    most = row(T0, open=1e15, high=1e15, low=-1e15, close=1e15, volume=1e20)
    [bar] = bars_of(series(Interval.W1), [most], ALWAYS, revision=1, closed_until=LATER).bars
    assert (bar.high, bar.low, bar.volume) == (1e15, -1e15, 1e20)


def test_two_stamps_of_one_day_are_one_bar_and_one_row_put_aside() -> None:
    rows = [row(at("2026-11-20T14:30")), row(at("2026-11-20T15:00"))]
    assert bars_of(series(Interval.D1), rows, ALWAYS, revision=1, closed_until=LATER).rejected == {"repeated": 1}


def test_data_are_as_old_as_their_feed_says_or_a_quarter_of_an_hour() -> None:
    assert closed_until(1_000_000, 0) == 1_000_000
    assert closed_until(1_000_000, 900_000, 5_000) == 95_000
    assert closed_until(1_000_000, None) == 1_000_000 - UNTOLD_DELAY_MS
