"""The oracle: the pure fold over the whole retained tick log. What a system published and stored must equal it."""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import Message

from aggregator.core.fold import Issue, Kind, PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.bars import Bar, winner
from contracts.documents import ohlcv_id
from contracts.topics import MARK_KEY, TICKS
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
        if name == f"{tick.exchange}:{tick.symbol}".encode():
            fold.tick(name, tick, timestamp)
    return Folded({partition: fold.take() for partition, fold in folds.items()})


def winners(bars: Iterable[wire.Bar]) -> dict[str, Bar]:
    """The bar that wins for each `_id` of the store."""
    best: dict[str, Bar] = {}
    for record in bars:
        bar = Bar.decode(wire.encode(record))
        name = ohlcv_id(bar.identity, bar.interval, bar.open_time)
        best[name] = winner(best[name], bar) if name in best else bar
    return best
