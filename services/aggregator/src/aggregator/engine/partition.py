"""One owned partition of the tick log: its fold, its place, and the road from raw records to issues."""

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Message

from aggregator.core.fold import PartitionFold
from aggregator.core.saved import ANEW
from aggregator.engine import metrics
from aggregator.engine.outputs import Outputs
from chassis.errors import Misconfigured
from contracts import topics, wire
from contracts.errors import BadData
from contracts.symbols import SymbolId

MARK = b"!"
"""With what the keys of marks begin."""
_LIVE_WITHIN = 1_000
"""Records behind the end of the log up to which a partition counts as live: a fifth of a second at 5,000 ticks/s."""


class Partition:
    """What the engine knows of one partition whose state it has. Dropped when the partition goes."""

    def __init__(self, number: int, fold: PartitionFold, position: int, outputs: Outputs) -> None:
        self.number = number
        self.fold = fold
        self.position = position
        """The next offset to take."""
        self.committed = position
        """The next offset to take of whoever goes on from the state that was committed last."""
        self.lag: int | None = None
        """Records between the position and the end of the log; None until the end is known."""
        self.marked_at = time.monotonic()
        """When the last mark was taken, or the partition."""
        self._outputs = outputs
        self._identities: dict[bytes, SymbolId] = {}

    @property
    def is_live(self) -> bool:
        """Whether the log has been taken up to about its end."""
        return self.lag is not None and self.lag <= _LIVE_WITHIN

    def reach(self, end: int) -> None:
        """The log ends at this offset, as the last fetch told; -1001 if there was none yet."""
        if end >= 0:
            self.lag = max(0, end - self.position)

    def take(self, messages: Sequence[Message]) -> None:
        """Fold the next records of the log and put out what they issue."""
        first = int(messages[0].offset() or 0)
        if first > self.position:
            raise Misconfigured(
                f"partition {self.number} of {topics.TICKS.name}: offset {first} came where {self.position} was due: "
                f"what stood between them is lost; {ANEW}"
            )
        if first < self.position:
            messages = [message for message in messages if int(message.offset() or 0) >= self.position]
        if messages:
            self.fold.feed(self._records(messages))
            self.position = int(messages[-1].offset() or 0) + 1

    def _records(self, messages: Sequence[Message]) -> Iterator[tuple[bytes, wire.Tick | wire.Mark, int]]:
        """Decode the records for the fold; when it asks for the next one, put out what the last one issued."""
        fold, outputs, identities = self.fold, self._outputs, self._identities
        decode_tick, undecodable = wire.decode_tick, wire.UNDECODABLE
        marks = 0
        for message in messages:
            key, value, timestamp = message.key(), message.value(), message.timestamp()[1]
            try:
                if key is None or value is None:
                    raise BadData("a record of the log has a key and a value", kind="undecodable")
                record: wire.Tick | wire.Mark
                if key.startswith(MARK):
                    record = wire.decode_mark(value)
                    marks += 1
                else:
                    record = decode_tick(value)
                    identity = identities.get(key) or self._meet(key)
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
                for issue in fold.take():
                    outputs.issue(issue, message)
        metrics.MARKS.inc(marks)
        metrics.TICKS.inc(len(messages) - marks)
        if marks:
            self.marked_at = time.monotonic()

    def _meet(self, key: bytes) -> SymbolId:
        """The identity behind a key that was not seen before; `BadData` unless it is spelled as producers must."""
        identity = SymbolId.of_key(key)
        if identity.key != key:
            raise BadData("the key is not EXCHANGE:SYMBOL in upper case", kind="invalid_symbol")
        self._identities[key] = identity
        return identity
