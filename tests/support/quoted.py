"""Symbols of the feed whose first snapshot is complete, for tests of what follows."""

from typing import Any

from contracts.symbols import SymbolId
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.symbol import SymbolFeed

DAY0 = 1_767_225_600_000
T0 = DAY0 + 12 * 3_600_000
S0 = T0 // 1000


def a_symbol(**fields: Any) -> SymbolFeed:
    """A symbol whose snapshot at T0 is complete: price 100, volume 50, last time S0, as far as not said otherwise."""
    symbol = SymbolFeed(SymbolId("SIM", "A"), Sequencer())
    snapshot: dict[str, Any] = {
        "lp": 100.0,
        "volume": 50.0,
        "lp_time": S0,
        "open_time": DAY0 // 1000,
        "high_price": 101.0,
        "low_price": 99.0,
        "open_price": 100.5,
        "prev_close_price": 98.0,
        "current_session": "market",
        "update_mode": "streaming",
    }
    assert symbol.changed(snapshot | fields, T0) == []
    symbol.completed(T0)
    return symbol


NEW_YORK = {
    "timezone": "America/New_York",
    "subsessions": [{"id": "regular", "session": "0930-1600"}],
    "session_holidays": "20260101,20260119",
}
OPENING = 1_768_228_200_000
"""Monday 2026-01-12 09:30 in New York; Friday's session closed on the 9th at 16:00, 65.5 hours before."""
FRIDAY, MONDAY = 1_767_916_800_000, 1_768_176_000_000


def an_index(**fields: Any) -> SymbolFeed:
    """An index of New York without volume, on Monday before the opening: it stands at Friday's close."""
    symbol = SymbolFeed(SymbolId("NASDAQ", "NDX"), Sequencer())
    snapshot = {"lp": 19967.94, "lp_time": OPENING // 1000 - 235_800, "type": "index", "current_session": "market"}
    symbol.changed(snapshot | NEW_YORK | fields, OPENING - 60_000)
    symbol.completed(OPENING - 60_000)
    return symbol
