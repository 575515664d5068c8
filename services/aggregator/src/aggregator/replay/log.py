"""Reads topics of Kafka from some place to their present end. Touches Kafka, as a member of nothing."""

import logging
from collections.abc import Callable, Iterator
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from chassis.errors import Misconfigured
from contracts.topics import Topic

_BATCH = 500
_WAIT_S = 0.5
_ANSWER_WITHIN_S = 10.0


class TopicReader:
    """`turn` is called at least once a second."""

    def __init__(self, bootstrap: str, turn: Callable[[], None]) -> None:
        self._turn = turn
        self._bootstrap = bootstrap
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"aggregator-replay-{uuid4().hex}",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "queued.min.messages": 100_000,
                "fetch.queue.backoff.ms": 2,
                "logger": logging.getLogger("librdkafka"),
                "log_level": 2,
            }
        )

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def beginnings(self, topic: Topic) -> dict[int, int]:
        """The oldest offset of each partition that is retained; raises `Misconfigured` if nobody knows."""
        try:
            partitions = self._consumer.list_topics(topic.name, timeout=_ANSWER_WITHIN_S).topics[topic.name].partitions
        except KafkaException as error:
            cause = error.args[0].str()
            raise Misconfigured(
                f"Kafka at {self._bootstrap} does not answer ({cause}): is KAFKA_BOOTSTRAP_SERVERS right?"
            ) from error
        if not partitions:
            raise Misconfigured(f"Kafka at {self._bootstrap} has no topic {topic.name}: no engine has run there yet")
        return {
            number: self._consumer.get_watermark_offsets(
                TopicPartition(topic.name, number), timeout=_ANSWER_WITHIN_S, cached=False
            )[0]
            for number in sorted(partitions)
        }

    def read(self, topic: Topic) -> Iterator[Message]:
        """Every retained record up to the present end, those of a partition in order."""
        left = set(self.beginnings(topic))
        self._consumer.assign([TopicPartition(topic.name, number, OFFSET_BEGINNING) for number in left])
        while left:
            self._turn()
            for message in self._consumer.consume(_BATCH, _WAIT_S):
                error = message.error()
                if error is None:
                    if message.partition() in left:
                        yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(int(message.partition() or 0))
                elif not error.retriable() and error.code() not in {
                    KafkaError._ALL_BROKERS_DOWN,
                    KafkaError._TRANSPORT,
                }:
                    raise KafkaException(error)
        self._consumer.unassign()
