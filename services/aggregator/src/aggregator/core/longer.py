"""Longer bars under construction: which shorter bar each is made of, and how their values merge in time order."""

from collections.abc import Collection, Iterable

import msgspec

from contracts.intervals import DAY, Interval


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
    """Two adjacent parts of one bar as one. Written out: calls of max and min would treble its time."""
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
"""Of whose bars each interval's are made exactly. Days are made of minutes: a trading day may begin at any of them."""


def source_of(interval: Interval, built: Collection[Interval]) -> Interval:
    """The nearest built interval that this one's bars are made of, however many between them are not built."""
    source = MADE_OF[interval]
    return source if source in built else source_of(source, built)


Part = tuple[int, int, Values]
"""A bar that longer bars are made of: its label, its trading day's label, its values."""


class Level:
    """One interval that is built: how its bars are labelled, and the levels made of them, by their place."""

    __slots__ = ("interval", "is_day", "name", "parents", "step")

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.name = interval.value
        self.step = interval.step_ms or 0
        self.is_day = interval is Interval.D1
        self.parents: list[tuple[int, Level]] = []

    def open_time(self, instant: int, day: int) -> int:
        """`Interval.open_time`, without its look-ups."""
        if self.step:
            return instant - instant % self.step
        return day if self.is_day else self.interval.open_time(instant, day)

    def close_time(self, open_time: int) -> int:
        """`Interval.close_time`, without its look-ups."""
        return open_time + self.step if self.step else self.interval.close_time(open_time)

    def last_ended(self, boundary: int) -> int:
        """The label of the newest bar that has ended by an instant."""
        if self.step:
            return boundary - boundary % self.step - self.step
        day = boundary - boundary % DAY
        before = self.interval.open_time(day, day) - DAY
        return self.interval.open_time(before, before)

    def ends_at(self, boundary: int) -> bool:
        """Whether a bar of this level ends at a minute boundary."""
        step = self.step
        if step:
            return boundary % step == 0
        return boundary % DAY == 0 and self.interval.open_time(boundary, boundary) == boundary


Ending = tuple[int, Level, int]
"""A level by its place, and the label of its newest bar that ends at some boundary."""


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

    def ending_at(self, boundary: int) -> list[Ending]:
        """The longer levels of which a bar ends at a minute boundary."""
        return [
            (place, level, level.last_ended(boundary))
            for place, level in enumerate(self.longer)
            if level.ends_at(boundary)
        ]

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
    """The longer bars of one symbol, as far as they are made of minutes that change no more.

    A bar stays until all of it is settled; then it is part of the bars that are made of it.
    """

    __slots__ = ("settled",)

    def __init__(self, chain: Chain) -> None:
        self.settled: list[dict[int, Values]] = [{} for _ in chain.longer]

    def add(self, source: Level, open_time: int, day: int, values: Values) -> None:
        """Merge a settled bar of `source` into every bar that is made of it; parts of one bar come in time order."""
        for index, level in source.parents:
            step = level.step
            label = open_time - open_time % step if step else level.open_time(open_time, day)
            bars = self.settled[index]
            earlier = bars.get(label)
            bars[label] = values if earlier is None else merged(earlier, values)

    def settle(self, index: int, level: Level, until: int) -> bool:
        """Every bar of the level whose label is at most `until` is settled as a whole; whether there was one."""
        bars = self.settled[index]
        labels = [label for label in bars if label <= until]
        for label in sorted(labels) if len(labels) > 1 else labels:
            values = bars.pop(label)
            if level.parents:
                self.add(level, label, label, values)
        return bool(labels)

    def built(self, chain: Chain, places: list[int], minutes: list[Part]) -> dict[int, dict[int, Values]]:
        """The bars of these levels (with their sources) by label, given the minutes that are not settled, in order.

        Where the oldest minutes are left out, bars that began before the first one given are not whole.
        """
        found: dict[int, dict[int, Values]] = {}
        for place in places:
            level, source = chain.longer[place], chain.sources[place]
            bars = found[place] = dict(self.settled[place])
            step = level.step
            if source is None:
                for open_time, day, values in minutes:
                    label = open_time - open_time % step if step else level.open_time(open_time, day)
                    earlier = bars.get(label)
                    bars[label] = values if earlier is None else merged(earlier, values)
                continue
            shorter = found[source]
            for open_time in sorted(shorter) if len(shorter) > 1 else shorter:
                label = open_time - open_time % step if step else level.open_time(open_time, open_time)
                earlier = bars.get(label)
                values = shorter[open_time]
                bars[label] = values if earlier is None else merged(earlier, values)
        return found
