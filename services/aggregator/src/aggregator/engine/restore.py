"""Reads the state of partitions back from the changelog, while the others go on with their work."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from aggregator.core.snapshot import ANEW, StateError
from aggregator.engine import metrics
from aggregator.engine.clients import GROUP
from aggregator.engine.connection import Connection
from chassis import logs
from contracts import topics

_BATCH = 5_000
_ANSWER_WITHIN_S = 0.5
_AGAIN_AFTER_S = 0.1

_log = logs.get("aggregator.engine.restore")


@dataclass(slots=True)
class Restored:
    """What a partition's fold goes on from: the newest value of each key (none: from the start), and an offset."""

    number: int
    records: dict[bytes, bytes]
    committed: int | None
    """The group's committed offset; None: it has none."""
    beginning: int
    """The offset of the oldest record of the log that is retained."""


@dataclass(slots=True)
class _Reading:
    """One partition on its way: its changelog up to `end`, which stood when nobody else could write to it any more."""

    began: float
    records: dict[bytes, bytes] = field(default_factory=dict)
    end: int | None = None
    beginning: int = 0
    reached: int = 0
    ask_at: float = 0.0
    is_told: bool = False
    """Whether it was logged that Kafka does not tell an end or the position yet."""


class Restore:
    """Partitions whose state is being read.

    The end of the changelog is asked for after the assignment, uncommitted records included: a transaction of the
    owner before, whose positions the group accepted, stands before it (KAFKA-10167). A reader of committed records
    comes to that end only when every such transaction is over. Only then is the committed position asked for: it is
    stable by then (KIP-447), so that the answer keeps nobody waiting; and it must be that of the header.
    """

    def __init__(self, reader: Callable[[], Consumer], member: Consumer, connection: Connection) -> None:
        self._make_reader = reader
        self._reader: Consumer | None = None
        self._member = member
        self._connection = connection
        self._readings: dict[int, _Reading] = {}

    @property
    def numbers(self) -> list[int]:
        """The partitions whose state is being read."""
        return sorted(self._readings)

    def begin(self, numbers: Iterable[int]) -> None:
        """Read the state of these partitions too, from the beginning of the changelog."""
        now = time.monotonic()
        self._readings |= {number: _Reading(now) for number in numbers}
        self._assign()

    def drop(self, numbers: Iterable[int]) -> None:
        """These partitions are somebody else's."""
        dropped = [self._readings.pop(number, None) for number in numbers]
        if any(dropped):
            self._assign()

    def close(self) -> None:
        """End the reader."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def step(self) -> list[Restored]:
        """Take what has come; the partitions whose state is whole."""
        if self._reader is None:
            return []
        self._read(self._reader)
        now = time.monotonic()
        done = []
        for number, reading in self._readings.items():
            if now < reading.ask_at:
                continue
            try:
                if reading.end is None:
                    self._ask_for_ends(number, reading)
                if reading.end is not None and reading.reached >= reading.end:
                    position = self._position(self._reader, number)
                    done.append(Restored(number, reading.records, position, reading.beginning))
            except KafkaException as error:
                self._connection.on_error(error.args[0])
                if not reading.is_told:
                    _log.info("no answer yet", partition=number, asked="ends and position", cause=error.args[0].str())
                    reading.is_told = True
                for other in self._readings.values():
                    other.ask_at = time.monotonic() + _AGAIN_AFTER_S
                break
        for restored in done:
            seconds = now - self._readings.pop(restored.number).began
            metrics.RESTORE.observe(seconds)
            _log.info(
                "state read",
                partition=restored.number,
                records=len(restored.records),
                position=restored.committed,
                seconds=round(seconds, 3),
            )
        if not self._readings:
            self.close()
        return done

    def _assign(self) -> None:
        """Readings that are not over begin anew: librdkafka's `assign` replaces everything."""
        for reading in self._readings.values():
            reading.records.clear()
            reading.reached = 0
        if not self._readings:
            self.close()
            return
        if self._reader is None:
            self._reader = self._make_reader()
        self._reader.assign([TopicPartition(topics.ROLLUP.name, number, OFFSET_BEGINNING) for number in self._readings])

    def _read(self, reader: Consumer) -> None:
        for message in reader.consume(_BATCH, 0):
            reading = self._readings.get(int(message.partition() or 0))
            error, offset = message.error(), int(message.offset() or 0)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                self._connection.on_error(error)
            elif reading is None:
                continue
            elif error is not None:
                reading.reached = offset
            else:
                key, value = bytes(message.key() or b""), message.value()
                if value is None:
                    reading.records.pop(key, None)
                else:
                    reading.records[key] = value
                reading.reached = offset + 1

    def _ask_for_ends(self, number: int, reading: _Reading) -> None:
        log, state = TopicPartition(topics.TICKS.name, number), TopicPartition(topics.ROLLUP.name, number)
        reading.beginning, _ = self._member.get_watermark_offsets(log, timeout=_ANSWER_WITHIN_S, cached=False)
        _, reading.end = self._member.get_watermark_offsets(state, timeout=_ANSWER_WITHIN_S, cached=False)

    def _position(self, reader: Consumer, number: int) -> int | None:
        (answer,) = reader.committed([TopicPartition(topics.TICKS.name, number)], timeout=_ANSWER_WITHIN_S)
        if answer.error is not None:
            raise KafkaException(answer.error)
        return answer.offset if answer.offset >= 0 else None


def refusal(restored: Restored, position: int | None) -> StateError | None:
    """Why a fold must not go on from a state whose header names `position` (None: there is no state), if so."""
    committed, beginning = restored.committed, restored.beginning
    where = f"partition {restored.number} of {topics.TICKS.name}"
    if position != committed:
        state = (
            "there is no state" if position is None else f"the state in {topics.ROLLUP.name} is of offset {position}"
        )
        group = "has no offset" if committed is None else f"is at offset {committed}"
        return StateError(f"{where}: {state}, but the group {GROUP} {group}; {ANEW}")
    if position is not None and position < beginning:
        return StateError(
            f"{where}: the state is of offset {position}, and the log is retained from offset {beginning} on: "
            f"what stood between them is lost; {ANEW}"
        )
    return None
