"""Rows as a provider gives them, to bars as they are stored: labelled, validated, closed ones only."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from contracts.bars import Bar, Origin
from contracts.base import MAX_MS, MIN_MS, Price, TotalVolume
from contracts.calendar import Calendar
from contracts.errors import BadData
from contracts.history import Series
from contracts.intervals import Interval
from history_sync.core.labels import Place, early, place

MOST_EXAMPLES = 5
UNTOLD_DELAY_MS = 900_000
"""How far behind a feed may be that does not say it: the delay of exchanges without an agreement (protocol §3.4)."""

_price = TypeAdapter(Price)
_volume = TypeAdapter(TotalVolume)


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
    """What an answer comes to: `bars` to store, ascending; how many are `forming`; rows put aside by cause.

    `off_grid` are the stamps of stored bars that open where the calendar has no bar.
    """

    bars: tuple[Bar, ...]
    forming: int
    rejected: Mapping[str, int]
    examples: tuple[Rejected, ...]
    off_grid: tuple[int, ...] = ()


def bars_of(
    series: Series,
    rows: Sequence[Row],
    calendar: Calendar,
    *,
    revision: int,
    closed_until: int,
    last_closes: int | None = None,
) -> Sorted:
    """Sort the rows of one answer into closed bars of origin `backfill`, forming ones, and ones that are put aside.

    `closed_until` is the instant of the provider's data: a bar that ends later, by the calendar, may still change and
    is not stored; nor is the last one while the provider says that it ends later (`last_closes`).
    A bad row costs no other: not finite; of no year that a calendar covers (`out_of_time`); not after the bar before it
    (`not_ascending`), or the same one again (`repeated`); with a price or volume beyond what any store takes
    (`out_of_bounds`); with a high or low that does not hold its open and close (`no_bar`). A bar off the calendar's
    grid is stored under the provider's own instant.
    """
    bars: list[Bar] = []
    forming = 0
    rejected: Counter[str] = Counter()
    examples: list[Rejected] = []
    off_grid: list[int] = []
    before: tuple[int, Place] | None = None  # stamp and place of the last bar
    for position, row in enumerate(rows):
        found = _place(calendar, series.interval, row, before)
        bar = found if isinstance(found, str) else _bar(series, row, found, revision)
        if isinstance(found, str) or isinstance(bar, str):
            cause = str(bar)
            rejected[cause] += 1
            if len(examples) < MOST_EXAMPLES:
                examples.append(Rejected(position, cause, row))
            continue
        closes = max(found.close_time, last_closes or found.close_time) if row is rows[-1] else found.close_time
        if closes > closed_until:
            forming += 1
            continue
        bars.append(bar)
        before = (row.stamped_ms, found)
        if not found.is_on_grid:
            off_grid.append(row.stamped_ms)
    return Sorted(tuple(bars), forming, dict(rejected), tuple(examples), tuple(off_grid))


def closed_until(provider_now: int, delay_ms: int | None, pace_ms: int = 0) -> int:
    """Up to which instant an answer is final: the provider's clock when it was complete, less what its feed is behind.

    `delay_ms` None is a feed that does not say (then `UNTOLD_DELAY_MS`); `pace_ms` is how seldom a series is brought
    up to date for this account (`rt_update_period`, protocol §3.4).
    """
    return provider_now - (UNTOLD_DELAY_MS if delay_ms is None else delay_ms) - pace_ms


def _place(calendar: Calendar, interval: Interval, row: Row, before: tuple[int, Place] | None) -> Place | str:
    """Where a row belongs, or the cause for which it is put aside; `before` as in `bars_of`."""
    if not all(map(math.isfinite, row[1:5])):
        return "not_finite"
    if not MIN_MS <= row.stamped_ms <= MAX_MS:
        return "out_of_time"
    try:
        found = place(calendar, interval, row.stamped_ms)
    except BadData:
        return "out_of_time"
    if before is None:
        return found
    if row.stamped_ms < before[0] or found.open_time < before[1].open_time:
        return "not_ascending"
    if found.open_time == before[1].open_time:
        return early(calendar, interval, row.stamped_ms, before[1]) or "repeated"
    return found


def _bar(series: Series, row: Row, where: Place, revision: int) -> Bar | str:
    try:
        for price in row[1:5]:
            _price.validate_python(price)
        _volume.validate_python(row.volume or 0.0)
    except ValidationError:
        return "out_of_bounds"
    try:
        return Bar(
            exchange=series.exchange,
            symbol=series.symbol,
            interval=series.interval,
            open_time=where.open_time,
            close_time=where.close_time,
            trading_day=where.trading_day,
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
