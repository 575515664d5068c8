"""Longer bars under construction: which shorter bar each is made of, and how their values merge in time order.

Each of the 12 longer intervals is made of a shorter one (`MADE_OF`), because on one calendar their grids are nested.
A bar holds only final bars of its source; those that may still change are merged in anew whenever the bar is emitted
(`RollUp.built`), so nothing ever has to be taken out of a bar.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from contracts.intervals import Interval


class Values(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The values of a bar; `volume` in integers of 1e-8, None without one; tick times in milliseconds."""

    open: float
    high: float
    low: float
    close: float
    volume: int | None
    tick_count: int
    first_tick_time: int
    last_tick_time: int


def merged(earlier: Values, later: Values) -> Values:
    """Two adjacent parts of one bar as one. Without calls of max and min, which would take three times as long."""
    volume, high, low = earlier.volume, earlier.high, earlier.low
    first_tick_time, last_tick_time = earlier.first_tick_time, earlier.last_tick_time
    if volume is None:
        volume = later.volume
    elif later.volume is not None:
        volume += later.volume
    return Values(
        earlier.open,
        high if high >= later.high else later.high,  # noqa: FURB136
        low if low <= later.low else later.low,  # noqa: FURB136
        later.close,
        volume,
        earlier.tick_count + later.tick_count,
        first_tick_time if first_tick_time <= later.first_tick_time else later.first_tick_time,  # noqa: FURB136
        last_tick_time if last_tick_time >= later.last_tick_time else later.last_tick_time,  # noqa: FURB136
    )


MADE_OF = {
    Interval.M3: Interval.M1,
    Interval.M5: Interval.M1,
    Interval.M15: Interval.M5,
    Interval.M30: Interval.M15,
    Interval.M45: Interval.M15,
    Interval.H1: Interval.M30,
    Interval.H2: Interval.H1,
    Interval.H3: Interval.H1,
    Interval.H4: Interval.H2,
    Interval.D1: Interval.M1,
    Interval.W1: Interval.D1,
    Interval.MO1: Interval.D1,
}
"""Of whose bars each interval's are made. Days are made of minutes: a session may begin and end at any of them."""


def source_of(interval: Interval, built: Collection[Interval]) -> Interval:
    """The interval that this one's bars are made of: the nearest in `MADE_OF` that is built."""
    source = MADE_OF[interval]
    return source if source in built else source_of(source, built)


Labels = tuple[int, ...]
"""The label of the bar of each longer level, by place."""
Part = tuple[int, Labels, Values]
"""A minute with a bar: when it opens, the labels of the longer bars that it belongs to, its values."""


class Grid(Protocol):
    """The part of a symbol's grid that the roll-up uses."""

    def labels(self, open_time: int) -> Labels:
        """The labels of the longer bars that a minute, or an intraday bar that opens then, belongs to."""
        ...

    def labels_of_day(self, trading_day: int) -> Labels:
        """The labels of the bars that a whole trading day belongs to: 1d and longer; of others it is 0."""
        ...


class Level:
    """One interval that is built; `parents` are the levels made of it, with their places in `Chain.longer`."""

    __slots__ = ("interval", "is_day", "is_intraday", "name", "parents", "step")

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.name = interval.value
        self.step = interval.step_ms or 0
        self.is_intraday = interval.is_intraday
        self.is_day = interval is Interval.D1
        self.parents: list[tuple[int, Level]] = []


class Chain:
    """The intervals that are built: 1m (`minute`) and the longer ones, each made of a shorter one."""

    def __init__(self, built: tuple[Interval, ...]) -> None:
        self.built = built
        self.minute = Level(Interval.M1)
        self.longer = [Level(interval) for interval in built[1:]]
        self.places = list(range(len(self.longer)))
        self.names = [level.name for level in self.longer]
        levels = {level.interval: level for level in (self.minute, *self.longer)}
        self.sources: list[int | None] = []
        """Of which longer level each is made, by place; None: of minutes."""
        for index, level in enumerate(self.longer):
            source = levels[source_of(level.interval, built)]
            source.parents.append((index, level))
            self.sources.append(None if source is self.minute else self.longer.index(source))

    def with_sources(self, places: Iterable[int]) -> list[int]:
        """These levels and all they are made of, from short to long."""
        needed = set[int]()
        for place in places:
            at: int | None = place
            while at is not None:
                needed.add(at)
                at = self.sources[at]
        return sorted(needed)


class RollUp:
    """The longer bars of one symbol, as far as they are made of minutes that are final.

    A bar is kept until all of it is final; then it is merged into the bars that are made of it.
    """

    __slots__ = ("final",)

    def __init__(self, chain: Chain) -> None:
        self.final: list[dict[int, Values]] = [{} for _ in chain.longer]

    def add(self, source: Level, labels: Labels, values: Values) -> None:
        """Merge a final bar of `source` into every bar that is made of it; parts of one bar come in time order."""
        for place, _ in source.parents:
            label = labels[place]
            bars = self.final[place]
            earlier = bars.get(label)
            bars[label] = values if earlier is None else merged(earlier, values)

    def finish(self, place: int, level: Level, label: int, grid: Grid) -> None:
        """A bar of the level is final as a whole: it becomes part of the bars that are made of it."""
        values = self.final[place].pop(label)
        if level.parents:
            self.add(level, grid.labels_of_day(label) if level.is_day else grid.labels(label), values)

    def built(
        self, chain: Chain, places: Sequence[int], minutes: Sequence[Part], grid: Grid
    ) -> dict[int, dict[int, Values]]:
        """The bars of these levels (with their sources) by label, given the minutes that are not final, in order.

        Where the oldest minutes are left out, bars that began before the first one given are not whole.
        """
        found: dict[int, dict[int, Values]] = {}
        for place in places:
            source = chain.sources[place]
            bars = found[place] = dict(self.final[place])
            if source is None:
                for _, labels, values in minutes:
                    label = labels[place]
                    earlier = bars.get(label)
                    bars[label] = values if earlier is None else merged(earlier, values)
                continue
            shorter = found[source]
            labels_of = grid.labels_of_day if chain.longer[source].is_day else grid.labels
            for open_time in sorted(shorter) if len(shorter) > 1 else shorter:
                label = labels_of(open_time)[place]
                earlier = bars.get(label)
                values = shorter[open_time]
                bars[label] = values if earlier is None else merged(earlier, values)
        return found
