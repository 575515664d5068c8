"""Sessions of the exchanges: segments, nights, holidays, half days, clock changes, and the grids of their bars."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from tradingview_simulator.model import exchanges
from tradingview_simulator.model.calendars import Calendar, Session, day_number


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def session(calendar: Calendar, year: int, month: int, day: int) -> Session:
    found = calendar.session(day_number(date(year, month, day)))
    assert found is not None
    return found


def local(calendar: Calendar, session: Session) -> list[str]:
    """The segments of a session as local times."""
    zone = ZoneInfo(calendar.timezone)
    return [
        "-".join(datetime.fromtimestamp(at, zone).strftime("%a %H:%M") for at in segment[:2])
        for segment in session.segments
    ]


def grid(calendar: Calendar, session: Session, minutes: int) -> list[str]:
    """The stamps of all bars of a session in local time, a trade in every minute."""
    stamps = {
        segment.stamp(at, 60 * minutes) for segment in session.segments for at in range(segment.start, segment.end, 60)
    }
    zone = ZoneInfo(calendar.timezone)
    return [datetime.fromtimestamp(at, zone).strftime("%H:%M") for at in sorted(stamps)]


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ((2026, 3, 6), "2026-03-06T14:30", "2026-03-06T21:00"),
        ((2026, 3, 9), "2026-03-09T13:30", "2026-03-09T20:00"),
        ((2026, 10, 30), "2026-10-30T13:30", "2026-10-30T20:00"),
        ((2026, 11, 2), "2026-11-02T14:30", "2026-11-02T21:00"),
    ],
)
def test_a_us_stock_opens_at_half_past_nine_new_york_time_in_summer_and_winter(
    day: tuple[int, int, int], start: str, end: str
) -> None:
    found = session(exchanges.US_STOCKS, *day)
    assert (found.start, found.end) == (instant(start), instant(end))


def test_a_future_opens_on_the_evening_before_so_that_sunday_evening_is_mondays() -> None:
    monday = day_number(date(2026, 11, 23))
    found = session(exchanges.NYMEX, 2026, 11, 23)
    assert (found.day, found.start, found.end) == (monday, instant("2026-11-22T23:00"), instant("2026-11-23T22:00"))
    assert exchanges.NYMEX.session(monday - 1) is None


def test_weekends_and_holidays_have_no_session() -> None:
    for day in (date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 26), date(2026, 12, 25), date(2025, 4, 18)):
        assert exchanges.US_STOCKS.session(day_number(day)) is None


def test_a_correction_overrides_a_holiday_and_a_weekend() -> None:
    assert local(exchanges.NSE, session(exchanges.NSE, 2024, 11, 1)) == ["Fri 18:00-Fri 19:00"]
    assert local(exchanges.NSE, session(exchanges.NSE, 2025, 2, 1)) == ["Sat 09:15-Sat 15:30"]


def test_a_holiday_session_of_a_future_is_part_of_the_next_trading_day() -> None:
    assert exchanges.CME_EQUITY.session(day_number(date(2025, 1, 20))) is None
    merged = session(exchanges.CME_EQUITY, 2025, 1, 21)
    assert local(exchanges.CME_EQUITY, merged) == ["Sun 17:00-Mon 12:00", "Mon 17:00-Tue 16:00"]
    assert merged.start == instant("2025-01-19T23:00")
    independence = session(exchanges.CME_EQUITY, 2025, 7, 7)
    assert local(exchanges.CME_EQUITY, independence) == ["Thu 17:00-Fri 12:00", "Sun 17:00-Mon 16:00"]


def test_a_night_session_opens_on_the_evening_of_the_trading_day_before() -> None:
    calendar = exchanges.TAIFEX
    assert local(calendar, session(calendar, 2025, 3, 18)) == ["Mon 15:00-Tue 05:00", "Tue 08:45-Tue 13:45"]
    assert local(calendar, session(calendar, 2025, 3, 17)) == ["Fri 15:00-Sat 05:00", "Mon 08:45-Mon 13:45"]
    # Thursday 1 May 2025 is a holiday; Friday 28 February is one before a weekend.
    assert local(calendar, session(calendar, 2025, 5, 2)) == ["Wed 15:00-Thu 05:00", "Fri 08:45-Fri 13:45"]
    assert local(calendar, session(calendar, 2025, 3, 3)) == ["Thu 15:00-Fri 05:00", "Mon 08:45-Mon 13:45"]


def test_the_monday_of_the_dollar_index_has_26_hours() -> None:
    monday = session(exchanges.DOLLAR_INDEX, 2026, 11, 23)
    assert local(exchanges.DOLLAR_INDEX, monday) == ["Sun 17:00-Mon 19:00"]
    assert monday.seconds == 26 * 3_600
    assert session(exchanges.DOLLAR_INDEX, 2026, 11, 24).seconds == 24 * 3_600


@pytest.mark.parametrize(
    ("calendar", "day", "minutes", "expected"),
    [
        (exchanges.NSE, (2026, 11, 23), 30, [f"{at // 60:02}:{at % 60:02}" for at in range(555, 930, 30)]),
        (exchanges.CME_EQUITY, (2026, 11, 23), 240, ["17:00", "21:00", "01:00", "05:00", "09:00", "13:00"]),
        (exchanges.HKEX, (2026, 11, 23), 60, ["09:30", "10:00", "11:00", "13:00", "14:00", "15:00"]),
        (exchanges.HKEX, (2026, 11, 23), 240, ["09:30", "13:00"]),
        (exchanges.TSE, (2026, 11, 24), 60, ["09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]),
        (exchanges.US_STOCKS, (2026, 11, 27), 60, ["09:30", "10:30", "11:30", "12:30"]),
        (exchanges.FOREX, (2026, 11, 24), 240, ["17:00", "21:00", "01:00", "05:00", "09:00", "13:00"]),
        (exchanges.TAIFEX, (2026, 11, 24), 240, ["15:00", "19:00", "23:00", "03:00", "08:45", "12:45"]),
    ],
)
def test_bars_stand_on_the_grid_of_their_session(
    calendar: Calendar, day: tuple[int, int, int], minutes: int, expected: list[str]
) -> None:
    assert grid(calendar, session(calendar, *day), minutes) == expected


def test_a_session_may_open_on_any_minute() -> None:
    calendar = Calendar("Asia/Hong_Kong", "0923-1147,1301-1619")
    assert grid(calendar, session(calendar, 2026, 11, 23), 60) == [
        "09:23",
        "10:23",
        "11:23",
        "12:23",
        "13:23",
        "14:23",
        "15:23",
    ]


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
        ("2026-11-27T18:30", "post_market"),
        ("2026-11-28T16:00", "out_of_session"),
    ],
)
def test_the_phase_of_a_us_stock_follows_its_day(at: str, phase: str) -> None:
    assert exchanges.US_STOCKS.phase(instant(at)) == phase


def test_a_future_pauses_for_an_hour_a_day() -> None:
    assert exchanges.NYMEX.phase(instant("2026-11-23T21:59")) == "market"
    assert exchanges.NYMEX.phase(instant("2026-11-23T22:30")) == "out_of_session"
    assert exchanges.NYMEX.phase(instant("2026-11-23T23:00")) == "market"


def test_the_phase_is_looked_at_when_a_session_opens_or_closes() -> None:
    calendar = Calendar("Etc/UTC", "0923-1147,1301-1619")
    looks, at_s = [], instant("2026-11-23T09:20")
    for _ in range(12):
        at_s = calendar.next_look(at_s)
        looks.append(datetime.fromtimestamp(at_s, UTC).strftime("%H:%M"))
    assert looks[0] == "09:23"
    assert "11:47" in looks
