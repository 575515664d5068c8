"""The second oracle: reads a whole partition of the tick log, sorts, groups, and gives the last values of every bar.

It shares nothing with the fold but the contracts: the calendar, the units and what marks say was heard. It keeps
nothing from record to record that the whole log would not tell as well.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from contracts import wire
from contracts.bars import volume_of, volume_units
from contracts.intervals import DAY, MINUTE, Interval
from contracts.marks import Hearing

Log = Iterable[tuple[bytes, wire.Tick | wire.Mark, int]]
Label = tuple[str, str, int]
"""Symbol, interval, open time."""


class Last(NamedTuple):
    """The last values of a bar."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None
    tick_count: int
    first_tick_time: int
    last_tick_time: int


class Seen(NamedTuple):
    """An observation that counts, the minute in which it does, and where in the log it stands."""

    minute: int
    tick: wire.Tick
    place: int

    @property
    def order(self) -> tuple[int, int, float]:
        return (self.tick.event_time // 1000, self.tick.sequence, self.tick.price)

    @property
    def units(self) -> int | None:
        volume = self.tick.cumulative_volume
        return None if volume is None else volume_units(volume)


class Naive(NamedTuple):
    """What a log comes to."""

    bars: dict[Label, Last]
    late: list[wire.Tick]
    """Beyond the horizon, in log order."""


def naive(log: Log, *, lateness_ms: int, horizon_ms: int, max_skew_ms: int, max_age_ms: int) -> Naive:
    """The bars of a log that are closed at its end."""
    records = list(log)
    hearing = Hearing()
    seen: dict[str, list[Seen]] = defaultdict(list)
    delays: dict[str, int] = {}
    floors: dict[str, int] = {}
    closed: dict[str, list[tuple[int, int]]] = defaultdict(list)
    late = []
    for place, (_, record, timestamp) in enumerate(records):
        if isinstance(record, wire.Mark):
            clock = hearing.apply(record, timestamp)
            for name, delay in delays.items():
                floors[name] = max(floors[name], _aligned(clock - lateness_ms - delay))
                closed[name].append((place, floors[name]))
            continue
        if record.event_time - max(timestamp, hearing.clock) > max_skew_ms:
            continue
        name = f"{record.exchange}:{record.symbol}"
        delays[name] = record.delay * 1000
        floors.setdefault(name, _aligned(hearing.clock - lateness_ms - delays[name]) if hearing.clock else 0)
        oldest = floors[name] - horizon_ms
        if not hearing.clock:
            oldest = max(0, _aligned(timestamp - delays[name] - max_age_ms) + MINUTE)
        minute = _aligned(record.event_time)
        if minute < oldest and not record.is_baseline:
            late.append(record)
            continue
        seen[name].append(Seen(max(minute, oldest), record, place))
    bars: dict[Label, Last] = {}
    for name, observed in seen.items():
        parts: dict[tuple[str, int], list[Last]] = defaultdict(list)
        for minute, day, values in _minutes(name, observed, hearing, closed[name]):
            for interval in Interval:
                parts[interval.value, interval.open_time(minute, day)].append(values)
        for (interval_name, label), values_in_order in parts.items():
            if Interval(interval_name).close_time(label) <= floors[name]:
                bars[name, interval_name, label] = _merged(values_in_order)
    return Naive(bars, late)


def _minutes(
    name: str, observed: list[Seen], hearing: Hearing, closed: list[tuple[int, int]]
) -> Iterable[tuple[int, int, Last]]:
    """The minutes of a symbol that have ticks, in time order: open time, trading day, values.

    `closed`: the places of marks, and up to when each closes minutes. A minute's day is that of what came before the
    mark that issues it first: a bar cannot leave its daily bar again.
    """
    residuals = _residuals(name, observed, hearing)
    by_minute: dict[int, list[Seen]] = defaultdict(list)
    for one in observed:
        by_minute[one.minute].append(one)
    first = observed[0]
    day, reached = first.tick.trading_day, first.units
    residual = 0
    extremes: dict[int, list[float]] = defaultdict(list)
    for minute in sorted(by_minute):
        group = sorted(by_minute[minute], key=lambda one: one.place)
        turned = max(one.tick.trading_day for one in group)
        ticks = sorted((one for one in group if not one.tick.is_baseline), key=lambda one: one.order)
        volume: int | None = 0
        counted = [one.units for one in group if one.units is not None and one.tick.trading_day == turned]
        if turned > day:
            volume, day, reached, residual = _turn(group, residuals, day, reached, residual, turned, bool(counted))
        top = max(counted, default=None) if turned == day else None
        residual += sum(residuals.get((one.place, day), 0) for one in group)
        if not ticks:
            reached = top if reached is None else reached
            continue
        if reached is None:
            volume, reached, residual = (None if top is None else 0), top, 0
        elif top is not None and top > reached:
            assert volume is not None
            volume, reached, residual = volume + max(0, top - reached - residual), top, 0
        high, low = _extremes(group, ticks, turned, minute, extremes[turned])
        extremes[turned] += [high, low]
        came = min(one.place for one in ticks)
        issued = min((place for place, until in closed if place > came and until > minute), default=None)
        label = max(one.tick.trading_day for one in group if issued is None or one.place < issued)
        label = label if label - 10 * DAY <= minute < label + DAY else minute - minute % DAY
        yield minute, label, Last(
            ticks[0].tick.price, high, low, ticks[-1].tick.price, None if volume is None else volume_of(volume),
            len(ticks), min(t.tick.event_time for t in ticks), max(t.tick.event_time for t in ticks),
        )  # fmt: skip


def _turn(
    group: list[Seen], residuals: dict[tuple[int, int], int], day: int, reached: int | None, residual: int, turned: int,
    has_volume: bool,
) -> tuple[int, int, int | None, int]:  # fmt: skip
    """The day changes in a minute: what the old one still traded, if that is the day just before, and the new start."""
    traded = 0
    before = sorted({one.tick.trading_day for one in group if one.units is not None and one.tick.trading_day < turned})
    old = [one.units for one in group if one.units is not None and one.tick.trading_day == day]
    if before and before[-1] == day and old and reached is not None:
        residual += sum(residuals.get((one.place, day), 0) for one in group)
        traded = max(0, max(old) - reached - residual)
    return traded, turned, None if reached is None and not has_volume else 0, 0


def _residuals(name: str, observed: list[Seen], hearing: Hearing) -> dict[tuple[int, int], int]:
    """By place of a baseline, and trading day: what its counter moved while the symbol was unheard."""
    found = {}
    for one in observed:
        earlier = [other for other in observed if other.place < one.place]
        if not earlier or one.units is None:
            continue
        day = one.tick.trading_day
        known = [other.units for other in earlier if other.tick.trading_day == day and other.units is not None]
        is_first_of_day = all(other.tick.trading_day < day for other in earlier)
        if not is_first_of_day and not (one.tick.is_baseline and known):
            continue
        moved = one.units if is_first_of_day else max(0, one.units - max(known))
        before = max(other.tick.received_at for other in earlier)
        if hearing.unheard(name, before, one.tick.received_at):
            found[one.place, day] = moved
    return found


def _extremes(group: list[Seen], ticks: list[Seen], day: int, minute: int, earlier: list[float]) -> tuple[float, float]:
    high, low = max(one.tick.price for one in ticks), min(one.tick.price for one in ticks)
    own = [one for one in group if one.tick.event_time >= minute and one.tick.trading_day == day]
    if not own:
        return high, low
    first, last = min(own, key=lambda one: one.order).tick, max(own, key=lambda one: one.order).tick
    if last.day_high is not None and first.day_high is not None and last.day_high > max(high, first.day_high, *earlier):
        high = last.day_high
    if last.day_low is not None and first.day_low is not None and last.day_low < min(low, first.day_low, *earlier):
        low = last.day_low
    return high, low


def _merged(parts: list[Last]) -> Last:
    assert all(a.first_tick_time // MINUTE < b.first_tick_time // MINUTE for a, b in pairwise(parts))
    volumes = [volume_units(part.volume) for part in parts if part.volume is not None]
    return Last(
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        volume_of(sum(volumes)) if volumes else None,
        sum(part.tick_count for part in parts),
        min(part.first_tick_time for part in parts),
        max(part.last_tick_time for part in parts),
    )


def _aligned(instant: int) -> int:
    return instant - instant % MINUTE
