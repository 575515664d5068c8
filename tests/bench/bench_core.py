"""`core.*`: the bar core alone, one core of the machine, decoding excluded."""

import gc
import random
import time

from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.intervals import DAY
from contracts.topics import MARK_KEY
from tests.bench.figure import Bench, Figure
from tests.support.records import T0, calendar, mark, tick

SYMBOLS = 200
TICKS = 1_000_000
FETCH = 500
RUNS = 5
QUIET = 2_500
"""Symbols of one of four partitions, of 10,000 altogether."""
MONTH = 30 * DAY

Raw = list[tuple[bytes, bytes, int]]


def backlog(symbols: int, ticks: int) -> Raw:
    """A log as Kafka holds it: one tick a second of every symbol, a mark every 250 ms: key, value, timestamp."""
    rnd = random.Random(1)
    names = [f"SIM:S{i:04d}" for i in range(symbols)]
    log: Raw = []
    for name in names:
        key, record = calendar(name)
        log.append((key, wire.encode(record), T0))
    log.append((MARK_KEY, wire.encode(mark(T0, *((name, "covered", T0) for name in names))), T0))
    cumulative = 0.0
    for second in range(ticks // symbols):
        at = T0 + second * 1000
        cumulative += 0.5
        for i, name in enumerate(names):
            one = tick(at + i * 1000 // symbols, 100 + rnd.random(), cumulative, symbol=name, day_high=101.0,
                       day_low=100.0, bid=100.0, ask=101.0, bid_size=3.0, ask_size=2.0, session="market")  # fmt: skip
            log.append((name.encode(), wire.encode(one), at + 1000))
        log += [(MARK_KEY, wire.encode(mark(at + 250 * (quarter + 1))), at + 1000) for quarter in range(4)]
    return log


def seconds_to_fold(log: Raw) -> tuple[float, float]:
    """CPU seconds for the fold and for the decoding that feeds it, taken fetch by fetch as the engine does."""
    fold = PartitionFold(Rules())
    folding = decoding = 0.0
    clock = time.thread_time
    for i in range(0, len(log), FETCH):
        begun = clock()
        records = [(key, wire.decode_log_record(key, value), timestamp) for key, value, timestamp in log[i : i + FETCH]]
        decoded = clock()
        fold.feed(records)
        fold.take()
        folding += clock() - decoded
        decoding += decoded - begun
    return folding, decoding


def fold_rate() -> Figure:
    """Ticks per CPU second of one core through the fold of 13 intervals; others may share the machine."""
    log = backlog(SYMBOLS, TICKS)
    gc.collect()
    gc.freeze()
    try:
        runs = [seconds_to_fold(log) for _ in range(RUNS + 1)][1:]
    finally:
        gc.unfreeze()
    return Figure(
        name="core.fold_200_symbols",
        samples=[TICKS / folding for folding, _ in runs],
        unit="ticks/s",
        baseline=TICKS / sorted(decoding for _, decoding in runs)[RUNS // 2],
        baseline_name="msgspec decoding of the same records",
        bound=1_000_000,
    )


def seconds_after_a_month() -> float:
    """CPU seconds for a mark that comes a month after the one before, of symbols that have some open minutes."""
    fold = PartitionFold(Rules())
    for key, value, timestamp in backlog(QUIET, QUIET * 90):
        fold.feed([(key, wire.decode_log_record(key, value), timestamp)])
    fold.take()
    begun = time.thread_time()
    fold.mark(mark(T0 + MONTH), T0 + MONTH)
    return time.thread_time() - begun


def month_of_silence() -> Figure:
    """A partition of a stack that was stopped for a month: until its first mark has passed every boundary."""
    return Figure(
        name="core.month_of_silence",
        samples=[seconds_after_a_month() for _ in range(RUNS)],
        unit="s",
        bound=10,
        at_least=False,
    )


BENCHES: list[Bench] = [fold_rate, month_of_silence]
