"""Bars: OHLCV of one interval, which of two bars wins, and how bars merge into a longer one."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.base import MIN_MS, Count, Exchange, Millis, Name, Price, Record, Ticker, TotalVolume
from contracts.intervals import Interval
from contracts.symbols import SymbolId
from contracts.ticks import TradingDay

VOLUME_SCALE = 100_000_000
"""Volumes are added as integers in units of 1e-8, so that sums are exact."""
_SPARSE_FROM = 2**26
"""From here on doubles lie further apart than 1e-8."""


class Origin(StrEnum):
    """Where a bar comes from.

    `backfill`: the provider's, where there was no bar from ticks. `ticks`: the fold of the tick log. `provider_final`:
    the provider's, in place of a bar from ticks; nothing emits it yet.
    """

    BACKFILL = "backfill"
    TICKS = "ticks"
    PROVIDER_FINAL = "provider_final"

    @property
    def rank(self) -> int:
        return _ORIGIN_RANK[self]


_ORIGIN_RANK = {Origin.BACKFILL: 0, Origin.TICKS: 1, Origin.PROVIDER_FINAL: 2}


class BarState(StrEnum):
    """Whether a bar may still change: `forming` may, `closed` is complete, `revised` changed after it was closed."""

    FORMING = "forming"
    CLOSED = "closed"
    REVISED = "revised"


class BarValues(Record):
    """What every bar has: its interval, `[open_time, close_time)` in milliseconds, and its values.

    Bars lie on the grid of the symbol's trading calendar (`contracts.calendar`); `1d`, `1w` and `1M` are labelled by
    midnight UTC of the (first) trading day, and close when its (last) session does. `trading_day` is midnight UTC of
    the trading day that an intraday bar belongs to; of longer bars it is `open_time`. `volume` is null for symbols
    without one; the tick times are event times, null where no tick is known. `gap_ms` is how much of the bar's session
    time nothing covered.
    """

    interval: Interval
    open_time: Millis
    close_time: Millis
    trading_day: TradingDay
    open: Price
    high: Price
    low: Price
    close: Price
    volume: TotalVolume | None
    tick_count: Count = 0
    first_tick_time: Millis | None = None
    last_tick_time: Millis | None = None
    gap_ms: Count = 0

    @model_validator(mode="after")
    def _is_a_bar(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError("low <= open, close <= high does not hold")
        if self.interval.is_intraday:
            if self.open_time >= self.close_time:
                raise ValueError("close_time is not after open_time")
        elif self.trading_day != self.open_time:
            raise ValueError(f"a {self.interval} bar is labelled midnight UTC of a trading day")
        return self


class Bar(BarValues):
    """A bar that was emitted: the value of `market.bars` under the key `EXCHANGE:TICKER`.

    `revision` counts how often the engine emitted it again (0, 1, 2 …); that of a bar of the provider or of a replay is
    a time in epoch milliseconds, greater than any revision before. `delay` is the delay class, in seconds, with which
    it closed. `reason` says why a bar was emitted again, and is null at its first emission: `late_tick`, `volume` (what
    was traded was decided anew), `gap` (its `gap_ms` changed), `calendar` (its `close_time` moved), `auction` (a
    closing auction followed the close), `replay`.
    """

    exchange: Exchange
    symbol: Ticker
    origin: Origin
    revision: Count = 0
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    reason: Name | None = None

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)

    @property
    def state(self) -> BarState:
        """`revised` when it replaced an emitted bar, else `closed`."""
        if self.origin is Origin.PROVIDER_FINAL or (self.origin is Origin.TICKS and self.revision > 0):
            return BarState.REVISED
        return BarState.CLOSED


class FormingBar(BarValues):
    """A bar that may still change."""


class Forming(Record):
    """The forming bars of one symbol, the value of `market.forming` under the key `EXCHANGE:TICKER`."""

    exchange: Exchange
    symbol: Ticker
    sequence: Count
    bars: Annotated[tuple[FormingBar, ...], Field(max_length=26)]

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class BarsComplete(Record):
    """Which bars of a delay class are complete: a value of `market.bars` under the key `!`, for its partition.

    Every bar of this delay (seconds), of any interval and calendar, with `close_time <= closed_through` stands before
    this record, if it had a tick by then; those with `close_time <= final_through` are not changed by ticks any more
    (only with the reason `calendar` or `replay`, or by a higher origin). Neither instant ever moves back. `count` is
    the number of bars that were emitted since the previous record of this class; it may be 0.
    """

    kind: Literal["bars_complete"] = "bars_complete"
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    closed_through: Millis
    final_through: Millis
    count: Count


Rank = tuple[int, int, int, int, float, float, float, float, float, int, int, int, int, int, str]


def rank(bar: Bar) -> Rank:
    """The place of a bar among all bars of one symbol, interval and open time: the greatest wins.

    Origin (backfill, ticks, provider_final), then the higher revision, then a fixed order over the values: the smaller
    gap, more ticks, then by close, high, low, open, volume, tick times and reason. Total and commutative.
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
        MIN_MS - 1 if bar.first_tick_time is None else bar.first_tick_time,
        MIN_MS - 1 if bar.last_tick_time is None else bar.last_tick_time,
        bar.close_time,
        bar.trading_day,
        bar.delay,
        bar.reason or "",
    )


def winner(one: Bar, other: Bar) -> Bar:
    """Which of two bars of the same symbol, interval and open time wins."""
    return one if rank(one) >= rank(other) else other


def merge(
    interval: Interval, open_time: int, close_time: int, trading_day: int, bars: Iterable[BarValues]
) -> BarValues:
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
        close_time=close_time,
        trading_day=trading_day,
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
    """A volume as an integer of 1e-8, exact: the whole part and the rest are converted apart.

    A product of floats would lose the units of a large volume: 1e12 + 1 is not exact in units of 1e-8 as a float. From
    2**26 on, where doubles lie further apart, the rest is the decimal that was written: 900000000.73 ends in .73.
    """
    whole = int(volume)
    rest = volume - whole
    if rest and whole >= _SPARSE_FROM:
        rest = float("0." + repr(volume).partition(".")[2])
    return whole * VOLUME_SCALE + round(rest * VOLUME_SCALE)


def volume_of(units: int) -> float:
    """An integer of 1e-8 as a volume: the double nearest to it.

    `volume_units` gives the same integer again below 2**26 (67 million); above, doubles lie further apart than 1e-8.
    """
    return units / VOLUME_SCALE
