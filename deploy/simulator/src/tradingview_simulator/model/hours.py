"""TradingView's session strings, read for the simulator alone (the rules are those of its recorded metadata).

A session string is sections joined by `|`, each segments and, behind a colon, the weekdays it holds for (1 is Sunday;
Monday to Friday where none are named). A segment is `HHMM-HHMM` in exchange time, end exclusive:

* a start at or after the end is on the day before; `F<n>` says outright how many days before (`F` alone is one);
* `,` continues the grid of the segment before, `U` and `S` begin a new one;
* `A<HHMM>` anchors the grid at that time instead of the opening;
* `E<HHMM>-<HHMM>` is the span with auctions, which moves no grid: what prints after the close is in the last bar.

Corrections are `spec:dates` joined by `;`, where the spec `dayoff` takes the day away.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

MINUTES_A_DAY = 1_440
ALWAYS_SPEC = "24x7"
DAY_OFF = "dayoff"

_SEGMENT = re.compile(
    r"(?P<joint>[,US]?)(?P<opens>\d{4})(?P<opens_f>F\d*)?-(?P<closes>\d{4})(?P<closes_f>F\d*)?"
    r"(?:A(?P<anchor>\d{4}))?(?P<auction>E\d{4}-\d{4})?"
)
_DATE = re.compile(r"\d{8}")


class Hours(NamedTuple):
    """One segment of a trading day: minutes of exchange time counted from midnight of that day, negative before it.

    anchor: where its grid begins; continues: whether it goes on with the grid of the segment before instead.
    is_evening: whether `F` put it on an evening before and a segment follows, so that it is a night session.
    has_auctions: whether `E` says that auctions are part of it.
    """

    opens: int
    closes: int
    anchor: int
    continues: bool
    is_evening: bool
    has_auctions: bool = False


Weekly = Mapping[int, tuple[Hours, ...]]
"""The hours by weekday (Monday is 0); a weekday without any does not trade."""


def parse_hours(text: str) -> tuple[Hours, ...]:
    """The segments of one section without weekdays, in order. Raises `ValueError`."""
    if text == ALWAYS_SPEC:
        return (Hours(0, MINUTES_A_DAY, 0, False, False),)
    found: list[Hours] = []
    position = 0
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None or bool(match["joint"]) != bool(found):
            raise ValueError(f"no session hours: {text!r} at {position}")
        position = match.end()
        opens, closes = _minutes(match["opens"]), _minutes(match["closes"])
        opens_before = _days(match["opens_f"], 1 if opens >= closes and match["closes_f"] is None else 0)
        opens -= MINUTES_A_DAY * opens_before
        closes -= MINUTES_A_DAY * _days(match["closes_f"], 0)
        anchor = (
            opens if match["anchor"] is None else opens // MINUTES_A_DAY * MINUTES_A_DAY + _minutes(match["anchor"])
        )
        is_evening = match["opens_f"] is not None and position < len(text)
        hours = Hours(opens, closes, anchor, match["joint"] == ",", is_evening, match["auction"] is not None)
        if hours.opens >= hours.closes or hours.anchor > hours.opens or (found and hours.opens < found[-1].closes):
            raise ValueError(f"the hours of {text!r} are not in order")
        found.append(hours)
    if not found:
        raise ValueError("session hours are empty")
    return tuple(found)


def parse_weekly(spec: str) -> Weekly:
    """The hours of each weekday. Raises `ValueError`."""
    if spec == ALWAYS_SPEC:
        return dict.fromkeys(range(7), parse_hours(spec))
    weekly: dict[int, tuple[Hours, ...]] = {}
    for section in spec.split("|"):
        hours, _, weekdays = section.partition(":")
        for digit in weekdays or "23456":
            if digit not in "1234567":
                raise ValueError(f"no weekdays: {section!r}")
            weekly[(int(digit) - 2) % 7] = parse_hours(hours)
    return weekly


def parse_corrections(text: str) -> dict[str, str]:
    """The spec of each corrected date (`yyyymmdd`), in the order given. Raises `ValueError`."""
    found: dict[str, str] = {}
    for entry in filter(None, text.split(";")):
        spec, _, dates = entry.rpartition(":")
        for date in dates.split(","):
            if not spec or not _DATE.fullmatch(date):
                raise ValueError(f"no correction: {entry!r}")
            found[date] = spec
        if spec != DAY_OFF:
            parse_hours(spec)
    return found


def write_corrections(specs: Mapping[str, str]) -> str:
    """The text of corrections by date, those of one spec together."""
    dates: dict[str, list[str]] = {}
    for date in sorted(specs):
        dates.setdefault(specs[date], []).append(date)
    return ";".join(f"{spec}:{','.join(dates[spec])}" for spec in sorted(dates))


def _minutes(text: str) -> int:
    minutes = int(text[:2]) * 60 + int(text[2:])
    if minutes > MINUTES_A_DAY or int(text[2:]) > 59:
        raise ValueError(f"no time of day: {text!r}")
    return minutes


def _days(marker: str | None, default: int) -> int:
    if marker is None:
        return default
    return int(marker[1:] or 1)
