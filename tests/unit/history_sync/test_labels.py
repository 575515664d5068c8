"""Where a provider's bar is stored: every interval, across daylight saving, and a future's Sunday evening."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.intervals import DAY, MINUTE, Interval, day_ms
from history_sync.core.labels import label
from tests.unit.history_sync.builders import at

INTRADAY = [interval for interval in Interval if interval.is_intraday]
INSTANTS = st.integers(min_value=0, max_value=4_102_444_800_000)
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2040, 12, 31))


@pytest.mark.parametrize("interval", INTRADAY)
@given(instant=INSTANTS)
def test_an_aligned_intraday_bar_keeps_its_stamp_and_any_other_has_no_place(interval: Interval, instant: int) -> None:
    aligned = interval.open_time(instant, 0)
    assert label(interval, aligned) == aligned
    assert label(interval, instant) == (instant if instant == aligned else None)


@pytest.mark.parametrize("interval", [Interval.D1, Interval.W1, Interval.MO1])
@given(instant=st.integers(min_value=5 * DAY, max_value=4_102_444_800_000))
def test_a_longer_bar_always_has_a_place_that_is_a_label(interval: Interval, instant: int) -> None:
    found = label(interval, instant)
    assert found is not None
    assert interval.is_label(found)


def opening(zone: str, at_time: time, day: date) -> int:
    return int(datetime.combine(day, at_time, ZoneInfo(zone)).astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "opens", "evening_before"),
    [
        ("America/New_York", time(9, 30), False),
        ("America/New_York", time(18), True),  # NYMEX, CME
        ("America/New_York", time(17), True),  # forex
        ("Europe/London", time(8), False),
        ("Asia/Kolkata", time(9, 15), False),
        ("Asia/Tokyo", time(9), False),
        ("Australia/Sydney", time(10), False),
        ("Pacific/Auckland", time(10), False),
        ("Etc/UTC", time(0), False),
    ],
)
@given(day=DAYS)
def test_a_daily_bar_belongs_to_its_trading_day_in_summer_and_in_winter(
    zone: str, opens: time, evening_before: bool, day: date
) -> None:
    stamped = opening(zone, opens, day - timedelta(days=1) if evening_before else day)
    assert label(Interval.D1, stamped) == day_ms(day)


def test_the_weeks_in_which_new_york_changes_its_clocks_have_five_days_of_their_own() -> None:
    stamps = [at(f"2026-03-{day:02}T{'14' if day < 8 else '13'}:30") for day in (5, 6, 9, 10)]
    assert [label(Interval.D1, stamp) for stamp in stamps] == [at(f"2026-03-{day:02}T00:00") for day in (5, 6, 9, 10)]


@pytest.mark.parametrize("stamped", ["2026-07-05T22:00", "2026-11-22T23:00"])
def test_a_futures_sunday_evening_is_mondays_bar_and_begins_its_week(stamped: str) -> None:
    monday = at(stamped) // DAY * DAY + DAY
    assert label(Interval.D1, at(stamped)) == monday
    assert label(Interval.W1, at(stamped)) == monday


def test_a_month_that_opens_the_evening_before_is_labelled_by_its_first() -> None:
    assert label(Interval.MO1, at("2026-05-31T22:00")) == at("2026-06-01T00:00")
    assert label(Interval.MO1, at("2026-06-01T13:30")) == at("2026-06-01T00:00")
    assert label(Interval.MO1, at("2026-02-02T14:30")) == at("2026-02-01T00:00"), "the 1st was a Sunday"


def test_bars_of_an_exchange_that_opens_off_the_grid_have_no_place() -> None:
    assert label(Interval.H1, at("2026-01-05T03:45")) is None
    assert label(Interval.M15, at("2026-01-05T03:45")) == at("2026-01-05T03:45")


def test_what_was_before_the_epoch_has_no_place() -> None:
    assert label(Interval.D1, -DAY) is None
    assert label(Interval.W1, 0) is None, "its Monday was in 1969"
    assert label(Interval.M1, -MINUTE) is None
