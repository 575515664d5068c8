"""One minute of one symbol: the prices of its ticks, in any order of arrival, and its volume."""

from collections.abc import Callable
from typing import Any

import msgspec

from aggregator.core.counter import Move
from aggregator.core.longer import Values
from contracts import wire

Order = tuple[int, int, float]
NOTHING_SEEN = 1e300
"""The value of `Minute.counter` before it has one; no cumulative volume is greater, so the first is never a rise."""


class Seen(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is kept of a minute's first and last tick once they are no longer the newest of their symbol."""

    event_time: int
    sequence: int
    price: float


class Newest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The fields of `wire.Tick` that are used of the newest tick of the current minute."""

    event_time: int
    sequence: int
    price: float
    epoch: int
    received_at: int
    delay: int
    cumulative_volume: float | None
    day_open: float | None
    day_high: float | None
    day_low: float | None


Observation = wire.Tick | Newest | Seen


def seen(tick: Observation) -> Seen:
    """A tick as it is kept."""
    return tick if isinstance(tick, Seen) else Seen(tick.event_time, tick.sequence, tick.price)


def order(tick: Observation) -> Order:
    """The place of a tick among those of its minute; `lp_time` has seconds, within one the sequence decides."""
    return (tick.event_time // 1000, tick.sequence, tick.price)


class Minute:
    """`[open_time, close_time)` in milliseconds, of a trading day. `first` and `last` are its ticks in order.

    `volume` is what has been counted in it (1e-8); to that come the `moves` of baselines that the marks decide to be
    volume. `counter` is the newest cumulative volume while its ticks are taken by the short way (`PartitionFold.feed`),
    `counter_before` the one before it. `delay` is that of the newest tick, in seconds. Once the minute has closed:
    `emitted` is its bar as it was emitted last (None: it had no tick) with `gap_ms`, under `revision`. `late` counts
    ticks that came after that. `saved` is its encoded state, None if it has changed since.
    """

    __slots__ = (
        "close_time", "count", "counter", "counter_before", "day", "delay", "earliest", "emitted", "first",
        "gap_ms", "has_counter", "high", "last", "late", "latest", "low", "moves", "open_time", "revision", "saved",
        "volume",
    )  # fmt: skip

    def __init__(self, open_time: int, close_time: int, day: int) -> None:
        self.open_time = open_time
        self.close_time = close_time
        self.day = day
        self.delay = 0
        self.count = 0
        self.first: Observation | None = None
        self.last: Any = None
        self.high = 0.0
        self.low = 0.0
        self.earliest = 0
        self.latest = 0
        self.counter = NOTHING_SEEN
        self.counter_before = NOTHING_SEEN
        self.has_counter = False
        self.volume = 0
        self.moves: list[Move] = []
        self.emitted: Values | None = None
        self.gap_ms = 0
        self.revision = -1
        self.late = 0
        self.saved: msgspec.Raw | None = None

    def begin(self, tick: wire.Tick) -> None:
        """Take the first tick."""
        self.count = 1
        self.first = self.last = tick
        self.high = self.low = tick.price
        self.earliest = self.latest = tick.event_time
        self.delay = tick.delay
        self.has_counter = tick.cumulative_volume is not None

    def take(self, tick: wire.Tick) -> None:
        """Take a tick, wherever in the order of the minute it belongs."""
        price, event_time, first, last = tick.price, tick.event_time, self.first, self.last
        if first is None:
            self.begin(tick)
            return
        self.count += 1
        self.delay = tick.delay
        if tick.cumulative_volume is not None:
            self.has_counter = True
        self.latest = max(self.latest, last.event_time, event_time)
        self.earliest = min(self.earliest, event_time)
        if order(tick) >= order(last):
            self.last = tick
        elif order(tick) < order(first):
            self.first = tick
        self.high = max(self.high, price)
        self.low = min(self.low, price)

    def widen(self, high: float | None, low: float | None) -> None:
        """Prices that only the day's figures show."""
        if high is not None:
            self.high = max(self.high, high)
        if low is not None:
            self.low = min(self.low, low)

    def keep_seen(self) -> None:
        """Reduce its first and last tick to `Seen`."""
        if self.first is not None:
            self.latest = self.last_tick_time
            self.first = seen(self.first)
            self.last = seen(self.last)

    @property
    def newest(self) -> wire.Tick | Newest:
        """The newest tick of a minute that is taken by the short way."""
        assert not isinstance(self.last, Seen)
        newest: wire.Tick | Newest = self.last
        return newest

    @property
    def last_tick_time(self) -> int:
        """The greatest event time of a tick: `latest` holds those that were not the newest when they came."""
        return max(self.latest, int(self.last.event_time))

    def values(self, is_traded: Callable[[Move], bool] | None) -> Values | None:
        """Its bar; None without a tick. `is_traded`: whether a move is volume of the bar, as the marks say by now."""
        first, last = self.first, self.last
        if first is None:
            return None
        volume = self.volume if self.has_counter else None
        if is_traded is not None and volume is not None:
            volume += sum([move.traded for move in self.moves if is_traded(move)])
        return Values(
            first.price, self.high, self.low, last.price, volume, self.count, self.earliest, self.last_tick_time
        )
