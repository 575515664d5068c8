"""Builders of ticks and marks: a test names what matters to it, the rest is plain."""

from typing import Any, Literal, cast

from contracts import wire
from contracts.intervals import DAY
from contracts.symbols import SymbolId

T0 = 1_767_225_600_000
"""Thursday 2026-01-01T00:00Z, milliseconds."""


State = Literal["heard", "deaf", "left"]


def tick(at: int, price: float, cumulative: float | None = None, *, symbol: str = "SIM:A", **more: Any) -> wire.Tick:
    """A tick whose event time is `at`, received 50 ms later."""
    identity = SymbolId.parse(symbol)
    fields: dict[str, Any] = {
        "trading_day": at - at % DAY,
        "received_at": at + 50,
        "sequence": (at + 50) * 4096,
        "event_time": at,
    }
    return wire.Tick(
        exchange=identity.exchange, symbol=identity.symbol, price=price, cumulative_volume=cumulative, **fields | more
    )


def mark(through: int, *changes: tuple[str, str, int], run: int = 1) -> wire.Mark:
    """A mark with changes `(symbol, state, at)`."""
    return wire.Mark(
        run=run,
        through=through,
        changes=tuple(wire.Change(symbol=s, state=cast(State, state), at=at) for s, state, at in changes),
    )


def key(symbol: str = "SIM:A") -> bytes:
    """The Kafka key of a symbol."""
    return symbol.encode()
