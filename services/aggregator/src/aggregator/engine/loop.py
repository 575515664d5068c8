"""The engine's loop over Kafka: take records in log order, put out what they issue, commit, tell what is forming."""

import time
from collections.abc import Sequence
from itertools import groupby

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from aggregator.core.rules import Rules
from aggregator.engine import metrics
from aggregator.engine.connection import Connection
from aggregator.engine.live import Live
from aggregator.engine.outputs import Outputs, Turn
from aggregator.engine.partition import Partition
from chassis import logs
from chassis.probes import Readiness
from contracts import topics

LOG = "the tick log"
"""The condition of readiness that the log has been taken up to about its end."""
_BATCH = 500
_CONSUME_WITHIN_S = 0.04
_COMMIT_EVERY_S = 1.0
"""While it catches up, the engine commits at most this often."""
_LOOK_EVERY_S = 1.0
_ANSWER_WITHIN_S = 1.0

_log = logs.get("aggregator.engine")


class Engine:
    """Owns partitions of the tick log as a member of the group, and folds each from its beginning."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        outputs: Outputs,
        live: Live,
        connection: Connection,
        rules: Rules,
        ready: Readiness,
        turn: Turn,
    ) -> None:
        self._consumer = consumer
        self._outputs = outputs
        self._live = live
        self._connection = connection
        self._rules = rules
        self._ready = ready
        self._turn = turn
        self._owned: dict[int, Partition] = {}
        self._has_joined = False
        self._look_at = 0.0

    def run(self) -> None:
        """Work until `turn` raises: `Stopped` when asked to end, anything else for a bug or a fatal error."""
        self._consumer.subscribe(
            [topics.TICKS.name], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        while True:
            self._turn()
            self._outputs.poll()
            self._take(self._consumer.consume(_BATCH, _CONSUME_WITHIN_S))
            is_live = all(partition.is_live for partition in self._owned.values())
            if self._outputs.pending and (is_live or self._outputs.age_s >= _COMMIT_EVERY_S):
                self._outputs.commit(is_live=is_live)
            self._live.form(self._owned.values())
            if time.monotonic() >= self._look_at:
                self._look()

    def _take(self, messages: Sequence[Message]) -> None:
        for number, run in groupby(messages, Message.partition):
            partition = self._owned.get(int(number or 0))
            records = [message for message in run if message.error() is None or self._hear(message, partition)]
            if records and partition is not None:
                partition.take(records)
        for partition in self._owned.values():
            asked = TopicPartition(topics.TICKS.name, partition.number)
            partition.reach(self._consumer.get_watermark_offsets(asked, cached=True)[1])

    def _hear(self, message: Message, partition: Partition | None) -> bool:
        """Take note of an event that is no record; always false."""
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            if partition is not None:
                partition.position = message.offset()
                partition.lag = 0
        elif error is not None:
            self._connection.on_error(error)
        return False

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition anew: the same log gives the same records, whoever issued them before."""
        self._has_joined = True
        for partition in partitions:
            partition.offset = OFFSET_BEGINNING
            self._owned[partition.partition] = Partition(partition.partition, self._rules, self._outputs)
        consumer.incremental_assign(partitions)
        _log.info("partitions came", partitions=sorted(p.partition for p in partitions), owned=sorted(self._owned))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drop the state: nothing is only here. What was put out stays true, whoever goes on."""
        for partition in partitions:
            self._owned.pop(partition.partition, None)
            metrics.forget(partition.partition)
        consumer.incremental_unassign(partitions)
        _log.info("partitions went", partitions=sorted(p.partition for p in partitions), owned=sorted(self._owned))

    def _look(self) -> None:
        """Once a second: does Kafka answer, how far behind is the log, and does anybody mark it?"""
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        if self._connection.is_away or not self._has_joined:
            self._ask()
        self._live.break_silence(self._owned.values())
        metrics.PARTITIONS.set(len(self._owned))
        for partition in self._owned.values():
            metrics.LAG.labels(str(partition.number)).set(-1 if partition.lag is None else partition.lag)
            metrics.OPEN_MINUTES.labels(str(partition.number)).set(partition.fold.open_minutes)
        behind = [partition.number for partition in self._owned.values() if not partition.is_live]
        reason = f"catching up on partitions {behind}" if behind else "not yet a member of the group"
        self._ready.set(LOG, self._has_joined and not behind, reason)

    def _ask(self) -> None:
        try:
            self._consumer.list_topics(topics.TICKS.name, timeout=_ANSWER_WITHIN_S)
        except KafkaException as error:
            self._connection.away(str(error.args[0].str()))
        else:
            self._connection.answered()
