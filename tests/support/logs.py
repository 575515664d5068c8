"""Makes tick logs: calendars, ticks and marks in log order, as producers of market.ticks would write them. Pure."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from contracts import wire
from contracts.headers import Headers, bar_headers
from contracts.intervals import MINUTE
from contracts.marks import EVERY_SYMBOL
from contracts.topics import MARK_KEY, partition_of
from tests.support.records import T0, calendar, key, mark, tick


class Entry(NamedTuple):
    """One record to write: its partition is explicit, as every producer's is."""

    partition: int
    key: bytes | None
    value: bytes
    headers: Headers | None = None


class TickLog:
    """Builds the records of all partitions in the order in which they are written.

    The calendar of a symbol stands before its first tick.
    """

    def __init__(self, partitions: int = 4) -> None:
        self.partitions = partitions
        self.entries: list[Entry] = []

    def tick(self, record: wire.Tick) -> None:
        """A tick, in the partition of its symbol."""
        name = key(f"{record.exchange}:{record.symbol}")
        self.raw(name, wire.encode(record))

    def calendar(self, name: bytes, record: wire.Calendar) -> None:
        """A calendar record under its key, in the partition of its symbol."""
        partition = partition_of(key(f"{record.exchange}:{record.symbol}"), self.partitions)
        self.entries.append(Entry(partition, name, wire.encode(record)))

    def raw(self, name: bytes, value: bytes) -> None:
        """Any bytes under a key, in the partition of the key."""
        self.entries.append(Entry(partition_of(name, self.partitions), name, value))

    def mark(self, record: wire.Mark) -> None:
        """A mark, in every partition, which says what changed of its own symbols."""
        for partition in range(self.partitions):
            own = tuple(c for c in record.coverage if c.symbol == EVERY_SYMBOL or self._holds(partition, c.symbol))
            raw = wire.encode(wire.Mark(epoch=record.epoch, watermark=record.watermark, coverage=own))
            self.entries.append(Entry(partition, MARK_KEY, raw))

    def _holds(self, partition: int, symbol: str) -> bool:
        return partition_of(key(symbol), self.partitions) == partition


def calm_log(
    symbols: Sequence[str],
    minutes: int,
    *,
    ticks_a_minute: int = 6,
    start: int = T0,
    seed: int = 1,
    partitions: int = 4,
) -> TickLog:
    """Prices that walk and volumes that grow for some minutes round the clock, with a mark every ten seconds.

    All is covered throughout; the last minute is closed by the last mark.
    """
    log, chance = TickLog(partitions), random.Random(len(symbols))
    for symbol in symbols:
        log.calendar(*calendar(symbol, at=start - MINUTE))
    log.mark(mark(start - MINUTE, *((symbol, "covered", start - MINUTE) for symbol in symbols)))
    prices = {symbol: 100.0 + chance.randrange(1000) for symbol in symbols}
    volumes = dict.fromkeys(symbols, 1000.0)
    for symbol in symbols:
        log.tick(tick(start - 30_000, prices[symbol], volumes[symbol], symbol=symbol, is_baseline=True))
    step = MINUTE // ticks_a_minute
    marked = start
    for at in range(start, start + minutes * MINUTE, step):
        while marked <= at:
            log.mark(mark(marked))
            marked += 10_000
        for symbol in symbols:
            prices[symbol] = round(prices[symbol] + chance.randint(-50, 50) / 100, 2)
            volumes[symbol] = round(volumes[symbol] + chance.randint(1, 900) / 100, 2)
            log.tick(tick(at + chance.randrange(step), prices[symbol], volumes[symbol], symbol=symbol))
    log.mark(mark(start + minutes * MINUTE + 5_000))
    return log


def symbols_named(prefix: str, count: int) -> list[str]:
    """Symbols of one test: `SIM:{PREFIX}0`, `SIM:{PREFIX}1`, …"""
    return [f"SIM:{prefix.upper()}{number}" for number in range(count)]


def entry_of(record: wire.Bar | wire.Forming | wire.Tick, partitions: int) -> Entry:
    """A record of one symbol, as its producer would place it."""
    name = key(f"{record.exchange}:{record.symbol}")
    headers = bar_headers(record.interval, record.close_time) if isinstance(record, wire.Bar) else None
    return Entry(partition_of(name, partitions), name, wire.encode(record), headers)
