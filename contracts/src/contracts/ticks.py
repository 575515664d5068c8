"""What was observed of a symbol: the merged latest state (`Quote`) and one observation of it (`QuoteTick`)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.base import Count, Exchange, Millis, Name, Price, Record, Text, Ticker, Volume
from contracts.intervals import DAY
from contracts.symbols import SymbolId

SEQUENCE_SLOTS = 4096
"""A `sequence` is `received_at * 4096 + n`: one integer, exact in a double, that orders observations."""

TradingDay = Annotated[int, Field(ge=0, le=253_402_214_400_000, multiple_of=DAY)]
"""Midnight UTC of a trading day, in milliseconds: the label of the 1d bar."""


class SessionPhase(StrEnum):
    """Where a symbol's trading day is (protocol §4.2, `current_session`)."""

    MARKET = "market"
    PRE_MARKET = "pre_market"
    POST_MARKET = "post_market"
    OUT_OF_SESSION = "out_of_session"
    HOLIDAY = "holiday"
    UNKNOWN = "unknown"


class QuoteTick(Record):
    """One observation of a symbol, the value of `market.ticks` under the key `EXCHANGE:SYMBOL`.

    Milliseconds for times, seconds for `delay`. `cumulative_volume` and the day's figures are of `trading_day`, and
    null until they are known for it. `event_time` is the venue's time, `received_at` ours.
    """

    exchange: Exchange
    symbol: Ticker
    price: Price
    cumulative_volume: Volume | None = None
    bid: Price | None = None
    ask: Price | None = None
    bid_size: Volume | None = None
    ask_size: Volume | None = None
    day_open: Price | None = None
    day_high: Price | None = None
    day_low: Price | None = None
    previous_close: Price | None = None
    trading_day: TradingDay
    session: SessionPhase = SessionPhase.UNKNOWN
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    event_time: Millis
    event_time_estimated: bool = False
    received_at: Millis
    sequence: Count
    is_baseline: bool = False

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class Quote(Record):
    """The merged latest state of a symbol, as `quote:latest` holds it and the API serves it."""

    exchange: Exchange
    symbol: Ticker
    price: Price | None = None
    cumulative_volume: Volume | None = None
    bid: Price | None = None
    ask: Price | None = None
    bid_size: Volume | None = None
    ask_size: Volume | None = None
    change: Price | None = None
    change_percent: Price | None = None
    day_open: Price | None = None
    day_high: Price | None = None
    day_low: Price | None = None
    previous_close: Price | None = None
    trading_day: TradingDay | None = None
    session: SessionPhase = SessionPhase.UNKNOWN
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    currency: Name | None = None
    description: Text | None = None
    event_time: Millis | None = None
    received_at: Millis
    sequence: Count = 0

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class LateTick(Record):
    """A tick that came too late to correct its bar, and why: the value of `market.ticks.late`.

    Minutes that open before `closed_until` did not change any more when it arrived.
    """

    tick: QuoteTick
    reason: Name
    bar_open_time: Millis
    closed_until: Millis
