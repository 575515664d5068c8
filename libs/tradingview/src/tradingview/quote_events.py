"""What a quote session tells its caller. Events never change once made."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tradingview.connection import ConnectionEvent
from tradingview.live import LiveFields, as_mapping


class QuoteChanged(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A message about a symbol; `changed` is what it said. What it did not say is as it was.

    `fields` is the same for those in a hurry: of the commonest messages it has the values as attributes (`LiveFields`).
    `is_snapshot`: it belongs to the first state of the symbol in this session, so it is no news of a trade. Later on
    the server may repeat a whole state unasked; that is an observation like any other.
    """

    symbol: str
    fields: LiveFields | Mapping[str, Any]
    is_snapshot: bool
    received_at_ms: int

    @property
    def changed(self) -> Mapping[str, Any]:
        """Field names (protocol §4.2) to JSON values, with None for "no value".

        Prices and volumes are numbers as the server wrote them, `int` or `float`, times are epoch seconds. Nothing else
        about the values is checked.
        """
        return as_mapping(self.fields)

    def __eq__(self, other: object) -> bool:
        """Events are equal that say the same; which road their message took is no difference."""
        return isinstance(other, QuoteChanged) and self._facts() == other._facts()

    __hash__ = None  # type: ignore[assignment]

    def _facts(self) -> tuple[str, Mapping[str, Any], bool, int]:
        return self.symbol, self.changed, self.is_snapshot, self.received_at_ms


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
