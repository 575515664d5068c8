"""Intervals: every instant and trading day has one bar, and every spelling one meaning."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import MAX_MS, MIN_MS
from contracts.calendar import ALWAYS, Calendar
from contracts.errors import BadData
from contracts.intervals import DAY, Interval, day_ms, rfc3339

INSTANTS = st.integers(7 * DAY, 4_102_444_800_000)


@given(INSTANTS, st.sampled_from(Interval))
def test_every_instant_lies_in_exactly_the_bar_that_holds_it(instant: int, interval: Interval) -> None:
    opened, closed = ALWAYS.bar(interval, instant)
    assert opened <= instant < closed == ALWAYS.close_of(interval, opened)
    assert ALWAYS.bar(interval, opened) == (opened, closed)
    assert ALWAYS.bar(interval, closed)[0] == closed, "bars lie side by side"


@given(INSTANTS)
def test_weeks_begin_on_monday_and_months_on_the_first(instant: int) -> None:
    day = date(1970, 1, 1) + timedelta(days=instant // DAY)
    assert ALWAYS.bar(Interval.W1, instant)[0] == day_ms(day - timedelta(days=day.weekday()))
    assert ALWAYS.bar(Interval.MO1, instant)[0] == day_ms(day.replace(day=1))


def test_a_sunday_evening_of_a_future_belongs_to_monday_its_week_and_its_month() -> None:
    sunday_evening = int(datetime(2026, 5, 31, 22, 0, tzinfo=UTC).timestamp()) * 1000
    monday = day_ms(date(2026, 6, 1))
    future = Calendar.parse("America/Chicago", "1700-1600")
    labels = {interval: future.bar(interval, sunday_evening)[0] for interval in Interval}
    assert (labels[Interval.D1], labels[Interval.W1], labels[Interval.MO1]) == (monday, monday, monday)
    assert labels[Interval.H4] == sunday_evening


def test_a_leap_day_and_the_end_of_a_year() -> None:
    assert ALWAYS.close_of(Interval.MO1, day_ms(date(2028, 2, 1))) == day_ms(date(2028, 3, 1))
    assert ALWAYS.close_of(Interval.D1, day_ms(date(2028, 2, 29))) == day_ms(date(2028, 3, 1))
    assert ALWAYS.close_of(Interval.MO1, day_ms(date(2026, 12, 1))) == day_ms(date(2027, 1, 1))
    assert ALWAYS.bar(Interval.W1, day_ms(date(2027, 1, 1)))[0] == day_ms(date(2026, 12, 28))


@pytest.mark.parametrize(
    ("spellings", "interval"),
    [
        ("1m 1 1min 1Min 1minute", Interval.M1), ("3m 3 3min", Interval.M3), ("5m 5 5Min", Interval.M5),
        ("15m 15 15min", Interval.M15), ("30m 30", Interval.M30), ("45m 45", Interval.M45),
        ("1h 60 1H 1Hour 60min", Interval.H1), ("2h 120 2H", Interval.H2), ("3h 180", Interval.H3),
        ("4h 240 4H 4hour", Interval.H4), ("1d D 1D 1Day d daily", Interval.D1), ("1w W 1W 1Week w", Interval.W1),
        ("1M M 1Month 1mo monthly", Interval.MO1),
    ],
)  # fmt: skip
def test_common_spellings_are_understood(spellings: str, interval: Interval) -> None:
    assert [Interval.parse(word) for word in spellings.split()] == [interval] * len(spellings.split())
    assert Interval.parse(interval.tradingview) is interval


@pytest.mark.parametrize("wrong", ["", "m", "7m", "90", "1s", "1y", "0", "-1", "1m;drop", "x" * 500])
def test_a_wrong_interval_is_told_what_is_right(wrong: str) -> None:
    with pytest.raises(BadData, match="use one of 1m, 3m, 5m") as fault:
        Interval.parse(wrong)
    assert fault.value.kind == "invalid_interval"
    assert len(fault.value.cause) < 200


def test_case_tells_a_minute_from_a_month() -> None:
    assert Interval.parse("1m") is not Interval.parse("1M")


def test_instants_are_written_in_utc() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(1_766_031_047_438) == "2025-12-18T04:10:47.438Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"
    assert rfc3339(MIN_MS) == "0001-01-01T00:00:00Z"
    assert rfc3339(MAX_MS) == "9999-12-31T23:59:59.999Z"
