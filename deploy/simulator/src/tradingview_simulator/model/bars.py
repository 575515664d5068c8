"""Bars of the 13 intervals: nodes of the fitting level, merged, the last one as far as it has traded.

Intraday bars stand on the grid of their session: anchor + k x interval, anew for each trading day and each group of
segments. A trade after the close, an auction's, opens the bar of that grid that begins at the close, where there is
one and the session string does not have the auction (`E`), and else belongs to the last. A day's bar is stamped with
the opening of its session, a week's and a month's with the first opening of the period (protocol §5.3); their volume is
that of the quotes, trading before and after the market included (protocol §4.5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tradingview_simulator.model.calendars import Session, day_date
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.nodes import Node, merge
from tradingview_simulator.model.tape import DAY, HOUR, MINUTE, QUARTER, STEP_S, Tape


class Bar(NamedTuple):
    """One bar: `time` is its stamp in seconds, `node` what traded in it."""

    time: int
    node: Node


@dataclass(frozen=True)
class Resolution:
    """A length of bars: seconds of an intraday bar, or how trading days are grouped."""

    code: str
    seconds: int | None = None
    group: Callable[[int], int] = lambda day: day


RESOLUTIONS: dict[str, Resolution] = {
    str(minutes): Resolution(str(minutes), 60 * minutes) for minutes in (1, 3, 5, 15, 30, 45, 60, 120, 180, 240)
}
RESOLUTIONS["1D"] = Resolution("1D")
RESOLUTIONS["1W"] = Resolution("1W", group=lambda day: (day + 3) // 7)
RESOLUTIONS["1M"] = Resolution("1M", group=lambda day: day_date(day).year * 12 + day_date(day).month)
for _alias, _code in {"1H": "60", "2H": "120", "3H": "180", "4H": "240", "D": "1D", "W": "1W", "M": "1M"}.items():
    RESOLUTIONS[_alias] = RESOLUTIONS[_code]


def bars(tape: Tape, resolution: Resolution, until_ms: int, count: int) -> list[Bar]:
    """The newest `count` bars, in time order, of what had traded by `until_ms`; fewer where history is shorter."""
    groups: list[list[Node]] = []
    newest: int | None = None
    day = tape.day_at(until_ms)
    while day >= tape.days.first and len(groups) <= count:
        for group, part in _parts(tape, resolution, day, until_ms):
            if group != newest:
                groups.append([])
                newest = group
            groups[-1].append(part)
        day = tape.days.previous(day)
    return [_bar(tape, resolution, group[::-1]) for group in groups[:count][::-1]]


def _parts(tape: Tape, resolution: Resolution, day: int, until_ms: int) -> list[tuple[int, Node]]:
    """What a trading day gives to the bars of a resolution: (bar, node), newest first."""
    if resolution.seconds is None:
        node = tape.day_until(day, until_ms)
        if node is None:
            return []
        volume = node.volume + tape.outside_volume(day, until_ms)
        return [(resolution.group(day), node._replace(volume=volume))]
    session = tape.calendar.session(day)
    assert session is not None
    level = _level(session, resolution.seconds)
    found = []
    for each in reversed(tape.nodes(day, level)):
        part = tape.until(level, each, until_ms)
        if part is not None:
            found.append((session.segment_at(part.start).stamp(part.start, resolution.seconds), part))
    return found


def _level(session: Session, seconds: int) -> int:
    """The highest level whose nodes each lie in one bar."""
    for level in (HOUR, QUARTER):
        step = STEP_S[level]
        if seconds % step == 0 and all(segment.anchor % step == 0 for segment in session.segments):
            return level
    return MINUTE


def _bar(tape: Tape, resolution: Resolution, nodes: list[Node]) -> Bar:
    start = nodes[0].start
    if resolution.seconds is not None:
        session = tape.calendar.session(tape.days.day_at(start))
        assert session is not None
        start = session.segment_at(start).stamp(start, resolution.seconds)
    return Bar(start, merge(nodes))


def close_time(tape: Tape, resolution: Resolution, bar: Bar) -> int:
    """The last second of a bar: the end of its interval or of its grid; for days and longer, of its last session."""
    session = tape.calendar.session(tape.days.day_at(bar.node.start if resolution.seconds else bar.node.end - 1))
    assert session is not None
    if resolution.seconds is None:
        return session.end - 1
    close = session.close_of(session.segment_at(bar.node.start))
    # An auction's trade is after the close: its bar lasts a minute.
    return (min(bar.time + resolution.seconds, close) if bar.time < close else bar.time + 60) - 1


def is_first(tape: Tape, bar: Bar) -> bool:
    """Whether the history of the symbol begins in this bar."""
    first = tape.days.node(tape.days.first)
    return first is not None and bar.time <= tape.children(DAY, first)[0].start


def values_of(instrument: Instrument, bar: Bar) -> list[float]:
    """`v` of a bar: time, open, high, low, close, and the volume unless the instrument has none."""
    node = bar.node
    values = [
        float(bar.time),
        instrument.price(node.open),
        instrument.price(node.high),
        instrument.price(node.low),
        instrument.price(node.close),
    ]
    return [*values, instrument.volume(node.volume)] if instrument.has_volume else values
