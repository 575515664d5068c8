"""Builders of bars and forming bars: a test names what matters to it, the rest is plain."""

from collections.abc import Sequence
from typing import Any

from contracts import wire
from contracts.bars import Origin
from contracts.intervals import Interval
from tests.support.records import T0


def bar(open_time: int = T0, close: float = 10.0, *, symbol: str = "A", interval: str = "1m", **more: Any) -> wire.Bar:
    """A bar of `SIM:A` from ticks."""
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
        "close_time": Interval(interval).close_time(open_time),
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
