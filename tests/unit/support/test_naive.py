"""The second oracle gives the right volumes and extremes where these are known, and reads calendars as they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CASES, Case, utc
from tests.support.drawn_counters import drawn_case
from tests.support.naive import Last, naive
from tests.support.naive_calendar import NaiveCalendar, Schedule
from tests.support.tick_logs import Log, drawn_log


def bars_of(log: Log) -> dict[tuple[str, int], Last]:
    """What the oracle makes of a log of one symbol, which has no late ticks."""
    result = naive(log, close_delay_ms=2_000, grace_ms=300_000, max_skew_ms=60_000, max_age_ms=86_400_000)
    assert result.late == []
    return {(interval, opened): last for (_, interval, opened), last in result.bars.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_oracle_gives_the_known_values(case: Case) -> None:
    assert case.differences(bars_of(case.log)) == []


@given(st.integers(0, 1 << 32))
@settings(max_examples=100, deadline=None)
def test_the_oracle_gives_what_each_minute_traded(seed: int) -> None:
    case = drawn_case(seed)
    assert case.differences(bars_of(case.log)) == []


@given(st.integers(0, 1 << 32), st.booleans())
@settings(max_examples=20, deadline=None)
def test_volumes_of_drawn_logs_are_never_negative_and_every_bar_is_one(seed: int, is_odd: bool) -> None:
    log = drawn_log(seed, is_odd=is_odd)
    result = naive(log, close_delay_ms=2_000, grace_ms=300_000, max_skew_ms=60_000, max_age_ms=86_400_000)
    for last in result.bars.values():
        assert last.volume is None or last.volume >= 0
        assert last.low <= min(last.open, last.close) <= max(last.open, last.close) <= last.high


NIGHT = Schedule("Asia/Taipei", "1500F1-0500S0845-1345:3456|1500F3-0500F2S0845-1345:2")
STOCK = Schedule("America/New_York", "0930-1600", "20260403", "0930-1300:20260402;dayoff:20260406")


def test_a_night_session_that_opens_on_friday_is_mondays() -> None:
    calendar = NaiveCalendar(NIGHT)
    monday = utc("2026-03-09T00:00")
    assert calendar.place(utc("2026-03-06T07:00"), is_own_time=True, grace_ms=300_000) == (
        monday, utc("2026-03-06T07:00"),
    )  # fmt: skip
    assert calendar.bar(Interval.H4, utc("2026-03-06T20:30"), monday) == (
        utc("2026-03-06T19:00"), utc("2026-03-06T21:00"),
    )  # fmt: skip
    assert calendar.bar(Interval.H1, utc("2026-03-09T01:00"), monday) == (
        utc("2026-03-09T00:45"), utc("2026-03-09T01:45"),
    )  # fmt: skip


def test_a_print_after_the_close_is_in_a_minute_of_its_own_and_in_the_last_bar_of_an_hour() -> None:
    calendar = NaiveCalendar(STOCK)
    close = utc("2026-04-02T17:00")
    assert calendar.place(close + 299_999, is_own_time=True, grace_ms=300_000).minute == close
    assert calendar.place(close + 300_000, is_own_time=True, grace_ms=300_000) == (utc("2026-04-07T00:00"), None)
    assert calendar.place(close + 1, is_own_time=False, grace_ms=300_000) == (utc("2026-04-07T00:00"), None)
    day = utc("2026-04-02T00:00")
    assert calendar.bar(Interval.M1, close, day) == (close, close + MINUTE)
    assert calendar.bar(Interval.M30, close, day) == (close, close + MINUTE)
    assert calendar.bar(Interval.H1, close, day) == (close - 30 * MINUTE, close)


def test_an_early_close_moves_only_the_close_of_the_day_and_the_next_days_follow() -> None:
    calendar = NaiveCalendar(Schedule("America/New_York", "0930-1600"))
    day = utc("2026-03-04T00:00")
    calendar.change(Schedule("America/New_York", "1000-1500", "", "0930-1300:20260304"), day + 17 * HOUR)
    assert [one[1:3] for one in calendar.segments(day)] == [(day + 14 * HOUR + 30 * MINUTE, day + 18 * HOUR)]
    assert [one[1:3] for one in calendar.segments(day + DAY)] == [(day + DAY + 15 * HOUR, day + DAY + 20 * HOUR)]
    assert [one[1:3] for one in calendar.segments(day - DAY)] == [
        (day - DAY + 14 * HOUR + 30 * MINUTE, day - DAY + 21 * HOUR)
    ]
