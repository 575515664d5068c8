"""The holidays of the United States by rule."""

from datetime import date

import pytest

from tradingview_simulator.model.holidays import easter, us_half_days, us_holidays


def test_a_holiday_on_a_weekend_is_kept_on_the_weekday_next_to_it() -> None:
    assert date(2026, 7, 3) in us_holidays(2026)
    assert date(2027, 7, 5) in us_holidays(2027)


def test_new_year_on_a_saturday_is_kept_on_no_day() -> None:
    assert not [day for day in us_holidays(2022) if day.month == 1 and day.day < 15]
    assert date(2021, 12, 31) not in us_holidays(2021)


@pytest.mark.parametrize("day", [date(2024, 3, 31), date(2025, 4, 20), date(2026, 4, 5), date(2027, 3, 28)])
def test_easter_falls_where_it_fell(day: date) -> None:
    assert easter(day.year) == day


def test_exchanges_close_early_before_independence_day_after_thanksgiving_and_before_christmas() -> None:
    assert us_half_days(2025) == [date(2025, 7, 3), date(2025, 12, 24), date(2025, 11, 28)]
    assert us_half_days(2027) == [date(2027, 11, 26)]
