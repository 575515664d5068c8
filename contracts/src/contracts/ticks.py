"""What was observed of a symbol: its latest state (`Quote`), one observation (`QuoteTick`), its calendar."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contracts.base import MIN_MS, Count, Exchange, Millis, Name, Price, Record, Text, Ticker, Volume
from contracts.intervals import DAY
from contracts.symbols import SymbolId

SEQUENCE_SLOTS = 4096
"""A `sequence` is `received_at * 4096 + n`: one integer, exact in a double, that orders observations."""

TradingDay = Annotated[int, Field(ge=MIN_MS, le=253_402_214_400_000, multiple_of=DAY)]
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
    """One observation of a symbol, a value of `market.ticks` under the key `EXCHANGE:TICKER`.

    Times are milliseconds, `delay` is seconds. `event_time` is the venue's time (an estimate, if
    `event_time_estimated`), `received_at` ours; `trading_day` is that of `event_time` by the symbol's calendar.
    `cumulative_volume` and the day's figures are those that the provider showed last: for a while after a trading day
    has begun they may be yesterday's. A tick with `is_baseline` is no trade: it shows the state from which the epoch
    goes on. `epoch` is the one whose marks cover the observation.
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
    epoch: Annotated[int, Field(ge=0, lt=2**53)] = 0

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class CalendarRecord(Record):
    """The trading calendar of a symbol, in `market.ticks` under the key `!EXCHANGE:TICKER`, in the symbol's partition.

    It stands before the symbol's first tick of an epoch, again whenever it changes, and every 6 hours. The four texts
    are TradingView's metadata (protocol §5.4), see `contracts.calendar.Calendar.parse`; `has_volume` is false for an
    index whose quotes carry none. `at` is when it was received, milliseconds.
    """

    kind: Literal["calendar"] = "calendar"
    exchange: Exchange
    symbol: Ticker
    timezone: Name
    session: Annotated[str, Field(min_length=1, max_length=4096)]
    holidays: Annotated[str, Field(max_length=65_536)] = ""
    corrections: Annotated[str, Field(max_length=65_536)] = ""
    has_volume: bool = True
    at: Millis

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)

    @property
    def key(self) -> bytes:
        """`!EXCHANGE:TICKER`: consumers of ticks skip keys that begin with `!`."""
        return b"!" + self.identity.key


class Quote(Record):
    """The merged latest state of a symbol, as `quote:latest` holds it and the API serves it.

    `extended_price` is the last price before or after the market, at `extended_time` (`rtc`, protocol §4.2).
    """

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
    extended_price: Price | None = None
    extended_time: Millis | None = None
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

    `bar_open_time` is that of its 1m bar. Minutes that close at or before `closed_until` were final when it came.
    """

    tick: QuoteTick
    reason: Name
    bar_open_time: Millis
    closed_until: Millis
