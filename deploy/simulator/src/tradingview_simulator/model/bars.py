"""Bars of the 13 intervals: nodes of the fitting level, merged, the last one as far as it has traded.

Intraday bars are aligned to the epoch, whatever the session; a day's bar is stamped with the opening instant of its
session, a week's and a month's with the first opening of the period (protocol §5.3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tradingview_simulator.model.calendars import day_date
from tradingview_simulator.model.nodes import Node, merge
from tradingview_simulator.model.tape import DAY, HOUR, MINUTE, QUARTER, Tape


class Bar(NamedTuple):
    """One bar: `time` is its stamp in seconds, `node` what traded in it."""

    time: int
    node: Node


@dataclass(frozen=True)
class Resolution:
    """A length of bars: the level its bars merge, and the group (of any ordered kind) a node belongs to.

    seconds: length of an intraday bar, None for days, weeks and months.
    """

    code: str
    level: int
    group: Callable[[int, Node], int]
    seconds: int | None = None


def _minutes(minutes: int) -> Resolution:
    seconds = 60 * minutes
    level = MINUTE if minutes % 15 else QUARTER if minutes % 60 else HOUR
    return Resolution(str(minutes), level, lambda day, node: node.start // seconds, seconds)


RESOLUTIONS: dict[str, Resolution] = {
    str(minutes): _minutes(minutes) for minutes in (1, 3, 5, 15, 30, 45, 60, 120, 180, 240)
}
RESOLUTIONS["1D"] = Resolution("1D", DAY, lambda day, node: day)
RESOLUTIONS["1W"] = Resolution("1W", DAY, lambda day, node: (day + 3) // 7)
RESOLUTIONS["1M"] = Resolution("1M", DAY, lambda day, node: day_date(day).year * 12 + day_date(day).month)
for _alias, _code in {"1H": "60", "2H": "120", "3H": "180", "4H": "240", "D": "1D", "W": "1W", "M": "1M"}.items():
    RESOLUTIONS[_alias] = RESOLUTIONS[_code]


def bars(tape: Tape, resolution: Resolution, until_ms: int, count: int) -> list[Bar]:
    """The newest `count` bars, in time order, of what had traded by `until_ms`; fewer where history is shorter."""
    groups: list[list[Node]] = []
    newest: int | None = None
    day = tape.day_at(until_ms)
    while day >= tape.days.first and len(groups) <= count:
        for node in reversed(tape.nodes(day, resolution.level)):
            part = tape.until(resolution.level, node, until_ms)
            if part is None:
                continue
            group = resolution.group(day, part)
            if group != newest:
                groups.append([])
                newest = group
            groups[-1].append(part)
        day = tape.days.previous(day)
    return [_bar(resolution, group[::-1]) for group in groups[:count][::-1]]


def _bar(resolution: Resolution, nodes: list[Node]) -> Bar:
    start = nodes[0].start
    if resolution.seconds is not None:
        start = start // resolution.seconds * resolution.seconds
    return Bar(start, merge(nodes))


def is_first(tape: Tape, bar: Bar) -> bool:
    """Whether the history of the symbol begins in this bar."""
    first = tape.days.node(tape.days.first)
    return first is not None and bar.time <= tape.children(DAY, first)[0].start
