"""Builders of bars and forming bars: a test names what matters to it, the rest is plain."""

from collections.abc import Sequence
from typing import Any

from contracts import wire
from contracts.bars import Origin
from contracts.calendar import ALWAYS
from contracts.intervals import DAY, Interval
from tests.support.records import T0


def bar(open_time: int = T0, close: float = 10.0, *, symbol: str = "A", interval: str = "1m", **more: Any) -> wire.Bar:
    """A bar of `SIM:A` from ticks, of a market that never closes."""
    closes = ALWAYS.close_of(Interval(interval), open_time)
    fields: dict[str, Any] = {
        "open": 10.0,
        "high": max(10.0, close),
        "low": min(10.0, close),
        "volume": 5.0,
        "tick_count": 3,
        "first_tick_time": open_time,
        "last_tick_time": open_time + 1,
        "exchange": "SIM",
        "origin": Origin.TICKS.value,
        "close_time": closes,
        "trading_day": open_time - open_time % DAY,
    }
    return wire.Bar(interval=interval, open_time=open_time, close=close, symbol=symbol, **fields | more)


def forming(
    sequence: int, close: float = 10.0, *, symbol: str = "A", bars: Sequence[tuple[str, int]] = (("1m", T0),)
) -> wire.Forming:
    """The forming bars `(interval, open_time)` of `SIM:A`."""
    made = (
        wire.FormingBar(
            interval=interval,
            open_time=open_time,
            close_time=open_time + 60_000,
            trading_day=open_time - open_time % DAY,
            open=10.0,
            high=max(10.0, close),
            low=min(10.0, close),
            close=close,
            volume=None,
            tick_count=1,
        )
        for interval, open_time in bars
    )
    return wire.Forming(exchange="SIM", symbol=symbol, sequence=sequence, bars=tuple(made))
