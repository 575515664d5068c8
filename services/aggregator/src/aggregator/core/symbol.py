"""The state of one symbol: its open minutes, its counter of cumulative volume, its day's extremes, its longer bars."""

from collections.abc import Callable

import msgspec

from aggregator.core.longer import Chain, Part, RollUp, Values
from aggregator.core.minute import Minute
from contracts import wire
from contracts.bars import volume_units
from contracts.intervals import DAY
from contracts.symbols import SymbolId


class Counter(msgspec.Struct, frozen=True, gc=False):
    """How far a trading day's cumulative volume had come (1e-8; None: unknown), and what of it no bar may claim."""

    day: int
    reached: int | None
    residual: int


class Symbol:
    """Everything the fold knows of one symbol. `floor`: minutes that open before it are closed for ever."""

    __slots__ = (
        "bottom", "counter", "delay_ms", "floor", "id", "key", "minutes", "name", "received", "roll_up", "sequence",
        "told", "top", "top_day",
    )  # fmt: skip

    def __init__(self, identity: SymbolId, key: bytes, tick: wire.Tick, chain: Chain) -> None:
        self.id = identity
        self.key = key
        self.name = str(identity)
        self.delay_ms = tick.delay * 1000
        self.floor = 0
        self.minutes: dict[int, Minute] = {}
        cumulative = tick.cumulative_volume
        self.counter = Counter(tick.trading_day, None if cumulative is None else volume_units(cumulative), 0)
        self.top = self.bottom = 0.0
        self.top_day = -1
        self.roll_up = RollUp(chain)
        self.told = (0, 0)
        self.sequence = tick.sequence
        self.received = tick.received_at

    def reached(self, day: int) -> int | None:
        """The greatest cumulative volume observed on a day so far, as an integer of 1e-8; None: none known."""
        known = [units for m in self.minutes.values() if m.day == day and (units := m.cumulative_units()) is not None]
        if self.counter.day == day and self.counter.reached is not None:
            known.append(self.counter.reached)
        return max(known, default=None)

    def volume(self, counter: Counter, minute: Minute, unheard: int) -> tuple[int | None, Counter]:
        """What a minute traded (1e-8; None: the symbol has no volume), and the counter after it.

        What the counter moved since the last minute with ticks, less what moved while nobody listened: `unheard` is
        what a day had traded before it was heard, if it was first seen in this minute. A day begins from zero. A minute
        of baselines only moves nothing and hands on its residual.
        """
        day, base, residual = counter.day, counter.reached, counter.residual
        traded = 0
        cumulative = minute.cumulative_units() if minute.day >= day else None
        if minute.day > day:
            if minute.previous_day == day and base is not None:
                traded = max(0, volume_units(minute.previous) - base - residual)
            day, base, residual = minute.day, None if base is None and cumulative is None else 0, 0
        residual += minute.residual + unheard
        if minute.count == 0:
            return None, Counter(day, cumulative if base is None else base, residual)
        if base is None:
            return (None if cumulative is None else 0), Counter(day, cumulative, 0)
        if cumulative is None or cumulative <= base:
            return traded, Counter(day, base, residual)
        return traded + max(0, cumulative - base - residual), Counter(day, cumulative, 0)

    def values(self, minute: Minute, volume: int | None) -> Values:
        """The bar of a minute with ticks, its high and low widened by what the day's figures betray.

        Quotes are coalesced: an extreme between two observations shows only as a moved day high or low. It belongs to
        this minute if it moved between the minute's first and last observation and no earlier price explains it.
        """
        assert minute.first is not None
        assert minute.last is not None
        high, low = minute.high, minute.low
        observations = minute.observations()
        if observations is not None:
            first, last = observations
            knows_day = self.top_day == minute.day
            day_high, day_low = last.day_high, last.day_low
            if day_high is not None and first.day_high is not None and day_high > max(high, first.day_high):
                high = high if knows_day and day_high <= self.top else day_high
            if day_low is not None and first.day_low is not None and day_low < min(low, first.day_low):
                low = low if knows_day and day_low >= self.bottom else day_low
        return Values(
            minute.first.price,
            high,
            low,
            minute.last.price,
            volume,
            minute.count,
            minute.earliest,
            minute.last_tick_time,
        )

    def close(self, minute: Minute, unheard: int) -> Values | None:
        """Close a minute taken out of `minutes`: its bar, or None without a tick; its volume and extremes are kept."""
        last = minute.last
        if last is not None:
            self.sequence = max(self.sequence, last.sequence)
            self.received = max(self.received, last.received_at)
        volume, self.counter = self.volume(self.counter, minute, unheard)
        if minute.count == 0:
            return None
        values = self.values(minute, volume)
        if self.top_day != minute.day:
            self.top, self.bottom, self.top_day = values.high, values.low, minute.day
            return values
        self.top = max(self.top, values.high)
        self.bottom = min(self.bottom, values.low)
        return values

    def open_parts(self, unheard: Callable[[Minute], int]) -> list[Part]:
        """The open minutes that have ticks, as they would close now, oldest first; `unheard` as in `volume`."""
        parts = []
        counter = self.counter
        for open_time in sorted(self.minutes):
            minute = self.minutes[open_time]
            volume, counter = self.volume(counter, minute, unheard(minute))
            if minute.count:
                parts.append(Part(open_time, bar_day(minute), self.values(minute, volume)))
        return parts

    def last_sequence(self) -> int:
        """The sequence of the newest tick that counted."""
        seen = [minute.last.sequence for minute in self.minutes.values() if minute.last is not None]
        return max([self.sequence, *seen])

    def last_received(self) -> int:
        """When the newest observation was received, milliseconds."""
        seen = [minute.last.received_at for minute in self.minutes.values() if minute.last is not None]
        return max([self.received, *seen])


def bar_day(minute: Minute) -> int:
    """The trading day whose bars a minute belongs to: the greatest of its ticks, unless that day is over by then."""
    if minute.day - 10 * DAY <= minute.open_time < minute.day + DAY:
        return minute.day
    return minute.open_time - minute.open_time % DAY
