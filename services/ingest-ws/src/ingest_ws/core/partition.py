"""One partition of `market.ticks` as its owner writes it: calendars and ticks in order, and the marks between them.

What stands before a mark must be all that was received up to its watermark. This holds because

1. a partition has one batch under way at a time, and a batch is appended to the log whole and in its order, or not
   at all (the producer is idempotent, so a batch that is sent again is not appended twice);
2. a mark is made when its batch is taken and stands behind that batch's ticks. Its watermark is 1 ms before the oldest
   observation that is in none of the batches taken (a symbol still holds it, it waits in the queue, or it was lost),
   and at most 1 ms before the present, since the next observation may come in this very millisecond;
3. a batch that failed, or an observation that found no room, ends the epoch, whose last watermark is before that
   observation. The next epoch begins at the present, and covers the symbols that are covered then.

A change of coverage goes with the first mark whose watermark has reached its instant.

Within an epoch a symbol's calendar stands before its first tick, and that tick is a baseline. Ticks that still waited
when an epoch ended are written with the number of the next one: the watermarks of the old epoch end before them.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import msgspec

from contracts import wire
from contracts.marks import CoverageState
from contracts.topics import MARK_KEY
from ingest_ws.core.clock import EpochNumbers

GRID_MS = 250
"""A mark is made at each turn of this grid."""
MOST_RECORDS = 1_000
"""Ticks and calendars in one batch."""
MOST_BYTES = 600_000
"""Of them, keys included; with a mark of `MOST_CHANGES`, the longest names and no ASCII in them, it stays below a
broker's megabyte. The largest calendar is 140,000 bytes."""
MOST_FINAL_MARKS = 2
"""In one batch, which then holds nothing else: each may name a thousand symbols."""
RESTART_MS = 1_000
"""The least time between two epochs: without room for the baselines, the next epoch would end at once."""
MOST_CHANGES = 1_000
"""Changes in one mark. If more are due, they take several marks, and only the last one moves the watermark."""
MOST_WAITING_CHANGES = 20_000
REPEAT_CALENDAR_MS = 6 * 3_600_000
"""A calendar is written again this often, so that the retention of the log never removes the last one."""
MOST_REPEATED = 16
"""Calendars written again at one mark."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record ready to be sent; `put_at` is when it was complete, `received_at` when its observation came."""

    received_at: int
    put_at: int
    key: bytes
    value: bytes

    @property
    def is_tick(self) -> bool:
        """It is a tick, not a calendar."""
        return not self.key.startswith(MARK_KEY)


class Batch(NamedTuple):
    """Records for one append, in order: ticks and calendars, then at most one mark; or last marks of ended epochs."""

    entries: tuple[Entry, ...]
    mark: bytes | None
    final_marks: tuple[bytes, ...] = ()

    @property
    def ticks(self) -> list[Entry]:
        """The ticks among the records."""
        return [entry for entry in self.entries if entry.is_tick]

    def records(self) -> list[tuple[bytes, bytes]]:
        """Key and value of each."""
        records = [(MARK_KEY, final_mark) for final_mark in self.final_marks]
        records += [(entry.key, entry.value) for entry in self.entries]
        if self.mark is not None:
            records.append((MARK_KEY, self.mark))
        return records


class Room:
    """The bytes that may wait for Kafka, shared by all partitions of a process."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Whether there was room; if so, it is taken."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        self.used -= size


class PartitionLog:
    """In: `describe`, `put`, `set_coverage`, `acknowledged`, `failed`, `restart`. Out: `take`. Instants: milliseconds.

    `lost_ticks` counts those that found no room or were in a batch that failed; no watermark of their epoch passes
    them.
    """

    def __init__(self, epochs: EpochNumbers, room: Room, now: int) -> None:
        self._epochs = epochs
        self._room = room
        self._queue: deque[Entry] = deque()
        self._taken: Batch | None = None
        self._final_marks: deque[bytes] = deque()
        """The last changes of coverage of epochs that are over, in marks with watermark 0."""
        self._taken_changes: list[wire.CoverageChange] = []
        self._changes: deque[wire.CoverageChange] = deque()
        self._calendars: dict[bytes, wire.Calendar] = {}
        """The newest of each symbol, by the symbol's key."""
        self._slot = now // GRID_MS
        self.lost_ticks = 0
        self._begin(now)

    def _begin(self, now: int) -> None:
        self.epoch = self._epochs.next(now)
        self._begun = now
        self._watermark = min([now, *(entry.received_at for entry in self._queue)]) - 1
        self._lost_from: int | None = None
        self._has_failed = False
        self._described: dict[bytes, int] = {}
        """The symbols whose calendar this epoch has written, and when, the oldest first."""

    @property
    def is_busy(self) -> bool:
        """A batch is under way."""
        return self._taken is not None

    @property
    def waiting(self) -> int:
        """Records that are in no batch yet."""
        return len(self._queue)

    @property
    def is_spent(self) -> bool:
        """Nothing waits to be sent, and no batch is under way."""
        return not self._queue and self._taken is None and not self._changes and not self._final_marks

    def needs_restart(self, now: int) -> bool:
        """The epoch is over: a batch failed, or all that came before a lost observation is in the log."""
        if self._has_failed or self._lost_from is None:
            return self._has_failed
        if now < self._begun + RESTART_MS:
            return False
        return not self._queue and self._taken is None and self._watermark >= self._lost_from - 1

    def describe(self, key: bytes, calendar: wire.Calendar, now: int) -> None:
        """The calendar of a symbol: written at once if it has changed, else before the first tick of each epoch."""
        before = self._calendars.get(key)
        self._calendars[key] = calendar
        if key in self._described and before != msgspec.structs.replace(calendar, at=before.at if before else 0):
            self._write_calendar(key, now, now)

    def forget(self, key: bytes) -> None:
        """The symbol is not served here any more; what waits of it is still sent."""
        self._calendars.pop(key, None)
        self._described.pop(key, None)

    def put(self, tick: wire.Tick, key: bytes, now: int) -> bool:
        """A tick is complete at `now`; false if there was no room, or something before it was lost.

        The symbol must have been described. The tick gets this log's epoch, and is a baseline if it is the first there.
        """
        is_first = key not in self._described
        if is_first or tick.epoch != self.epoch:
            tick = msgspec.structs.replace(tick, epoch=self.epoch, is_baseline=tick.is_baseline or is_first)
        if not is_first or self._write_calendar(key, tick.received_at, now):
            value = wire.encode(tick)
            if self._lost_from is None and self._room.take(len(value)):
                self._queue.append(Entry(tick.received_at, now, key, value))
                return True
        self.lost_ticks += 1
        self._lose(tick.received_at)
        return False

    def set_coverage(self, symbol: str, state: CoverageState, at: int) -> None:
        """From `at` on the symbol is covered, uncovered or released; `at` may lie in the past."""
        if len(self._changes) >= MOST_WAITING_CHANGES:
            self._lose(at)
            return
        self._changes.append(wire.CoverageChange(symbol=symbol, state=state.value, at=at))

    def is_due(self, now: int) -> bool:
        """Whether a mark is due: `GRID_MS` have begun anew since the last one."""
        return now // GRID_MS > self._slot

    def take(self, now: int, held_since: int | None, *, is_last: bool = False) -> Batch | None:
        """The next batch, if there is anything to send: then call `acknowledged` or `failed` before the next.

        `held_since` is the receive time of the oldest observation that no tick has been made of yet; it counts when
        a mark is due. The mark of a last batch does not wait for the grid.
        """
        if self._taken is not None:
            return None
        if self._final_marks:
            self._taken = Batch((), None, tuple(islice(self._final_marks, MOST_FINAL_MARKS)))
            return self._taken
        has_mark = is_last or self.is_due(now)
        if has_mark:
            self._repeat_calendars(now)
        entries = self._next_entries()
        mark = self._mark(now, held_since) if has_mark else None
        if not entries and mark is None:
            return None
        self._taken = Batch(entries, mark)
        return self._taken

    def acknowledged(self) -> None:
        """The batch under way is in the log."""
        for _ in self._done().final_marks:
            self._final_marks.popleft()

    def failed(self) -> None:
        """Whether the batch under way is in the log is not known, so its ticks count as lost."""
        self._changes.extendleft(reversed(self._taken_changes))
        self.lost_ticks += len(self._done().ticks)
        self._has_failed = True

    def abandon(self) -> None:
        """Another process owns the partition: what waits for it is lost, and its room is free."""
        waiting = [*self._queue, *(self._taken.entries if self._taken is not None else ())]
        self.lost_ticks += sum(entry.is_tick for entry in waiting)
        self._room.give(sum(len(entry.value) for entry in self._queue))
        self._queue.clear()
        if self._taken is not None:
            self._done()

    def restart(self, now: int, covered: Iterable[str]) -> None:
        """Begin the next epoch with these symbols covered; the caller puts a baseline of each.

        The changes that end coverage and are in no mark yet go first, under the old epoch's number. Ticks that wait
        get the number of the new one.
        """
        ended = [change for change in self._changes if change.state != CoverageState.COVERED.value]
        for start in range(0, len(ended), MOST_CHANGES):
            changes = tuple(ended[start : start + MOST_CHANGES])
            self._final_marks.append(wire.encode(wire.Mark(epoch=self.epoch, watermark=0, coverage=changes)))
        self._changes = deque(change for change in self._changes if change.state == CoverageState.RELEASED.value)
        self._begin(now)
        waiting, self._queue = self._queue, deque()
        self._room.give(sum(len(entry.value) for entry in waiting))
        for entry in waiting:
            if entry.is_tick and entry.key in self._calendars:
                self.put(wire.decode_tick(entry.value), entry.key, entry.put_at)
            else:
                self.lost_ticks += entry.is_tick
        for symbol in covered:
            self.set_coverage(symbol, CoverageState.COVERED, now)

    def _write_calendar(self, key: bytes, received_at: int, now: int) -> bool:
        value = wire.encode(self._calendars[key])
        if self._lost_from is not None or not self._room.take(len(value)):
            self._lose(received_at)
            return False
        self._queue.append(Entry(received_at, now, MARK_KEY + key, value))
        self._described.pop(key, None)
        self._described[key] = now
        return True

    def _repeat_calendars(self, now: int) -> None:
        for key, written_at in list(islice(self._described.items(), MOST_REPEATED)):
            if now - written_at < REPEAT_CALENDAR_MS or not self._write_calendar(key, now, now):
                return

    def _next_entries(self) -> tuple[Entry, ...]:
        queue, entries, size = self._queue, list[Entry](), 0
        while queue and len(entries) < MOST_RECORDS:
            size += len(queue[0].key) + len(queue[0].value)
            if size > MOST_BYTES:
                break
            entries.append(queue.popleft())
        return tuple(entries)

    def _done(self) -> Batch:
        assert self._taken is not None
        batch, self._taken, self._taken_changes = self._taken, None, []
        self._room.give(sum(len(entry.value) for entry in batch.entries))
        return batch

    def _lose(self, received_at: int) -> None:
        self._lost_from = received_at if self._lost_from is None else min(self._lost_from, received_at)

    def _mark(self, now: int, held_since: int | None) -> bytes:
        bounds = [now, *(entry.received_at for entry in self._queue)]
        if held_since is not None:
            bounds.append(held_since)
        if self._lost_from is not None:
            bounds.append(self._lost_from)
        watermark = max(self._watermark, min(bounds) - 1)
        changes: list[wire.CoverageChange] = []
        self._taken_changes = changes
        while self._changes and self._changes[0].at <= watermark and len(changes) < MOST_CHANGES:
            changes.append(self._changes.popleft())
        if self._changes and self._changes[0].at <= watermark:
            watermark = self._watermark
        else:
            self._slot = now // GRID_MS
        self._watermark = watermark
        return wire.encode(wire.Mark(epoch=self.epoch, watermark=watermark, coverage=tuple(changes)))
