"""The oracles see what they must: each of these faults, put into the fold on purpose, is caught within a few logs."""

from collections.abc import Callable

import pytest

from aggregator.core import fold as fold_module
from aggregator.core import snapshot
from aggregator.core.closing import Closing
from aggregator.core.counter import Move
from aggregator.core.longer import Chain
from aggregator.core.minute import Minute
from aggregator.core.symbol import Symbol
from contracts import wire
from contracts.marks import Coverage, MarkLike
from tests.support.oracle import agrees_with_naive, committed_with_crashes, encoded, issues_of
from tests.support.tick_logs import Log, drawn_log

SEEDS = range(15)


def is_caught(holds: Callable[[int], bool]) -> bool:
    return not all(holds(seed) for seed in SEEDS)


def naive_agrees(seed: int) -> bool:
    log = drawn_log(seed)
    return agrees_with_naive(log, issues_of(log))


def after_an_outage(log: Log) -> Log:
    """The same log, its middle written when a broker was back: every record of it at once, with the time of its end."""
    begin, end = len(log) // 4, 3 * len(log) // 4
    return [(key, record, log[end][2] if begin <= at < end else stamp) for at, (key, record, stamp) in enumerate(log)]


def naive_agrees_after_an_outage(seed: int) -> bool:
    log = after_an_outage(drawn_log(seed))
    return agrees_with_naive(log, issues_of(log))


def crashes_change_nothing(seed: int) -> bool:
    log = drawn_log(seed)
    return encoded(committed_with_crashes(log, seed)) == encoded(issues_of(log))


def test_without_a_fault_nothing_is_caught() -> None:
    assert not is_caught(naive_agrees)
    assert not is_caught(naive_agrees_after_an_outage)
    assert not is_caught(crashes_change_nothing)


def test_open_minutes_left_out_of_the_state_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = snapshot.encode_symbol

    def without_open_minutes(symbol: Symbol, chain: Chain, current: Minute | None) -> bytes:
        minutes, symbol.minutes = symbol.minutes, {}
        try:
            return encode(symbol, chain, None)
        finally:
            symbol.minutes = minutes

    monkeypatch.setattr(snapshot, "encode_symbol", without_open_minutes)
    assert is_caught(crashes_change_nothing)


def test_record_time_as_the_clock_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    class ByRecordTime(Coverage):
        def apply(self, mark: MarkLike, timestamp: int) -> int:
            super().apply(mark, timestamp)
            self.clock = max(self.clock, timestamp)
            return self.clock

    monkeypatch.setattr(fold_module, "Coverage", ByRecordTime)
    assert is_caught(naive_agrees_after_an_outage)


def test_arrival_order_as_open_and_close_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Minute.take

    def take_as_the_last(minute: Minute, tick: wire.Tick) -> None:
        take(minute, tick)
        minute.last = tick

    monkeypatch.setattr(Minute, "take", take_as_the_last)
    assert is_caught(naive_agrees)


def test_what_moved_in_a_gap_counted_as_volume_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(_closing: Closing, _symbol: Symbol, _move: Move) -> bool:
        return True

    monkeypatch.setattr(Closing, "decide", always)
    assert is_caught(naive_agrees)
