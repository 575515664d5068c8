"""One open minute of one symbol: what its ticks say of price and cumulative volume, in any order of arrival."""

from typing import Any

from contracts import wire
from contracts.bars import volume_units
from contracts.intervals import MINUTE

Order = tuple[int, int, float]


def order(tick: wire.Tick) -> Order:
    """The place of an observation among those of its symbol; `lp_time` has seconds, within one the sequence decides."""
    return (tick.event_time // 1000, tick.sequence, tick.price)


class Minute:
    """`[open_time, close_time)` in milliseconds. `first` and `last` are the least and the greatest tick in order.

    `cumulative` is the greatest cumulative volume of `day` seen in it (negative: none); `previous` that of the day
    before, when the trading day changed inside. `residual` (1e-8) is what moved while the symbol was not heard.
    `entered` is set where a trading day was seen first: when the observation before came, when the first of the day,
    and what the day had traded by then (1e-8). Whether that is residual too, only the marks that come later tell.
    """

    __slots__ = (
        "close_time",
        "count",
        "cumulative",
        "day",
        "earliest",
        "entered",
        "first",
        "first_seen",
        "high",
        "last",
        "last_seen",
        "latest",
        "low",
        "open_time",
        "previous",
        "previous_day",
        "residual",
    )

    def __init__(self, open_time: int, day: int) -> None:
        self.open_time = open_time
        self.close_time = open_time + MINUTE
        self.day = day
        self.count = 0
        self.first: wire.Tick | None = None
        self.last: wire.Tick | Any = None
        self.high = 0.0
        self.low = 0.0
        self.earliest = 0
        self.latest = 0
        self.first_seen: wire.Tick | None = None
        self.last_seen: wire.Tick | None = None
        self.cumulative = -1.0
        self.previous = -1.0
        self.previous_day = -1
        self.residual = 0
        self.entered: tuple[int, int, int] | None = None

    def take(self, tick: wire.Tick) -> None:
        """Take a tick, wherever in the order of the minute it belongs."""
        self.count += 1
        price, event_time = tick.price, tick.event_time
        if self.first is None:
            self.first = self.last = tick
            self.high = self.low = price
            self.earliest = self.latest = event_time
            return
        if order(tick) > order(self.last):
            self.last = tick
        elif order(tick) < order(self.first):
            self.first = tick
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.latest = max(self.latest, event_time)
        self.earliest = min(self.earliest, event_time)

    @property
    def last_tick_time(self) -> int:
        """The greatest event time of a tick: `latest` holds those that were not the newest when they came."""
        return max(self.latest, self.last.event_time)

    def see(self, tick: wire.Tick) -> None:
        """Take a baseline: it counts for the day's figures and touches no price."""
        if self.first_seen is None or order(tick) < order(self.first_seen):
            self.first_seen = tick
        if self.last_seen is None or order(tick) > order(self.last_seen):
            self.last_seen = tick

    def turn_day(self, day: int) -> None:
        """The trading day changed inside this minute: keep what the day before had reached."""
        if self.cumulative >= 0:
            self.previous, self.previous_day = self.cumulative, self.day
        self.cumulative = -1.0
        self.day = day

    def observations(self) -> tuple[wire.Tick, wire.Tick] | None:
        """The least and the greatest observation of the minute's trading day, baselines among them."""
        first, last, day = self.first, self.last, self.day
        if self.first_seen is None and first is not None and last is not None and first.trading_day == day:
            return (first, last) if last.trading_day == day else None
        seen = [tick for tick in (first, self.first_seen, last, self.last_seen) if tick is not None]
        seen = [tick for tick in seen if tick.trading_day == day]
        return (min(seen, key=order), max(seen, key=order)) if seen else None

    def cumulative_units(self) -> int | None:
        """The greatest cumulative volume of the minute's day, as an integer of 1e-8."""
        return volume_units(self.cumulative) if self.cumulative >= 0 else None
