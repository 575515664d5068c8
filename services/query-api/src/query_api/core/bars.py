"""Bars from how they are stored to how they are served: documents and cached JSON to OHLCV bodies."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from contracts import wire
from contracts.bars import BarState, Origin
from contracts.intervals import Interval, rfc3339
from contracts.symbols import SymbolId

Body = dict[str, Any]
"""A body as plain values, in the shape of its model in `contracts.http`."""

PROJECTION = (
    "interval", "open_time", "close_time", "trading_day", "open", "high", "low", "close", "volume", "tick_count",
    "first_tick_time", "last_tick_time", "gap_ms", "exchange", "symbol", "origin", "revision", "delay", "reason",
)  # fmt: skip
"""The fields of a stored document that a served bar is made of."""


def stored_bar(document: Mapping[str, Any]) -> wire.Bar:
    """The bar of a stored document; `BadData` if it holds none."""
    try:
        return msgspec.convert(document, wire.Bar)
    except msgspec.ValidationError as error:
        raise wire.fault_of(error) from None


def forming_bar(raw: bytes) -> wire.FormingBar:
    """The forming bar that the cache holds as JSON; `BadData` if it is none."""
    try:
        return _forming.decode(raw)
    except wire.UNDECODABLE as error:
        raise wire.fault_of(error) from None


def served(bar: wire.Bar) -> Body:
    """A stored bar as `OHLCV`."""
    return {
        **_values(bar),
        "state": _state(bar.origin, bar.revision),
        "origin": bar.origin,
        "revision": bar.revision,
        "gap_ms": bar.gap_ms,
        "delay": bar.delay,
        "reason": bar.reason,
    }


def current_bar(identity: SymbolId, interval: Interval, bar: wire.FormingBar) -> Body:
    """A forming bar as `CurrentBarBody`."""
    return {
        "exchange": identity.exchange,
        "symbol": identity.symbol,
        "interval": interval.value,
        "bar": {
            **_values(bar),
            "state": BarState.FORMING.value,
            "origin": None,
            "revision": None,
            "gap_ms": bar.gap_ms,
            "delay": None,
            "reason": None,
        },
    }


def series(identity: SymbolId, interval: Interval, bars: Sequence[wire.Bar]) -> bytes:
    """Bars as the JSON of a `SeriesBody`, in the order given."""
    return encode(
        {
            "exchange": identity.exchange,
            "symbol": identity.symbol,
            "interval": interval.value,
            "count": len(bars),
            "bars": [served(bar) for bar in bars],
        }
    )


def time_of(instant: int | None) -> str | None:
    """An instant as RFC 3339, null if there is none."""
    return None if instant is None else rfc3339(instant)


def date_of(trading_day: int) -> str:
    """A trading day as a date."""
    return rfc3339(trading_day)[:10]


encode = msgspec.json.Encoder().encode
"""A body as compact JSON in UTF-8."""

_forming = msgspec.json.Decoder(wire.FormingBar)


def _values(bar: wire.Bar | wire.FormingBar) -> Body:
    return {
        "open_time": rfc3339(bar.open_time),
        "close_time": rfc3339(bar.close_time),
        "trading_day": date_of(bar.trading_day),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "tick_count": bar.tick_count,
        "first_tick_time": time_of(bar.first_tick_time),
        "last_tick_time": time_of(bar.last_tick_time),
    }


def _state(origin: str, revision: int) -> str:
    """As `contracts.bars.Bar.state`."""
    if origin == Origin.PROVIDER_FINAL or (origin == Origin.TICKS and revision > 0):
        return BarState.REVISED.value
    return BarState.CLOSED.value
