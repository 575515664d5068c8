"""The fold of a running system's tick log, made outside it: what its bars should be. Touches Kafka, reading only."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from aggregator.core.emission import Kind
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from candlewick_local.errors import Refusal
from candlewick_local.services import PARTITIONS
from contracts import wire
from contracts.topics import TICKS, partition_of

_WITHIN_S = 30.0


def minutes_of(bootstrap: str, symbol: str) -> dict[str, dict[str, Any]]:
    """The last emitted 1m bars of a symbol (`EXCHANGE:SYMBOL`) by open time (RFC 3339), folded from the whole log."""
    key = symbol.encode()
    fold = PartitionFold(Rules())
    for message in _read(bootstrap, partition_of(key, int(PARTITIONS))):
        _feed(fold, message)
    bars = {}
    for issue in fold.take():
        if issue.kind is Kind.BAR and issue.key == key and isinstance(issue.record, wire.Bar):
            bar = msgspec.to_builtins(issue.record)
            if bar["interval"] == "1m":
                bars[_rfc3339(bar["open_time"])] = bar
    return bars


def _feed(fold: PartitionFold, message: Message) -> None:
    key, value, timestamp = message.key(), message.value(), message.timestamp()[1]
    if key is None or value is None:
        return
    try:
        fold.feed([(key, wire.decode_log_record(key, value), timestamp)])
    except wire.UNDECODABLE:
        return


def _read(bootstrap: str, partition: int) -> list[Message]:
    """All records of a partition of the tick log, to the end that it has now; marks move that end all the time."""
    group = f"candlewick-local-{uuid.uuid4().hex}"
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    found = list[Message]()
    deadline = time.monotonic() + _WITHIN_S
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(TICKS.name, partition), timeout=_WITHIN_S)
        consumer.assign([TopicPartition(TICKS.name, partition, OFFSET_BEGINNING)])
        while time.monotonic() < deadline:
            for message in consumer.consume(10_000, 0.1):
                if error := message.error():
                    raise KafkaException(error)
                found.append(message)
            if end == 0 or (found and (found[-1].offset() or 0) >= end - 1):
                return found
    finally:
        consumer.close()
    raise Refusal(f"the end of {TICKS.name} was not reached within {_WITHIN_S:.0f} s")


def _rfc3339(instant: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")
