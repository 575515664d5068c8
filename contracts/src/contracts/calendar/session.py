"""The parser of session strings, holidays and corrections: text in, a `Schedule` out.

    schedule   = [ n ";" ] version { "#" date "/" version }     the part before "#date" holds for days before it
    version    = section { "|" section }                        a later section overrides an earlier one
    section    = day [ ":" weekdays ]                            1 is Sunday … 7 Saturday; without: Monday to Friday
    day        = "24x7" | segment { ("," | "U" | "S") segment }  "U" and "S" start a new anchor, "," does not
    segment    = HHMM [F[n]] "-" HHMM [F[n]] [ "A" HHMM ] [ "E" HHMM "-" HHMM ]
    corrections = { (day | "dayoff") ":" date { "," date } ";" }

Times are those of the exchange's clock, in minutes from the midnight that begins the trading day: an opening on the
evening before is negative. An end of `0000` is the midnight that ends the day, so `0000-0000` is that whole day.
"""

import re
from bisect import bisect_right
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from contracts.errors import BadData

_DAY = 1440
_MAX_LEAD = 31
_MAX_SESSION, _MAX_DATES = 4096, 65_536
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_TIME = r"(\d{4})"
_LEAD = r"(F\d{0,2})?"
_SEGMENT = re.compile(
    rf"{_TIME}{_LEAD}-{_TIME}{_LEAD}(?:A{_TIME})?(?:E{_TIME}-{_TIME})?(?:A{_TIME})?",
    re.ASCII,
)
_SEPARATORS = re.compile(r"([,US])")


class SegmentSpec(NamedTuple):
    """One stretch of trading, in minutes of the exchange's clock from the midnight that begins the trading day."""

    open: int
    close: int
    """Exclusive; the end of the bars' grid."""
    extended: int
    """Where the closing auction ends (`E…`); equal to `close` if there is none."""
    anchor: int | None
    """Where the grid begins (`A…`); None: at the opening, or where the group's first segment has it."""
    new_group: bool
    """The segment starts a grid of its own: the day's first one, after `U` or `S`, or with an `A…`."""
    lead: int
    """The n of `F<n>` at the opening; 0 without `F`."""


DaySpec = tuple[SegmentSpec, ...]
NO_SESSION: DaySpec = ()
_WHOLE_DAY: DaySpec = (SegmentSpec(0, _DAY, _DAY, None, True, 0),)


class Week(NamedTuple):
    """The segments of each weekday, Sunday first; `gaps`: how many days before each the last one with a session is."""

    days: tuple[DaySpec, ...]
    gaps: tuple[int, ...]


class Schedule(NamedTuple):
    """What the strings say, parsed. Days are counted from 1 January 1970."""

    weeks: tuple[Week, ...]
    since: tuple[int, ...]
    """The first trading day of each week but the first."""
    first_weekday: int
    """On which weekday a weekly bar begins: 0 is Sunday, 1 Monday (the default)."""
    holidays: frozenset[int]
    corrections: dict[int, DaySpec]

    def week(self, day: int) -> Week:
        return self.weeks[bisect_right(self.since, day)]

    def spec(self, day: int) -> DaySpec:
        """The segments of a day: its correction, else none on a holiday, else those of its weekday."""
        corrected = self.corrections.get(day)
        if corrected is not None:
            return corrected
        return NO_SESSION if day in self.holidays else self.week(day).days[weekday(day)]


def weekday(day: int) -> int:
    """0 is Sunday … 6 Saturday, for a day counted from 1 January 1970 (a Thursday)."""
    return (day + 4) % 7


def parse(session: str, holidays: str, corrections: str) -> Schedule:
    """Read the three strings. `BadData` (`invalid_calendar`) says what cannot be read or is beyond the bounds."""
    for name, text, most in (
        ("session", session, _MAX_SESSION),
        ("holidays", holidays, _MAX_DATES),
        ("corrections", corrections, _MAX_DATES),
    ):
        if len(text) > most:
            raise _bad(f"the {name} string has {len(text)} characters, more than {most}")
    first_weekday, text = _first_weekday(session.strip())
    weeks, since = [], []
    first, *changes = text.split("#")
    weeks.append(_week(first))
    for change in changes:
        day, slash, version = change.partition("/")
        if not slash:
            raise _bad(f"a change of hours without '/': {_shown(change)}")
        since.append(_date(day))
        weeks.append(_week(_first_weekday(version)[1]))
    if any(later <= earlier for earlier, later in pairwise(since)):
        raise _bad("the dates of changed hours do not ascend")
    if not any(day for week in weeks for day in week.days):
        raise _bad("the session string has no session")
    return Schedule(tuple(weeks), tuple(since), first_weekday, frozenset(_dates(holidays)), _corrections(corrections))


def _first_weekday(text: str) -> tuple[int, str]:
    number, semicolon, rest = text.partition(";")
    if not semicolon:
        return 1, text
    if len(number) != 1 or number not in "1234567":
        raise _bad(f"the first day of the week is 1 to 7, not {_shown(number)}")
    return int(number) - 1, rest


def _week(text: str) -> Week:
    named: dict[int, DaySpec] = {}
    default: dict[int, DaySpec] = {}
    for section in text.split("|"):
        spec, colon, digits = section.partition(":")
        day = _day(spec)
        if colon:
            if not digits or not set(digits) <= set("1234567"):
                raise _bad(f"weekdays are digits 1 to 7, not {_shown(digits)}")
            named |= {int(digit) - 1: day for digit in digits}
        else:
            default |= dict.fromkeys(range(7) if day is _WHOLE_DAY else range(1, 6), day)
    days = default | named
    week = tuple(days.get(index, NO_SESSION) for index in range(7))
    return Week(week, tuple(_gap(week, index) for index in range(7)))


def _gap(week: tuple[DaySpec, ...], index: int) -> int:
    return next((gap for gap in range(1, 8) if week[(index - gap) % 7]), 7)


def _day(text: str) -> DaySpec:
    if text.lower() == "24x7":
        return _WHOLE_DAY
    parts = _SEPARATORS.split(text)
    segments: list[SegmentSpec] = []
    for index in range(0, len(parts), 2):
        segment = _segment(parts[index], starts_group=index == 0 or parts[index - 1] != ",")
        if segments and segment.open < segments[-1].close:
            raise _bad(f"segments overlap or are out of order: {_shown(text)}")
        segments.append(segment)
    return tuple(segments)


def _segment(text: str, *, starts_group: bool) -> SegmentSpec:
    match = _SEGMENT.fullmatch(text)
    if match is None:
        raise _bad(f"{_shown(text)} is not a segment such as 0930-1600")
    opens, open_lead, closes, close_lead, anchor_before, _, auction_end, anchor_after = match.groups()
    start, end = _minutes(opens), _minutes(closes) or _DAY
    days_before_end = _lead(close_lead)
    days_before = _lead(open_lead) if open_lead else days_before_end + (start >= end)
    opening, close = start - days_before * _DAY, end - days_before_end * _DAY
    if opening >= close:
        raise _bad(f"a segment ends before it opens: {_shown(text)}")
    anchor = anchor_before or anchor_after
    return SegmentSpec(
        opening,
        close,
        close + (_minutes(auction_end) - end) % _DAY if auction_end else close,
        opening - (start - _minutes(anchor)) % _DAY if anchor else None,
        starts_group or anchor is not None,
        _lead(open_lead),
    )


def _lead(text: str | None) -> int:
    lead = 0 if not text else int(text[1:] or 1)
    if lead > _MAX_LEAD:
        raise _bad(f"F{lead} is more than {_MAX_LEAD} days before the trading day")
    return lead


def _minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[2:])
    if minutes > 59 or hours * 60 + minutes > _DAY:
        raise _bad(f"{_shown(text)} is not a time of day")
    return hours * 60 + minutes


def _corrections(text: str) -> dict[int, DaySpec]:
    found: dict[int, DaySpec] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        spec, colon, dates = part.strip().rpartition(":")
        if not colon:
            raise _bad(f"a correction without dates: {_shown(part)}")
        day = NO_SESSION if spec == "dayoff" else _day(spec)
        found |= dict.fromkeys(_dates(dates), day)
    return found


def _dates(text: str) -> list[int]:
    return [_date(part.strip()) for part in text.split(",") if part.strip()]


def _date(text: str) -> int:
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise _bad(f"{_shown(text)} is not a date such as 20250704")
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        raise _bad(f"{_shown(text)} is not a date such as 20250704") from None


def _shown(text: str) -> str:
    return repr(text[:48])


def _bad(cause: str) -> BadData:
    return BadData(cause, kind="invalid_calendar")
