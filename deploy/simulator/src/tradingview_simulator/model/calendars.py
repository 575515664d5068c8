"""When a symbol trades: the session of a trading day as two UTC instants, and the phase of the market at an instant.

A trading day is named by its calendar date, held as a day number (days since 1970-01-01). Sessions begin and end on a
quarter hour. Instants are seconds since the epoch.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_S = 86_400
EPOCH = date(1970, 1, 1)


class Session(NamedTuple):
    """One trading day: it trades in [start, end), in seconds since the epoch."""

    day: int
    start: int
    end: int


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_date(number: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=number)


def us_holidays(year: int) -> frozenset[date]:
    """The closed weekdays of US exchanges, by the rules in force today (without Good Friday)."""
    fixed = [date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 12, 25)]
    observed = [day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0)) for day in fixed]
    floating = [_nth(year, 1, 0, 3), _nth(year, 2, 0, 3), _nth(year, 9, 0, 1), _nth(year, 11, 3, 4)]
    memorial = date(year, 5, 31) - timedelta(days=date(year, 5, 31).weekday())
    return frozenset([*observed, *floating, memorial])


def _nth(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


@dataclass(frozen=True, eq=False)
class Always:
    """24x7: the trading day is the UTC date."""

    timezone: str = "Etc/UTC"
    spec: str = "24x7"
    holidays_spec: str = ""

    def session(self, day: int) -> Session | None:
        return Session(day, day * DAY_S, (day + 1) * DAY_S)

    def phase(self, at_s: int) -> str:
        """The value of the quote field `current_session` (protocol §4.2)."""
        return "market"


@dataclass(frozen=True, eq=False)
class Weekdays:
    """Monday to Friday in local time, except holidays; `opens_evening_before` for futures.

    `extended` is the local span of pre-market and post-market, None where there is none.
    """

    timezone: str
    opens: time
    closes: time
    spec: str
    opens_evening_before: bool = False
    extended: tuple[time, time] | None = None

    @property
    def holidays_spec(self) -> str:
        """`session_holidays` of §5.4: the closed weekdays of 2020 to 2030, as yyyymmdd."""
        days = sorted(day for year in range(2020, 2031) for day in us_holidays(year))
        return ",".join(day.strftime("%Y%m%d") for day in days)

    def session(self, day: int) -> Session | None:
        return _weekday_session(self, day)

    def phase(self, at_s: int) -> str:
        """The value of the quote field `current_session` (protocol §4.2)."""
        local = datetime.fromtimestamp(at_s, ZoneInfo(self.timezone))
        today = day_number(local.date())
        for day in (today, today + 1):
            session = self.session(day)
            if session is not None and session.start <= at_s < session.end:
                return "market"
        if local.weekday() < 5 and local.date() in _holidays(local.year):
            return "holiday"
        if self.extended is not None and self.session(today) is not None:
            if self.extended[0] <= local.time() < self.opens:
                return "pre_market"
            if self.closes <= local.time() < self.extended[1]:
                return "post_market"
        return "out_of_session"


Calendar = Always | Weekdays

_holidays = lru_cache(maxsize=512)(us_holidays)


@lru_cache(maxsize=65_536)
def _weekday_session(calendar: Weekdays, day: int) -> Session | None:
    date_ = day_date(day)
    if date_.weekday() >= 5 or date_ in _holidays(date_.year):
        return None
    zone = ZoneInfo(calendar.timezone)
    opening = date_ - timedelta(days=1) if calendar.opens_evening_before else date_
    start = datetime.combine(opening, calendar.opens, zone).astimezone(UTC)
    end = datetime.combine(date_, calendar.closes, zone).astimezone(UTC)
    return Session(day, int(start.timestamp()), int(end.timestamp()))
