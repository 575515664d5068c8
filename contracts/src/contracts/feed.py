"""The feed's desired state (subscriptions, control), its status per symbol, and the events of its life."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from contracts.base import Exchange, Millis, Name, Record, Text, Ticker, Volume, first_fault
from contracts.errors import BadData
from contracts.symbols import SymbolId


class Subscription(Record):
    """A wanted symbol: the value of `market.subscriptions` under the key `EXCHANGE:SYMBOL`; a tombstone ends it."""

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
    """How the feed stands with a symbol."""

    LIVE = "live"
    QUIET = "quiet"
    STALLED = "stalled"
    CLOSED = "closed"
    DELAYED = "delayed"
    UNAUTHORIZED = "unauthorized"
    ERROR = "error"
    STOPPED = "stopped"


class SymbolStatus(Record):
    """The status of a symbol at one replica: the value of `market.status` under the key `EXCHANGE:SYMBOL|replica`.

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
    """A stretch `[start, end)` of receive time in which a wanted symbol was not heard, told at the mark that ended it.

    `residual_volume` is what the cumulative volume moved meanwhile (null when unknown): it is no bar's volume.
    """

    type: Literal["gap"] = "gap"
    exchange: Exchange
    symbol: Ticker
    start: Millis
    end: Millis
    delay: Annotated[int, Field(ge=0, le=86_400)] = 0
    residual_volume: Volume | None = None
    at: Millis


FeedEvent = Annotated[ConnectionEvent | SymbolErrorEvent | GapEvent, Field(discriminator="type")]
"""The value of `market.feed`, told apart by `type`; the key is `EXCHANGE:SYMBOL`, or the replica for a connection."""

_EVENT: TypeAdapter[ConnectionEvent | SymbolErrorEvent | GapEvent] = TypeAdapter(FeedEvent)


def decode_feed_event(raw: bytes | str) -> ConnectionEvent | SymbolErrorEvent | GapEvent:
    """Read a value of `market.feed`, ignoring unknown fields; `BadData` when it is none."""
    try:
        return _EVENT.validate_json(raw, extra="ignore")
    except ValidationError as error:
        raise BadData(first_fault(error), kind="undecodable") from None
