"""The feed's desired state (subscriptions, control), its status per symbol, its metadata and its events."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from contracts.base import Count, Exchange, Millis, Name, Record, Text, Ticker, TotalVolume, first_fault
from contracts.errors import BadData
from contracts.symbols import SymbolId


class Subscription(Record):
    """A wanted symbol: the value of `market.subscriptions` under the key `EXCHANGE:TICKER`; a tombstone ends it."""

    exchange: Exchange
    symbol: Ticker
    wanted_at: Millis

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class FeedControl(Record):
    """Whether the feed runs: the value of `market.control` under the key `feed`. No record means it runs."""

    running: bool
    requested_at: Millis


class SymbolState(StrEnum):
    """The state of a symbol in the feed."""

    LIVE = "live"
    QUIET = "quiet"
    STALLED = "stalled"
    CLOSED = "closed"
    DELAYED = "delayed"
    UNAUTHORIZED = "unauthorized"
    ERROR = "error"
    STOPPED = "stopped"


class SymbolStatus(Record):
    """The status of a symbol at one replica: the value of `market.status` under the key `EXCHANGE:TICKER|replica`.

    It lies in the symbol's partition; a tombstone follows when the symbol is no longer served there.
    """

    exchange: Exchange
    symbol: Ticker
    replica: Name
    state: SymbolState
    detail: Text | None = None
    last_tick_time: Millis | None = None
    at: Millis

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)

    @property
    def key(self) -> bytes:
        return f"{self.exchange}:{self.symbol}|{self.replica}".encode()


class SymbolInfo(Record):
    """What the provider says of a symbol: the value of `market.symbols` under the key `EXCHANGE:TICKER`.

    `timezone`, `session`, `holidays` and `corrections` are its trading calendar (`contracts.calendar`), as TradingView
    writes them. A tick of its price is `min_move / price_scale`. Texts are null where nothing is known.
    """

    exchange: Exchange
    symbol: Ticker
    description: Text | None = None
    type: Name | None = None
    currency: Name | None = None
    listed_exchange: Name | None = None
    price_scale: Annotated[float, Field(gt=0, le=1e15)] | None = None
    min_move: Annotated[float, Field(gt=0, le=1e15)] | None = None
    timezone: Name
    session: Annotated[str, Field(min_length=1, max_length=4096)]
    holidays: Annotated[str, Field(max_length=65_536)] = ""
    corrections: Annotated[str, Field(max_length=65_536)] = ""
    has_volume: bool = True
    at: Millis

    @property
    def identity(self) -> SymbolId:
        return SymbolId(self.exchange, self.symbol)


class ConnectionEvent(Record):
    """What happened to a connection to the provider."""

    type: Literal["connected", "disconnected", "stalled", "unauthorized"]
    replica: Name
    connection: Annotated[int, Field(ge=0)]
    reason: Text | None = None
    symbols: Annotated[int, Field(ge=0)] = 0
    at: Millis


class SymbolErrorEvent(Record):
    """The provider refuses a symbol (protocol §4.4)."""

    type: Literal["symbol_error"] = "symbol_error"
    replica: Name
    exchange: Exchange
    symbol: Ticker
    reason: Text
    at: Millis


class GapEvent(Record):
    """A stretch in which no epoch covered a wanted symbol, emitted when it has ended and the close delay has passed.

    `[start, end)` is receive time. `[event_start, event_end)` is the event time that was lost at the symbol's delay
    (seconds), `session_ms` how much of it lies inside the sessions of its calendar: 0 means that the market was closed
    and that no bar lacks anything. `gap_volume` is by how much the cumulative volume rose meanwhile, which is in no
    bar; null where that is not known: a trading day began meanwhile, or the volume fell, or the symbol has none.
    """

    type: Literal["gap"] = "gap"
    exchange: Exchange
    symbol: Ticker
    start: Millis
    end: Millis
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    event_start: Millis
    event_end: Millis
    session_ms: Count
    gap_volume: TotalVolume | None = None
    at: Millis


FeedEvent = Annotated[ConnectionEvent | SymbolErrorEvent | GapEvent, Field(discriminator="type")]
"""The value of `market.feed`, distinguished by `type`; the key is `EXCHANGE:TICKER`, or the replica of a connection."""

_EVENT: TypeAdapter[ConnectionEvent | SymbolErrorEvent | GapEvent] = TypeAdapter(FeedEvent)


def decode_feed_event(raw: bytes | str) -> ConnectionEvent | SymbolErrorEvent | GapEvent:
    """Read a value of `market.feed`, ignoring unknown fields; `BadData` when it is none."""
    try:
        return _EVENT.validate_json(raw, extra="ignore")
    except ValidationError as error:
        raise BadData(first_fault(error), kind="undecodable") from None
