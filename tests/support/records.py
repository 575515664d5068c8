"""Builders of ticks, marks and calendar records: a test names what matters to it, the rest is plain."""

from typing import Any, Literal, cast

from contracts import wire
from contracts.intervals import DAY
from contracts.symbols import SymbolId

T0 = 1_767_225_600_000
"""Thursday 2026-01-01T00:00Z, milliseconds."""


State = Literal["covered", "uncovered", "released"]


def tick(at: int, price: float, cumulative: float | None = None, *, symbol: str = "SIM:A", **more: Any) -> wire.Tick:
    """A tick of epoch 1 whose event time is `at`, received 50 ms later."""
    identity = SymbolId.parse(symbol)
    received_at = more.get("received_at", at + 50)
    fields: dict[str, Any] = {
        "trading_day": at - at % DAY,
        "received_at": received_at,
        "sequence": received_at * 4096,
        "event_time": at,
        "epoch": 1,
    }
    return wire.Tick(
        exchange=identity.exchange, symbol=identity.symbol, price=price, cumulative_volume=cumulative, **fields | more
    )


def mark(watermark: int, *changes: tuple[str, str, int], epoch: int = 1) -> wire.Mark:
    """A mark with changes `(symbol, state, at)`."""
    return wire.Mark(
        epoch=epoch,
        watermark=watermark,
        coverage=tuple(wire.CoverageChange(symbol=s, state=cast(State, state), at=at) for s, state, at in changes),
    )


def calendar(
    symbol: str = "SIM:A",
    session: str = "24x7",
    timezone: str = "Etc/UTC",
    *,
    holidays: str = "",
    corrections: str = "",
    has_volume: bool = True,
    at: int = T0,
) -> tuple[bytes, wire.Calendar]:
    """A calendar record and its key; 24x7 unless a session is given."""
    identity = SymbolId.parse(symbol)
    record = wire.Calendar(
        exchange=identity.exchange,
        symbol=identity.symbol,
        timezone=timezone,
        session=session,
        holidays=holidays,
        corrections=corrections,
        has_volume=has_volume,
        at=at,
    )
    return b"!" + key(symbol), record


def key(symbol: str = "SIM:A") -> bytes:
    """The Kafka key of a symbol."""
    return symbol.encode()
