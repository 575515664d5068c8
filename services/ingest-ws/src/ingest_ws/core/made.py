"""Ticks and quotes as they are made here: by position, which takes a tenth of the time that twenty names take."""

import msgspec

from contracts import wire


class MadeTick(wire.Tick, frozen=True, gc=False, kw_only=False):
    """The fields of `wire.Tick` in its order, all of them given."""

    exchange: str
    symbol: str
    price: float
    cumulative_volume: float | None
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    day_open: float | None
    day_high: float | None
    day_low: float | None
    previous_close: float | None
    trading_day: int
    session: wire.Phase
    delay: int
    event_time: int
    event_time_estimated: bool
    received_at: int
    sequence: int
    is_baseline: bool
    epoch: int


class MadeQuote(msgspec.Struct, frozen=True, gc=False):
    """The fields of `contracts.ticks.Quote` in its order, all of them given."""

    exchange: str
    symbol: str
    price: float | None
    cumulative_volume: float | None
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    change: float | None
    change_percent: float | None
    day_open: float | None
    day_high: float | None
    day_low: float | None
    previous_close: float | None
    extended_price: float | None
    extended_time: int | None
    trading_day: int | None
    session: str
    delay: int
    currency: str | None
    description: str | None
    event_time: int | None
    received_at: int
    sequence: int

    def encode(self) -> bytes:
        """The quote as compact JSON in UTF-8."""
        return wire.encode(self)
