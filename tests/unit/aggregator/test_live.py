"""The pace of forming bars: in short slices, a fifth of the loop's time, four records a second and symbol at most."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from aggregator.engine import live, metrics
from aggregator.engine.connection import Connection
from aggregator.engine.partition import Partition
from chassis.kafka.errors import KAFKA
from chassis.probes import Readiness
from tests.support.records import T0, calendar, mark, tick

STEP_S = 0.001
"""What any look at the clock takes here: a slice makes about ten records."""


@dataclass
class Clock:
    now: float = 100.0

    def monotonic(self) -> float:
        self.now += STEP_S
        return self.now


@dataclass
class Sent:
    clock: Clock
    at: dict[bytes, list[float]] = field(default_factory=lambda: defaultdict(list))

    def produce(self, _topic: str, _value: bytes, key: bytes, **_how: Any) -> None:
        self.at[key].append(self.clock.now)

    def poll(self, _timeout: float) -> None: ...


@dataclass
class Live:
    fold: PartitionFold
    number: int = 0
    is_live: bool = True


@pytest.mark.parametrize("count", [5, 300])
def test_forming_bars_keep_their_pace_however_many_symbols_there_are(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    clock = Clock()
    sent = Sent(clock)
    monkeypatch.setattr("aggregator.engine.live.time.monotonic", clock.monotonic)
    fold = PartitionFold(Rules())
    fold.mark(mark(T0), T0)
    symbols = [f"SIM:S{number:03d}" for number in range(count)]
    fold.feed([(*calendar(symbol), T0) for symbol in symbols])
    partition = cast(Partition, Live(fold))
    forming = live.Live(cast(Any, sent), cast(Any, None), Connection(Readiness((KAFKA,))), 600.0)
    began, spent, sequence, ticks_at = clock.now, 0.0, 0, 0.0
    while clock.now < began + 8:
        for symbol in symbols if clock.now >= ticks_at else ():
            ticks_at = clock.now + 0.1
            sequence += 1
            fold.tick(symbol.encode(), tick(T0 + 1_000, 1.0, symbol=symbol, sequence=sequence), T0 + 1_000)
        before = clock.now
        forming.form([partition])
        assert clock.now - before <= 0.012, "what closes waits no longer"
        spent += clock.now - before
        clock.now += 0.004
    assert set(sent.at) == {symbol.encode() for symbol in symbols}
    gaps = [after - before for times in sent.at.values() for before, after in pairwise(times)]
    assert len(gaps) >= 3 * len(symbols), "every symbol comes again and again"
    assert min(gaps) >= 0.25
    assert spent <= 0.35 * (clock.now - began)


class Forgetful(Sent):
    """A producer that does not know the topic for the first record."""

    is_known = False

    def produce(self, _topic: str, _value: bytes, key: bytes, **_how: Any) -> None:
        if not self.is_known:
            self.is_known = True
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))
        super().produce(_topic, _value, key)


def test_a_forming_bar_is_given_up_while_kafka_does_not_know_the_topic() -> None:
    sent = Forgetful(Clock())
    fold = PartitionFold(Rules())
    fold.mark(mark(T0), T0)
    for number in range(3):
        name = f"SIM:S{number}"
        fold.feed([(*calendar(name), T0)])
        fold.tick(name.encode(), tick(T0 + 1_000, 1.0, symbol=name, sequence=1), T0 + 1_000)
    forming = live.Live(cast(Any, sent), cast(Any, None), Connection(Readiness((KAFKA,))), 600.0)
    lost = metrics.FORMING_LOST._value.get()
    forming.form([cast(Partition, Live(fold))])
    assert metrics.FORMING_LOST._value.get() == lost + 1
    assert set(sent.at) == {b"SIM:S1", b"SIM:S2"}
