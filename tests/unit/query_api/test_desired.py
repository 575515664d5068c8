"""What the feed shall do, folded from compacted topics."""

import pytest

from contracts.errors import BadData
from contracts.feed import FeedControl, Subscription, SymbolState, SymbolStatus
from contracts.symbols import SymbolId
from contracts.topics import CONTROL_KEY
from query_api.core.desired import Control, Statuses, Wanted
from query_api.core.quotes import SILENT_MS, feed_status

BTC = SymbolId("BINANCE", "BTCUSDT")
OIL = SymbolId("NYMEX", "CL1!")


def subscription(identity: SymbolId) -> bytes:
    return Subscription(exchange=identity.exchange, symbol=identity.symbol, wanted_at=1).encode()


def report(identity: SymbolId, replica: str, state: SymbolState, at: int) -> SymbolStatus:
    return SymbolStatus(exchange=identity.exchange, symbol=identity.symbol, replica=replica, state=state, at=at)


def wanted_of(*identities: SymbolId) -> Wanted:
    wanted = Wanted()
    for identity in identities:
        wanted.apply(identity.key, subscription(identity))
    return wanted


def test_a_subscription_is_wanted_until_its_tombstone() -> None:
    wanted = wanted_of(OIL, BTC)
    assert wanted.sorted() == [BTC, OIL]
    wanted.apply(BTC.key, None)
    wanted.apply(BTC.key, None)
    assert wanted.sorted() == [OIL]


def test_the_feed_runs_unless_its_last_word_is_to_stop() -> None:
    control = Control()
    assert control.is_running
    control.apply(CONTROL_KEY, FeedControl(running=False, requested_at=1).encode())
    assert not control.is_running
    control.apply(CONTROL_KEY, None)
    assert control.is_running


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (BTC.key, b"{"), (BTC.key, subscription(OIL)), (b"\xff", subscription(BTC)), (b"nothing", None),
    ],
)  # fmt: skip
def test_an_unreadable_subscription_leaves_the_wanted_set_as_it_was(key: bytes, value: bytes | None) -> None:
    wanted = wanted_of(BTC)
    with pytest.raises(BadData):
        wanted.apply(key, value)
    assert wanted.sorted() == [BTC]


def test_an_unknown_key_of_control_is_bad_data() -> None:
    with pytest.raises(BadData):
        Control().apply(b"other", None)


def test_a_status_under_a_foreign_key_is_bad_data() -> None:
    with pytest.raises(BadData):
        Statuses().apply(b"other", report(BTC, "a", SymbolState.LIVE, 1).encode())


def test_the_newest_report_is_the_state_of_a_symbol_and_all_are_shown() -> None:
    statuses = Statuses()
    for status in (report(BTC, "a", SymbolState.STALLED, 1), report(BTC, "b", SymbolState.LIVE, 2)):
        statuses.apply(status.key, status.encode())
    body = feed_status(Control(), wanted_of(BTC, OIL), statuses, 3)
    assert [(one.symbol, one.state) for one in body.symbols] == [
        ("BINANCE:BTCUSDT", SymbolState.LIVE),
        ("NYMEX:CL1!", None),
    ]
    assert [one.replica for one in body.symbols[0].reports] == ["b", "a"]
    assert body.states == {"live": 1, "unreported": 1}
    assert [(one.replica, one.alive, one.symbols) for one in body.replicas] == [("a", True, 0), ("b", True, 1)]


def test_what_a_replica_said_that_is_gone_is_shown_last_and_believed_no_more() -> None:
    statuses = Statuses()
    at = SILENT_MS * 10
    for status in (
        report(BTC, "gone", SymbolState.LIVE, 5),
        report(OIL, "gone", SymbolState.LIVE, at - SILENT_MS - 1),
        report(BTC, "alive", SymbolState.QUIET, at - SILENT_MS),
    ):
        statuses.apply(status.key, status.encode())
    body = feed_status(Control(), wanted_of(BTC, OIL), statuses, at)
    assert [(one.symbol, one.state) for one in body.symbols] == [
        ("BINANCE:BTCUSDT", SymbolState.QUIET),
        ("NYMEX:CL1!", SymbolState.STALLED),
    ]
    assert [one.replica for one in body.symbols[0].reports] == ["alive", "gone"]
    assert [(one.replica, one.alive, one.symbols) for one in body.replicas] == [
        ("alive", True, 1),
        ("gone", False, 1),
    ]


def test_a_symbol_that_is_served_but_not_wanted_is_shown_as_such() -> None:
    statuses = Statuses()
    status = report(OIL, "a", SymbolState.LIVE, 1)
    statuses.apply(status.key, status.encode())
    body = feed_status(Control(), Wanted(), statuses, 1)
    assert [(one.symbol, one.wanted) for one in body.symbols] == [("NYMEX:CL1!", False)]
    assert (body.wanted, body.states) == (0, {})


def test_what_a_replica_said_that_is_gone_of_a_symbol_that_nobody_wants_is_not_shown() -> None:
    statuses = Statuses()
    for status in (report(OIL, "gone", SymbolState.LIVE, 1), report(BTC, "gone", SymbolState.LIVE, 1)):
        statuses.apply(status.key, status.encode())
    body = feed_status(Control(), wanted_of(BTC), statuses, SILENT_MS * 2)
    assert [one.symbol for one in body.symbols] == ["BINANCE:BTCUSDT"]
    empty = feed_status(Control(), Wanted(), statuses, SILENT_MS * 2)
    assert (empty.symbols, empty.replicas) == ((), ())


def test_a_tombstone_ends_a_status() -> None:
    statuses = Statuses()
    status = report(BTC, "a", SymbolState.LIVE, 1)
    statuses.apply(status.key, status.encode())
    statuses.apply(status.key, None)
    assert not statuses.reports
