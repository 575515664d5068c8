"""Which observations of a symbol count: those of one epoch of the log, in their order, then those of the next.

An epoch is one process's ownership of the partition. While two overlap, because the partition is handed over, both
observe the same market, one some seconds behind the other. The earlier one is followed until its coverage of the symbol
ends; of the next one the first and the newest observation are kept until then. The epoch of a process that was killed
has no end in the marks: it is over once its watermark is more than `SILENT_MS` behind.
"""

from typing import Protocol

import msgspec

from aggregator.core.counter import Count, Counter, Move, Observed
from aggregator.core.figures import NONE, Extremes, Figures
from contracts import wire

SILENT_MS = 1_000
"""How far the watermark of the followed epoch may be behind a tick of the next one before it is over."""
_MOST_REMEMBERED = 4


class Reach(Protocol):
    """Up to when an epoch covers a symbol by the marks so far, and whether a mark has ended that coverage."""

    def reach(self, symbol: str, epoch: int) -> tuple[int, bool]: ...


class Remembered(msgspec.Struct, gc=False, array_like=True):
    """What is kept of an epoch that is not followed yet: its first observation of the counter, and its newest one."""

    sequence: int
    first: Observed | None
    last: float | None
    last_day: int
    day: int
    open: float | None
    high: float | None
    low: float | None
    delay: int = 0


class Follower(msgspec.Struct, gc=False, array_like=True):
    """The counter and the day's figures of one symbol.

    `moves` wait for the minute of the next tick that has one. `delay` is that of the newest observation, in seconds.
    `others`: epochs that are not followed yet.
    """

    epoch: int
    sequence: int
    delay: int
    figures: Figures
    counter: Counter | None = None
    moves: list[Move] = []
    others: dict[int, Remembered] = {}

    @classmethod
    def first(cls, tick: wire.Tick, day: int) -> "Follower":
        """At a symbol's first observation."""
        return cls(tick.epoch, -1, tick.delay, Figures.first(tick, day), None, [], {})

    def observe(self, symbol: str, tick: wire.Tick, now: Observed, marks: Reach) -> tuple[list[Count], Extremes]:
        """The next observation in the log; returns what it counts, and the extremes that it shows.

        `now` is made of `tick`; its value means nothing if the tick has no cumulative volume.
        """
        if tick.epoch != self.epoch:
            if not self.follows(symbol, tick, marks):
                if tick.epoch > self.epoch:
                    self._remember(tick, now)
                return [], NONE
            self._take_over(tick, now, marks.reach(symbol, self.epoch)[0])
        if tick.sequence <= self.sequence:
            return [], NONE
        self.sequence = tick.sequence
        if tick.delay != self.delay:
            self._change_delay(tick, now)
        extremes = NONE
        if tick.is_baseline:
            self.figures.rebase(tick, now.opened_day)
        else:
            extremes = self.figures.see(tick, now.opened_day)
        if tick.cumulative_volume is None:
            return [], extremes
        if self.counter is None:
            self.counter = Counter.first(now)
        elif tick.is_baseline:
            self._move(now)
        else:
            return self.counter.observe(now), extremes
        return [], extremes

    def follows(self, symbol: str, tick: wire.Tick, marks: Reach) -> bool:
        """Whether an observation is of the epoch that is followed, or of another one that takes over with it.

        Epochs are numbered by the clocks of their owners. One with a lower number takes over too, if it covers the
        symbol now: its owner's clock is behind.
        """
        if tick.epoch == self.epoch:
            return True
        alive_from = tick.received_at - SILENT_MS
        reached, is_over = marks.reach(symbol, self.epoch)
        if not is_over and reached >= alive_from:
            return False
        own_reached, own_is_over = marks.reach(symbol, tick.epoch)
        return tick.epoch > self.epoch or (not own_is_over and own_reached >= alive_from)

    def is_plain(self, tick: wire.Tick, closed_at: int) -> bool:
        """Whether this is the newest observation, and the next one can be taken by the short way.

        `closed_at`: when the trading day before closed.
        """
        if tick.epoch != self.epoch or tick.sequence != self.sequence:
            return False
        return self.counter is None or self.counter.may_only_rise(closed_at)

    def continues(self, tick: wire.Tick, closed_at: int) -> bool:
        """Whether this is an ordinary next observation, whose counter rises or stays within its segment."""
        if tick.epoch != self.epoch or tick.sequence <= self.sequence or tick.is_baseline or tick.delay != self.delay:
            return False
        counter, value = self.counter, tick.cumulative_volume
        if value is None:
            return True
        return counter is not None and value >= counter.last and counter.may_only_rise(closed_at)

    def _change_delay(self, tick: wire.Tick, now: Observed) -> None:
        """The feed's delay changed with this observation.

        When the delay falls, the event time between the old delay and the new one is never observed: what the counter
        moved in it is gap volume. When it rises, the feed shows again what was observed already.
        """
        has_fallen, self.delay = tick.delay < self.delay, tick.delay
        if self.counter is None or tick.cumulative_volume is None:
            return
        if has_fallen:
            move = self.counter.move(now)
            move.is_covered = False
            self.moves.append(move)
        else:
            self.counter.join(now.value, self.counter.last_day)

    def _remember(self, tick: wire.Tick, now: Observed) -> None:
        other = self.others.get(tick.epoch)
        has_value = tick.cumulative_volume is not None
        if other is None:
            if len(self.others) >= _MOST_REMEMBERED:
                del self.others[min(self.others)]
            other = self.others[tick.epoch] = Remembered(-1, None, None, 0, now.opened_day, None, None, None)
        elif tick.sequence <= other.sequence:
            return
        other.sequence = tick.sequence
        if has_value:
            other.first = other.first or now
            other.last, other.last_day = now.value, now.day
        other.day, other.open, other.high, other.low = now.opened_day, tick.day_open, tick.day_high, tick.day_low
        other.delay = tick.delay

    def _take_over(self, tick: wire.Tick, now: Observed, covered_until: int) -> None:
        """Follow the epoch of this observation from now on; `covered_until`: how far the one before it covered."""
        other = self.others.get(tick.epoch)
        self.others = {epoch: kept for epoch, kept in self.others.items() if epoch > tick.epoch}
        self.epoch = tick.epoch
        self.sequence = -1 if other is None else other.sequence
        if other is None:
            self.figures.rebase(tick, now.opened_day)
            if self.counter is not None and tick.cumulative_volume is not None and not tick.is_baseline:
                self._move(now)
            return
        self.figures.resume(other.day, (other.open, other.high, other.low), other.delay)
        if self.counter is not None and other.first is not None and other.last is not None:
            if covered_until < other.first.received_at:
                self._move(other.first)
            self.counter.join(other.last, other.last_day)

    def _move(self, now: Observed) -> None:
        """Take note of what the counter moved up to a baseline; one that shows nothing new extends the one before."""
        assert self.counter is not None
        move = self.counter.move(now)
        last = self.moves[-1] if self.moves else None
        if (
            last is not None
            and last.is_covered is None
            and (last.traded, last.lost, move.traded, move.lost) == (0,) * 4
        ):
            last.received = move.received
        else:
            self.moves.append(move)
