"""Rows as a provider gives them, to bars as they are stored: labelled, validated, closed ones only."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from contracts.bars import Bar, Origin
from contracts.history import Series
from contracts.intervals import Interval
from history_sync.core.labels import label

MOST_EXAMPLES = 5
UNTOLD_DELAY_MS = 900_000
"""How far behind a feed may be that does not say it: the delay of exchanges without an agreement (protocol §3.4)."""


class Row(NamedTuple):
    """One bar of the provider: its stamp in milliseconds, its prices, its volume (None where it has none)."""

    stamped_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None


class Rejected(NamedTuple):
    """A row put aside: its place in the answer, why (a word for a counter), and what it was."""

    position: int
    cause: str
    row: Row


@dataclass(frozen=True, slots=True)
class Sorted:
    """What an answer comes to: `bars` to store, ascending; how many are `forming`; rows put aside by cause."""

    bars: tuple[Bar, ...]
    forming: int
    rejected: Mapping[str, int]
    examples: tuple[Rejected, ...]


def bars_of(series: Series, rows: Sequence[Row], *, revision: int, closed_until: int) -> Sorted:
    """Sort the rows of one answer into closed bars of origin `backfill`, forming ones, and ones that are put aside.

    `closed_until` is the instant of the provider's data: a bar that ends later may still change and is not stored.
    A bad row costs no other: not finite; of a time where no bar begins (`unaligned`); not after the bar before it
    (`not_ascending`), or the same one again (`repeated`); with a high or low that does not hold its open and close, or
    numbers out of bounds (`no_bar`). A volume beyond what is a number of units is unknown, not wrong.
    """
    bars: list[Bar] = []
    forming = 0
    rejected: Counter[str] = Counter()
    examples: list[Rejected] = []
    before: tuple[int, int] | None = None  # stamp and label of the last bar
    for position, row in enumerate(rows):
        open_time = _place(series.interval, row, before)
        bar = open_time if isinstance(open_time, str) else _bar(series, row, open_time, revision)
        if isinstance(bar, str):
            rejected[bar] += 1
            if len(examples) < MOST_EXAMPLES:
                examples.append(Rejected(position, bar, row))
            continue
        if bar.close_time > closed_until:
            forming += 1
        else:
            bars.append(bar)
            before = (row.stamped_ms, bar.open_time)
    return Sorted(tuple(bars), forming, dict(rejected), tuple(examples))


def closed_until(provider_now: int, delay_ms: int | None, pace_ms: int = 0) -> int:
    """Up to which instant an answer is final: the provider's clock when it was complete, less what its feed is behind.

    `delay_ms` None is a feed that does not say (then `UNTOLD_DELAY_MS`); `pace_ms` is how seldom a series is brought
    up to date for this account (`rt_update_period`, protocol §3.4).
    """
    return provider_now - (UNTOLD_DELAY_MS if delay_ms is None else delay_ms) - pace_ms


def _place(interval: Interval, row: Row, before: tuple[int, int] | None) -> int | str:
    """Where a row belongs, or the cause for which it is put aside; `before` as in `bars_of`."""
    if not all(map(math.isfinite, row[1:5])):
        return "not_finite"
    open_time = label(interval, row.stamped_ms)
    if open_time is None:
        return "unaligned"
    if before is not None and row.stamped_ms < before[0]:
        return "not_ascending"
    if before is not None and open_time == before[1]:
        return "repeated"
    return open_time


def _bar(series: Series, row: Row, open_time: int, revision: int) -> Bar | str:
    try:
        return Bar(
            exchange=series.exchange,
            symbol=series.symbol,
            interval=series.interval,
            open_time=open_time,
            close_time=series.interval.close_time(open_time),
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
            origin=Origin.BACKFILL,
            revision=revision,
        )
    except ValidationError:
        return "no_bar"
