"""Reads and writes whole topics of a real Kafka, and makes them anew."""

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from chassis.kafka.topics import ensure_topics
from chassis.probes import Readiness
from chassis.stop import Stop
from contracts.headers import Headers
from contracts.topics import Topic
from tests.support.logs import Entry

_WITHIN_S = 60.0


def read_all(bootstrap: str, topic: str, *, uncommitted: bool = False) -> list[Message]:
    """Every retained record of a topic up to its end, those of a partition in their order; committed ones only."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"test-{uuid4().hex}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_uncommitted" if uncommitted else "read_committed",
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        found: list[Message] = []
        deadline = time.monotonic() + _WITHIN_S
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the end of {topic} was not reached in time")
            for message in consumer.consume(10_000, 0.05):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise KafkaException(error)
        return found
    finally:
        consumer.close()


class Written(NamedTuple):
    """A record as readers of its topic get it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int


def by_partition(messages: Iterable[Message]) -> dict[int, list[Written]]:
    """The records of each partition, in order."""
    found: dict[int, list[Written]] = {}
    for message in messages:
        headers = [(name, bytes(value or b"")) for name, value in message.headers() or []]
        written = Written(message.key(), message.value(), headers, message.timestamp()[1])
        found.setdefault(message.partition() or 0, []).append(written)
    return found


def headers_of(message: Message) -> dict[str, str]:
    """The headers of a record, as text."""
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in pairs}


def write(bootstrap: str, topic: str, entries: Iterable[Entry], *, one_by_one: bool = False) -> None:
    """Write records into their partitions, each acknowledged by the time this returns, or before the next one."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    for entry in entries:
        while True:
            try:
                producer.produce(
                    topic,
                    entry.value,
                    entry.key,
                    partition=entry.partition,
                    headers=entry.headers,
                    on_delivery=delivered,
                )
            except BufferError:
                producer.poll(0.1)
            else:
                break
        if one_by_one:
            producer.flush(_WITHIN_S)
    assert producer.flush(_WITHIN_S) == 0, "records were not acknowledged in time"
    assert failures == []


def made_anew(bootstrap: str, topics: Iterable[Topic], partitions: int) -> None:
    """Delete the topics where they exist, and create them empty."""
    wanted = {topic.name: topic for topic in topics}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    existing = wanted.keys() & admin.list_topics(timeout=10).topics.keys()
    for future in admin.delete_topics(sorted(existing)).values() if existing else ():
        future.result(timeout=10)
    deadline = time.monotonic() + _WITHIN_S
    while wanted.keys() & admin.list_topics(timeout=10).topics.keys():
        assert time.monotonic() < deadline, "the topics were not deleted in time"
        time.sleep(0.05)
    asyncio.run(_ensure(bootstrap, list(wanted.values()), partitions))


def forget_group(bootstrap: str, group: str) -> None:
    """Delete a group with its offsets: topics made anew would be read on from where the old ones were."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    deadline = time.monotonic() + _WITHIN_S
    while True:
        (future,) = admin.delete_consumer_groups([group]).values()
        try:
            future.result(timeout=10)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return
            # Members that were killed stay until their session is over.
            if error.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


async def _ensure(bootstrap: str, topics: list[Topic], partitions: int) -> None:
    await ensure_topics(bootstrap, topics, partitions, Readiness(), Stop())
