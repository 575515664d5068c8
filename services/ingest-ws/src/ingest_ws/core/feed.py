"""The feed of one process: which symbols it serves, what the provider says of them, and what the log shall hold.

It joins symbols and partitions. What it is told comes from the desired state (`own`, `want`), from a connection
(`changed`, `completed`, `failed`, `deafened`) and from the passing of time (`present`, `expire`). What it brings about
is taken by the shell: batches per partition, symbols whose quote changed.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from contracts import wire
from contracts.errors import BadData
from contracts.marks import Hears
from contracts.symbols import SymbolId
from contracts.topics import partition_of
from ingest_ws.core.clock import Presence, RunNumbers, Sequencer
from ingest_ws.core.partition import Batch, PartitionLog, Room
from ingest_ws.core.symbol import HOLD_MS, SymbolFeed
from tradingview.live import LiveFields

HAND_OVER_MS = 5_000
"""So long an owner goes on that has to give a partition away: the next one hears by then."""
HAND_OVER_SYMBOL_MS = 1.5
"""And so much longer for each symbol beyond `FEW`: the next one opens its connections one by one."""
FEW = 200
LONGEST_HAND_OVER_MS = 12_000
LAST_MARK_MS = 5_000
"""Within which a partition that was given away must take what there was still to say of it."""
REPEAT_MS = 3_600_000
"""A log keeps its records for days: what it says once, of a run that lives for longer, would be gone with them."""
GIVEN_UP_MS = 5_000
"""After such an absence (half of the group's session timeout) others may have our partitions, and sockets are stale."""


class Ear:
    """The connection of a symbol, as far as the feed knows it: `heard_until` is when its last packet came."""

    __slots__ = ("heard_until",)

    def __init__(self, heard_until: int) -> None:
        self.heard_until = heard_until


class Served:
    """A symbol that this process serves: its feed, where its ticks go, and why the provider refuses it.

    `heard_at`: since when it is heard, while it is; `ear`: over which connection.
    """

    __slots__ = ("ear", "error", "feed", "heard_at", "key", "name", "partition")

    def __init__(self, identity: SymbolId, partition: int, sequencer: Sequencer) -> None:
        self.name = str(identity)
        self.key = identity.key
        self.partition = partition
        self.feed = SymbolFeed(identity, sequencer)
        self.error: str | None = None
        self.heard_at = 0
        self.ear: Ear | None = None

    def heard_until(self, now: int) -> int:
        """Up to when it was heard for certain: who is silent may be gone."""
        return now if self.ear is None else min(now, self.ear.heard_until)


class Feed:
    """All instants are milliseconds of one `FeedClock`.

    `ticks` counts those made; `lost_ticks` those that the log will not hold, which is then deaf.
    """

    def __init__(self, partitions: int, salt: int, room_bytes: int, now: int) -> None:
        self.partitions = partitions
        self.symbols: dict[str, Served] = {}
        self.changed_quotes: set[str] = set()
        """Symbols whose quote is not what was taken last; the shell empties it."""
        self.version = 0
        """Changes whenever `symbols` does."""
        self.lives = 0
        """Changes when the process was away for so long that no connection from before may be read any more."""
        self.ticks = 0
        self.room = Room(room_bytes)
        self._logs: dict[int, PartitionLog] = {}
        self._leaving: dict[int, int] = {}
        """The partitions that are somebody else's by now, and until when we go on with them."""
        self._closing: dict[int, int] = {}
        """The partitions that are given away but for a last mark, and until when that may take."""
        self._members: dict[int, dict[str, Served]] = {}
        self._repeated: dict[int, int] = {}
        self._held: dict[str, Served] = {}
        self._touched: set[int] = set()
        self._lost_before = 0
        self._runs = RunNumbers(salt)
        self._sequencer = Sequencer()
        self._presence = Presence(now)

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that this process writes, those among them that it gives away."""
        return frozenset(self._logs)

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that are ours: without those that we give away."""
        return frozenset(self._logs.keys() - self._leaving.keys() - self._closing.keys())

    @property
    def hand_over_ms(self) -> int:
        """How long who gives partitions away goes on with them."""
        return min(HAND_OVER_MS + int(HAND_OVER_SYMBOL_MS * max(0, len(self.symbols) - FEW)), LONGEST_HAND_OVER_MS)

    @property
    def lost_ticks(self) -> int:
        return self._lost_before + sum(log.lost_ticks for log in self._logs.values())

    @property
    def waiting_ticks(self) -> int:
        """Ticks that wait for Kafka."""
        return sum(log.waiting for log in self._logs.values())

    def assign(self, assigned: Collection[int], now: int, *, is_anew: bool = True) -> list[str]:
        """These partitions are ours: a new one begins; one that is not among them any more goes on for `hand_over_ms`.

        That time begins again when everything is assigned anew: the next owner may be another by then. Call it also
        without that, for time to pass. The symbols that are not served any more.
        """
        for partition, until in list(self._closing.items()):
            if partition in assigned or until <= now or self._logs[partition].is_spent:
                self._forget(partition)
        for partition in sorted(assigned):
            self._leaving.pop(partition, None)
            if partition not in self._logs:
                self._own(partition, now)
        for partition in self._logs.keys() - set(assigned) - self._closing.keys():
            if is_anew or partition not in self._leaving:
                self._leaving[partition] = now + self.hand_over_ms
        due = sorted(partition for partition, until in self._leaving.items() if until <= now)
        return [name for partition in due for name in self._disown(partition, now)]

    def _own(self, partition: int, now: int) -> None:
        """The partition is ours from now on: its first run begins, deaf."""
        self._logs[partition] = PartitionLog(self._runs, self.room, now)
        self._members[partition] = {}
        self._repeated[partition] = now

    def _disown(self, partition: int, now: int) -> list[str]:
        """The partition is somebody else's: a last mark says how far its symbols were heard, which are returned."""
        del self._leaving[partition]
        self._closing[partition] = now + LAST_MARK_MS
        gone = list(self._members[partition].values())
        for served in gone:
            self._put(served, served.feed.flush(), now)
            if served.feed.is_heard:
                self._logs[partition].say(served.name, Hears.DEAF, served.heard_until(now))
            self._drop(served)
        return [served.name for served in gone]

    def _forget(self, partition: int) -> None:
        """There is nothing more to say in a partition that was given away, or no way to say it."""
        del self._closing[partition]
        self._logs[partition].abandon()
        self._lost_before += self._logs[partition].lost_ticks
        del self._logs[partition], self._members[partition]

    def want(self, partition: int, wanted: Collection[SymbolId], now: int) -> tuple[list[str], list[str]]:
        """The symbols to be served in an owned partition: those that join and those that leave."""
        names = {
            str(identity): identity for identity in wanted if partition_of(identity.key, self.partitions) == partition
        }
        members = self._members[partition]
        left = [name for name in members if name not in names]
        for name in left:
            served = self.symbols[name]
            self._put(served, served.feed.flush(), now)
            self._drop(served)
            self._logs[partition].say(name, Hears.LEFT, served.heard_until(now))
        joined = [name for name in names if name not in members]
        self.version += bool(joined)
        for name in joined:
            members[name] = self.symbols[name] = Served(names[name], partition, self._sequencer)
        return joined, left

    def changed(self, name: str, said: LiveFields | Mapping[str, Any], now: int) -> BadData | None:
        """A message about a symbol; what in it makes no sense, if anything. One that is not served is passed over."""
        served = self.symbols.get(name)
        if served is None:
            return None
        served.error = None
        feed = served.feed
        was_heard = feed.is_heard
        ticks = feed.changed(said, now)
        self.changed_quotes.add(name)
        if ticks:
            self._put(served, ticks, now)
        if feed.held:
            self._held[name] = served
        elif name in self._held:
            del self._held[name]
        if feed.is_heard is not was_heard:
            if was_heard:
                self._logs[served.partition].say(name, Hears.DEAF, served.heard_until(now))
            else:
                self._hear(served, now)
        fault = feed.fault
        if fault is not None:
            feed.fault = None
        return fault

    def completed(self, name: str, now: int) -> None:
        """The snapshot of a symbol is complete: from the first one on it is heard, if it told a price."""
        served = self.symbols.get(name)
        if served is None or served.feed.is_heard:
            return
        self._put(served, served.feed.completed(now), now)
        if served.feed.is_heard:
            self._hear(served, now)
        self.changed_quotes.add(name)

    def failed(self, name: str, reason: str, now: int) -> None:
        """The provider refuses a symbol; it stays wanted."""
        served = self.symbols.get(name)
        if served is not None:
            served.error = reason
            self.deafened([name], now, now)

    def deafened(self, names: Iterable[str], heard_until: int, now: int) -> None:
        """These symbols were heard up to an instant only: their connection ended, or fell silent then."""
        for name in names:
            served = self.symbols[name]
            was_heard = served.feed.is_heard
            self._put(served, served.feed.deafen(), now)
            self._held.pop(name, None)
            self.changed_quotes.discard(name)
            if was_heard:
                self._logs[served.partition].say(name, Hears.DEAF, heard_until)

    def present(self, now: int) -> int | None:
        """Call it before anything else that happens at `now`: how long the process was away, where that was long.

        What was received meanwhile cannot be told apart from what comes now: all that time is deaf.
        """
        away_since = self._presence.seen(now)
        if away_since is None:
            return None
        if now - away_since < GIVEN_UP_MS:
            self.missed(self.symbols, away_since, now)
        else:
            self.lives += 1
            self.deafened(list(self.symbols), away_since, now)
        return now - away_since

    def missed(self, names: Iterable[str], since: int, now: int) -> None:
        """Something about these symbols may have been lost after `since`: deaf until now, then as they stand."""
        for name in names:
            served = self.symbols.get(name)
            if served is not None and served.feed.is_heard:
                log = self._logs[served.partition]
                log.say(name, Hears.DEAF, since)
                self._hear(served, now)
                self._put(served, served.feed.rebase(now), now)
                self._note_held(served)

    def expire(self, now: int) -> None:
        """Make the ticks of observations that have been held long enough."""
        due = [served for served in self._held.values() if now - (served.feed.held_since or 0) >= HOLD_MS]
        for served in due:
            self._put(served, served.feed.expire(now), now)
            self._note_held(served)

    def take(self, partition: int, now: int, *, is_last: bool = False) -> Batch | None:
        """The next batch for an owned partition, see `PartitionLog.take`."""
        log = self._logs[partition]
        if log.needs_restart(now):
            heard = [served for served in self._members[partition].values() if served.feed.is_heard]
            log.restart(now, [served.name for served in heard])
            for served in heard:
                served.heard_at = now
                self._put(served, served.feed.rebase(now), now)
                self._held.pop(served.name, None)
        if partition in self._closing:
            return None if log.is_spent else log.take(now, None, is_last=True)
        self._repeat(partition, log, now)
        held_since = self._held_since(partition) if is_last or log.is_due(now) else None
        return log.take(now, held_since, is_last=is_last)

    def _hear(self, served: Served, now: int) -> None:
        served.heard_at = now
        self._logs[served.partition].say(served.name, Hears.HEARD, now)

    def _repeat(self, partition: int, log: PartitionLog, now: int) -> None:
        """Say now and then of every symbol since when it is heard: who reads the log may have lost its beginning."""
        if now - self._repeated[partition] < REPEAT_MS:
            return
        self._repeated[partition] = now
        for served in self._members[partition].values():
            if served.feed.is_heard:
                log.say(served.name, Hears.HEARD, served.heard_at)

    def take_touched(self) -> set[int]:
        """The partitions with ticks that came since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def is_busy(self, partition: int) -> bool:
        """A batch of the partition is under way."""
        return self._logs[partition].is_busy

    def acknowledged(self, partition: int) -> None:
        """The batch taken of a partition is in the log."""
        self._logs[partition].acknowledged()

    def delivery_failed(self, partition: int) -> None:
        """The batch taken of a partition may or may not be in the log: a new run begins with the next one."""
        self._logs[partition].failed()

    def close(self, now: int) -> None:
        """Nothing more will be heard: make ticks of what is held. Then take last batches."""
        for served in self.symbols.values():
            self._put(served, served.feed.flush(), now)
        self._held.clear()

    def _held_since(self, partition: int) -> int | None:
        since = [
            since
            for served in self._held.values()
            if served.partition == partition and (since := served.feed.held_since) is not None
        ]
        return min(since, default=None)

    def _note_held(self, served: Served) -> None:
        if served.feed.held:
            self._held[served.name] = served
        else:
            self._held.pop(served.name, None)

    def _drop(self, served: Served) -> None:
        self.version += 1
        del self.symbols[served.name], self._members[served.partition][served.name]
        self._held.pop(served.name, None)
        self.changed_quotes.discard(served.name)

    def _put(self, served: Served, ticks: Iterable[wire.Tick], now: int) -> None:
        partition = served.partition
        log = self._logs[partition]
        for tick in ticks:
            self.ticks += 1
            log.put(tick, served.key, now)
            self._touched.add(partition)
