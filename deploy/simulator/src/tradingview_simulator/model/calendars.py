"""When a symbol trades: the sessions of its trading days as UTC instants, its grid of bars, the phase of the market.

A trading day is named by its calendar date, held as a day number (days since 1970-01-01). A night session belongs to
the day it leads into and opens on the evening of the trading day before, also where holidays lie between. Instants are
seconds since the epoch.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tradingview_simulator.model.hours import (
    ALWAYS_SPEC,
    DAY_OFF,
    MINUTES_A_DAY,
    Hours,
    parse_corrections,
    parse_hours,
    parse_weekly,
)

DAY_S = 86_400
EPOCH = date(1970, 1, 1)
LONGEST_CLOSURE_DAYS = 14
LOOK_EVERY_S = 900
"""The phase is looked at this often also between openings and closes: at midnight a holiday begins."""

CACHED_SESSIONS = 65_536


class Segment(NamedTuple):
    """A stretch of trading [start, end). Bars stand at anchor + k x interval, none before `opens`, the grid's first.

    has_auctions: what prints after `end` is in the last bar, and opens none.
    """

    start: int
    end: int
    anchor: int
    opens: int
    has_auctions: bool = False

    def stamp(self, at_s: int, seconds: int) -> int:
        """The opening instant of the bar of that many seconds that holds `at_s`."""
        if self.has_auctions:
            at_s = min(at_s, self.end - 1)
        return max(self.opens, at_s - (at_s - self.anchor) % seconds)


class Session(NamedTuple):
    """One trading day and the segments it trades in, in order."""

    day: int
    segments: tuple[Segment, ...]

    @property
    def start(self) -> int:
        return self.segments[0].start

    @property
    def end(self) -> int:
        return self.segments[-1].end

    @property
    def seconds(self) -> int:
        """How long it trades."""
        return sum(segment.end - segment.start for segment in self.segments)

    def segment_at(self, at_s: int) -> Segment:
        """The newest segment that began no later than `at_s`; the first, where none has."""
        return next((segment for segment in reversed(self.segments) if segment.start <= at_s), self.segments[0])

    def close_of(self, segment: Segment) -> int:
        """The end of the last segment that shares the segment's grid."""
        return max(each.end for each in self.segments if each.opens == segment.opens)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_date(number: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=number)


def _day_of(text: str) -> int:
    return day_number(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date())


class Calendar:
    """A time zone, a session string, holidays and corrections as the protocol writes them, and what they mean.

    outside: the calendars of trading outside the session by the id of their subsession (`premarket`, `postmarket`).
    Raises `ValueError` for texts that say nothing.
    """

    def __init__(
        self,
        timezone: str,
        spec: str,
        holidays_spec: str = "",
        corrections_spec: str = "",
        outside: Mapping[str, "Calendar"] | None = None,
    ) -> None:
        self.timezone = timezone
        self.spec = spec
        self.holidays_spec = holidays_spec
        self.corrections_spec = corrections_spec
        self.outside: Mapping[str, Calendar] = outside or {}
        self._zone = ZoneInfo(timezone)
        self._weekly = parse_weekly(spec)
        self._holidays = frozenset(map(_day_of, filter(None, holidays_spec.split(","))))
        corrections = parse_corrections(corrections_spec)
        self.corrected = frozenset(map(_day_of, corrections))
        self._corrections = {
            _day_of(day): () if text == DAY_OFF else parse_hours(text) for day, text in corrections.items()
        }
        self.session = lru_cache(maxsize=CACHED_SESSIONS)(self._session)

    def with_corrections(self, corrections_spec: str) -> "Calendar":
        """The same calendar with other corrections."""
        return Calendar(self.timezone, self.spec, self.holidays_spec, corrections_spec, self.outside)

    @property
    def is_always_open(self) -> bool:
        return self.spec == ALWAYS_SPEC

    def _hours(self, day: int) -> tuple[Hours, ...]:
        if day in self._corrections:
            return self._corrections[day]
        if day in self._holidays:
            return ()
        return self._weekly.get((day + 3) % 7, ())

    def _session(self, day: int) -> Session | None:
        """The session of a day number, None where it is no trading day."""
        hours = self._hours(day)
        if not hours:
            return None
        if self.is_always_open:
            start = day * DAY_S
            return Session(day, (Segment(start, start + DAY_S, start, start),))
        segments: list[Segment] = []
        for each in hours:
            moved = 0
            if each.is_evening and day not in self._corrections:
                # `F` says how far the trading day before is in a week without holidays; they move it further away.
                expected = -(each.opens // MINUTES_A_DAY)
                moved = min(0, expected - (day - self.previous(day))) * MINUTES_A_DAY
            start, end = self._instant(day, each.opens + moved), self._instant(day, each.closes + moved)
            if each.continues and segments:
                segments.append(Segment(start, end, segments[-1].anchor, segments[-1].opens, each.has_auctions))
            else:
                anchor = self._instant(day, each.anchor + moved)
                segments.append(Segment(start, end, anchor, start, each.has_auctions))
        return Session(day, tuple(segments))

    def _instant(self, day: int, minutes: int) -> int:
        days, minute = divmod(minutes, MINUTES_A_DAY)
        local = datetime.combine(day_date(day + days), datetime.min.time(), self._zone) + timedelta(minutes=minute)
        return int(local.timestamp())

    def previous(self, day: int) -> int:
        """The trading day before `day`."""
        for candidate in range(day - 1, day - LONGEST_CLOSURE_DAYS, -1):
            if self._hours(candidate):
                return candidate
        raise AssertionError(f"{self.spec} is closed for {LONGEST_CLOSURE_DAYS} days before day {day}")

    def next_session(self, day: int) -> Session:
        """The first session of `day` or after it."""
        for candidate in range(day, day + LONGEST_CLOSURE_DAYS):
            session = self.session(candidate)
            if session is not None:
                return session
        raise AssertionError(f"{self.spec} is closed for {LONGEST_CLOSURE_DAYS} days from day {day}")

    def day_at(self, at_s: int) -> int:
        """The newest trading day whose session began no later than `at_s`."""
        day = at_s // DAY_S + (0 if self.is_always_open else LONGEST_CLOSURE_DAYS)
        session = self.session(day)
        while session is None or session.start > at_s:
            day = self.previous(day)
            session = self.session(day)
        return day

    def is_open(self, at_s: int) -> bool:
        session = self.session(self.day_at(at_s))
        return session is not None and any(segment.start <= at_s < segment.end for segment in session.segments)

    def phase(self, at_s: int) -> str:
        """The value of the quote field `current_session` (protocol §4.2)."""
        if self.is_always_open or self.is_open(at_s):
            return "market"
        for name, calendar in self.outside.items():
            if calendar.is_open(at_s):
                return {"premarket": "pre_market", "postmarket": "post_market"}[name]
        today = day_number(datetime.fromtimestamp(at_s, self._zone).date())
        return "holiday" if today in self._holidays and self.session(today) is None else "out_of_session"

    def trading_day(self, at_s: int) -> int:
        """The newest trading day that has begun, with its trading before the session."""
        return max(calendar.day_at(at_s) for calendar in (self, *self.outside.values()))

    def next_look(self, at_s: int) -> int:
        """The first instant after `at_s` at which the phase may be another."""
        changes = (change for calendar in (self, *self.outside.values()) for change in calendar.changes_around(at_s))
        regular = (at_s // LOOK_EVERY_S + 1) * LOOK_EVERY_S
        return min([regular, *(change for change in changes if change > at_s)])

    def changes_around(self, at_s: int) -> Iterator[int]:
        """The openings and closes of the trading day of an instant and of the one after it."""
        day = self.day_at(at_s)
        for session in (self.session(day), self.next_session(day + 1)):
            if session is not None:
                for segment in session.segments:
                    yield from (segment.start, segment.end)
