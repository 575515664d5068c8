"""The engine's loop over Kafka: take records in log order, fold them, commit what is emitted, send forming bars."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from aggregator.core.snapshot import ANEW, StateError
from aggregator.engine import metrics
from aggregator.engine.connection import Connection
from aggregator.engine.live import Live
from aggregator.engine.outputs import Outputs
from aggregator.engine.partition import Partition
from aggregator.engine.punctuality import Punctuality
from aggregator.engine.restore import Restore, Restored, refusal
from aggregator.engine.transaction import Aborted, Transaction, Turn
from chassis import logs
from chassis.errors import Misconfigured
from chassis.probes import Readiness
from contracts import topics

LOG = "the tick log"
"""The condition of readiness that the log has been taken up to about its end."""
_BATCH = 500
_CONSUME_WITHIN_S = 0.01
_RESTORE_WITHIN_S = 0.001
_COMMIT_EVERY_S = 1.0
"""While it catches up, the engine commits at most this often."""
_COMMIT_SILENT_S = 10.0
_COMMIT_RECORDS = 1_000_000
"""If nothing is emitted, state and positions are committed after this time or so many records, for a quick restart."""
_ENDS_EVERY_S = 0.1
"""Even a remembered end costs 0.26 ms in a backlog: librdkafka's threads hold its lock."""
_LOOK_EVERY_S = 1.0
_ANSWER_WITHIN_S = 1.0

Rebalanced = Callable[[Consumer, list[TopicPartition]], None]

_log = logs.get("aggregator.engine")


def _are_records(messages: Sequence[Message]) -> bool:
    """Whether no event is among messages of one partition: one stands at the offset of the record after it."""
    first, last = messages[0], messages[-1]
    if first.error() is not None or last.error() is not None:
        return False
    return int(last.offset() or 0) - int(first.offset() or 0) == len(messages) - 1


class Engine:
    """Owns partitions of the tick log as a member of the group, and folds each from its committed state on."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        transaction: Transaction,
        outputs: Outputs,
        restore: Restore,
        live: Live,
        connection: Connection,
        rules: Rules,
        ready: Readiness,
        turn: Turn,
    ) -> None:
        self._consumer = consumer
        self._transaction = transaction
        self._outputs = outputs
        self._restore = restore
        self._live = live
        self._connection = connection
        self._rules = rules
        self._punctuality = Punctuality(rules.close_delay_ms)
        self._ready = ready
        self._turn = turn
        self._owned: dict[int, Partition] = {}
        self._unplaced: dict[int, Partition] = {}
        """Partitions whose state is whole, before the consumer is at their position."""
        self._is_between_records = True
        self._has_joined = False
        self._look_at = 0.0
        self._ends_at = 0.0
        self._failure: Exception | None = None

    def run(self) -> None:
        """Work until `turn` raises: `Stopped` when asked to end, anything else for a bug or a fatal error."""
        self._transaction.start()
        self._consumer.subscribe(
            [topics.TICKS.name],
            on_assign=self._kept(self._assigned),
            on_revoke=self._kept(self._revoked),
            on_lost=self._kept(self._lost),
        )
        while True:
            self._turn()
            try:
                self._step()
            except Aborted:
                self._again(self._owned)

    def _step(self) -> None:
        self._transaction.poll()
        for restored in self._restore.step():
            self._unplaced[restored.number] = self._go_on(restored)
        for partition in list(self._unplaced.values()):
            self._place(partition)
        self._take(self._consumed(_RESTORE_WITHIN_S if self._restore.numbers else _CONSUME_WITHIN_S))
        if self._transaction.pending and self._is_live:
            self._take(self._consumed(0))
        if self._is_due():
            self._commit()
        self._live.form(self._owned.values())
        if time.monotonic() >= self._look_at:
            self._look()

    def _consumed(self, within_s: float) -> list[Message]:
        messages: list[Message] = self._consumer.consume(_BATCH, within_s)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return messages

    def _kept(self, act: Rebalanced) -> Rebalanced:
        """What the consumer calls when the group is balanced: a failure is raised once the consumer has returned.

        Raised at once it would meet the other calls of that poll, and the last ones come when the consumer is closed:
        then the reason why the engine ends is known already, and what was not committed is done again.
        """

        def balanced(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            try:
                act(consumer, partitions)
            except Exception as error:  # noqa: BLE001 - raised by `_consumed`
                self._failure = self._failure or error
                _log.info("a failure while the group was balanced", cause=str(error))

        return balanced

    def _go_on(self, restored: Restored) -> Partition:
        """A partition at its last committed state; raises `Misconfigured` where it must not go on from it."""
        try:
            if restored.records:
                fold, position = PartitionFold.restored(self._rules, restored.records)
                refused = refusal(restored, position)
            else:
                fold, position = PartitionFold(self._rules), restored.beginning
                refused = refusal(restored, None)
        except StateError as error:
            raise Misconfigured(str(error)) from error
        if refused is not None:
            raise Misconfigured(str(refused)) from refused
        return Partition(restored.number, fold, position, self._outputs, self._punctuality, self._rules.partitions)

    def _place(self, partition: Partition) -> None:
        """Have the consumer begin at a partition's position.

        Assigned anew, for librdkafka 2.12 forgets a place that it was only sought to when the group is balanced again.
        """
        where = TopicPartition(topics.TICKS.name, partition.number, partition.position)
        self._consumer.incremental_unassign([where])
        self._consumer.incremental_assign([where])
        del self._unplaced[partition.number]
        self._owned[partition.number] = partition

    def _take(self, messages: Sequence[Message]) -> None:
        self._is_between_records = False
        for number, run in groupby(messages, Message.partition):
            partition, records = self._owned.get(int(number or 0)), list(run)
            if not _are_records(records):
                records = [message for message in records if message.error() is None or self._hear(message, partition)]
            if not records or partition is None:
                continue
            if int(records[0].offset() or 0) > partition.position:
                self._look_for(partition)
            else:
                partition.take(records)
        self._is_between_records = True
        if time.monotonic() >= self._ends_at:
            self._ends_at = time.monotonic() + _ENDS_EVERY_S
            for partition in self._owned.values():
                asked = TopicPartition(topics.TICKS.name, partition.number)
                partition.reach(self._consumer.get_watermark_offsets(asked, cached=True)[1])

    def _hear(self, message: Message, partition: Partition | None) -> bool:
        """Take note of an event that is no record; always false."""
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            if partition is not None and message.offset() == partition.position:
                partition.lag, partition.refused = 0, ""
        elif error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            if partition is not None:
                self._look_for(partition)
        elif error is not None:
            self._connection.on_error(error)
            if partition is not None and message.partition() == partition.number:
                partition.refused = str(error.str())
        return False

    def _look_for(self, partition: Partition) -> None:
        """The consumer is not at a partition's place: it goes there, unless the log does not hold it any more."""
        asked = TopicPartition(topics.TICKS.name, partition.number)
        try:
            low, high = self._consumer.get_watermark_offsets(asked, timeout=_ANSWER_WITHIN_S, cached=False)
        except KafkaException as error:
            self._connection.on_error(error.args[0])
        else:
            if not low <= partition.position <= high:
                raise Misconfigured(
                    f"partition {partition.number} of {topics.TICKS.name}: at {partition.position}, and the "
                    f"log holds offsets {low} to {high}: what stood between them is lost; {ANEW}"
                )
        _log.warning("place in the log lost", partition=partition.number, position=partition.position)
        try:
            self._consumer.seek(TopicPartition(topics.TICKS.name, partition.number, partition.position))
        except KafkaException:
            self._unplaced[partition.number] = self._owned.pop(partition.number)

    @property
    def _is_live(self) -> bool:
        return all(partition.is_live for partition in self._owned.values())

    def _is_due(self) -> bool:
        """While live, what was emitted is committed at once; while catching up, in larger transactions."""
        age_s = time.monotonic() - self._transaction.ended_at
        if self._transaction.pending:
            return self._is_live or age_s >= _COMMIT_EVERY_S
        taken = sum(partition.position - partition.committed for partition in self._owned.values())
        return taken >= _COMMIT_RECORDS or (taken > 0 and age_s >= _COMMIT_SILENT_S)

    def _commit(self) -> None:
        """Make everything that was emitted visible, with the state and the positions that belong to it."""
        moved = [partition for partition in self._owned.values() if partition.position != partition.committed]
        if not moved:
            return
        is_live = self._is_live
        self._is_between_records = False
        saved = 0
        for partition in moved:
            for key, value in partition.fold.save(partition.position):
                self._transaction.put(topics.ROLLUP.name, value, key, partition.number)
                saved += 1
        self._transaction.commit({partition.number: partition.position for partition in moved}, self._consumer)
        for partition in moved:
            partition.committed = partition.position
        self._is_between_records = True
        metrics.SAVED.inc(saved)
        self._outputs.committed(is_live=is_live)

    def _again(self, partitions: Iterable[int]) -> None:
        """After an abort: all that these partitions took and emitted since the last commit is done again."""
        self._outputs.aborted()
        self._is_between_records = True
        numbers = list(partitions)
        for number in numbers:
            del self._owned[number]
            metrics.forget(number)
        if numbers:
            self._restore.begin(numbers)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Have the state of new partitions read; what the consumer fetches of them before that is passed over."""
        self._has_joined = True
        for partition in partitions:
            partition.offset = OFFSET_END
        consumer.incremental_assign(partitions)
        self._restore.begin(partition.partition for partition in partitions)
        _log.info("partitions came", partitions=sorted(p.partition for p in partitions), owned=self._numbers())

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Commit what is whole, so that who takes over goes on from here, and let the partitions go."""
        try:
            if self._is_between_records:
                self._commit()
        except Aborted:
            self._again(self._owned)
        self._let_go(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Somebody else has the partitions already: nothing of this transaction would be accepted."""
        self._transaction.abort("lost")
        self._let_go(consumer, partitions)
        self._again(self._owned)

    def _let_go(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        for number in numbers:
            self._unplaced.pop(number, None)
            self._owned.pop(number, None)
            metrics.forget(number)
        self._restore.drop(numbers)
        consumer.incremental_unassign(partitions)
        _log.info("partitions went", partitions=sorted(numbers), owned=self._numbers())

    def _numbers(self) -> list[int]:
        return sorted([*self._owned, *self._unplaced, *self._restore.numbers])

    def _look(self) -> None:
        """Once a second: does Kafka answer, how far behind is the log, and does anybody mark it?"""
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        if self._connection.is_away or not self._has_joined:
            self._ask()
        self._live.break_silence(self._owned.values())
        metrics.PARTITIONS.set(len(self._numbers()))
        metrics.RESTORING.set(len(self._restore.numbers))
        for partition in self._owned.values():
            number = str(partition.number)
            lag = -1 if partition.lag is None else partition.lag
            metrics.LAG.labels(number).set(lag)
            metrics.COMMITTED_LAG.labels(number).set(max(0, lag) + partition.position - partition.committed)
            metrics.OPEN_MINUTES.labels(number).set(partition.fold.open_minutes)
        restoring = sorted([*self._unplaced, *self._restore.numbers])
        behind = [partition.number for partition in self._owned.values() if not partition.is_live]
        refused = [f"{number} ({partition.refused})" for number, partition in self._owned.items() if partition.refused]
        reason = "not yet a member of the group"
        if restoring:
            reason = f"reading the state of partitions {restoring}"
        elif refused:
            reason = f"Kafka refuses partitions {', '.join(refused)}"
        elif behind:
            reason = f"catching up on partitions {behind}"
        self._ready.set(LOG, self._has_joined and not behind and not restoring, reason)

    def _ask(self) -> None:
        try:
            self._consumer.list_topics(topics.TICKS.name, timeout=_ANSWER_WITHIN_S)
        except KafkaException as error:
            self._connection.away(str(error.args[0].str()))
        else:
            self._connection.answered()
