"""Rows to bars: closed ones only, a bad row put aside without harm to its neighbours."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bars import Origin
from contracts.intervals import MINUTE, Interval
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
    found = bars_of(series(), rows, revision=7, closed_until=LATER)
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
    found = bars_of(series(), [*rows[:position], bad, *rows[position:]], revision=7, closed_until=LATER)
    assert [bar.open_time for bar in found.bars if bar.open_time >= T0] == [row.stamped_ms for row in rows]
    assert len(found.bars) + sum(found.rejected.values()) == len(rows) + 1


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (row(T0 + MINUTE, close=math.nan), "not_finite"),
        (row(T0 + MINUTE, high=math.inf), "not_finite"),
        (row(T0 + MINUTE + 1), "unaligned"),
        (row(T0 - MINUTE), "not_ascending"),
        (row(T0), "repeated"),
        (row(T0 + MINUTE, high=9.5), "no_bar"),
        (row(T0 + MINUTE, low=10.2), "no_bar"),
        (row(T0 + MINUTE, close=11.5), "no_bar"),
        (row(T0 + MINUTE, high=1e16), "no_bar"),
        (row(T0 + MINUTE, volume=-1.0), "no_bar"),
        (row(10**13 * MINUTE), "no_bar"),
    ],
)
def test_a_bad_row_is_put_aside_with_its_cause_and_position(bad: Row, cause: str) -> None:
    good = [row(T0), row(T0 + 2 * MINUTE)]
    found = bars_of(series(), [good[0], bad, good[1]], revision=1, closed_until=LATER)
    assert [bar.open_time for bar in found.bars] == [T0, T0 + 2 * MINUTE]
    assert found.rejected == {cause: 1}
    [example] = found.examples
    assert (example.position, example.cause, example.row.stamped_ms) == (1, cause, bad.stamped_ms)


def test_only_a_few_bad_rows_are_kept_as_examples_and_all_are_counted() -> None:
    found = bars_of(series(), [row(T0 + n, close=1e9) for n in range(1, 50)], revision=1, closed_until=LATER)
    assert found.rejected == {"unaligned": 49}
    assert len(found.examples) == MOST_EXAMPLES


def test_a_bar_is_stored_from_the_instant_on_at_which_it_ends() -> None:
    rows = [row(T0), row(T0 + MINUTE)]
    assert bars_of(series(), rows, revision=1, closed_until=T0 + 2 * MINUTE).forming == 0
    held = bars_of(series(), rows, revision=1, closed_until=T0 + 2 * MINUTE - 1)
    assert [bar.open_time for bar in held.bars] == [T0]
    assert (held.forming, held.rejected) == (1, {})


def test_a_row_far_in_the_future_is_not_stored_and_costs_no_other() -> None:
    rows = [row(T0), row(T0 + 10**6 * MINUTE), row(T0 + MINUTE)]
    found = bars_of(series(), rows, revision=1, closed_until=T0 + 5 * MINUTE)
    assert [bar.open_time for bar in found.bars] == [T0, T0 + MINUTE]
    assert (found.forming, found.rejected) == (1, {})


def test_a_day_is_closed_at_the_end_of_its_utc_date_though_its_session_ended_before() -> None:
    stamped, end = at("2026-11-20T14:30"), at("2026-11-21T00:00")
    rows = [row(stamped)]
    assert bars_of(series(Interval.D1), rows, revision=1, closed_until=end - 1).bars == ()
    [bar] = bars_of(series(Interval.D1), rows, revision=1, closed_until=end).bars
    assert (bar.open_time, bar.close_time) == (at("2026-11-20T00:00"), end)


def test_two_stamps_of_one_day_are_one_bar_and_one_row_put_aside() -> None:
    rows = [row(at("2026-11-20T14:30")), row(at("2026-11-20T15:00"))]
    assert bars_of(series(Interval.D1), rows, revision=1, closed_until=LATER).rejected == {"repeated": 1}


def test_data_are_as_old_as_their_feed_says_or_a_quarter_of_an_hour() -> None:
    assert closed_until(1_000_000, 0) == 1_000_000
    assert closed_until(1_000_000, 900_000, 5_000) == 95_000
    assert closed_until(1_000_000, None) == 1_000_000 - UNTOLD_DELAY_MS
