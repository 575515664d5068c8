"""Bars: OHLCV of one interval, which of two bars wins, and how bars merge into a longer one."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.base import Count, Exchange, Millis, Name, Price, Record, Ticker, Volume
from contracts.intervals import Interval
from contracts.symbols import SymbolId

VOLUME_SCALE = 100_000_000
"""Volumes are added as integers of 1e-8 from the close of a minute on, so that sums are exact."""


class Origin(StrEnum):
    """Whose word a bar is: the provider's where we heard nothing, our fold's, or the provider's that replaced ours."""

    BACKFILL = "backfill"
    TICKS = "ticks"
    SETTLED = "settled"

    @property
    def rank(self) -> int:
        return _ORIGIN_RANK[self]


_ORIGIN_RANK = {Origin.BACKFILL: 0, Origin.TICKS: 1, Origin.SETTLED: 2}


class BarState(StrEnum):
    """Whether a bar may still change: `forming` may, `closed` is complete, `revised` changed after it was closed."""

    FORMING = "forming"
    CLOSED = "closed"
    REVISED = "revised"


class BarValues(Record):
    """What every bar has: its interval, `[open_time, close_time)` in milliseconds, and its values.

    `volume` is null for symbols without one; the tick times are event times, null where no tick is known.
    """

    interval: Interval
    open_time: Millis
    close_time: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Volume | None
    tick_count: Count = 0
    first_tick_time: Millis | None = None
    last_tick_time: Millis | None = None
    gap_ms: Count = 0

    @model_validator(mode="after")
    def _is_a_bar(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError("low <= open, close <= high does not hold")
        if not self.interval.is_label(self.open_time):
            raise ValueError(f"no {self.interval} bar begins at open_time")
        if self.close_time != self.interval.close_time(self.open_time):
            raise ValueError("close_time is not where this bar ends")
        return self


class Bar(BarValues):
    """A bar that was issued: the value of `market.bars` under the key `EXCHANGE:SYMBOL`.

    `revision` counts the engine's issues (0, 1, 2 …); of history and replay it is the epoch millisecond at which their
    answer was complete. `reason` says why a revised or settled bar was issued.
    """

    exchange: Exchange
    symbol: Ticker
    origin: Origin
    revision: Count = 0
    reason: Name | None = None

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)

    @property
    def state(self) -> BarState:
        """`revised` when it replaced an issued bar, else `closed`."""
        if self.origin is Origin.SETTLED or (self.origin is Origin.TICKS and self.revision > 0):
            return BarState.REVISED
        return BarState.CLOSED


class FormingBar(BarValues):
    """A bar that may still change."""


class Forming(Record):
    """The forming bars of one symbol, the value of `market.forming` under the key `EXCHANGE:SYMBOL`."""

    exchange: Exchange
    symbol: Ticker
    sequence: Count
    bars: Annotated[tuple[FormingBar, ...], Field(max_length=26)]

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class IntervalComplete(Record):
    """Every bar of this interval and delay class that closes with `open_time` stands before this record.

    The value of `market.bars` with a null key, once for each partition; `count` may be 0. `delay` is in seconds.
    """

    kind: Literal["interval_complete"] = "interval_complete"
    interval: Interval
    open_time: Millis
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    count: Count


Rank = tuple[int, int, int, int, float, float, float, float, float, int, int, str]


def rank(bar: Bar) -> Rank:
    """The place of a bar among all bars of one symbol, interval and open time: the greatest wins.

    Origin (backfill, ticks, settled), then the higher revision, then a fixed order over the values: the one that heard
    more, with more ticks, then by close, high, low, open, volume, tick times and reason. Total and commutative.
    """
    return (
        bar.origin.rank,
        bar.revision,
        -bar.gap_ms,
        bar.tick_count,
        bar.close,
        bar.high,
        bar.low,
        bar.open,
        -1.0 if bar.volume is None else bar.volume,
        -1 if bar.first_tick_time is None else bar.first_tick_time,
        -1 if bar.last_tick_time is None else bar.last_tick_time,
        bar.reason or "",
    )


def winner(one: Bar, other: Bar) -> Bar:
    """Which of two bars of the same symbol, interval and open time wins."""
    return one if rank(one) >= rank(other) else other


def merge(interval: Interval, open_time: int, bars: Iterable[BarValues]) -> BarValues:
    """The longer bar made of shorter ones: any order, no overlaps, at least one.

    Volumes add up exactly in units of 1e-8; the result has a volume if any part has one. Gaps add up.
    """
    parts = sorted(bars, key=lambda bar: bar.open_time)
    if not parts:
        raise ValueError("a bar cannot be made of nothing")
    volumes = [volume_units(bar.volume) for bar in parts if bar.volume is not None]
    firsts = [bar.first_tick_time for bar in parts if bar.first_tick_time is not None]
    lasts = [bar.last_tick_time for bar in parts if bar.last_tick_time is not None]
    return BarValues(
        interval=interval,
        open_time=open_time,
        close_time=interval.close_time(open_time),
        open=parts[0].open,
        high=max(bar.high for bar in parts),
        low=min(bar.low for bar in parts),
        close=parts[-1].close,
        volume=volume_of(sum(volumes)) if volumes else None,
        tick_count=sum(bar.tick_count for bar in parts),
        first_tick_time=min(firsts) if firsts else None,
        last_tick_time=max(lasts) if lasts else None,
        gap_ms=sum(bar.gap_ms for bar in parts),
    )


def volume_units(volume: float) -> int:
    """A volume as an integer of 1e-8."""
    return round(volume * VOLUME_SCALE)


def volume_of(units: int) -> float:
    """An integer of 1e-8 as a volume: the double nearest to it."""
    return units / VOLUME_SCALE
