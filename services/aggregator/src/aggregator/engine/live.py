"""Kafka's best-effort side of the engine: forming bars, and the marks it writes into the log when nobody else does."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from aggregator.engine import metrics
from aggregator.engine.connection import UNKNOWN, Connection
from aggregator.engine.partition import Partition
from chassis import clock, logs
from contracts import topics, wire
from contracts.marks import ENGINE_EPOCH

FORMING_EVERY_S = 0.25
_SLICE_S = 0.01
"""For so long at a time forming bars are made: what closes waits no longer for them."""
_SHARE = 5
"""They get at most one part in this many of the loop's time: under load they are conflated further."""
_ANSWER_WITHIN_S = 1.0

Delivered = Callable[[KafkaError | None, Message], None]

_log = logs.get("aggregator.engine.live")


class Live:
    """Sends what only matters while it is fresh; what cannot be sent is counted and given up."""

    def __init__(self, producer: Producer, consumer: Consumer, connection: Connection, silence_s: float) -> None:
        self._producer = producer
        self._consumer = consumer
        self._connection = connection
        self._silence_s = silence_s
        self._round: list[tuple[Partition, Iterator[tuple[bytes, wire.Forming]]]] = []
        """Of which partitions forming bars are still to be sent in this round."""
        self._form_at = 0.0

    def form(self, partitions: Collection[Partition]) -> None:
        """Send forming bars of symbols that changed, of partitions that are live, for a moment.

        A round goes through all symbols in as many calls as it needs; 250 ms lie between two rounds.
        """
        self._producer.poll(0)
        began = time.monotonic()
        if began < self._form_at or self._connection.is_away:
            return
        if not self._round:
            self._round = [(partition, partition.fold.forming()) for partition in partitions]
        now = began
        while self._round and now - began < _SLICE_S:
            partition, changed = self._round[-1]
            found = next(changed, None) if partition.is_live and partition in partitions else None
            if found is None:
                self._round.pop()
            else:
                key, forming = found
                if self._send(topics.FORMING.name, partition.number, key, wire.encode(forming), self._formed):
                    metrics.FORMING.inc()
                else:
                    metrics.FORMING_LOST.inc()
            now = time.monotonic()
        self._form_at = began + _SHARE * (now - began)
        if not self._round:
            self._form_at = max(self._form_at, now + FORMING_EVERY_S)

    def break_silence(self, partitions: Iterable[Partition]) -> None:
        """Mark the partitions that nobody has marked for too long, though they are read to their end and Kafka answers.

        Without a mark no bar closes. The end is asked for, because what the client remembers is old in an outage.
        """
        for partition in partitions:
            now = time.monotonic()
            if now - partition.marked_at < self._silence_s:
                continue
            if not self._connection.is_trusted:
                return
            if not self._is_at_end(partition):
                continue
            mark = wire.Mark(epoch=ENGINE_EPOCH, watermark=clock.now_ms())
            if self._send(topics.TICKS.name, partition.number, topics.MARK_KEY, wire.encode(mark), None):
                partition.marked_at = now
                metrics.OWN_MARKS.inc()
                _log.debug("marked a silent partition", partition=partition.number)

    def _is_at_end(self, partition: Partition) -> bool:
        asked = TopicPartition(topics.TICKS.name, partition.number)
        try:
            _, high = self._consumer.get_watermark_offsets(asked, timeout=_ANSWER_WITHIN_S, cached=False)
        except KafkaException as error:
            self._connection.on_error(error.args[0])
            return False
        return bool(partition.position >= high)

    def _send(self, topic: str, partition: int, key: bytes, value: bytes, on_delivery: Delivered | None) -> bool:
        """Whether there was room for it, and the topic is known."""
        try:
            self._producer.produce(topic, value, key, partition=partition, on_delivery=on_delivery)
        except BufferError:
            return False
        except KafkaException as error:
            if error.args[0].code() not in UNKNOWN:
                raise
            return False
        return True

    def _formed(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            metrics.FORMING_LOST.inc()
