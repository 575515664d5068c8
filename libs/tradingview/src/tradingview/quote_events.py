"""What a quote session tells its caller. Events never change once made."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tradingview.connection import ConnectionEvent


class QuoteChanged(msgspec.Struct, frozen=True):
    """A message about a symbol: `changed` is what it said, `values` the merged state after it.

    Both map field names (protocol §4.2) to JSON values, with None for "no value". Prices and volumes are numbers as
    the server wrote them, `int` or `float`, times are epoch seconds. Nothing else about the values is checked.
    `is_snapshot`: it belongs to the first state of the symbol in this session, so it is no news of a trade. Later on
    the server may repeat a whole state unasked; that is an observation like any other.
    """

    symbol: str
    changed: Mapping[str, Any]
    values: Mapping[str, Any]
    is_snapshot: bool
    received_at_ms: int


class SnapshotCompleted(msgspec.Struct, frozen=True):
    """All that is known about the symbol has been sent; it comes once for every snapshot, so also later again."""

    symbol: str


class SymbolFailed(msgspec.Struct, frozen=True):
    """The symbol will not be served: `no_such_symbol`, `permission_denied` (`detail` is the group that would do)."""

    symbol: str
    reason: str
    detail: str


class SessionLost(msgspec.Struct, frozen=True):
    """A `critical_error` ended this session while the connection lives: `recreate` it under another id."""

    session_id: str
    reason: str
    detail: str


QuoteEvent = QuoteChanged | SnapshotCompleted | SymbolFailed | SessionLost | ConnectionEvent
