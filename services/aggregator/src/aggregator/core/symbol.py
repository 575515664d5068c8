"""The state of one symbol: its calendar, open and retained minutes, the followed epoch, its longer bars."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import partial

import msgspec

from aggregator.core.counter import Count, Move
from aggregator.core.figures import NONE
from aggregator.core.follower import Follower
from aggregator.core.gaps import NEVER
from aggregator.core.grid import CalendarGrid
from aggregator.core.longer import Chain, Part, RollUp, Values
from aggregator.core.minute import NOTHING_SEEN, Minute
from contracts.bars import volume_units
from contracts.marks import Stretch
from contracts.symbols import SymbolId

_MOST_DELAYS = 8
"""Changes of delay that are remembered."""

Decide = Callable[["Symbol", Move], bool]
"""Whether what a counter moved is volume, as far as the marks say."""


class Emitted(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A longer bar that was emitted and may be emitted again."""

    values: Values
    close_time: int
    gap_ms: int
    revision: int = 0


class Symbol:
    """Everything the fold knows of one symbol.

    `floor`: minutes that close by it are closed. `minutes` are open; `retained` are closed, and may still change, in
    time order. `delay_ms` is its delay class; `next_delay_ms` the one it joins once the clock has reached `joins_at`.
    `delays` are its changes of delay: the event time from which on the feed was observed with the new one, the delay
    before, and the new one. `lost` is event time that is never observed because the delay fell. `is_changed`: since it
    was saved last, apart from ticks of its current minute. `wakes_at`: while it has no minutes, no boundary before this
    one changes it. `unannounced`: moves of final minutes that may still be part of a gap event.
    """

    __slots__ = (
        "delay_ms", "delays", "emitted", "floor", "follower", "grid", "has_volume", "id", "is_changed", "joins_at",
        "key", "lost", "minutes", "name", "next_delay_ms", "retained", "roll_up", "sent", "sequence", "unannounced",
        "updates", "wakes_at",
    )  # fmt: skip

    def __init__(self, identity: SymbolId, key: bytes, grid: CalendarGrid, follower: Follower, chain: Chain) -> None:
        self.id = identity
        self.key = key
        self.name = str(identity)
        self.grid = grid
        self.has_volume = True
        self.follower = follower
        self.delay_ms = self.next_delay_ms = 0
        self.joins_at = NEVER
        self.delays: list[tuple[int, int, int]] = []
        self.lost: list[Stretch] = []
        self.floor = 0
        self.minutes: dict[int, Minute] = {}
        self.retained: dict[int, Minute] = {}
        self.roll_up = RollUp(chain)
        self.emitted: list[dict[int, Emitted]] = [{} for _ in chain.longer]
        self.unannounced: list[Move] = []
        self.sequence = 0
        self.updates = 0
        self.sent = (0, 0)
        """The newest sequence and the updates of retained minutes that its forming bars were sent with last."""
        self.is_changed = True
        self.wakes_at = 0

    def change_delay(self, from_event_time: int, before: int, delay_ms: int) -> None:
        """From an event time on the feed is observed with another delay."""
        self.delays = [*self.delays[1 - _MOST_DELAYS :], (from_event_time, before, delay_ms)]

    def observed_with(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The pieces of a stretch of event time, and the delay with which each is observed."""
        delay_ms = self.delays[0][1]
        for at, _, after in self.delays:
            if start < min(at, end):
                yield start, min(at, end), delay_ms
                start = at
            delay_ms = after
        if start < end:
            yield start, end, delay_ms

    def forget(self, before: int) -> None:
        """Drop changes of delay, and the time lost by them, that are before an instant."""
        if self.delays:
            self.lost = [(start, end) for start, end in self.lost if end > before]
            self.delays = [change for change in self.delays if change[0] > before]
            self.is_changed = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is open or may still change."""
        return not (self.minutes or self.retained or self.unannounced or any(self.roll_up.final) or any(self.emitted))

    def is_awake(self, boundary: int) -> bool:
        """Whether anything of it may close or become final at a minute boundary."""
        return bool(self.minutes or self.retained or self.unannounced) or self.wakes_at <= boundary

    def sleep(self, chain: Chain, grace_ms: int) -> None:
        """Set `wakes_at` of a symbol without minutes: when the next of its longer bars closes or becomes final."""
        built = self.roll_up.built(chain, chain.places, [], self.grid)
        self.wakes_at = min(
            [
                self.grid.final_at(place, label) + grace_ms
                if self._has_closed(place, label)
                else self.grid.close_of(place, label)
                for place, bars in built.items()
                for label in {*bars, *self.emitted[place]}
            ],
            default=NEVER,
        )

    def _has_closed(self, place: int, label: int) -> bool:
        """Whether a longer bar was emitted, at the close that it has now."""
        emitted = self.emitted[place].get(label)
        return emitted is not None and emitted.close_time >= self.grid.close_of(place, label)

    def all_minutes(self) -> Iterator[Minute]:
        """The minutes that may still change, closed ones first."""
        yield from self.retained.values()
        yield from self.minutes.values()

    def minute_at(self, open_time: int, close_time: int, day: int) -> Minute:
        """The minute that opens then; it is begun if there is none yet."""
        minute = self.minutes.get(open_time) or self.retained.get(open_time)
        if minute is not None:
            return minute
        minute = Minute(open_time, close_time, day)
        if close_time > self.floor:
            self.minutes[open_time] = minute
        else:
            self.retained[open_time] = minute
            self.retained = {at: self.retained[at] for at in sorted(self.retained)}
        return minute

    def settle_current(self, minute: Minute) -> None:
        """Merge what the short way left on the current minute: its newest tick, and how far the counter rose."""
        newest, follower = minute.last, self.follower
        self.is_changed = True
        figures = follower.figures
        if newest.sequence > follower.sequence:
            follower.sequence = newest.sequence
            counter = follower.counter
            if counter is not None and minute.counter != NOTHING_SEEN:
                if minute.counter != counter.last:
                    minute.volume += counter.rose(minute)
                    counter.event_time = newest.event_time
                if newest.cumulative_volume is not None:
                    counter.received_at = max(counter.received_at, newest.received_at)
            extremes = figures.see(newest, minute.day)
            if extremes is not NONE:
                minute.widen(*extremes)
        figures.priced(minute.day, minute.high, minute.low)
        minute.counter = NOTHING_SEEN

    def count(self, counts: Iterable[Count]) -> list[Minute]:
        """Add what the counter showed to its minutes; returns the closed ones among them."""
        changed = []
        for open_time, units in counts:
            if open_time is None or not units:
                continue
            minute = self.minutes.get(open_time) or self.retained.get(open_time)
            if minute is not None:
                minute.volume += units
                if minute.close_time <= self.floor:
                    minute.saved = None
                    changed.append(minute)
        return changed

    def close(self, open_time: int, decide: Decide) -> Minute:
        """Close an open minute: from now on it is retained, with its bar in `emitted`."""
        minute = self.retained[open_time] = self.minutes.pop(open_time)
        if minute.last is not None:
            self.sequence = max(self.sequence, minute.last.sequence)
        minute.keep_seen()
        minute.emitted = self.values(minute, decide)
        self.is_changed = True
        return minute

    def values(self, minute: Minute, decide: Decide) -> Values | None:
        """The bar of a minute as it is now; None without a tick."""
        values = minute.values(partial(decide, self) if minute.moves else None)
        if values is not None and values.volume is not None and not self.has_volume:
            return msgspec.structs.replace(values, volume=None)
        return values

    def finish(self, chain: Chain, limit: int, places: Iterable[int], announced_since: int) -> None:
        """Make final what closed by `limit`: it is merged into longer bars, from short to long.

        `places`: the levels of which a bar may become final. `announced_since`: every gap that ended before has been
        announced.
        """
        retained, grid = self.retained, self.grid
        while retained:
            open_time, minute = next(iter(retained.items()))
            if minute.close_time > limit:
                break
            del retained[open_time]
            self.is_changed = True
            if minute.moves:
                self.unannounced += [move for move in minute.moves if not move.is_announced]
            if minute.emitted is not None:
                self.roll_up.add(chain.minute, grid.labels(open_time), minute.emitted)
        if self.unannounced:
            self.unannounced = [
                move for move in self.unannounced if not move.is_announced and move.received >= announced_since
            ]
            self.is_changed = True
        final_at = grid.final_at
        for place in places:
            emitted, final = self.emitted[place], self.roll_up.final[place]
            due = [label for label in emitted if final_at(place, label) <= limit]
            due += [label for label in final if label not in emitted and final_at(place, label) <= limit]
            for label in sorted(due) if len(due) > 1 else due:
                emitted.pop(label, None)
                if label in final:
                    self.roll_up.finish(place, chain.longer[place], label, grid)
                self.is_changed = True

    def retained_parts(self, since: int | None = None) -> list[Part]:
        """The closed minutes with bars that may still change, from an instant on, as they were emitted."""
        labels = self.grid.labels
        return [
            (open_time, labels(open_time), minute.emitted)
            for open_time, minute in self.retained.items()
            if minute.emitted is not None and (since is None or open_time >= since)
        ]

    def open_parts(self, decide: Decide) -> list[Part]:
        """The open minutes that have ticks, as they would close now, oldest first."""
        parts = []
        for open_time in sorted(self.minutes):
            minute = self.minutes[open_time]
            values = self.values(minute, decide)
            if values is not None:
                if minute.counter != NOTHING_SEEN:
                    values = self._with_newest(minute, values)
                parts.append((open_time, self.grid.labels(open_time), values))
        return parts

    def _with_newest(self, minute: Minute, values: Values) -> Values:
        """The bar of the current minute, with what its newest tick shows beyond what has been merged."""
        counter, figures = self.follower.counter, copy(self.follower.figures)
        high, low = figures.see(minute.newest, minute.day)
        volume = values.volume
        if volume is not None and counter is not None and minute.counter > counter.last:
            volume += max(0, volume_units(minute.counter) - counter.level)
        return msgspec.structs.replace(
            values,
            high=values.high if high is None else max(values.high, high),
            low=values.low if low is None else min(values.low, low),
            volume=volume,
        )

    def gap_volume(self, start: int, end: int, decide: Decide) -> int | None:
        """By how much the counter rose across an uncovered stretch (1e-8), counted once; None where it is not known."""
        moves = [move for move in (*self.unannounced, *self.follower.moves) if _is_across(move, start, end)]
        for minute in self.all_minutes():
            across = [move for move in minute.moves if _is_across(move, start, end)]
            if across:
                minute.saved = None
                moves += across
        fresh = [move for move in moves if not move.is_announced and not decide(self, move)]
        for move in fresh:
            move.is_announced = True
        self.is_changed = self.is_changed or bool(moves)
        lost = [move.lost for move in fresh]
        return None if not lost or None in lost else sum(units for units in lost if units is not None)

    def last_sequence(self) -> int:
        """The sequence of the newest tick that counted."""
        seen = [int(minute.last.sequence) for minute in self.minutes.values() if minute.last is not None]
        return max([self.sequence, *seen])


def _is_across(move: Move, start: int, end: int) -> bool:
    return move.before < end and start < move.received
