"""Where a provider's bar is stored: by the symbol's calendar, across clock changes, nights and holidays."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import ALWAYS, Calendar
from contracts.intervals import DAY, HOUR, MINUTE, Interval, day_ms
from history_sync.core.labels import place, trading_day
from tests.unit.history_sync.builders import at

INTRADAY = [interval for interval in Interval if interval.is_intraday]
INSTANTS = st.integers(min_value=-2_208_988_800_000, max_value=4_102_444_800_000)
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2040, 12, 31)).filter(lambda day: day.weekday() < 5)

NEW_YORK = Calendar.parse("America/New_York", "0930-1600")
CRUDE = Calendar.parse("America/New_York", "1800-1700")
NSE = Calendar.parse("Asia/Kolkata", "0915-1530", "20241101", "1800-1900:20211104")
EQUITY_FUTURE = Calendar.parse(
    "America/Chicago", "1700-1600", "20250120,20241128", "1700F2-1200F1,1700-1600:20250121,20241129"
)
TAIFEX = Calendar.parse("Asia/Taipei", "1500F1-0500S0845-1345:3456|1500F3-0500F2S0845-1345:2")


def opening(zone: str, at_time: time, day: date) -> int:
    return int(datetime.combine(day, at_time, ZoneInfo(zone)).astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize("interval", INTRADAY)
@given(instant=INSTANTS)
def test_an_intraday_bar_keeps_its_stamp_whatever_the_calendar(interval: Interval, instant: int) -> None:
    for calendar in (ALWAYS, NEW_YORK, CRUDE, TAIFEX):
        found = place(calendar, interval, instant)
        assert found.open_time == instant
        assert instant < found.close_time <= instant + (interval.step_ms or 0)


@pytest.mark.parametrize("interval", [Interval.D1, Interval.W1, Interval.MO1])
@given(instant=INSTANTS)
def test_a_longer_bar_is_labelled_midnight_of_a_trading_day(interval: Interval, instant: int) -> None:
    for calendar in (ALWAYS, NEW_YORK, CRUDE, TAIFEX):
        found = place(calendar, interval, instant)
        assert found.open_time % DAY == 0
        assert found.trading_day == found.open_time
        assert found.close_time > instant


@pytest.mark.parametrize(
    ("calendar", "interval", "stamps"),
    [
        (NSE, Interval.M30, ["2026-01-05T03:45", "2026-01-05T09:45"]),
        (NSE, Interval.H1, ["2026-01-05T03:45", "2026-01-05T04:45"]),
        (NSE, Interval.H4, ["2026-01-05T03:45", "2026-01-05T07:45"]),
        (NEW_YORK, Interval.M45, ["2026-10-30T13:30", "2026-10-30T14:15"]),
        (NEW_YORK, Interval.H4, ["2026-10-30T13:30", "2026-10-30T17:30", "2026-11-02T14:30"]),
        (CRUDE, Interval.H2, ["2026-10-29T22:00", "2026-10-30T20:00", "2026-11-01T23:00", "2026-11-02T01:00"]),
        (CRUDE, Interval.H3, ["2026-10-29T22:00", "2026-10-30T19:00", "2026-11-01T23:00", "2026-11-02T20:00"]),
        (TAIFEX, Interval.H1, ["2026-01-02T07:00", "2026-01-05T00:45"]),
    ],
)
def test_bars_on_the_grid_of_their_session_are_on_it(calendar: Calendar, interval: Interval, stamps: list[str]) -> None:
    for stamp in stamps:
        assert place(calendar, interval, at(stamp)).is_on_grid, stamp
        assert not place(calendar, interval, at(stamp) + MINUTE).is_on_grid, stamp


def test_a_bar_that_the_close_cuts_ends_with_it_and_one_off_the_grid_lasts_a_whole_step() -> None:
    assert place(NSE, Interval.M30, at("2026-01-05T09:45")).close_time == at("2026-01-05T10:00")
    assert place(NSE, Interval.M30, at("2026-01-05T09:40"))[1:] == (at("2026-01-05T10:10"), at("2026-01-05"), False)


@pytest.mark.parametrize(
    ("calendar", "zone", "opens", "days_before"),
    [
        (NEW_YORK, "America/New_York", time(9, 30), 0),
        (CRUDE, "America/New_York", time(18), 1),
        (NSE, "Asia/Kolkata", time(9, 15), 0),
        (Calendar.parse("Europe/London", "0800-1630"), "Europe/London", time(8), 0),
        (Calendar.parse("Australia/Sydney", "1000-1600"), "Australia/Sydney", time(10), 0),
        (Calendar.parse("Pacific/Auckland", "1000-1645"), "Pacific/Auckland", time(10), 0),
        (ALWAYS, "Etc/UTC", time(0), 0),
    ],
)
@given(day=DAYS)
def test_a_daily_bar_belongs_to_its_trading_day_in_summer_and_in_winter(
    calendar: Calendar, zone: str, opens: time, days_before: int, day: date
) -> None:
    stamped = opening(zone, opens, day - timedelta(days=days_before))
    assert place(calendar, Interval.D1, stamped).open_time == day_ms(day)


def test_a_session_after_a_holiday_belongs_to_the_next_trading_day_and_closes_with_it() -> None:
    """1732748400 is the opening at 17:00 Chicago of Wednesday 27 November 2024, before Thanksgiving."""
    found = place(EQUITY_FUTURE, Interval.D1, 1_732_748_400_000)
    assert found == (at("2024-11-29"), at("2024-11-29T22:00"), at("2024-11-29"), True)


def test_a_night_session_belongs_to_the_trading_day_it_leads_into() -> None:
    friday_night = at("2026-01-02T07:00")
    assert place(TAIFEX, Interval.D1, friday_night)[:2] == (at("2026-01-05"), at("2026-01-05T05:45"))
    assert place(TAIFEX, Interval.H1, friday_night).trading_day == at("2026-01-05")


@pytest.mark.parametrize("stamped", ["2026-07-05T22:00", "2026-11-22T23:00"])
def test_a_futures_sunday_evening_is_mondays_bar_and_begins_its_week(stamped: str) -> None:
    monday = at(stamped) // DAY * DAY + DAY
    assert place(CRUDE, Interval.D1, at(stamped)).open_time == monday
    week = place(CRUDE, Interval.W1, at(stamped))
    assert (week.open_time, week.close_time % DAY) == (monday, (21 if stamped < "2026-11" else 22) * HOUR)


def test_a_month_that_opens_the_evening_before_is_labelled_by_its_first() -> None:
    assert place(CRUDE, Interval.MO1, at("2026-05-31T22:00")).open_time == at("2026-06-01")
    assert place(NEW_YORK, Interval.MO1, at("2026-02-02T14:30")).open_time == at("2026-02-01"), "the 1st was a Sunday"


def test_a_longer_bar_may_begin_on_any_day_of_its_period_where_the_symbol_was_listed() -> None:
    listed = at("2026-05-13T13:30")
    assert place(NEW_YORK, Interval.MO1, listed)[::3] == (at("2026-05-01"), True)
    assert place(NEW_YORK, Interval.W1, listed)[::3] == (at("2026-05-11"), True)
    assert not place(NEW_YORK, Interval.W1, listed + HOUR).is_on_grid


def test_what_was_before_1970_has_its_place() -> None:
    saturday = opening("America/New_York", time(9, 30), date(1929, 10, 26))
    assert place(NEW_YORK, Interval.D1, saturday + 2 * DAY)[:1] == (day_ms(date(1929, 10, 28)),)
    assert place(ALWAYS, Interval.W1, -DAY).open_time == at("1969-12-29")


def test_a_session_that_the_calendar_does_not_know_has_its_own_date() -> None:
    """In 1929 New York traded on Saturdays; India holds sessions on some."""
    saturday = opening("America/New_York", time(9, 30), date(1929, 10, 26))
    found = place(NEW_YORK, Interval.D1, saturday)
    assert (found.open_time, found.is_on_grid) == (day_ms(date(1929, 10, 26)), False)
    assert saturday < found.close_time <= saturday + DAY
    assert trading_day(NSE, at("2024-03-02T03:45")) == at("2024-03-02")
    assert trading_day(NSE, at("2024-11-01T12:30")) == at("2024-11-01"), "an evening session on a holiday"


def test_an_unknown_session_that_opens_in_the_evening_belongs_to_the_next_date() -> None:
    """Monday 20 January 2025 is merged into Tuesday by the calendar; the provider had a bar of its own."""
    holiday = Calendar.parse("America/Chicago", "1700-1600", "20250120")
    assert place(holiday, Interval.D1, at("2025-01-19T23:00"))[:1] == (at("2025-01-20"),)
    assert place(holiday, Interval.D1, at("2025-01-20T23:00"))[:1] == (at("2025-01-21"),)


def test_a_stamp_shortly_before_an_opening_belongs_to_that_session() -> None:
    early = place(CRUDE, Interval.D1, at("2026-10-29T21:30"))
    assert (early.open_time, early.is_on_grid) == (at("2026-10-30"), False)


def test_an_auction_at_the_close_belongs_to_the_day_that_ends() -> None:
    tokyo = Calendar.parse("Asia/Tokyo", "0900-1130,1230-1530")
    found = place(tokyo, Interval.M15, at("2026-01-05T06:30"))
    assert (found.trading_day, found.is_on_grid) == (at("2026-01-05"), True)


def test_an_auction_on_saturday_morning_belongs_to_mondays_trading_day() -> None:
    osaka = Calendar.parse("Asia/Tokyo", "1700F1-0600,0845-1545:3456|1700F3-0600F2,0845-1545:2")
    saturday = at("2025-05-09T21:00")
    assert place(osaka, Interval.H1, saturday).trading_day == at("2025-05-12")
