"""Values for tests of history-sync."""

from datetime import UTC, datetime

from contracts.history import Series
from contracts.intervals import Interval
from history_sync.core.rows import Row


def at(text: str) -> int:
    """`2026-03-08T13:30` in UTC, as milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def series(interval: Interval = Interval.M1, symbol: str = "AAPL", exchange: str = "NASDAQ") -> Series:
    return Series(exchange=exchange, symbol=symbol, interval=interval)


def row(stamped_ms: int, close: float = 10.5, **values: float | None) -> Row:
    fields: dict[str, float | None] = {"open": 10.0, "high": 11.0, "low": 9.0, "close": close, "volume": 3.0}
    return Row(stamped_ms, **(fields | values))  # type: ignore[arg-type]
