"""Kafka's transaction: outputs, state and positions become visible together, or none of them does (KIP-98, KIP-447)."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from aggregator.engine import metrics
from aggregator.engine.connection import UNKNOWN, Connection
from aggregator.engine.watchdog import Watchdog
from chassis import logs
from contracts import topics

_SLICE_S = 0.5
_LAST_CALL_S = 2.0
_AWAY_AFTER_S = 5.0

Headers = list[tuple[str, bytes]]
Turn = Callable[[], None]
"""Called while waiting, at least once a second: beats the heart, and raises `Stopped` when the process shall end."""

_log = logs.get("aggregator.engine.transaction")


class Aborted(Exception):  # noqa: N818 - a state, which the loop goes on from
    """Nothing of the transaction is visible: what it held must be done again, from the last committed state."""


class Transaction:
    """One at a time. What is put is sent at once and in order; it counts when `commit` returns.

    While Kafka is away every method waits. Raises `Aborted` where doing it again helps, KafkaException where only
    another process can help (another one has taken the name, say).
    """

    def __init__(self, producer: Producer, connection: Connection, watchdog: Watchdog, turn: Turn) -> None:
        self._producer = producer
        self._produce = producer.produce
        self._connection = connection
        self._watchdog = watchdog
        self._turn = turn
        self._is_open = False
        self.pending = 0
        """Records put since the last commit."""
        self.ended_at = time.monotonic()
        """When the last one was committed or aborted."""

    def start(self) -> None:
        """Once, before all else: ends what a process of the same name has left open, and fences it."""
        self._call("init_transactions", self._producer.init_transactions)

    def put(  # noqa: PLR0917 - by name it takes longer, and it is called for every record
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        headers: Headers | None = None,
        timestamp: int = 0,
    ) -> None:
        """Put one record; its timestamp is the present if it is 0."""
        if not self._is_open:
            self._begin()
        try:
            if headers is None:
                self._produce(topic, value, key, partition)
            else:
                self._produce(topic, value, key, partition, None, None, timestamp, headers)
        except (BufferError, KafkaException) as error:
            again = partial(self._produce, topic, value, key, partition, None, None, timestamp, headers or [])
            self._put_later(error, topic, again)
        self.pending += 1

    def _put_later(self, refused: BufferError | KafkaException, topic: str, produce: Callable[[], None]) -> None:
        """The queue is full, or the topic unknown for a while: wait and try again."""
        began = time.monotonic()
        while True:
            cause = None
            if isinstance(refused, KafkaException):
                if refused.args[0].code() not in UNKNOWN:
                    raise self._abort_for(refused.args[0], "produce") from refused
                cause = f"it does not know {topic}"
            self._producer.poll(_SLICE_S)
            self._wait(began, cause)
            try:
                produce()
            except (BufferError, KafkaException) as error:
                refused = error
            else:
                return

    def commit(self, positions: Mapping[int, int], consumer: Consumer) -> None:
        """Make visible what was put, with the next offset to take of partitions of the log."""
        began = time.monotonic()
        if not self._is_open:
            self._begin()
        # Without the flush the broker answers CONCURRENT_TRANSACTIONS, and librdkafka waits for 100 ms.
        with self._watchdog.watching("flush"):
            while self._producer.flush(_SLICE_S):
                self._wait(began)
        offsets = [TopicPartition(topics.TICKS.name, number, offset) for number, offset in positions.items()]
        group = consumer.consumer_group_metadata()
        self._call("send_offsets_to_transaction", self._producer.send_offsets_to_transaction, offsets, group)
        self._call("commit_transaction", self._producer.commit_transaction)
        self._is_open = False
        self.pending = 0
        self.ended_at = time.monotonic()
        metrics.COMMIT.observe(self.ended_at - began)
        _log.debug("transaction committed")

    def abort(self, cause: str) -> None:
        """Have nothing of it become visible."""
        if not self._is_open:
            return
        _log.warning("transaction aborted", records=self.pending, cause=cause)
        metrics.ABORTS.labels(cause).inc()
        self._call("abort_transaction", self._producer.abort_transaction)
        self._is_open = False
        self.pending = 0
        self.ended_at = time.monotonic()

    def close(self) -> None:
        """At the end of the process: who takes over need not wait until an open one times out."""
        if self._is_open:
            with suppress(KafkaException), self._watchdog.watching("abort_transaction"):
                self._producer.abort_transaction(_LAST_CALL_S)

    def poll(self) -> None:
        """Let the producer tell what happened to it; raises what no waiting mends."""
        self._producer.poll(0)
        self._connection.check()

    def _begin(self) -> None:
        self._producer.begin_transaction()
        self._is_open = True
        _log.debug("transaction begun")

    def _call(self, name: str, call: Callable[..., object], *arguments: object) -> None:
        """Make a call, again for as long as its time runs out; librdkafka goes on where it was."""
        began = time.monotonic()
        while True:
            try:
                with self._watchdog.watching(name):
                    call(*arguments, _SLICE_S)
            except KafkaException as error:
                if error.args[0].txn_requires_abort() and name != "abort_transaction":
                    raise self._abort_for(error.args[0], name) from error
                if not error.args[0].retriable():
                    raise
                self._wait(began)
            else:
                return

    def _abort_for(self, error: KafkaError, call: str) -> Exception:
        """What to raise for an error: `Aborted` once it is, unless aborting does not help.

        A producer whose transaction has failed by itself refuses records for its state, and does not say why.
        """
        has_failed = error.code() == KafkaError._STATE and self._is_open
        if error.fatal() or not (error.txn_requires_abort() or has_failed):
            refused: Exception = KafkaException(error)
            return refused
        _log.warning("transaction failed", call=call, cause=error.str())
        self.abort(error.name())
        return Aborted(error.str())

    def _wait(self, began: float, cause: str | None = None) -> None:
        self._connection.check()
        waited_s = time.monotonic() - began
        if waited_s > _AWAY_AFTER_S:
            self._connection.away(cause or f"{self.pending} records are not acknowledged after {waited_s:.0f} s")
        self._turn()
