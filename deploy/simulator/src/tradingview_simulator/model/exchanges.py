"""The calendars of the exchanges, as texts that TradingView's metadata would carry."""

from collections.abc import Iterable
from datetime import date, timedelta

from tradingview_simulator.model import holidays
from tradingview_simulator.model.calendars import Calendar
from tradingview_simulator.model.holidays import US_YEARS, dates, us_half_days, us_holidays, written
from tradingview_simulator.model.hours import ALWAYS_SPEC, write_corrections

NEW_YORK = "America/New_York"
CHICAGO = "America/Chicago"

US_HOLIDAYS = written(day for year in US_YEARS for day in us_holidays(year))
MOURNING = "20250109"
"""The day of mourning for a president, on which US stock exchanges rested."""
JOBS_GOOD_FRIDAYS = ("20210402", "20230407", "20260403")
"""Good Fridays on which the labour market report came out: futures and the dollar traded for a part of the day."""
FIRST_MERGED = 2021
"""Since then crude oil trades on US holidays as a part of the next trading day."""


def _text(day: date) -> str:
    return day.strftime("%Y%m%d")


def _us_halves(spec: str, *, rests: bool = True) -> str:
    specs = {_text(day): spec for year in US_YEARS for day in us_half_days(year)}
    return write_corrections(specs | {MOURNING: "dayoff"} if rests else specs)


def _next_weekday(day: date) -> date:
    return day + timedelta(days=3 if day.weekday() == 4 else 1)


def _future_corrections(
    opens: str, closes: str, *, holiday: str, half: str, half_days: Iterable[date], years: Iterable[int] = US_YEARS
) -> str:
    """Trading on most US holidays, until `holiday`, is part of the next trading day; half days end at `half`."""
    specs = {_text(day): f"{opens}-{half}" for day in half_days}
    for year in years:
        for day in (*holidays.us_traded_holidays(year), holidays.thanksgiving(year)):
            following = _next_weekday(day)
            before = (following - day).days
            close = half if day == holidays.thanksgiving(year) else closes
            specs[_text(following)] = f"{opens}F{before + 1}-{holiday}F{before},{opens}-{close}"
    return write_corrections(specs)


def _dollar_index_corrections() -> str:
    """The dollar index trades on most US holidays as on any day of the week."""
    specs = dict.fromkeys(JOBS_GOOD_FRIDAYS, "1900-1900")
    for year in US_YEARS:
        for day in (*holidays.us_traded_holidays(year), holidays.thanksgiving(year)):
            specs[_text(day)] = "1700F-1900" if day.weekday() == 0 else "1900-1900"
    return write_corrections(specs)


def _fixed_days(*days: tuple[int, int]) -> str:
    found = (date(year, month, day) for year in US_YEARS for month, day in days)
    return written(day for day in found if day.weekday() < 5)


_EVES = [date(year, month, day) for year in US_YEARS for month, day in ((7, 3), (12, 24))]
_WEEKDAY_EVES = [day for day in _EVES if day.weekday() < 4]
_CHRISTMAS_EVES = [day for day in _WEEKDAY_EVES if day.month == 12]

ALWAYS = Calendar("Etc/UTC", ALWAYS_SPEC)
US_STOCKS = Calendar(
    NEW_YORK,
    "0930-1600",
    US_HOLIDAYS,
    _us_halves("0930-1300"),
    {
        "premarket": Calendar(NEW_YORK, "0400-0930", US_HOLIDAYS, _us_halves("0400-0930")),
        "postmarket": Calendar(NEW_YORK, "1600-2000", US_HOLIDAYS, _us_halves("1300-1700")),
    },
)
US_INDEX = Calendar(NEW_YORK, "0930-1600", US_HOLIDAYS, _us_halves("0930-1300"))
NSE = Calendar(
    "Asia/Kolkata",
    "0915-1530",
    dates(holidays.NSE),
    "0915-1530:20240120,20240302,20240518,20250201;1345-1445:20251021;1800-1900:20241101",
)
TSE = Calendar("Asia/Tokyo", "0900-1130,1230-1530", dates(holidays.TSE))
HKEX = Calendar(
    "Asia/Hong_Kong",
    "0930-1200A0900E0920-1206U1300-1600E1300-1611",
    dates(holidays.HKEX),
    "0930-1200A0900E0920-1208:20241224,20241231,20250128,20251224,20251231,20260216,20261224,20261231,20271224,20271231",
)
CME_EQUITY = Calendar(
    CHICAGO,
    "1700-1600",
    US_HOLIDAYS,
    _future_corrections("1700", "1600", holiday="1200", half="1215", half_days=_WEEKDAY_EVES)
    + f";1700-0815:{','.join(JOBS_GOOD_FRIDAYS)};1700-0830:{MOURNING}",
)
NYMEX = Calendar(
    NEW_YORK,
    "1800-1700",
    US_HOLIDAYS,
    _future_corrections(
        "1800",
        "1700",
        holiday="1430",
        half="1345",
        half_days=_CHRISTMAS_EVES,
        years=range(FIRST_MERGED, US_YEARS.stop),
    ),
)
TAIFEX = Calendar("Asia/Taipei", "1500F1-0500S0845-1345:3456|1500F3-0500F2S0845-1345:2", dates(holidays.TAIFEX))
FOREX = Calendar(NEW_YORK, "1700-1700", _fixed_days((1, 1), (12, 25)))
DOLLAR_INDEX = Calendar(NEW_YORK, "1900-1900:3456|1700F-1900:2", US_HOLIDAYS, _dollar_index_corrections())
