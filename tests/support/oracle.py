"""The oracle: the pure fold over the whole retained tick log. What a system published and stored must equal it."""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import msgspec
from confluent_kafka import Message

from aggregator.core.emission import Issue, Kind
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.bars import Bar, winner
from contracts.documents import ohlcv_id
from contracts.topics import MARK_KEY, TICKS, partition_of
from tests.support.naive import Label, Last, naive
from tests.support.tick_logs import Log
from tests.support.topics import Written, read_all


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

    def published(self) -> dict[int, list[Written]]:
        """The records of `market.bars`, byte for byte with their headers and timestamps, by partition."""
        return {
            partition: [_written(issue) for issue in issues if issue.kind in {Kind.BAR, Kind.COMPLETE}]
            for partition, issues in self.issues.items()
        }


def _written(issue: Issue) -> Written:
    """The record of a bar or of complete bars, as the contract says."""
    record, emitted_at = issue.record, b"%d" % issue.at
    if isinstance(record, wire.Bar):
        kind = [("kind", b"bar"), ("interval", record.interval.encode())]
        reached = record.close_time
    else:
        assert isinstance(record, wire.BarsComplete)
        kind, reached = [("kind", b"bars_complete")], record.closed_through
    headers = [*kind, ("schema", b"2"), ("emitted_at", emitted_at)]
    return Written(issue.key, wire.encode(record), headers, reached - 1)


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
            record = wire.decode_log_record(name, value)
        except wire.UNDECODABLE:
            continue
        if isinstance(record, wire.Mark):
            fold.feed([(name, record, timestamp)])
            continue
        symbol = f"{record.exchange}:{record.symbol}".encode()
        own_key = symbol if isinstance(record, wire.Tick) else MARK_KEY + symbol
        if name == own_key and place_of(symbol, partitions) == message.partition():
            fold.feed([(name, record, timestamp)])
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
    return disagreements(log, issues) == []


def disagreements(log: Log, issues: list[Issue], *, has_gaps: bool = True) -> list[str]:
    """Where the naive program has other last values or late ticks than the fold emitted, one line each.

    `has_gaps`: their gaps are compared too.
    """
    rules = Rules()
    expected = naive(
        log,
        close_delay_ms=rules.close_delay_ms,
        grace_ms=rules.grace_ms,
        max_skew_ms=rules.max_skew_ms,
        max_age_ms=rules.max_age_ms,
    )
    found: dict[Label, Last] = {}
    revisions: dict[Label, list[int]] = defaultdict(list)
    for issue in issues:
        if isinstance(issue.record, wire.Bar):
            bar = issue.record
            label = (f"{bar.exchange}:{bar.symbol}", bar.interval, bar.open_time)
            revisions[label].append(bar.revision)
            found[label] = _last_of(bar, expected.bars.get(label), has_gap=has_gaps)
    differences = [
        f"{label}: revisions {counted}" for label, counted in revisions.items() if counted != [*range(len(counted))]
    ]
    differences += [
        f"{label}: the fold has {found.get(label)}, the naive program {expected.bars.get(label)}"
        for label in sorted(found.keys() | expected.bars.keys())
        if found.get(label) != expected.bars.get(label)
    ]
    late = [issue.record.tick for issue in issues if isinstance(issue.record, wire.LateTick)]
    if late != expected.late:
        differences.append(f"{len(late)} late ticks, the naive program has {len(expected.late)}")
    return differences


def _last_of(bar: wire.Bar, expected: Last | None, *, has_gap: bool) -> Last:
    """A bar's values; without its gap where the naive program states none."""
    assert bar.first_tick_time is not None
    assert bar.last_tick_time is not None
    if not has_gap and expected is not None:
        return _last_of(msgspec.structs.replace(bar, gap_ms=expected.gap_ms or 0), expected, has_gap=True)
    states_gap = expected is None or expected.gap_ms is not None
    return Last(bar.open, bar.high, bar.low, bar.close, bar.volume, bar.tick_count, bar.first_tick_time,
                bar.last_tick_time, bar.close_time, bar.trading_day, bar.gap_ms if states_gap else None)  # fmt: skip


def winners(bars: Iterable[wire.Bar]) -> dict[str, Bar]:
    """The bar that wins for each `_id` of the store."""
    best: dict[str, Bar] = {}
    for record in bars:
        bar = Bar.decode(wire.encode(record))
        name = ohlcv_id(bar.identity, bar.interval, bar.open_time)
        best[name] = winner(best[name], bar) if name in best else bar
    return best
