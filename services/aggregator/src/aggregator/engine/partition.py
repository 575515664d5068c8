"""One owned partition of the tick log: its fold, its place, and from raw records to what is emitted."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from confluent_kafka import Message

from aggregator.core.emission import Issue
from aggregator.core.fold import PartitionFold
from aggregator.core.snapshot import ALL_ANEW
from aggregator.engine import metrics
from aggregator.engine.outputs import Outputs
from aggregator.engine.punctuality import Punctuality
from chassis.errors import Misconfigured
from contracts import topics, wire
from contracts.errors import BadData
from contracts.symbols import SymbolId

MARK = b"!"
"""With what the keys of marks and of calendar records begin."""
LogRecord = wire.Tick | wire.Mark | wire.Calendar
_OLD_MARK = b'"through":'
_AT_ONCE = 125
"""Records that are decoded before they are folded: more of them would not be in the processor's cache any more."""
_LIVE_WITHIN = 1_000
"""Records behind the end of the log up to which a partition counts as live: a fifth of a second at 5,000 ticks/s."""


def _append_time(message: Message) -> int:
    return int(message.timestamp()[1])


def _decoded(keys: list[Any], values: list[Any]) -> list[wire.Tick | wire.Mark]:
    """Records in order, ticks between two marks without a step of Python's for each; raises what decoding raises."""
    records: list[wire.Tick | wire.Mark] = []
    start = 0
    for _ in range(keys.count(topics.MARK_KEY)):
        at = keys.index(topics.MARK_KEY, start)
        records += map(wire.decode_tick, values[start:at])
        records.append(wire.decode_mark(values[at]))
        start = at + 1
    records += map(wire.decode_tick, values[start:])
    return records


def _made_by(message: Message) -> Callable[[Issue], Message]:
    return lambda _issue: message


class Partition:
    """What the engine knows of one partition whose state it has. Dropped when the partition goes."""

    def __init__(  # noqa: PLR0917 - what a partition is made of
        self, number: int, fold: PartitionFold, position: int, outputs: Outputs, punctuality: Punctuality, count: int
    ) -> None:
        self.number = number
        self.fold = fold
        self.position = position
        """The next offset to take."""
        self.committed = position
        """The next offset to take of whoever goes on from the state that was committed last."""
        self.lag: int | None = None
        """Records between the position and the end of the log; None until the end is known."""
        self.refused = ""
        """Why Kafka does not give its records, since it gave the last one."""
        self._end = position
        self.marked_at = time.monotonic()
        """When the last mark was taken, or the partition."""
        self._outputs = outputs
        self._punctuality = punctuality
        self._count = count
        self._identities: dict[bytes, SymbolId] = {}
        self._beginnings = {topics.MARK_KEY: b"{"}
        """With what the value of a record must begin for its key to be that of its symbol."""

    @property
    def is_live(self) -> bool:
        """Whether the log has been taken up to about its end."""
        return self.lag is not None and self.lag <= _LIVE_WITHIN and not self.refused

    def reach(self, end: int) -> None:
        """The log ends at this offset, as the last fetch said; -1001 if there was none yet."""
        if end >= 0:
            self._end = end
            self.lag = max(0, end - self.position)

    def take(self, messages: Sequence[Message]) -> None:
        """Fold the next records of the log, from the position on, and put out what they emit."""
        first = int(messages[0].offset() or 0)
        self.refused = ""
        if first < self.position:
            messages = [message for message in messages if int(message.offset() or 0) >= self.position]
        if messages:
            for start in range(0, len(messages), _AT_ONCE):
                chunk = messages[start : start + _AT_ONCE]
                if not self._take_at_once(chunk):
                    self.fold.feed(self._records(chunk))
            self.position = int(messages[-1].offset() or 0) + 1
            if self.fold.falls:
                metrics.FALLS.inc(self.fold.falls)
                self.fold.falls = 0
            if self.lag is not None:
                self.lag = max(0, self._end - self.position)

    def _take_at_once(self, messages: Sequence[Message]) -> bool:
        """The quick road, for records that are all as they must be; false if one is not, or its key is new here."""
        keys, values = [*map(Message.key, messages)], [*map(Message.value, messages)]
        try:
            if not all(map(bytes.startswith, values, map(self._beginnings.__getitem__, keys))):
                return False
            records = _decoded(keys, values)
        except (KeyError, TypeError, *wire.UNDECODABLE):
            return False
        fold, outputs = self.fold, self._outputs
        fold.feed(zip(keys, records, messages, strict=True), _append_time)
        if fold.issues:
            outputs.issue(
                fold.take(),
                self.number,
                lambda issue: next(m for m, record in zip(messages, records, strict=True) if record is issue.source),
            )
        marks = keys.count(topics.MARK_KEY)
        metrics.MARKS.inc(marks)
        metrics.TICKS.inc(len(messages) - marks)
        if marks:
            self.marked_at = time.monotonic()
        newest = records[-1]
        if isinstance(newest, wire.Tick):
            self._punctuality.see(newest)
        return True

    def _records(
        self, messages: Sequence[Message]
    ) -> Iterator[tuple[bytes, wire.Tick | wire.Mark | wire.Calendar, int]]:
        """Decode the records for the fold; when it asks for the next one, put out what the last one emitted."""
        fold, outputs, identities = self.fold, self._outputs, self._identities
        decode_tick, undecodable = wire.decode_tick, wire.UNDECODABLE
        marks = calendars = 0
        for message in messages:
            key, value, timestamp = message.key(), message.value(), message.timestamp()[1]
            try:
                if key is None or value is None:
                    raise BadData("a record of the log has a key and a value", kind="undecodable")
                record: LogRecord
                if key == topics.MARK_KEY:
                    record = self._mark(value)
                    marks += 1
                else:
                    is_calendar = key.startswith(MARK)
                    calendars += is_calendar
                    symbol_key = key[1:] if is_calendar else key
                    record = wire.decode_calendar(value) if is_calendar else decode_tick(value)
                    identity = identities.get(symbol_key) or self._meet(symbol_key)
                    if record.symbol != identity.symbol or record.exchange != identity.exchange:
                        raise BadData("the key names another symbol", kind="key_mismatch")
            except BadData as error:
                outputs.dead(error, message)
                continue
            except undecodable as error:
                outputs.dead(wire.fault_of(error), message)
                continue
            yield key, record, timestamp
            if fold.issues:
                outputs.issue(fold.take(), self.number, _made_by(message))
        metrics.MARKS.inc(marks)
        metrics.TICKS.inc(len(messages) - marks - calendars)
        if marks:
            self.marked_at = time.monotonic()

    def _mark(self, value: bytes) -> wire.Mark:
        """A mark; `Misconfigured` for one of the contract before this one, which nothing here can fold."""
        try:
            return wire.decode_mark(value)
        except wire.UNDECODABLE:
            if _OLD_MARK in value:
                raise Misconfigured(
                    f"partition {self.number} of {topics.TICKS.name} holds marks of an older contract; {ALL_ANEW}"
                ) from None
            raise

    def _meet(self, key: bytes) -> SymbolId:
        """The identity behind a key that was not seen before; `BadData` unless it is spelled as producers must."""
        identity = SymbolId.of_key(key)
        if identity.key != key:
            raise BadData("the key is not EXCHANGE:SYMBOL in upper case", kind="invalid_symbol")
        if topics.partition_of(key, self._count) != self.number:
            raise BadData("the key belongs into another partition: murmur2 of the key tells which", kind="misplaced")
        self._identities[key] = identity
        self._beginnings[key] = b'{"exchange":"%s","symbol":"%s",' % (
            identity.exchange.encode(),
            identity.symbol.encode(),
        )
        return identity
