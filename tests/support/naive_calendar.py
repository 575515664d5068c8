"""The second oracle's own trading calendar: reads session strings and answers by looking at every segment nearby.

It shares no code with `contracts.calendar`. It knows what drawn logs use: `24x7`, comma segments, overnight sessions,
`F` (opens days before), `U` and `S` (a new anchor), weekdays, holidays, corrections, and one change after another.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.intervals import DAY, MINUTE, Interval

_SEGMENT = re.compile(r"(?P<mark>[,US]?)(?P<open>\d{4})(?P<open_f>F\d*)?-(?P<close>\d{4})(?P<close_f>F\d*)?")
_NEARBY = range(-12, 13)
"""The trading days, counted from an instant's own, among which are the open one, the last and the next one."""


class Segment(NamedTuple):
    """`[open, close)` of a trading day, and of the group of segments that share its anchor, milliseconds."""

    day: int
    open: int
    close: int
    group_open: int
    group_close: int


class Schedule(NamedTuple):
    """The four texts of a calendar."""

    timezone: str
    session: str
    holidays: str = ""
    corrections: str = ""


class Place(NamedTuple):
    """Where an observation belongs: its trading day, and the minute that it is in, None if in none."""

    day: int
    minute: int | None


@cache
def segments_of(schedule: Schedule, day: int) -> tuple[Segment, ...]:
    """The segments of a trading day, named by its midnight UTC, in order of time."""
    if schedule.session == "24x7":
        return (Segment(day, day, day + DAY, day, day + DAY),)
    found = []
    group = 0
    for match in _SEGMENT.finditer(_hours_of(schedule, _date(day))):
        group += match["mark"] in {"U", "S"}
        opens_before, closes_before = _days_before(match["open_f"]), _days_before(match["close_f"])
        if not opens_before and not closes_before and match["open"] >= match["close"]:
            opens_before = 1
        opened = _instant(schedule, day, opens_before, match["open"])
        found.append((opened, _instant(schedule, day, closes_before, match["close"]), group))
    return tuple(
        Segment(
            day,
            opened,
            closed,
            min(one for one, _, other in found if other == group),
            max(one for _, one, other in found if other == group),
        )
        for opened, closed, group in found
    )


def _hours_of(schedule: Schedule, day: date) -> str:
    """The segments of a trading day as text; empty for a day without session."""
    text = day.strftime("%Y%m%d")
    for correction in filter(None, schedule.corrections.split(";")):
        hours, _, dates = correction.partition(":")
        if text in dates.split(","):
            return "" if hours == "dayoff" else hours
    if text in schedule.holidays.split(","):
        return ""
    for section in schedule.session.split("|"):
        hours, _, weekdays = section.partition(":")
        if str(day.isoweekday() % 7 + 1) in (weekdays or "23456"):
            return hours
    return ""


def _days_before(mark: str | None) -> int:
    return 0 if mark is None else int(mark[1:] or 1)


def _instant(schedule: Schedule, day: int, days_before: int, clock: str) -> int:
    at = datetime.combine(_date(day) - timedelta(days=days_before), datetime.min.time(), ZoneInfo(schedule.timezone))
    return int(at.replace(hour=int(clock[:2]), minute=int(clock[2:])).timestamp() * 1000)


def _date(day: int) -> date:
    return datetime.fromtimestamp(day // 1000, UTC).date()


class NaiveCalendar:
    """A symbol's calendar with all its changes, each with the instant at which the log announced it."""

    def __init__(self, schedule: Schedule) -> None:
        self._first = self._newest = schedule
        self._changes: list[tuple[int, Schedule, int]] = []
        self._known: dict[int, list[Segment]] = {}

    def change(self, schedule: Schedule, at: int) -> None:
        """Another calendar rules the trading days after the one that was begun last at an instant.

        In that day only closes move, and what was traded by then stays a session.
        """
        if schedule == self._newest:
            return
        begun = max((one for one in self._nearby(at) if one.open <= at), key=lambda one: one.open, default=None)
        self._changes.append((at - at % DAY - DAY if begun is None else begun.day, schedule, at - at % MINUTE + MINUTE))
        self._newest = schedule
        self._known = {}

    def segments(self, day: int) -> list[Segment]:
        """The segments of a trading day, in order of time."""
        if day not in self._known:
            opened = found = list(segments_of(self._first, day))
            for changed, schedule, traded_until in self._changes:
                if day > changed:
                    opened = found = list(segments_of(schedule, day))
                elif day == changed and found:
                    traded = min(found[-1].close, traded_until)
                    found = _with_closes_of(list(segments_of(schedule, day)), opened, traded)
            self._known[day] = found
        return self._known[day]

    def place(self, instant: int, *, is_own_time: bool, grace_ms: int) -> Place:
        """The trading day and the minute of an observation: inside, shortly after a close, or in no minute."""
        inside = self.open_segment(instant)
        if inside is not None:
            return Place(inside.day, instant - instant % MINUTE)
        nearby = self._nearby(instant)
        ended = [one for one in nearby if one.close <= instant < one.close + grace_ms]
        if is_own_time and ended:
            last = max(ended, key=lambda one: one.close)
            return Place(last.day, last.close)
        return Place(min((one for one in nearby if one.open > instant), key=lambda one: one.open).day, None)

    def open_segment(self, instant: int) -> Segment | None:
        """The segment that holds an instant."""
        return next((one for one in self._nearby(instant) if one.open <= instant < one.close), None)

    def opening(self, day: int) -> int:
        """When the first segment of a trading day opens; the day has a session."""
        return min(one.open for one in self.segments(day))

    def openings(self, after: int, until: int) -> list[int]:
        """The instants in `(after, until]` at which a trading day opens, in order."""
        first, last = after - after % DAY - 12 * DAY, until + 12 * DAY
        days = [day for day in range(first, last, DAY) if self.segments(day)]
        return sorted(opened for opened in map(self.opening, days) if after < opened <= until)

    def last_opening(self, instant: int) -> int:
        """When the trading day was opened that was begun last at an instant."""
        return self.openings(instant - 12 * DAY, instant)[-1]

    def close_before(self, opening: int) -> int:
        """When the trading day before the one that opens at an instant closed."""
        day = min(one.day for one in self._nearby(opening) if one.open == opening)
        return max(one.close for one in self._nearby(opening) if one.day < day)

    def bar(self, interval: Interval, minute: int, day: int) -> tuple[int, int]:
        """`[open, close)` of the bar that a minute of a trading day belongs to; an auction's lasts one minute."""
        if not interval.is_intraday:
            label = _label(interval, day)
            closes = (one.close for one in self.segments_of_period(interval, label))
            return label, max(label + MINUTE, *closes)
        step = interval.step_ms or 0
        holding = [one for one in self.segments(day) if one.open <= minute < one.close]
        if holding:
            return _grid_bar(holding[0], step, minute)
        ended = next(one for one in self.segments(day) if one.close == minute)
        if (minute - ended.group_open) % step:
            return _grid_bar(ended, step, minute - 1)
        opened, closed = _grid_bar(ended, step, minute)
        holds_session = any(minute < one.close and one.open < closed for one in self.segments(day))
        return opened, closed if holds_session else minute + MINUTE

    def session_ms(self, start: int, end: int) -> int:
        """How much of `[start, end)` is inside sessions."""
        days = range(start - start % DAY - 12 * DAY, end + 12 * DAY, DAY)
        return sum(max(0, min(one.close, end) - max(one.open, start)) for day in days for one in self.segments(day))

    def segments_of_period(self, interval: Interval, label: int) -> list[Segment]:
        """The segments of the trading days of a `1d`, `1w` or `1M` bar."""
        days = [one for one in range(label, label + 31 * DAY, DAY) if _label(interval, one) == label]
        return [one for traded in days for one in self.segments(traded)]

    def _nearby(self, instant: int) -> list[Segment]:
        today = instant - instant % DAY
        return [one for offset in _NEARBY for one in self.segments(today + offset * DAY)]


def _label(interval: Interval, day: int) -> int:
    """Midnight UTC of the first day of the `1d`, `1w` or `1M` that a trading day lies in."""
    if interval is Interval.D1:
        return day
    its = _date(day)
    return day - (its.weekday() if interval is Interval.W1 else its.day - 1) * DAY


def _grid_bar(segment: Segment, step: int, instant: int) -> tuple[int, int]:
    opened = instant - (instant - segment.group_open) % step
    return opened, min(opened + step, segment.group_close)


def _with_closes_of(other: list[Segment], segments: list[Segment], traded_until: int) -> list[Segment]:
    """Segments of one trading day with the closes of another calendar's, as far as they were not traded by then."""
    end = max(traded_until, other[-1].close) if other else traded_until
    kept = [one for one in segments if one is segments[0] or one.open < end]
    if len(other) == len(segments):
        closes = [one.close for one in other[: len(kept)]]
    else:
        closes = [min(one.close, end) for one in kept]
    closes[-1] = end
    limits = [one.open for one in kept[1:]] + [end]
    moved = [
        one._replace(close=max(one.open + MINUTE, min(close, limit)))
        for one, close, limit in zip(kept, closes, limits, strict=True)
    ]
    return [
        one._replace(group_close=max(other.close for other in moved if other.group_open == one.group_open))
        for one in moved
    ]
