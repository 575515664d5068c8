"""Longer bars under construction: which shorter bar each is made of, and how their values merge in time order."""

from typing import NamedTuple

from contracts.intervals import Interval


class Values(NamedTuple):
    """The values of a bar; `volume` in integers of 1e-8, None without one; tick times in milliseconds."""

    open: float
    high: float
    low: float
    close: float
    volume: int | None
    tick_count: int
    first_tick_time: int
    last_tick_time: int


def merged(earlier: Values | None, later: Values) -> Values:
    """Two adjacent parts of one bar as one."""
    if earlier is None:
        return later
    open_, high, low, _, volume, count, first, last = earlier
    if volume is None:
        volume = later.volume
    elif later.volume is not None:
        volume += later.volume
    return Values(
        open_,
        later.high if later.high > high else high,  # noqa: FURB136 - half the time of max() on the closing path
        later.low if later.low < low else low,  # noqa: FURB136 - likewise
        later.close,
        volume,
        count + later.tick_count,
        min(first, later.first_tick_time),
        max(last, later.last_tick_time),
    )


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


class RollUp:
    """The longer bars of one symbol that are not closed yet, each made of closed bars of its source."""

    __slots__ = ("_building",)

    def __init__(self, chain: "Chain") -> None:
        self._building: list[dict[int, Values]] = [{} for _ in chain.longer]

    def add(self, chain: "Chain", source: Interval, part: Part) -> None:
        """Merge a closed bar of `source` into every bar that is made of it; parts of one bar come in time order."""
        for index, interval in chain.made_of[source]:
            label = interval.open_time(part.open_time, part.day)
            bars = self._building[index]
            bars[label] = merged(bars.get(label), part.values)

    def close(self, index: int, until: int) -> list[Part]:
        """Take out every bar of the interval at `index` whose label is at most `until`, oldest first."""
        bars = self._building[index]
        return [Part(label, label, bars.pop(label)) for label in sorted(label for label in bars if label <= until)]

    def forming(self, chain: "Chain", minutes: list[Part]) -> list[tuple[Interval, Part]]:
        """The newest open bar of each interval, given the open minutes in time order."""
        opened: dict[Interval, list[Part]] = {Interval.M1: minutes}
        for index, interval in enumerate(chain.longer):
            bars = dict(self._building[index])
            for part in opened[chain.sources[index]]:
                label = interval.open_time(part.open_time, part.day)
                bars[label] = merged(bars.get(label), part.values)
            opened[interval] = [Part(label, label, bars[label]) for label in sorted(bars)]
        return [(interval, parts[-1]) for interval, parts in opened.items() if parts]


class Chain:
    """Which interval is made of which, for the intervals that are built."""

    def __init__(self, built: tuple[Interval, ...]) -> None:
        self.longer = built[1:]
        self.sources = tuple(source_of(interval, built) for interval in self.longer)
        self.made_of: dict[Interval, list[tuple[int, Interval]]] = {interval: [] for interval in built}
        for index, (interval, source) in enumerate(zip(self.longer, self.sources, strict=True)):
            self.made_of[source].append((index, interval))
