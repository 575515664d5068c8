"""The state of one symbol: its open and its retained minutes, what is carried between them, its longer bars."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

import msgspec

from aggregator.core.carry import passed
from aggregator.core.gaps import NEVER
from aggregator.core.longer import Chain, Ending, Part, RollUp, Values
from aggregator.core.minute import Carry, Minute, Move
from contracts import wire
from contracts.bars import volume_units
from contracts.symbols import SymbolId

Judge = Callable[["Symbol", Move], bool]
"""Whether what a counter moved is residual, as far as the marks tell."""


class Issued(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A longer bar that was issued and may be issued again."""

    values: Values
    revision: int = 0


class Symbol:
    """Everything the fold knows of one symbol.

    `floor`: minutes that open before it are closed. `minutes` are open; `retained` are closed, and late ticks may still
    change them, in time order. `base` is carried into the oldest retained minute, `carry` out of the newest.
    `is_changed`: since it was saved last, apart from what the newest tick of its current minute did. `wakes_at`: while
    it has no minutes, no boundary before this one changes it. `untold`: moves of settled minutes that a gap which ends
    now may still tell of. `late`: ticks that came after their minute was closed.
    """

    __slots__ = (
        "base", "carry", "delay_ms", "floor", "id", "is_changed", "issued", "key", "late", "minutes", "name",
        "received", "retained", "roll_up", "sequence", "told", "untold", "wakes_at",
    )  # fmt: skip

    def __init__(self, identity: SymbolId, key: bytes, carry: Carry, chain: Chain) -> None:
        self.id = identity
        self.key = key
        self.name = str(identity)
        self.delay_ms = 0
        self.floor = 0
        self.minutes: dict[int, Minute] = {}
        self.retained: dict[int, Minute] = {}
        self.base = self.carry = carry
        self.roll_up = RollUp(chain)
        self.issued: list[dict[int, Issued]] = [{} for _ in chain.longer]
        self.told = (0, 0, 0)
        self.late = 0
        self.untold: list[Move] = []
        self.sequence = 0
        self.received = 0
        self.is_changed = True
        self.wakes_at = 0

    @classmethod
    def first_heard(cls, identity: SymbolId, key: bytes, tick: wire.Tick, chain: Chain) -> Self:
        """A symbol at its first tick: what its day had traded before is no bar's."""
        cumulative = tick.cumulative_volume
        reached = None if cumulative is None else volume_units(cumulative)
        symbol = cls(identity, key, Carry(tick.trading_day, reached, 0, -1, 0.0, 0.0), chain)
        symbol.delay_ms = tick.delay * 1000
        symbol.sequence = tick.sequence
        symbol.received = tick.received_at
        return symbol

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is open or may still change."""
        return not (self.minutes or self.retained or self.untold or any(self.roll_up.settled) or any(self.issued))

    def is_awake(self, boundary: int) -> bool:
        """Whether anything of it may close or settle at a minute boundary."""
        return bool(self.minutes or self.retained or self.untold) or self.wakes_at <= boundary

    def sleep(self, chain: Chain, horizon_ms: int) -> None:
        """It has no minutes: nothing of it changes until the next of its longer bars ends, or settles."""
        built = self.roll_up.built(chain, chain.places, [])
        ends = [
            level.close_time(label) + (horizon_ms if label in issued else 0)
            for level, issued, bars in zip(chain.longer, self.issued, built.values(), strict=True)
            for label in {*bars, *issued}
        ]
        self.wakes_at = min(ends, default=NEVER)

    def all_minutes(self) -> Iterator[Minute]:
        """The minutes that may still change, closed ones first."""
        yield from self.retained.values()
        yield from self.minutes.values()

    def minute_at(self, open_time: int, day: int) -> tuple[Minute, bool]:
        """The minute that begins then, and whether it is new: then `day` is its trading day."""
        minute = self.minutes.get(open_time) or self.retained.get(open_time)
        if minute is not None:
            return minute, False
        minute = Minute(open_time, day)
        if open_time >= self.floor:
            self.minutes[open_time] = minute
        else:
            self.retained[open_time] = minute
            self.retained = {at: self.retained[at] for at in sorted(self.retained)}
        return minute, True

    def reached(self, day: int) -> int | None:
        """The greatest cumulative volume observed on a day so far, as an integer of 1e-8; None: none known."""
        known = [units for m in self.all_minutes() if m.day == day and (units := m.cumulative_units()) is not None]
        known += [volume_units(m.previous) for m in self.all_minutes() if m.previous_day == day]
        if self.base.day == day:
            known += [units for units in (self.base.reached, self.base.shown) if units is not None]
        return max(known, default=None)

    def has_seen(self, day: int, apart_from: Minute) -> bool:
        """Whether a minute other than this one, or one before all of them, is of this trading day or a later one."""
        return self.base.day >= day or any(m.day >= day for m in self.all_minutes() if m is not apart_from)

    def close(self, open_time: int, judge: Judge) -> Minute:
        """Close the oldest open minute: from now on it is retained, with its bar in `issued`."""
        minute = self.retained[open_time] = self.minutes.pop(open_time)
        last = minute.last
        if last is not None:
            self.sequence = max(self.sequence, last.sequence)
            self.received = max(self.received, last.received_at)
        minute.keep_seen()
        minute.issued, self.carry = passed(self.carry, minute, partial(judge, self))
        minute.after = self.carry
        self.is_changed = True
        return minute

    def revise(self, judge: Judge) -> list[tuple[Minute, Values]]:
        """Compute the retained minutes anew: those whose bars are not as they were issued, with what they are now."""
        changed = []
        carry = self.base
        self.is_changed = True
        for minute in self.retained.values():
            values, carry = passed(carry, minute, partial(judge, self))
            minute.after, minute.saved = carry, None
            if values is not None and values != minute.issued:
                changed.append((minute, values))
        self.carry = carry
        return changed

    def settle(self, chain: Chain, limit: int, ending: list[Ending], telling_since: int) -> None:
        """What ends by `limit` changes no more. `ending`: the levels that end there, each with its newest such bar.

        `telling_since`: of gaps that ended before, all has been told.
        """
        retained = self.retained
        while retained:
            open_time = next(iter(retained))
            if open_time >= limit:
                break
            minute = retained.pop(open_time)
            self.is_changed = True
            assert minute.after is not None
            self.base = minute.after
            if minute.moves:
                self.untold += [move for move in minute.moves if not move.is_told]
            if minute.issued is not None:
                self.roll_up.add(chain.minute, open_time, minute.bar_day, minute.issued)
        if self.untold:
            self.untold = [move for move in self.untold if not move.is_told and move.received >= telling_since]
            self.is_changed = True
        for index, level, until in ending:
            if self.roll_up.settle(index, level, until):
                self.is_changed = True
            issued = self.issued[index]
            for label in [label for label in issued if label <= until]:
                del issued[label]
                self.is_changed = True

    def retained_parts(self, since: int = 0) -> list[Part]:
        """The closed minutes with bars that may still change, from an instant on, as they were issued."""
        return [
            (open_time, minute.bar_day, minute.issued)
            for open_time, minute in self.retained.items()
            if open_time >= since and minute.issued is not None
        ]

    def open_parts(self, judge: Judge) -> list[Part]:
        """The open minutes that have ticks, as they would close now, oldest first."""
        parts = []
        carry = self.carry
        for open_time in sorted(self.minutes):
            minute = self.minutes[open_time]
            values, carry = passed(carry, minute, partial(judge, self))
            if values is not None:
                parts.append((open_time, minute.label_day(), values))
        return parts

    def residual(self, start: int, end: int, judge: Judge) -> int | None:
        """What the counter moved across an unheard stretch (1e-8), told once; None where nothing shows it."""
        moves = [move for move in self.untold if move.before < end and start < move.received]
        for minute in self.all_minutes():
            across = [move for move in minute.moves if move.before < end and start < move.received]
            if across:
                minute.saved = None
                moves += across
        fresh = [move for move in moves if not move.is_told and judge(self, move)]
        for move in fresh:
            move.is_told = True
        self.is_changed = self.is_changed or bool(moves)
        return sum(move.units for move in fresh) if fresh else None

    def last_sequence(self) -> int:
        """The sequence of the newest tick that counted."""
        seen = [minute.last.sequence for minute in self.minutes.values() if minute.last is not None]
        return max([self.sequence, *seen])

    def last_received(self) -> int:
        """When the newest observation was received, milliseconds."""
        seen = [minute.last.received_at for minute in self.minutes.values() if minute.last is not None]
        return max([self.received, *seen])
