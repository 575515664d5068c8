"""Which symbols are ours: the group on `market.subscriptions`. Touches Kafka, through aiokafka's consumer.

The group only shares out partitions: nothing is committed, and each assignment reads its partitions from their
beginning. Ticks have as many partitions and the same function, so who reads a partition here writes it there.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from chassis import logs
from chassis.dead_letters import count, dead_letter_of
from chassis.kafka.broker import Publish
from chassis.kafka.closing import closed
from chassis.kafka.errors import kafka_errors
from chassis.probes import Readiness
from chassis.record import Record
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.errors import BadData
from contracts.symbols import SymbolId
from ingest_ws.core.desired import Desired

SUBSCRIPTIONS = "Subscriptions"
"""The condition of readiness: the desired state of all owned partitions is known."""
_POLL_MS = 200
_ASK_WITHIN_S = 30.0
_LEAVE_WITHIN_S = 2.0

_log = logs.get("ingest_ws.subscriptions")


class Act(Protocol):
    """Told which partitions are owned, and what is wanted in those where that is known and changed.

    `is_anew`: a rebalance has just ended; else the call lets time pass.
    """

    def __call__(self, owned: frozenset[int], wanted: dict[int, list[SymbolId]], *, is_anew: bool) -> None: ...


class SubscriptionReader(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Follows the desired state and has `act` called when it changes."""

    def __init__(self, bootstrap: str, topic: str, group: str, *, client_id: str, publish: Publish, act: Act) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group
        self._client_id = client_id
        self._publish = publish
        self._act = act
        self._desired = Desired()
        self._is_asked = True

    async def run(self, ready: Readiness, stop: Stop) -> None:
        """Until the process shall end."""
        consumer = await persistently(self._start, ready, stop)
        try:
            while not stop.is_set:
                await persistently(lambda: self._poll(consumer, ready, stop), ready, stop)
        finally:
            # A member that cannot leave in time has left when its session ends.
            await closed(consumer.stop(), _LEAVE_WITHIN_S)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """A rebalance has begun: what we have is served until the new assignment is known."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """The outcome of a rebalance."""
        partitions = frozenset(each.partition for each in assigned)
        _log.info("partitions assigned", partitions=sorted(partitions))
        self._desired.assigned(partitions)
        self._is_asked = False
        self._act(partitions, {}, is_anew=True)

    async def _start(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap.split(","),
            client_id=self._client_id,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            request_timeout_ms=20_000,
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )
        with kafka_errors():
            try:
                consumer.subscribe([self._topic], listener=self)
                async with asyncio.timeout(_ASK_WITHIN_S):
                    await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
        return consumer

    async def _poll(self, consumer: AIOKafkaConsumer, ready: Readiness, stop: Stop) -> None:
        with kafka_errors():
            batches = await consumer.getmany(timeout_ms=_POLL_MS)
            for records in batches.values():
                for record in records:
                    await self._take(record, ready, stop)
            async with asyncio.timeout(_ASK_WITHIN_S):
                await self._ask(consumer)
        self._act(self._desired.owned, self._desired.take_changes(), is_anew=False)
        behind = self._desired.behind
        ready.set(SUBSCRIPTIONS, not behind and self._is_asked, f"partitions {sorted(behind)} are still being read")

    async def _ask(self, consumer: AIOKafkaConsumer) -> None:
        """Find out where the partitions end, once for each assignment, and how far they have been read."""
        owned = self._desired.owned
        if not self._is_asked:
            ends = await consumer.end_offsets([TopicPartition(self._topic, each) for each in owned]) if owned else {}
            if self._desired.owned != owned:
                return
            self._desired.ends_are({each.partition: end for each, end in ends.items()})
            self._is_asked = True
        behind = [TopicPartition(self._topic, each) for each in self._desired.behind]
        assigned = consumer.assignment()
        self._desired.reached({each.partition: await consumer.position(each) for each in behind if each in assigned})

    async def _take(self, record: Record, ready: Readiness, stop: Stop) -> None:
        try:
            self._desired.record(record.partition, record.key, record.value)
        except BadData as error:
            letter = dead_letter_of(record, error)

            async def bury() -> None:
                await self._publish(letter.topic, letter.value, key=letter.key, headers=letter.headers)

            await persistently(bury, ready, stop)
            count(record.topic, error)
            _log.warning("dead letter", topic=record.topic, offset=record.offset, cause=error.cause)
