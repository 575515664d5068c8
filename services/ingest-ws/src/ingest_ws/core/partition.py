"""One partition of `market.ticks` as its owner writes it: ticks in order, and the marks that vouch for them.

What stands before a mark must be all that was received up to its `through`. This holds because

1. a partition has one batch under way at a time, and a batch is appended to the log whole and in its order, or not
   at all (the producer is idempotent, so a batch that is sent again is not appended twice);
2. a mark is made when its batch is taken, stands behind that batch's ticks, and its `through` lies 1 ms before the
   oldest observation that is in none of the batches taken: one that a symbol still holds back, waits in the queue, or
   was lost; and 1 ms before the present, since the next observation may come in this very millisecond;
3. a batch that failed, or an observation that found no room, ends the run: its last `through` lies before the
   observation. The next run begins at the present, deaf, with the symbols that are heard and the newest state of each.

A change goes with the first mark whose `through` has reached its instant: the fold of a mark knows nothing later.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import msgspec

from contracts import wire
from contracts.marks import Hears
from contracts.topics import MARK_KEY
from ingest_ws.core.clock import RunNumbers

GRID_MS = 250
MOST_TICKS = 1_000
"""In one batch: a tick with its key is never larger than 800 bytes, so a batch has less than a broker's megabyte."""
MOST_FAREWELLS = 4
"""In one batch, which then holds nothing else: each may name a thousand symbols."""
RESTART_MS = 1_000
"""The least time between two runs: where there is no room for a baseline of each symbol, the next would end at once."""
MOST_CHANGES = 1_000
"""Changes in one mark. Those before the last of several marks leave `through` where it was."""
MOST_WAITING_CHANGES = 20_000


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A tick ready to be sent; `put_at` is when it was complete, `received_at` when its observation came."""

    received_at: int
    put_at: int
    key: bytes
    value: bytes


class Batch(NamedTuple):
    """Records for one append, in order: ticks, then at most one mark; or last marks of runs that are over."""

    ticks: tuple[Entry, ...]
    mark: bytes | None
    farewells: tuple[bytes, ...] = ()

    def records(self) -> list[tuple[bytes, bytes]]:
        """Key and value of each."""
        records = [(MARK_KEY, farewell) for farewell in self.farewells]
        records += [(entry.key, entry.value) for entry in self.ticks]
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
    """In: `put`, `say`, `acknowledged`, `failed`, `restart`. Out: `take`. Instants are milliseconds.

    `lost_ticks` counts what found no room or was in a batch that failed; the marks say that it is missing.
    """

    def __init__(self, runs: RunNumbers, room: Room, now: int) -> None:
        self._runs = runs
        self._room = room
        self._queue: deque[Entry] = deque()
        self._taken: Batch | None = None
        self._farewells: deque[bytes] = deque()
        """What runs that are over had still to say, in marks that vouch for nothing."""
        self._told: list[wire.Change] = []
        self._changes: deque[wire.Change] = deque()
        self._slot = now // GRID_MS
        self.lost_ticks = 0
        self._begin(now)

    def _begin(self, now: int) -> None:
        self.run = self._runs.next(now)
        self._begun = now
        self._through = min([now, *(entry.received_at for entry in self._queue)]) - 1
        self._lost_from: int | None = None
        self._has_failed = False

    @property
    def is_busy(self) -> bool:
        """A batch is under way."""
        return self._taken is not None

    @property
    def waiting(self) -> int:
        """Ticks that are in no batch yet."""
        return len(self._queue)

    @property
    def is_spent(self) -> bool:
        """Nothing waits to be sent or said, and no batch is under way."""
        return not self._queue and self._taken is None and not self._changes and not self._farewells

    def needs_restart(self, now: int) -> bool:
        """The run is over: a batch failed, or what came before a lost observation is in the log and vouched for."""
        if self._has_failed or self._lost_from is None:
            return self._has_failed
        if now < self._begun + RESTART_MS:
            return False
        return not self._queue and self._taken is None and self._through >= self._lost_from - 1

    def put(self, tick: wire.Tick, key: bytes, now: int) -> bool:
        """A tick is complete at `now`; false if there was no room, or something before it was lost."""
        value = wire.encode(tick)
        if self._lost_from is None and self._room.take(len(value)):
            self._queue.append(Entry(tick.received_at, now, key, value))
            return True
        self.lost_ticks += 1
        self._lose(tick.received_at)
        return False

    def say(self, symbol: str, state: Hears, at: int) -> None:
        """From `at` on the symbol is heard, deaf or left; `at` may lie in the past."""
        if len(self._changes) >= MOST_WAITING_CHANGES:
            self._lose(at)
            return
        self._changes.append(wire.Change(symbol=symbol, state=state.value, at=at))

    def is_due(self, now: int) -> bool:
        """The grid has turned since the last mark."""
        return now // GRID_MS > self._slot

    def take(self, now: int, held_since: int | None, *, is_last: bool = False) -> Batch | None:
        """The next batch, if there is anything to send: then call `acknowledged` or `failed` before the next.

        `held_since` is the receive time of the oldest observation that no tick has been made of yet; it counts when
        a mark is due. The mark of a last batch does not wait for the grid.
        """
        if self._taken is not None:
            return None
        if self._farewells:
            self._taken = Batch((), None, tuple(islice(self._farewells, MOST_FAREWELLS)))
            return self._taken
        queue = self._queue
        ticks = tuple([queue.popleft() for _ in range(min(len(queue), MOST_TICKS))])
        mark = self._mark(now, held_since) if is_last or self.is_due(now) else None
        if not ticks and mark is None:
            return None
        self._taken = Batch(ticks, mark)
        return self._taken

    def acknowledged(self) -> None:
        """The batch under way is in the log."""
        for _ in self._done().farewells:
            self._farewells.popleft()

    def failed(self) -> None:
        """Whether the batch under way is in the log is not known, so its ticks count as lost."""
        self._changes.extendleft(reversed(self._told))
        self.lost_ticks += len(self._done().ticks)
        self._has_failed = True

    def abandon(self) -> None:
        """The partition is somebody else's: what waits for it is lost, and its room is free."""
        waiting = len(self._queue) + (len(self._taken.ticks) if self._taken is not None else 0)
        self.lost_ticks += waiting
        self._room.give(sum(len(entry.value) for entry in self._queue))
        self._queue.clear()
        if self._taken is not None:
            self._done()

    def restart(self, now: int, heard: Iterable[str]) -> None:
        """Begin the next run with these symbols heard; the caller puts a baseline of each.

        What the old run had not yet said of where its hearing ended goes first, under its own number.
        """
        ended = [change for change in self._changes if change.state != Hears.HEARD.value]
        for start in range(0, len(ended), MOST_CHANGES):
            told = tuple(ended[start : start + MOST_CHANGES])
            self._farewells.append(wire.encode(wire.Mark(run=self.run, through=0, changes=told)))
        self._changes = deque(change for change in self._changes if change.state == Hears.LEFT.value)
        self._begin(now)
        for symbol in heard:
            self.say(symbol, Hears.HEARD, now)

    def _done(self) -> Batch:
        assert self._taken is not None
        batch, self._taken, self._told = self._taken, None, []
        self._room.give(sum(len(entry.value) for entry in batch.ticks))
        return batch

    def _lose(self, received_at: int) -> None:
        self._lost_from = received_at if self._lost_from is None else min(self._lost_from, received_at)

    def _mark(self, now: int, held_since: int | None) -> bytes:
        bounds = [now, *(entry.received_at for entry in self._queue)]
        if held_since is not None:
            bounds.append(held_since)
        if self._lost_from is not None:
            bounds.append(self._lost_from)
        through = max(self._through, min(bounds) - 1)
        told: list[wire.Change] = []
        self._told = told
        while self._changes and self._changes[0].at <= through and len(told) < MOST_CHANGES:
            told.append(self._changes.popleft())
        if self._changes and self._changes[0].at <= through:
            through = self._through
        else:
            self._slot = now // GRID_MS
        self._through = through
        return wire.encode(wire.Mark(run=self.run, through=through, changes=tuple(told)))
