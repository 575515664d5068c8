"""The feed of one process: which symbols it serves, what the provider sends of them, and what is written to the log.

It connects symbols and partitions. Its input comes from the desired state (`assign`, `want`), from a connection
(`changed`, `completed`, `failed`, `uncover`) and from the passing of time (`present`, `expire`). What it brings about
is taken by the shell (the modules with I/O): batches per partition, symbols whose quote or description changed, refused
calendars.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from contracts import wire
from contracts.errors import BadData
from contracts.feed import SymbolInfo
from contracts.marks import CoverageState
from contracts.symbols import SymbolId
from contracts.topics import partition_of
from ingest_ws.core.clock import EpochNumbers, Presence, Sequencer
from ingest_ws.core.partition import Batch, PartitionLog, Room
from ingest_ws.core.symbol import HOLD_MS, SymbolFeed
from tradingview.live import LiveFields

HAND_OVER_MS = 5_000
"""How long an owner goes on with a partition that it gives away: the next owner covers its symbols by then."""
HAND_OVER_SYMBOL_MS = 1.5
"""And this much longer for each symbol beyond `FEW`: the next owner opens its connections one by one."""
FEW = 200
LONGEST_HAND_OVER_MS = 12_000
LAST_MARK_MS = 5_000
"""The last mark of a partition that was given away must be written within this time."""
REPEAT_MS = 3_600_000
"""Coverage is written again this often: the log keeps its records for days, and an epoch may last longer."""
GIVEN_UP_MS = 5_000
"""After a pause this long (half of the group's session timeout) others may own our partitions; sockets are stale."""


MOST_REFUSED = 1_000


class Link:
    """The connection of a symbol, as far as the feed knows it: when its last packet came."""

    __slots__ = ("last_packet_at",)

    def __init__(self, last_packet_at: int) -> None:
        self.last_packet_at = last_packet_at


class Served:
    """A symbol that this process serves: its feed, where its ticks go, and why the provider refuses it.

    `covered_from`: since when it is covered, while it is; `link`: over which connection; `described`: the version of
    its description that the log has; `refused`: why its calendar was refused last.
    """

    __slots__ = ("covered_from", "described", "error", "feed", "key", "link", "name", "partition", "refused")

    def __init__(self, identity: SymbolId, partition: int, sequencer: Sequencer, epoch: int = 0) -> None:
        self.name = str(identity)
        self.key = identity.key
        self.partition = partition
        self.feed = SymbolFeed(identity, sequencer, epoch)
        self.error: str | None = None
        self.covered_from = 0
        self.link: Link | None = None
        self.described = 0
        self.refused: str | None = None

    def covered_until(self, now: int) -> int:
        """Up to when it was covered for certain: a silent connection may be gone."""
        return now if self.link is None else min(now, self.link.last_packet_at)


class Feed:
    """All instants are milliseconds of one `FeedClock`.

    `ticks` counts those made; `lost_ticks` those that will not be in the log; the marks leave their time uncovered.
    """

    def __init__(self, partitions: int, salt: int, room_bytes: int, now: int) -> None:
        self.partitions = partitions
        self.symbols: dict[str, Served] = {}
        self.changed_quotes: set[str] = set()
        """Symbols whose quote has changed since it was taken; the shell empties it."""
        self.version = 0
        """Changes whenever `symbols` does."""
        self.generation = 0
        """Changes when the process was away for so long that no connection from before may be read any more."""
        self.ticks = 0
        self.refused: list[tuple[BadData, bytes]] = []
        """Calendars that cannot be read, as the provider wrote them; the shell empties it."""
        self.room = Room(room_bytes)
        self._logs: dict[int, PartitionLog] = {}
        self._leaving: dict[int, int] = {}
        """Partitions that were assigned to another owner, and until when this one goes on with them."""
        self._closing: dict[int, int] = {}
        """Partitions that are given away except for a last mark, and until when that may be written."""
        self._members: dict[int, dict[str, Served]] = {}
        self._repeated: dict[int, int] = {}
        self._held: dict[str, Served] = {}
        self._described: set[str] = set()
        self._touched: set[int] = set()
        self._lost_before = 0
        self._differences_before = 0
        self._epochs = EpochNumbers(salt)
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
    def day_differences(self) -> int:
        """How often the provider named another trading day than the calendar of the symbol does."""
        return self._differences_before + sum(served.feed.day_differences for served in self.symbols.values())

    @property
    def waiting_ticks(self) -> int:
        """Ticks and calendars that wait for Kafka."""
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
        """The partition is ours from now on: its first epoch begins and covers nothing."""
        self._logs[partition] = PartitionLog(self._epochs, self.room, now)
        self._members[partition] = {}
        self._repeated[partition] = now

    def _disown(self, partition: int, now: int) -> list[str]:
        """Another process owns the partition: a last mark ends the coverage of its symbols, which are returned."""
        del self._leaving[partition]
        self._closing[partition] = now + LAST_MARK_MS
        gone = list(self._members[partition].values())
        for served in gone:
            self._put(served, served.feed.flush(), now)
            if served.feed.is_covered:
                self._logs[partition].set_coverage(served.name, CoverageState.UNCOVERED, served.covered_until(now))
            self._drop(served)
        return [served.name for served in gone]

    def _forget(self, partition: int) -> None:
        """Nothing more is to be written to a partition that was given away, or it was not possible in time."""
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
            self._logs[partition].set_coverage(name, CoverageState.RELEASED, served.covered_until(now))
        joined = [name for name in names if name not in members]
        self.version += bool(joined)
        for name in joined:
            served = Served(names[name], partition, self._sequencer, self._logs[partition].epoch)
            members[name] = self.symbols[name] = served
        return joined, left

    def changed(self, name: str, fields: LiveFields | Mapping[str, Any], now: int) -> BadData | None:
        """A message about a symbol; what in it makes no sense, if anything. One that is not served is passed over."""
        served = self.symbols.get(name)
        if served is None:
            return None
        served.error = None
        feed = served.feed
        was_covered = feed.is_covered
        ticks = feed.changed(fields, now)
        self.changed_quotes.add(name)
        if feed.description.version != served.described:
            self._describe(served, now)
        if ticks:
            self._put(served, ticks, now)
        if feed.held:
            self._held[name] = served
        elif name in self._held:
            del self._held[name]
        if feed.is_covered is not was_covered:
            if was_covered:
                self._logs[served.partition].set_coverage(name, CoverageState.UNCOVERED, served.covered_until(now))
            else:
                self._cover(served, now)
        fault = feed.fault
        if fault is not None:
            feed.fault = None
        return fault

    def completed(self, name: str, now: int) -> None:
        """The snapshot of a symbol is complete: from the first one on it is covered, if it named a price."""
        served = self.symbols.get(name)
        if served is None or served.feed.is_covered:
            return
        ticks = served.feed.completed(now)
        self._describe(served, now)
        self._put(served, ticks, now)
        if served.feed.is_covered:
            self._cover(served, now)
        self.changed_quotes.add(name)

    def failed(self, name: str, reason: str, now: int) -> None:
        """The provider refuses a symbol; it stays wanted."""
        served = self.symbols.get(name)
        if served is not None:
            served.error = reason
            self.uncover([name], now, now)

    def uncover(self, names: Iterable[str], covered_until: int, now: int) -> None:
        """These symbols were covered up to an instant only: their connection ended, or fell silent then."""
        for name in names:
            served = self.symbols[name]
            was_covered = served.feed.is_covered
            self._put(served, served.feed.uncover(), now)
            self._held.pop(name, None)
            self.changed_quotes.discard(name)
            if was_covered:
                self._logs[served.partition].set_coverage(name, CoverageState.UNCOVERED, covered_until)

    def present(self, now: int) -> int | None:
        """Call it before anything else that happens at `now`: how long the process was away, where that was long.

        What was received meanwhile cannot be distinguished from what comes now: all that time is uncovered.
        """
        away_since = self._presence.seen(now)
        if away_since is None:
            return None
        if now - away_since < GIVEN_UP_MS:
            self.missed(self.symbols, away_since, now)
        else:
            self.generation += 1
            self.uncover(list(self.symbols), away_since, now)
        return now - away_since

    def missed(self, names: Iterable[str], since: int, now: int) -> None:
        """Something about these symbols may have been lost after `since`: uncovered until now, then as they stand."""
        for name in names:
            served = self.symbols.get(name)
            if served is not None and served.feed.is_covered:
                log = self._logs[served.partition]
                log.set_coverage(name, CoverageState.UNCOVERED, since)
                self._cover(served, now)
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
            members = self._members[partition].values()
            covered = [served for served in members if served.feed.is_covered]
            log.restart(now, [served.name for served in covered])
            for served in members:
                served.feed.epoch = log.epoch
            for served in covered:
                served.covered_from = now
                self._put(served, served.feed.rebase(now), now)
                self._held.pop(served.name, None)
        if partition in self._closing:
            return None if log.is_spent else log.take(now, None, is_last=True)
        self._repeat(partition, log, now)
        held_since = self._held_since(partition) if is_last or log.is_due(now) else None
        return log.take(now, held_since, is_last=is_last)

    def _cover(self, served: Served, now: int) -> None:
        served.covered_from = now
        self._logs[served.partition].set_coverage(served.name, CoverageState.COVERED, now)

    def _repeat(self, partition: int, log: PartitionLog, now: int) -> None:
        """Write now and then since when each symbol is covered: the beginning of the log may be gone."""
        if now - self._repeated[partition] < REPEAT_MS:
            return
        self._repeated[partition] = now
        for served in self._members[partition].values():
            if served.feed.is_covered:
                log.set_coverage(served.name, CoverageState.COVERED, served.covered_from)

    def _describe(self, served: Served, now: int) -> None:
        """Write what is known of a symbol to the log, and have it published on `market.symbols`."""
        description = served.feed.description
        if description.version != served.described:
            served.described = description.version
            self._described.add(served.name)
            self._logs[served.partition].describe(served.key, description.record(served.feed.identity, now), now)
        refused = None if description.fault is None else description.fault.cause
        if refused != served.refused:
            served.refused = refused
            if refused is not None and len(self.refused) < MOST_REFUSED:
                self.refused.append(
                    (BadData(f"{served.name}: {refused}", kind="invalid_calendar"), description.named())
                )

    def take_descriptions(self, now: int) -> list[SymbolInfo]:
        """What is to be published of symbols whose description is complete and has changed since the last call."""
        described, self._described = self._described, set()
        symbols = [self.symbols[name] for name in sorted(described) if name in self.symbols]
        return [served.feed.description.info(served.feed.identity, now) for served in symbols]

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
        """The batch taken of a partition may or may not be in the log: a new epoch begins with the next one."""
        self._logs[partition].failed()

    def close(self, now: int) -> None:
        """Nothing more will be received: make ticks of what is held. Then take last batches."""
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
        self._differences_before += served.feed.day_differences
        self._logs[served.partition].forget(served.key)
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
