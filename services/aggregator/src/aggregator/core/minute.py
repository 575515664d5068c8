"""One minute of one symbol: what its ticks say of price and cumulative volume, in any order of arrival."""

from typing import Any

import msgspec

from aggregator.core.longer import Values
from contracts import wire
from contracts.bars import volume_units
from contracts.intervals import DAY, MINUTE

Order = tuple[int, int, float]


class Seen(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What matters of an observation once it is not the newest of its symbol any more."""

    event_time: int
    sequence: int
    price: float
    trading_day: int
    received_at: int
    day_high: float | None
    day_low: float | None


Observation = wire.Tick | Seen


def seen(tick: Observation) -> Seen:
    """An observation as it is kept."""
    if isinstance(tick, Seen):
        return tick
    return Seen(
        tick.event_time,
        tick.sequence,
        tick.price,
        tick.trading_day,
        tick.received_at,
        tick.day_high,
        tick.day_low,
    )


def order(tick: Observation) -> Order:
    """The place of an observation among those of its symbol; `lp_time` has seconds, within one the sequence decides."""
    return (tick.event_time // 1000, tick.sequence, tick.price)


class Move(msgspec.Struct, gc=False, array_like=True):
    """What a counter moved between an observation received at `before` and a baseline at `received` (1e-8).

    It is `is_residual`, no bar's volume, if the symbol was unheard between them: marks that come later tell.
    `day`: the trading day of the counter. `is_told`: on a gap event.
    """

    before: int
    received: int
    units: int
    day: int
    is_residual: bool | None = None
    is_told: bool = False


class Carry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far a trading day's cumulative volume had come (1e-8; None: unknown), and what of it no bar may claim.

    `top` and `bottom` are the extremes of the bars of `top_day`. `shown`: what baselines showed of the day's cumulative
    volume beyond `reached`, in minutes that had no tick (None: nothing).
    """

    day: int
    reached: int | None
    residual: int
    top_day: int
    top: float
    bottom: float
    shown: int | None = None


class Minute:
    """`[open_time, close_time)` in milliseconds. `first` and `last` are the least and the greatest tick in order.

    `cumulative` is the greatest cumulative volume of `day` seen in it (negative: none); `previous` that of the day
    before, when the trading day changed inside. `delay` is that of the tick taken last, in seconds. Once it is closed:
    `issued` is its bar as it was issued last (None: it had no tick), under `revision` and the trading day `bar_day`;
    `after` is what it hands on. `saved` is all that as it was saved, None if it has changed since.
    """

    __slots__ = (
        "after",
        "bar_day",
        "close_time",
        "count",
        "cumulative",
        "day",
        "delay",
        "earliest",
        "first",
        "first_seen",
        "high",
        "issued",
        "last",
        "last_seen",
        "latest",
        "low",
        "moves",
        "open_time",
        "previous",
        "previous_day",
        "revision",
        "saved",
    )

    def __init__(self, open_time: int, day: int) -> None:
        self.open_time = open_time
        self.close_time = open_time + MINUTE
        self.day = day
        self.delay = 0
        self.count = 0
        self.first: Observation | None = None
        self.last: Observation | Any = None
        self.high = 0.0
        self.low = 0.0
        self.earliest = 0
        self.latest = 0
        self.first_seen: Observation | None = None
        self.last_seen: Observation | None = None
        self.cumulative = -1.0
        self.previous = -1.0
        self.previous_day = -1
        self.moves: list[Move] = []
        self.after: Carry | None = None
        self.issued: Values | None = None
        self.bar_day = 0
        self.revision = -1
        self.saved: msgspec.Raw | None = None

    def take(self, tick: wire.Tick) -> None:
        """Take a tick, wherever in the order of the minute it belongs. If it is of a later day, the day has turned."""
        self.count += 1
        price, event_time, first, last = tick.price, tick.event_time, self.first, self.last
        if first is None:
            self.first = self.last = tick
            self.high = self.low = price
            self.earliest = self.latest = event_time
            return
        if not first.trading_day == last.trading_day == tick.trading_day == self.day:
            for one in (first, last, tick):
                self.see(one)
        if order(tick) > order(last):
            self.latest = max(self.latest, last.event_time)
            self.last = tick
        elif order(tick) < order(first):
            self.first = tick
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.latest = max(self.latest, event_time)
        self.earliest = min(self.earliest, event_time)

    @property
    def last_tick_time(self) -> int:
        """The greatest event time of a tick: `latest` holds those that were not the newest when they came."""
        return max(self.latest, self.last.event_time)

    def see(self, one: Observation) -> None:
        """Count an observation for the day's figures, if it is of the minute's day: a baseline, which touches no price.

        Ticks too, while not all are of one day: then the least and the greatest of all say nothing of the day's.
        """
        if one.trading_day != self.day:
            return
        if self.first_seen is None or order(one) < order(self.first_seen):
            self.first_seen = one
        if self.last_seen is None or order(one) > order(self.last_seen):
            self.last_seen = one

    def keep_seen(self) -> None:
        """Keep of its observations what matters of them."""
        if self.first is not None:
            self.first, self.last = seen(self.first), seen(self.last)
        if self.first_seen is not None and self.last_seen is not None:
            self.first_seen, self.last_seen = seen(self.first_seen), seen(self.last_seen)

    def turn_day(self, day: int) -> None:
        """The trading day changed inside this minute: keep what the day before had reached."""
        if self.cumulative >= 0:
            self.previous, self.previous_day = self.cumulative, self.day
        self.cumulative = -1.0
        self.day = day
        self.first_seen = self.last_seen = None

    def reach(self, day: int, cumulative: float) -> None:
        """A cumulative volume of a trading day was observed in it."""
        if day == self.day:
            self.cumulative = max(self.cumulative, cumulative)
        elif day == self.previous_day:
            self.previous = max(self.previous, cumulative)
        elif self.previous_day < day < self.day:
            self.previous, self.previous_day = cumulative, day

    def observations(self) -> tuple[Observation, Observation] | None:
        """The least and the greatest observation of the minute's trading day, baselines among them."""
        first, last, day = self.first, self.last, self.day
        if self.first_seen is None and first is not None:
            return (first, last) if first.trading_day == last.trading_day == day else None
        known = [tick for tick in (first, self.first_seen, last, self.last_seen) if tick is not None]
        known = [tick for tick in known if tick.trading_day == day]
        return (min(known, key=order), max(known, key=order)) if known else None

    def cumulative_units(self) -> int | None:
        """The greatest cumulative volume of the minute's day, as an integer of 1e-8."""
        return volume_units(self.cumulative) if self.cumulative >= 0 else None

    def falls_short_of(self, reached: int | None) -> bool:
        """Whether its day's cumulative volume is less than what that day had reached before (1e-8)."""
        return reached is not None and self.cumulative >= 0 and volume_units(self.cumulative) < reached

    def label_day(self) -> int:
        """The trading day whose bars it belongs to: the greatest of its ticks, unless that day is over by then."""
        if self.day - 10 * DAY <= self.open_time < self.day + DAY:
            return self.day
        return self.open_time - self.open_time % DAY
