"""Sessions: daylight saving, weekends, holidays, the evening before."""

from datetime import UTC, date, datetime

import pytest

from tradingview_simulator.model.calendars import day_number, us_holidays
from tradingview_simulator.model.registry import NYMEX, US_STOCKS


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2026, 3, 6), "2026-03-06T14:30", "2026-03-06T21:00"),
        (date(2026, 3, 9), "2026-03-09T13:30", "2026-03-09T20:00"),
        (date(2026, 10, 30), "2026-10-30T13:30", "2026-10-30T20:00"),
        (date(2026, 11, 2), "2026-11-02T14:30", "2026-11-02T21:00"),
    ],
)
def test_a_us_stock_opens_at_half_past_nine_new_york_time_in_summer_and_winter(day: date, start: str, end: str) -> None:
    assert US_STOCKS.session(day_number(day)) == (day_number(day), instant(start), instant(end))


def test_a_future_opens_on_the_evening_before_so_that_sunday_evening_is_mondays() -> None:
    monday = day_number(date(2026, 11, 23))
    assert NYMEX.session(monday) == (monday, instant("2026-11-22T23:00"), instant("2026-11-23T22:00"))
    assert NYMEX.session(monday - 1) is None


def test_weekends_and_holidays_have_no_session() -> None:
    for day in (date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 26), date(2026, 12, 25)):
        assert US_STOCKS.session(day_number(day)) is None


def test_a_holiday_on_a_weekend_is_kept_on_the_weekday_next_to_it() -> None:
    assert date(2026, 7, 3) in us_holidays(2026)
    assert date(2027, 7, 5) in us_holidays(2027)


@pytest.mark.parametrize(
    ("at", "phase"),
    [
        ("2026-11-23T08:59", "out_of_session"),
        ("2026-11-23T09:00", "pre_market"),
        ("2026-11-23T14:30", "market"),
        ("2026-11-23T20:59", "market"),
        ("2026-11-23T21:00", "post_market"),
        ("2026-11-24T01:00", "out_of_session"),
        ("2026-11-26T16:00", "holiday"),
        ("2026-11-28T16:00", "out_of_session"),
    ],
)
def test_the_phase_of_a_us_stock_follows_its_day(at: str, phase: str) -> None:
    assert US_STOCKS.phase(instant(at)) == phase


def test_a_future_pauses_for_an_hour_a_day() -> None:
    assert NYMEX.phase(instant("2026-11-23T21:59")) == "market"
    assert NYMEX.phase(instant("2026-11-23T22:30")) == "out_of_session"
    assert NYMEX.phase(instant("2026-11-23T23:00")) == "market"
