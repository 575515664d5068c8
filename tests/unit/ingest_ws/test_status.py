"""How the feed stands with a symbol, and when that is published."""

from typing import Any

import pytest

from contracts.feed import SymbolState
from contracts.symbols import SymbolId
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.feed import Served
from ingest_ws.core.status import QUIET_MS, REPUBLISH_MS, Statuses, state_of
from tests.support.records import T0


def lives(name: str) -> SymbolState | None:
    return None


def served(*, is_covered: bool = True, **fields: Any) -> Served:
    symbol = Served(SymbolId("SIM", "A"), 0, Sequencer())
    snapshot: dict[str, Any] = {"lp": 1.0, "lp_time": T0 // 1000, "current_session": "market"}
    symbol.feed.changed(snapshot | fields, T0)
    if is_covered:
        symbol.feed.completed(T0)
    return symbol


@pytest.mark.parametrize(
    ("symbol", "feed_state", "after", "state"),
    [
        (served(), None, 10, SymbolState.LIVE),
        (served(), None, QUIET_MS + 1, SymbolState.QUIET),
        (served(update_mode="delayed_streaming_900"), None, 10, SymbolState.DELAYED),
        (served(current_session="out_of_session"), None, 10, SymbolState.CLOSED),
        (served(current_session="holiday", update_mode="delayed_streaming_900"), None, 10, SymbolState.CLOSED),
        (served(current_session="pre_market"), None, 10, SymbolState.LIVE),
        (served(is_covered=False), None, 10, SymbolState.STALLED),
        (served(), SymbolState.STALLED, 10, SymbolState.STALLED),
        (served(), SymbolState.STOPPED, 10, SymbolState.STOPPED),
        (served(is_covered=False), SymbolState.UNAUTHORIZED, 10, SymbolState.UNAUTHORIZED),
    ],
)
def test_the_state_of_a_symbol(symbol: Served, feed_state: SymbolState | None, after: int, state: SymbolState) -> None:
    assert state_of(symbol, feed_state, 0.0, T0 + after)[0] == state


def test_a_refused_symbol_is_an_error_with_the_reason() -> None:
    symbol = served(is_covered=False)
    symbol.error = "no_such_symbol"
    assert state_of(symbol, None, 0.0, T0) == (SymbolState.ERROR, "no_such_symbol")


def test_a_status_is_published_when_it_changes_and_the_last_tick_now_and_then() -> None:
    statuses, symbol = Statuses("here"), served()
    [first] = statuses.due([symbol], lives, T0)
    assert (first.key, first.state, first.last_tick_time) == (b"SIM:A|here", SymbolState.LIVE, T0)
    assert statuses.due([symbol], lives, T0 + REPUBLISH_MS - 1) == []
    [again] = statuses.due([symbol], lives, T0 + REPUBLISH_MS)
    assert again == first.model_copy(update={"at": T0 + REPUBLISH_MS})
    later = T0 + REPUBLISH_MS + 1_000
    symbol.feed.changed({"lp": 2.0, "lp_time": later // 1000}, later)
    assert statuses.due([symbol], lives, later) == []
    [ticked] = statuses.due([symbol], lives, T0 + 2 * REPUBLISH_MS)
    assert ticked.last_tick_time == later
    [stopped] = statuses.due([symbol], lambda name: SymbolState.STOPPED, T0 + 2 * REPUBLISH_MS + 1)
    assert stopped.state == SymbolState.STOPPED


def test_the_status_of_a_symbol_ends_once() -> None:
    statuses = Statuses("here")
    statuses.due([served()], lives, T0)
    assert [each.key for each in statuses.ended(["SIM:A", "SIM:B"])] == [b"SIM:A|here"]
    assert statuses.ended(["SIM:A"]) == []


def test_a_calendar_that_cannot_be_read_is_the_detail_of_the_status() -> None:
    symbol = served(timezone="Mars/Phobos", subsessions=[{"id": "regular", "session": "0930-1600"}])
    state, detail = state_of(symbol, None, 0.0, T0 + 10)
    assert state == SymbolState.LIVE
    assert detail is not None and "Mars/Phobos" in detail
    symbol.feed.changed({"timezone": "America/New_York"}, T0 + 20)
    assert state_of(symbol, None, 0.0, T0 + 30) == (SymbolState.LIVE, None)


def test_a_symbol_that_trades_rarely_is_quiet_only_beyond_its_own_rhythm() -> None:
    statuses, symbol = Statuses("here"), served()
    for minute in range(0, 100, 10):
        now = T0 + minute * 60_000
        symbol.feed.changed({"lp": float(minute + 2), "lp_time": now // 1000}, now)
        statuses.due([symbol], lives, now)
    assert statuses.counts[SymbolState.LIVE] == 1
    statuses.due([symbol], lives, now + 39 * 60_000)
    assert statuses.counts[SymbolState.LIVE] == 1
    [quiet] = statuses.due([symbol], lives, now + 41 * 60_000)
    assert quiet.state == SymbolState.QUIET
