"""Consuming batches through FastStream without loss: exact acknowledgement, and an answer to each kind of error.

FastStream swallows what a handler raises and goes on; under AckPolicy.MANUAL the next acknowledgement would then
commit past the failed batch. So nothing leaves the handler made here, and it commits offsets that it names.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage, Topic

from chassis import dead_letters, logs
from chassis.kafka.broker import Publish
from chassis.kafka.errors import kafka_errors
from chassis.probes import Readiness
from chassis.record import Record
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts.errors import BadData

PutAside = Callable[[Record, BadData], None]
"""Called by a handler for each record that it cannot read; the record becomes a dead letter once the batch is done."""
Handler = Callable[[Sequence[Record], PutAside], Awaitable[None]]
"""Handles raw records in the order of each partition. It must be harmless to repeat.

Raising `Unavailable` has the same batch handled again after a wait; raising `BadData` has its records handled one by
one, and those that raise it alone become dead letters; anything else ends the process.
"""

_COMMIT_WITHIN_S = 10.0
_MOST_CAUSES = 1_000

_log = logs.get("chassis.kafka.batches")


@dataclass(frozen=True, slots=True)
class Consuming:
    """What all subscriptions of a process share."""

    publish: Publish
    ready: Readiness
    stop: Stop
    logged: set[tuple[str, str, str]] = field(default_factory=set)

    def is_new(self, topic: str, error: BadData) -> bool:
        """Whether no dead letter of this topic and cause was logged yet: a topic full of them does not flood the log.

        Which records they are is in their headers, how many in `dead_letters_total`. At most `_MOST_CAUSES` are kept.
        """
        cause = (topic, error.kind, error.cause)
        if cause in self.logged:
            return False
        if len(self.logged) >= _MOST_CAUSES:
            self.logged.clear()
        self.logged.add(cause)
        return True


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[str],
    group: str,
    handle: Handler,
    consuming: Consuming,
    *,
    max_records: int = 500,
    batch_timeout_ms: int = 20,
) -> None:
    """Have `handle` called with batches of these topics, as a member of `group`, from the earliest unread record.

    Only committed transactions are read. A batch holds at most `max_records`; `batch_timeout_ms` is what an idle
    topic adds to the latency. The offsets of a batch are committed after it was handled and its dead letters are safe.
    """
    subscriber = broker.subscriber(
        *(Topic(name, declare=False) for name in topics),
        group_id=group,
        batch=True,
        max_records=max_records,
        batch_timeout_ms=batch_timeout_ms,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        parser=_parse,
        decoder=_decode,
    )

    # Any: FastStream builds a Pydantic model of the annotation, which it then does not use.
    async def consume(records: Any) -> None:
        if consuming.stop.is_set or subscriber.consumer is None:
            return
        try:
            await _Batch(subscriber.consumer, handle, consuming).process(records)
        except Stopped:
            return
        except Exception as bug:  # noqa: BLE001 - FastStream would swallow it; the process logs it and exits
            consuming.stop.fail(bug)

    subscriber(consume)


async def _parse(records: tuple[Record, ...]) -> KafkaMessage:
    """A message that only carries the records: nothing is done per record."""
    position = f"{records[0].topic}-{records[0].partition}-{records[0].offset}"
    return KafkaMessage(raw_message=records, body=records, correlation_id=position, consumer=_NeverAsked())


async def _decode(message: KafkaMessage) -> Any:
    return message.raw_message


class _NeverAsked:
    """The consumer of a message that is acknowledged by offsets, never through the message."""

    async def commit(self) -> None:
        raise NotImplementedError

    def seek(self, partition: TopicPartition, offset: int) -> None:
        raise NotImplementedError


class _Batch:
    def __init__(self, consumer: AIOKafkaConsumer, handle: Handler, consuming: Consuming) -> None:
        self._consumer = consumer
        self._handle = handle
        self._shared = consuming

    async def process(self, records: Sequence[Record]) -> None:
        """1. handle, 2. dead letters, 3. commit: a death between any two repeats work and loses nothing."""
        ready, stop = self._shared.ready, self._shared.stop
        handled, rejected = await persistently(partial(self._attempt, records), ready, stop)
        for record, error in rejected:
            await persistently(partial(self._bury, record, error), ready, stop)
        await persistently(partial(self._commit, handled), ready, stop)

    async def _attempt(self, records: Sequence[Record]) -> tuple[list[Record], list[tuple[Record, BadData]]]:
        ours = self._owned(records)
        rejected: list[tuple[Record, BadData]] = []
        if not ours:
            return ours, rejected
        try:
            await self._handle(ours, lambda record, error: rejected.append((record, error)))
        except BadData as error:
            if len(ours) == 1:
                return ours, [(ours[0], error)]
            rejected.clear()
            for record in ours:
                rejected += (await self._attempt([record]))[1]
        return ours, rejected

    def _owned(self, records: Sequence[Record]) -> list[Record]:
        """Without records of partitions that were taken away: their owner starts at the committed offset."""
        assigned = self._consumer.assignment()
        return [record for record in records if TopicPartition(record.topic, record.partition) in assigned]

    async def _bury(self, record: Record, error: BadData) -> None:
        letter = dead_letters.dead_letter_of(record, error)
        await self._shared.publish(letter.topic, letter.value, key=letter.key, headers=letter.headers)
        dead_letters.count(record.topic, error)
        if self._shared.is_new(record.topic, error):
            _log.warning(
                "first dead letter of this cause",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                kind=error.kind,
                cause=error.cause,
            )

    async def _commit(self, records: Sequence[Record]) -> None:
        offsets = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in self._owned(records)}
        if not offsets:
            return
        with kafka_errors():
            try:
                async with asyncio.timeout(_COMMIT_WITHIN_S):
                    await self._consumer.commit(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                _log.info("partitions moved before a commit; their records are handled again", cause=str(error))
