"""Longer bars under construction: which shorter bar each is made of, and how their values merge in time order."""

from typing import NamedTuple

import msgspec

from contracts.intervals import DAY, Interval


class Values(msgspec.Struct, frozen=True, gc=False):
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
    """Two adjacent parts of one bar as one."""
    high, low, volume = earlier.high, earlier.low, earlier.volume
    first, last = earlier.first_tick_time, earlier.last_tick_time
    high = max(high, later.high)
    low = min(low, later.low)
    if volume is None:
        volume = later.volume
    elif later.volume is not None:
        volume += later.volume
    first = min(first, later.first_tick_time)
    last = max(last, later.last_tick_time)
    count = earlier.tick_count + later.tick_count
    return Values(earlier.open, high, low, later.close, volume, count, first, last)


def source_of(interval: Interval, built: tuple[Interval, ...]) -> Interval:
    """The longest built interval whose bars make up this one's exactly.

    Days are made of minutes, because a trading day may begin at any of them; weeks and months of days.
    """
    if interval in {Interval.W1, Interval.MO1}:
        return Interval.D1 if Interval.D1 in built else Interval.M1
    step = interval.step_ms
    if step is None:
        return Interval.M1
    parts = [
        other for other in built if other.step_ms is not None and other.step_ms < step and step % other.step_ms == 0
    ]
    return parts[-1]


class Part(NamedTuple):
    """A bar that longer bars are made of: its label, its trading day's label, its values."""

    open_time: int
    day: int
    values: Values


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

    def ends_at(self, boundary: int) -> bool:
        """Whether a bar of this level ends at a minute boundary."""
        step = self.step
        if step:
            return boundary % step == 0
        return boundary % DAY == 0 and self.interval.open_time(boundary, boundary) == boundary


class Chain:
    """The intervals that are built: 1m (`minute`) and the longer ones, each made of a shorter one."""

    def __init__(self, built: tuple[Interval, ...]) -> None:
        self.minute = Level(Interval.M1)
        self.longer = [Level(interval) for interval in built[1:]]
        levels = {level.interval: level for level in (self.minute, *self.longer)}
        self.sources = [levels[source_of(level.interval, built)] for level in self.longer]
        for index, (level, source) in enumerate(zip(self.longer, self.sources, strict=True)):
            source.parents.append((index, level))


class RollUp:
    """The longer bars of one symbol that are not closed yet, each made of closed bars of its source."""

    __slots__ = ("_building",)

    def __init__(self, chain: Chain) -> None:
        self._building: list[dict[int, Values]] = [{} for _ in chain.longer]

    def add(self, source: Level, open_time: int, day: int, values: Values) -> None:
        """Merge a closed bar of `source` into every bar that is made of it; parts of one bar come in time order."""
        for index, level in source.parents:
            step = level.step
            label = open_time - open_time % step if step else level.open_time(open_time, day)
            bars = self._building[index]
            earlier = bars.get(label)
            bars[label] = values if earlier is None else merged(earlier, values)

    def close(self, index: int, until: int) -> list[tuple[int, Values]]:
        """Take out every bar of the interval at `index` whose label is at most `until`, oldest first."""
        bars = self._building[index]
        if len(bars) > 1:
            due = sorted(label for label in bars if label <= until)
            return [(label, bars.pop(label)) for label in due]
        for label in bars:
            if label <= until:
                return [bars.popitem()]
        return []

    def forming(self, chain: Chain, minutes: list[Part]) -> list[tuple[Level, Part]]:
        """The newest open bar of each interval, given the open minutes in time order."""
        opened: dict[Level, list[Part]] = {chain.minute: minutes}
        for index, level in enumerate(chain.longer):
            bars = dict(self._building[index])
            for part in opened[chain.sources[index]]:
                label = level.open_time(part.open_time, part.day)
                earlier = bars.get(label)
                bars[label] = part.values if earlier is None else merged(earlier, part.values)
            opened[level] = [Part(label, label, bars[label]) for label in sorted(bars)]
        return [(level, parts[-1]) for level, parts in opened.items() if parts]
