"""What the feed makes of a symbol's description: calendars in the log, `market.symbols`, refusals, names."""

from typing import Any

import pytest

from contracts import wire
from contracts.marks import FeedMark
from contracts.symbols import SymbolId
from contracts.ticks import CalendarRecord, QuoteTick
from contracts.topics import MARK_KEY
from ingest_ws.core.feed import Feed
from tests.support.records import T0
from tradingview.codec import encode
from tradingview.quotes import QuoteChanged, QuoteSession, SnapshotCompleted

A, B = (SymbolId("SIM", name) for name in "AB")
S0 = T0 // 1000


def a_feed(*wanted: SymbolId, partitions: int = 1, room: int = 10**6) -> Feed:
    feed = Feed(partitions, 7, room, T0)
    feed.assign(range(partitions), T0)
    for partition in range(partitions):
        feed.want(partition, wanted, T0)
    return feed


def snapshot(feed: Feed, identity: SymbolId, now: int, price: float = 1.0) -> None:
    feed.changed(str(identity), {"lp": price, "lp_time": now // 1000}, now)
    feed.completed(str(identity), now)


def contents(feed: Feed, now: int, partition: int = 0) -> list[wire.Tick | wire.Calendar | wire.Mark]:
    """Take and acknowledge all that is to be sent, in its order."""
    found: list[wire.Tick | wire.Calendar | wire.Mark] = []
    while (batch := feed.take(partition, now)) is not None:
        feed.acknowledged(partition)
        for key, value in batch.records():
            if key == MARK_KEY:
                found.append(wire.decode_mark(value))
            else:
                is_calendar = key.startswith(MARK_KEY)
                found.append(wire.decode_calendar(value) if is_calendar else wire.decode_tick(value))
    return found


HOURS: dict[str, Any] = {"timezone": "Asia/Kolkata", "subsessions": [{"id": "regular", "session": "0915-1530"}]}


def test_the_calendar_stands_before_the_first_tick_and_changes_where_it_is_said() -> None:
    feed = a_feed(A)
    feed.changed(str(A), HOURS | {"lp": 1.0, "volume": 2.0, "lp_time": S0}, T0 + 10)
    feed.completed(str(A), T0 + 20)
    calendar, tick = contents(feed, T0 + 30)
    assert isinstance(calendar, wire.Calendar) and isinstance(tick, wire.Tick)
    assert (calendar.session, calendar.timezone, calendar.has_volume, calendar.at) == (
        "0915-1530", "Asia/Kolkata", True, T0 + 20,
    )  # fmt: skip
    early = [{"id": "regular", "session": "0915-1530", "session-correction": "0915-1200:20260101"}]
    feed.changed(str(A), {"subsessions": early, "lp": 2.0, "lp_time": S0 + 1}, T0 + 1_100)
    changed, after = contents(feed, T0 + 1_200)[:2]
    assert isinstance(changed, wire.Calendar) and isinstance(after, wire.Tick)
    assert (changed.corrections, changed.at, after.price) == ("0915-1200:20260101", T0 + 1_100, 2.0)


def test_in_every_epoch_the_calendar_stands_before_the_first_tick_which_is_a_baseline() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    snapshot(feed, B, T0 + 10)
    contents(feed, T0 + 250)
    feed.changed(str(A), {"lp": 5.0, "lp_time": S0 + 1}, T0 + 1_000)
    assert feed.take(0, T0 + 1_000) is not None
    feed.changed(str(A), {"lp": 6.0, "lp_time": S0 + 1}, T0 + 1_010)
    feed.changed(str(B), {"lp": 7.0}, T0 + 1_020)
    feed.delivery_failed(0)
    found = contents(feed, T0 + 1_100)
    feed.changed(str(B), {"lp": 8.0, "lp_time": S0 + 2}, T0 + 2_000)
    found += contents(feed, T0 + 2_250)
    ticks = [each for each in found if isinstance(each, wire.Tick)]
    [epoch] = {each.epoch for each in found if isinstance(each, wire.Mark)}
    assert {tick.epoch for tick in ticks} == {epoch} == {served.feed.epoch for served in feed.symbols.values()}
    assert [(tick.price, tick.is_baseline) for tick in ticks] == [
        (6.0, True), (6.0, True), (7.0, True), (7.0, True), (8.0, False),
    ]  # fmt: skip
    for symbol in ("A", "B"):
        of_symbol = [type(each) for each in found if not isinstance(each, wire.Mark) and each.symbol == symbol]
        assert of_symbol[0] is wire.Calendar
        assert of_symbol.count(wire.Calendar) == 1


def test_the_description_of_a_symbol_is_published_when_it_is_complete_and_when_it_changes() -> None:
    feed = a_feed(A)
    texts = {"description": "A plc", "type": "stock", "pricescale": 100, "minmov": 1, "currency_code": "INR"}
    feed.changed(str(A), HOURS | texts | {"lp": 1.0}, T0 + 10)
    assert feed.take_descriptions(T0 + 15) == []
    feed.completed(str(A), T0 + 20)
    [info] = feed.take_descriptions(T0 + 30)
    assert (info.description, info.type, info.price_scale, info.min_move, info.currency, info.session, info.at) == (
        "A plc", "stock", 100.0, 1.0, "INR", "0915-1530", T0 + 30,
    )  # fmt: skip
    assert info.has_volume is False
    feed.changed(str(A), texts | HOURS | {"lp": 2.0, "bid": 1.0}, T0 + 40)
    feed.uncover([str(A)], T0 + 50, T0 + 50)
    feed.changed(str(A), HOURS | {"lp": 2.0} | texts, T0 + 60)
    feed.completed(str(A), T0 + 70)
    assert feed.take_descriptions(T0 + 80) == [], "another connection says the same"
    feed.changed(str(A), {"description": "A Ltd"}, T0 + 90)
    assert [each.description for each in feed.take_descriptions(T0 + 100)] == ["A Ltd"]


def test_a_refused_calendar_is_put_aside_once_with_the_symbol_and_what_was_said() -> None:
    feed = a_feed(A)
    bad = HOURS | {"timezone": "Mars/Phobos"}
    for at in (T0 + 10, T0 + 1_000):
        feed.changed(str(A), bad | {"lp": 1.0}, at)
        feed.completed(str(A), at)
        feed.changed(str(A), bad, at)
        feed.uncover([str(A)], at, at)
    [(fault, named)] = feed.refused
    assert (fault.kind, "SIM:A" in fault.cause, b"Mars/Phobos" in named) == ("invalid_calendar", True, True)
    [calendar] = [each for each in contents(feed, T0 + 1_250) if isinstance(each, wire.Calendar)]
    assert (calendar.session, calendar.timezone) == ("24x7", "Etc/UTC")
    feed.changed(str(A), HOURS | {"lp": 1.0}, T0 + 2_000)
    feed.completed(str(A), T0 + 2_000)
    assert len(feed.refused) == 1
    feed.changed(str(A), {"timezone": "Mars/Deimos"}, T0 + 2_100)
    assert [b"Deimos" in each for _, each in feed.refused] == [False, True]


def test_differences_of_the_trading_day_are_summed_over_symbols_also_those_that_left() -> None:
    feed = a_feed(A, B)
    for each in (A, B):
        snapshot(feed, each, T0 + 10)
        feed.changed(str(each), {"market-status": {"phase": "regular", "tradingday": "20250101"}}, T0 + 3_600_000)
    assert feed.day_differences == 2
    feed.want(0, [B], T0 + 3_600_010)
    assert feed.day_differences == 2


@pytest.mark.parametrize("name", ["NYSE:BAC/PL", "BINANCE:币安人生USDT.P", "NSE:M&M", "NYMEX:CL1!", "NYSE:BRK.B"])
def test_a_symbol_of_any_name_flows_from_the_socket_to_the_log(name: str) -> None:
    identity = SymbolId.parse(name)
    assert str(identity) == name
    feed = a_feed(identity)
    session = QuoteSession("qs_1", T0)
    session.add([name], T0)
    asked = "".join(session.frames_to_send())
    assert f'["qs_1","{name}"]' in asked
    for text in (
        encode("qsd", "qs_1", {"n": name, "s": "ok", "v": {"lp": 1.0, "volume": 2.0, "description": name}}),
        encode("quote_completed", "qs_1", name),
        encode("qsd", "qs_1", {"n": name, "s": "ok", "v": {"lp": 2.0, "volume": 3.0, "lp_time": S0}}),
    ):
        for event in session.receive(text, T0 + 100):
            if isinstance(event, QuoteChanged):
                assert feed.changed(event.symbol, event.fields, T0 + 100) is None
            elif isinstance(event, SnapshotCompleted):
                feed.completed(event.symbol, T0 + 100)
    batch = feed.take(0, T0 + 250)
    assert batch is not None
    assert [key for key, _ in batch.records()] == [b"!" + identity.key, identity.key, identity.key, b"!"]
    for _, value in batch.records()[1:3]:
        assert QuoteTick.decode(value).identity == identity
    [info] = feed.take_descriptions(T0 + 250)
    assert (info.identity, info.description) == (identity, name)
    assert CalendarRecord.decode(batch.records()[0][1]).key == batch.records()[0][0]
    assert FeedMark.decode(batch.records()[3][1]).coverage[0].symbol == name
