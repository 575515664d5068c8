"""The oracle: the pure fold over the whole retained tick log. What a system published and stored must equal it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from confluent_kafka import Message

from aggregator.core.fold import Issue, Kind, PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.bars import Bar, winner
from contracts.documents import ohlcv_id
from contracts.topics import MARK_KEY, TICKS, partition_of
from tests.support.naive import Label, Last, naive
from tests.support.tick_logs import Log
from tests.support.topics import read_all


@dataclass(frozen=True)
class Folded:
    """What the fold of a log issues, by partition, in order."""

    issues: dict[int, list[Issue]]

    @property
    def bars(self) -> list[wire.Bar]:
        """All bars, partition by partition, each in its order."""
        return [
            issue.record for issues in self.issues.values() for issue in issues if isinstance(issue.record, wire.Bar)
        ]

    @property
    def late(self) -> list[wire.LateTick]:
        """All late ticks."""
        return [
            issue.record
            for issues in self.issues.values()
            for issue in issues
            if isinstance(issue.record, wire.LateTick)
        ]

    def published(self) -> dict[int, list[tuple[bytes | None, bytes]]]:
        """Keys and values of `market.bars`, byte for byte, by partition."""
        return {
            partition: [(i.key, wire.encode(i.record)) for i in issues if i.kind in {Kind.BAR, Kind.COMPLETE}]
            for partition, issues in self.issues.items()
        }


place_of = cache(partition_of)


def fold_topic(bootstrap: str, partitions: int, rules: Rules | None = None) -> Folded:
    """Fold all of `market.ticks` as a real Kafka holds it; undecodable records are passed over."""
    return fold_messages(read_all(bootstrap, TICKS.name), partitions, rules)


def fold_messages(messages: Iterable[Message], partitions: int, rules: Rules | None = None) -> Folded:
    """Fold records of `market.ticks`, those of each partition in their order."""
    folds = {partition: PartitionFold(rules or Rules()) for partition in range(partitions)}
    for message in messages:
        name, value, fold = message.key(), message.value(), folds[message.partition() or 0]
        timestamp = message.timestamp()[1]
        try:
            if name is None or value is None:
                continue
            if name.startswith(MARK_KEY):
                fold.mark(wire.decode_mark(value), timestamp)
                continue
            tick = wire.decode_tick(value)
        except wire.UNDECODABLE:
            continue
        if name == f"{tick.exchange}:{tick.symbol}".encode() and place_of(name, partitions) == message.partition():
            fold.tick(name, tick, timestamp)
    return Folded({partition: fold.take() for partition, fold in folds.items()})


def issues_of(log: Log, batch: int = 1 << 30) -> list[Issue]:
    fold = PartitionFold(Rules())
    issues: list[Issue] = []
    for i in range(0, len(log), batch):
        fold.feed(log[i : i + batch])
        issues += fold.take()
    return issues


def encoded(issues: list[Issue]) -> list[tuple[str, bytes | None, bytes]]:
    return [(issue.kind.value, issue.key, wire.encode(issue.record)) for issue in issues]


def committed_with_crashes(log: Log, seed: int) -> list[Issue]:
    """What a process commits that saves its state now and then with what it issued, and dies now and then.

    Another one goes on from the state that was saved last, at its position, whatever was taken since.
    """
    rnd = random.Random(seed)
    fold, position = PartitionFold(Rules()), 0
    committed: list[Issue] = []
    changelog: dict[bytes, bytes] = {}
    open_issues: list[Issue] = []
    while position < len(log):
        taken = log[position : position + rnd.randrange(1, 40)]
        fold.feed(taken)
        position += len(taken)
        open_issues += fold.take()
        if rnd.random() < 0.3 or position == len(log):
            for name, value in fold.save(position):
                if value is None:
                    changelog.pop(name, None)
                else:
                    changelog[name] = value
            committed += open_issues
            open_issues = []
        if rnd.random() < 0.2 and changelog:
            fold, position = PartitionFold.restored(Rules(), changelog)
            open_issues = []
    return committed


def agrees_with_naive(log: Log, issues: list[Issue]) -> bool:
    """Whether the naive program gives the last values and late ticks that the fold issued, and revisions count up."""
    rules = Rules()
    expected = naive(
        log,
        lateness_ms=rules.lateness_ms,
        horizon_ms=rules.horizon_ms,
        max_skew_ms=rules.max_skew_ms,
        max_age_ms=rules.max_age_ms,
    )
    found: dict[Label, Last] = {}
    revisions: dict[Label, int] = {}
    for issue in issues:
        if isinstance(issue.record, wire.Bar):
            bar = issue.record
            label = (f"{bar.exchange}:{bar.symbol}", bar.interval, bar.open_time)
            if bar.revision != revisions.get(label, -1) + 1:
                return False
            revisions[label] = bar.revision
            assert bar.first_tick_time is not None
            assert bar.last_tick_time is not None
            found[label] = Last(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.tick_count,
                                bar.first_tick_time, bar.last_tick_time)  # fmt: skip
    late = [issue.record.tick for issue in issues if isinstance(issue.record, wire.LateTick)]
    return found == expected.bars and late == expected.late


def winners(bars: Iterable[wire.Bar]) -> dict[str, Bar]:
    """The bar that wins for each `_id` of the store."""
    best: dict[str, Bar] = {}
    for record in bars:
        bar = Bar.decode(wire.encode(record))
        name = ohlcv_id(bar.identity, bar.interval, bar.open_time)
        best[name] = winner(best[name], bar) if name in best else bar
    return best
