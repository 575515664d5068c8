"""Kafka's records of everything the fold issues: put in order, and safe on all replicas once committed.

This is the one place where outputs are made, and `commit` the one where a transaction would end.
"""

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from aggregator.core.fold import Issue, Kind
from aggregator.engine import metrics
from aggregator.engine.connection import Connection
from chassis import clock, dead_letters
from contracts import topics, wire
from contracts.errors import BadData
from contracts.intervals import MINUTE, Interval

_SLICE_S = 0.5
_AWAY_AFTER_S = 5.0

TOPIC_OF = {Kind.LATE: topics.TICKS_LATE, Kind.GAP: topics.FEED}
"""Where issues go that do not go to market.bars."""

Turn = Callable[[], None]
"""Called while waiting, at least once a second: beats the heart, and raises `Stopped` when the process shall end."""


class Outputs:
    """The engine's output. What is put is sent at once and in order; it counts when `commit` returns."""

    def __init__(self, producer: Producer, connection: Connection, turn: Turn) -> None:
        self._producer = producer
        self._connection = connection
        self._turn = turn
        self._failure: KafkaError | None = None
        self._closed: list[int] = []
        self._pending = 0
        self._committed_at = time.monotonic()

    def issue(self, issue: Issue, source: Message) -> None:
        """Put one issue of the fold, made by the record `source`, into the partition of its number."""
        partition = int(source.partition() or 0)
        if issue.kind is Kind.DEAD:
            self.dead(BadData(str(issue.record), kind="future"), source)
            return
        topic = TOPIC_OF.get(issue.kind, topics.BARS)
        self._put(topic.name, wire.encode(issue.record), issue.key, partition if topic.partitions is None else 0)
        match issue.record:
            case wire.Bar(interval=interval, revision=revision):
                metrics.BARS.labels(interval).inc()
                if revision:
                    metrics.REVISIONS.inc()
            case wire.GapEvent():
                metrics.GAPS.inc()
            case wire.LateTick():
                metrics.LATE.inc()
            case wire.IntervalComplete(interval=Interval.M1, open_time=open_time, delay=delay):
                self._closed.append(open_time + MINUTE + delay * 1000)

    def dead(self, error: BadData, source: Message) -> None:
        """Put a record of the log aside, with the cause and where it stood."""
        letter = dead_letters.dead_letter(
            error,
            topic=str(source.topic()),
            partition=int(source.partition() or 0),
            offset=int(source.offset() or 0),
            timestamp=source.timestamp()[1],
            key=source.key(),
            value=source.value(),
        )
        self._put(letter.topic, letter.value, letter.key, 0, {**letter.headers})
        metrics.DEAD.labels(error.kind).inc()
        dead_letters.count(str(source.topic()), error)

    def poll(self) -> None:
        """Let the producer tell what happened to it; raises what no waiting mends."""
        self._producer.poll(0)
        self._check()

    @property
    def pending(self) -> int:
        """Records put since the last commit."""
        return self._pending

    @property
    def age_s(self) -> float:
        """Seconds since the last commit."""
        return time.monotonic() - self._committed_at

    def commit(self, *, is_live: bool) -> None:
        """Return when all in-sync replicas have everything; waits as long as Kafka is away.

        `is_live` says that the bars closed a moment ago, so that their latency means something.
        """
        began = time.monotonic()
        while self._producer.flush(_SLICE_S):
            self._wait(time.monotonic() - began)
        self._check()
        self._committed_at = time.monotonic()
        metrics.COMMIT.observe(self._committed_at - began)
        if is_live:
            now = clock.now_ms()
            for closed_at in self._closed:
                metrics.CLOSE_LATENCY.observe((now - closed_at) / 1000)
        self._closed.clear()
        self._pending = 0

    def _put(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        partition: int,
        headers: dict[str, str | bytes | None] | None = None,
    ) -> None:
        began = time.monotonic()
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition=partition, headers=headers, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(_SLICE_S)
                self._wait(time.monotonic() - began)
            else:
                self._pending += 1
                return

    def _wait(self, waited_s: float) -> None:
        self._check()
        if waited_s > _AWAY_AFTER_S:
            self._connection.away(f"{self._pending} records are not acknowledged after {waited_s:.0f} s")
        self._turn()

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failure = self._failure or error

    def _check(self) -> None:
        """Deliveries are tried without end: what fails all the same is refused, which no waiting mends."""
        self._connection.check()
        if self._failure is not None:
            raise KafkaException(self._failure)
