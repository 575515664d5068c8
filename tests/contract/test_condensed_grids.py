"""Bars observed on charts, a hundred a series around what is difficult, open where a calendar says."""

from datetime import date

import pytest

from contracts.calendar import Calendar
from contracts.intervals import Interval, day_ms
from tests.support.grids import Series, condensed, explains

ALL = condensed()
BY_NAME = {series.name: series for series in ALL}
MISSES = {"OSE:NK225M1! 1d": 1}
"""The first day of 2025 had no night session, which nothing in the session string says."""


def calendar_of(series: Series) -> Calendar:
    assert series.session is not None
    return Calendar.parse(series.timezone, series.session, series.holidays, series.corrections)


def test_there_are_enough_series_to_mean_something() -> None:
    assert len(ALL) == len(BY_NAME) == 41
    assert sum(len(series.times_ms) >= 100 for series in ALL) == 38
    assert {series.interval for series in ALL} == set(Interval) - {Interval.M1, Interval.M45, Interval.H3}


@pytest.mark.parametrize("series", [pytest.param(series, id=series.name) for series in ALL])
def test_every_observed_bar_is_a_bar_of_its_calendar(series: Series) -> None:
    calendar = calendar_of(series)
    missed = [stamp for stamp in series.times_ms if not explains(calendar, series, stamp)]
    assert len(missed) == MISSES.get(series.name, 0), missed


@pytest.mark.parametrize("series", [pytest.param(series, id=series.name) for series in ALL if series.stamps != "date"])
def test_every_observed_bar_is_among_the_bars_to_expect_or_is_of_a_closing_auction(series: Series) -> None:
    calendar, times = calendar_of(series), series.times_ms
    expected = {opening for stamp in set(times) for opening, _ in calendar.bars(series.interval, stamp, stamp + 1)}
    if not series.interval.is_intraday:
        labels = [calendar.label_of_provider(series.interval, stamp)[0] for stamp in times]
        listed = [opening for opening, _ in calendar.bars(series.interval, labels[0], labels[-1] + 1)]
        assert set(labels) <= set(listed)
        return
    for stamp in set(times) - expected:
        assert (calendar.is_open(stamp - 1), calendar.is_open(stamp)) == (True, False)


@pytest.mark.parametrize(
    ("name", "off_the_epoch"),
    [
        ("SP:SPX 1h", 100),
        ("MCX:GOLD1! 2h", 100),
        ("TVC:HSI 1h", 100),
        ("TAIFEX:MXF1! 4h", 100),
        ("TAIFEX:MXF1! 30m", 50),
        ("HKEX:700 1h", 10),
        ("CBOT:ZC1! 4h", 25),
        ("TVC:DXY 4h", 71),
        ("CME_MINI:ES1! 4h", 100),
        ("OANDA:XAUUSD 4h", 100),
    ],
)
def test_a_grid_of_the_epoch_does_not_explain_these_series(name: str, off_the_epoch: int) -> None:
    series = BY_NAME[name]
    step = series.interval.step_ms
    assert step is not None
    assert sum(stamp % step != 0 for stamp in series.times_ms) == off_the_epoch


def test_a_night_session_belongs_to_the_next_trading_day_also_over_a_holiday() -> None:
    series = BY_NAME["TAIFEX:MXF1! 30m"]
    with_holidays = calendar_of(series)
    without = Calendar.parse(with_holidays.timezone, with_holidays.session)
    holidays = {
        day_of(text) for text in series.holidays.split(",") if series.times_ms[0] <= day_of(text) <= series.times_ms[-1]
    }
    assert len(holidays) >= 5
    assert not {with_holidays.trading_day(stamp) for stamp in series.times_ms} & holidays
    assert {without.trading_day(stamp) for stamp in series.times_ms} & holidays


def day_of(text: str) -> int:
    return day_ms(date(int(text[:4]), int(text[4:6]), int(text[6:])))
