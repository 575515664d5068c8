"""One symbol: tables of messages and instants, and the ticks they bring about."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import wire
from contracts.intervals import DAY, MINUTE
from contracts.symbols import SymbolId
from contracts.ticks import Quote, QuoteTick
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.symbol import HOLD_MS, MOST_HELD, SymbolFeed
from tradingview.live import LiveFields

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


def said(tick: wire.Tick) -> tuple[float, float | None, int, bool]:
    """Price, cumulative volume, seconds after S0, whether that is an estimate."""
    assert QuoteTick.decode(wire.encode(tick))
    return tick.price, tick.cumulative_volume, tick.event_time - T0, tick.event_time_estimated


def test_the_first_complete_snapshot_is_a_baseline_with_the_time_of_its_price() -> None:
    symbol = SymbolFeed(SymbolId("SIM", "A"), Sequencer())
    assert symbol.changed({"lp_time": S0 - 600, "open_time": DAY0 // 1000}, T0) == []
    assert symbol.changed({"lp": 7.0, "volume": 3.0}, T0 + 5) == []
    [tick] = symbol.completed(T0 + 9)
    assert said(tick) == (7.0, 3.0, -600_000, False)
    assert tick.is_baseline and symbol.is_heard
    assert (tick.received_at, tick.trading_day) == (T0 + 9, DAY0)
    assert symbol.completed(T0 + 20) == []


def test_a_tick_made_here_is_a_tick_of_the_contract_to_the_byte() -> None:
    [tick] = a_symbol(bid=99.5, ask=101.5, bid_size=1.5, ask_size=2.5).rebase(T0 + 5)
    assert len(set(msgspec.structs.astuple(tick)[2:12])) == 10, "values that differ, so that none may be exchanged"
    assert isinstance(tick, wire.Tick)
    assert wire.encode(wire.Tick(**msgspec.structs.asdict(tick))) == wire.encode(tick)


def test_a_quote_made_here_is_a_quote_of_the_contract_to_the_byte() -> None:
    symbol = a_symbol(bid=99.5, ask=101.5, bid_size=1.5, ask_size=2.5, ch=3.5, chp=4.5, currency_code="USD",
                      description="A \u20ac")  # fmt: skip
    made = symbol.quote()
    assert len(set(msgspec.structs.astuple(made)[2:14])) == 12, "values that differ, so that none may be exchanged"
    assert tuple(Quote.model_fields) == made.__struct_fields__
    assert Quote.decode(made.encode()).encode() == made.encode()
    assert (made.change, made.currency, made.event_time, made.trading_day) == (3.5, "USD", T0, DAY0)


def test_a_symbol_without_a_price_is_heard_from_the_first_one_on() -> None:
    symbol = SymbolFeed(SymbolId("SIM", "A"), Sequencer())
    symbol.changed({"description": "never traded"}, T0)
    assert symbol.completed(T0) == []
    assert not symbol.is_heard
    [tick] = symbol.changed({"lp": 1.0, "lp_time": S0 + 1}, T0 + 1_010)
    assert (tick.price, tick.is_baseline, symbol.is_heard) == (1.0, True, True)


def test_price_and_time_in_one_message_are_a_tick_at_once() -> None:
    symbol = a_symbol()
    [tick] = symbol.changed({"lp": 100.5, "volume": 51.0, "lp_time": S0 + 1, "high_price": 101.5}, T0 + 1_040)
    assert said(tick) == (100.5, 51.0, 1_000, False)
    assert (tick.day_high, tick.is_baseline, tick.received_at) == (101.5, False, T0 + 1_040)


@pytest.mark.parametrize(
    "changed",
    [
        {"bid": 99.5, "ask": 100.5, "bid_size": 1, "ask_size": 2},
        {"high_price": 103.0},
        {"ch": 1.0, "chp": 1.0},
        {"lp": 100.0, "volume": 50.0, "lp_time": S0},
        {"current_session": "post_market"},
    ],
)
def test_what_changes_neither_price_nor_volume_nor_last_time_is_only_a_quote(changed: dict[str, Any]) -> None:
    symbol = a_symbol()
    assert symbol.changed(changed, T0 + 500) == []
    assert symbol.held_since is None
    assert symbol.quote().received_at == T0 + 500


def test_a_price_is_held_for_its_time() -> None:
    symbol = a_symbol()
    assert symbol.changed({"lp": 101.0, "volume": 52.0}, T0 + 1_040) == []
    assert symbol.held_since == T0 + 1_040
    assert symbol.expire(T0 + 1_040 + HOLD_MS - 1) == []
    [tick] = symbol.changed({"lp_time": S0 + 1}, T0 + 1_100)
    assert said(tick) == (101.0, 52.0, 1_000, False)
    assert tick.received_at == T0 + 1_040
    assert symbol.held_since is None


def test_a_time_is_held_for_its_price() -> None:
    symbol = a_symbol()
    assert symbol.changed({"lp_time": S0 + 60}, T0 + 60_040) == []
    [tick] = symbol.changed({"lp": 101.0, "volume": 52.0}, T0 + 60_100)
    assert said(tick) == (101.0, 52.0, 60_000, False)
    assert tick.received_at == T0 + 60_100


def test_a_price_whose_time_does_not_come_gets_an_estimate() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 1_040)
    [tick] = symbol.expire(T0 + 1_040 + HOLD_MS)
    assert said(tick) == (101.0, 50.0, 1_040, True)


def test_without_volume_a_time_whose_price_does_not_come_is_a_trade_at_the_same_price() -> None:
    symbol = a_symbol(volume=None)
    symbol.changed({"lp_time": S0 + 60}, T0 + 60_040)
    [tick] = symbol.expire(T0 + 60_290)
    assert said(tick) == (100.0, None, 60_000, False)
    assert not tick.is_baseline


def test_with_volume_such_a_time_is_no_trade_and_a_price_that_comes_soon_still_has_it() -> None:
    symbol = a_symbol()
    symbol.changed({"lp_time": S0 + 60}, T0 + 60_940)
    [alone] = symbol.expire(T0 + 61_190)
    assert said(alone) == (100.0, 50.0, 60_000, False)
    assert alone.is_baseline
    [tick] = symbol.changed({"lp": 101.0, "volume": 51.0}, T0 + 61_300)
    assert (said(tick), tick.is_baseline) == ((101.0, 51.0, 60_000, False), False)
    assert symbol.changed({"lp": 102.0, "volume": 52.0}, T0 + 61_350) == []


def test_a_price_that_comes_long_after_a_time_does_not_have_it() -> None:
    symbol = a_symbol()
    symbol.changed({"lp_time": S0 + 60}, T0 + 60_040)
    symbol.expire(T0 + 60_290)
    assert symbol.changed({"lp": 101.0}, T0 + 62_000) == []
    assert said(symbol.expire(T0 + 62_250)[0]) == (101.0, 50.0, 62_000, True)


def test_an_estimate_is_never_before_the_last_time_nor_after_the_next() -> None:
    ahead = a_symbol(lp_time=S0 + 5)
    ahead.changed({"lp": 101.0}, T0 + 1_000)
    assert said(ahead.expire(T0 + 1_250)[0])[2] == 5_000
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 60_030)
    earlier, later = symbol.changed({"lp": 102.0, "lp_time": S0 + 60}, T0 + 60_200)
    assert (said(earlier), said(later)) == ((101.0, 50.0, 60_000, True), (102.0, 50.0, 60_000, False))
    assert earlier.sequence < later.sequence


def test_of_a_delayed_feed_the_estimate_lies_the_delay_back() -> None:
    symbol = a_symbol(update_mode="delayed_streaming_900", lp_time=S0 - 900)
    symbol.changed({"lp": 101.0}, T0 + 20_000)
    [tick] = symbol.expire(T0 + 20_250)
    assert (tick.delay, tick.event_time) == (900, T0 + 20_000 - 900_000)


def test_figures_that_come_later_are_not_told_of_an_earlier_price() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 1_000)
    symbol.changed({"high_price": 110.0}, T0 + 1_050)
    [tick] = symbol.changed({"lp_time": S0 + 1}, T0 + 1_100)
    assert tick.day_high == 101.0


def test_what_is_held_is_bounded() -> None:
    symbol = a_symbol()
    made = [tick for n in range(100) for tick in symbol.changed({"lp": 101.0 + n}, T0 + 1_000)]
    assert len(made) == 100 - MOST_HELD
    assert len(symbol.flush()) == MOST_HELD


def test_an_older_last_time_is_no_news() -> None:
    symbol = a_symbol()
    assert symbol.changed({"lp": 90.0, "volume": 40.0, "lp_time": S0 - 13, "bid": 89.0}, T0 + 900) == []
    assert symbol.stale_updates == 1
    quote = symbol.quote()
    assert (quote.price, quote.cumulative_volume, quote.bid) == (100.0, 50.0, 89.0)


@pytest.mark.parametrize("said", [{"lp": 101.0}, {"bid": 99.0}, {}])
def test_a_last_time_far_ahead_makes_no_sense_and_the_rest_counts(said: dict[str, Any]) -> None:
    for message in (said | {"lp_time": S0 + 61}, LiveFields(**said, lp_time=S0 + 61)):
        symbol = a_symbol()
        ticks = symbol.changed(message, T0) + symbol.flush()
        assert symbol.fault is not None
        assert symbol.fault.kind == "time_ahead"
        assert [tick.event_time for tick in ticks] == [T0] * ("lp" in said)
        assert (symbol.quote().price, symbol.quote().bid) == (said.get("lp", 100.0), said.get("bid"))


@pytest.mark.parametrize("ahead_s", [2, 30, 60])
@pytest.mark.parametrize("delay", [0, 900])
def test_a_last_time_ahead_of_us_does_not_silence_true_ones_that_follow(ahead_s: int, delay: int) -> None:
    mode = f"delayed_streaming_{delay}" if delay else "streaming"
    symbol = a_symbol(update_mode=mode, lp_time=S0 - delay)
    assert len(symbol.changed({"lp": 101.0, "volume": 51.0, "lp_time": S0 + ahead_s}, T0)) == 1
    for second in range(1, 90):
        true = {"lp": 102.0 + second, "volume": 51.0 + second, "lp_time": S0 + second - delay}
        [tick] = symbol.changed(true, T0 + second * 1000 + 300)
        assert said(tick) == (102.0 + second, 51.0 + second, (second - delay) * 1000, False)
    assert symbol.stale_updates == 0
    assert symbol.changed({"lp": 90.0, "volume": 140.5, "lp_time": S0 + 60 - delay}, T0 + 90_000) == []
    assert symbol.stale_updates == 1


def test_a_fall_of_the_cumulative_volume_is_a_baseline() -> None:
    symbol = a_symbol()
    [fall] = symbol.changed({"volume": 40.0, "lp_time": S0 + 1}, T0 + 1_000)
    [rise] = symbol.changed({"volume": 41.0, "lp_time": S0 + 2}, T0 + 2_000)
    assert (fall.is_baseline, rise.is_baseline) == (True, False)


def test_a_new_day_voids_volume_and_figures_until_each_is_said_again() -> None:
    symbol = a_symbol()
    night, seconds = DAY0 + DAY + 400, (DAY0 + DAY) // 1000
    [first] = symbol.changed({"lp": 102.0, "volume": 0.5, "lp_time": seconds, "open_time": seconds}, night)
    assert (first.trading_day, first.cumulative_volume, first.is_baseline) == (DAY0 + DAY, 0.5, False)
    assert [first.day_open, first.day_high, first.day_low, first.previous_close] == [None] * 4
    assert (symbol.quote().day_high, symbol.quote().trading_day) == (None, DAY0 + DAY)
    symbol.changed({"open_price": 102.0, "prev_close_price": 100.0}, night + 80)
    [second] = symbol.changed({"lp": 103.0, "lp_time": seconds + 1}, night + 1_000)
    assert (second.day_open, second.day_high, second.previous_close) == (102.0, None, 100.0)
    assert second.cumulative_volume == 0.5


def test_a_new_day_is_known_by_the_event_where_the_open_time_is_stale() -> None:
    symbol = a_symbol()
    night, seconds = DAY0 + DAY + 400, (DAY0 + DAY) // 1000
    symbol.changed({"lp_time": seconds, "low_price": 101.0}, night)
    [first] = symbol.changed({"lp": 102.0, "volume": 0.5}, night + 100)
    assert (first.trading_day, first.cumulative_volume) == (DAY0 + DAY, 0.5)
    assert (first.day_high, first.day_low) == (None, 101.0)
    assert not first.is_baseline
    symbol.changed({"high_price": 102.0}, night + 200)
    symbol.changed({"open_time": seconds}, night + 300)
    [second] = symbol.changed({"lp": 101.0, "volume": 0.75, "lp_time": seconds + 1}, night + 1_000)
    assert (second.cumulative_volume, second.day_high, second.is_baseline) == (0.75, 102.0, False)


def test_a_day_that_begins_without_a_trade_of_its_own_begins_with_a_baseline() -> None:
    symbol = a_symbol()
    morning = DAY0 + DAY + 1_000
    assert symbol.changed({"volume": 0.0, "open_time": (DAY0 + DAY) // 1000}, morning) == []
    [tick] = symbol.expire(morning + HOLD_MS)
    assert (tick.trading_day, tick.cumulative_volume, tick.is_baseline) == (DAY0 + DAY, 0.0, True)


def test_an_instrument_without_volume_has_none() -> None:
    symbol = a_symbol(volume=None)
    [tick] = symbol.changed({"lp": 101.0, "volume": None, "lp_time": S0 + 1}, T0 + 1_000)
    assert tick.cumulative_volume is None


def test_what_makes_no_sense_has_no_value_and_costs_its_neighbours_nothing() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0, "volume": -1}, T0 + 500)
    assert symbol.fault is not None
    [tick] = symbol.flush()
    assert (tick.price, tick.cumulative_volume) == (101.0, None)


def test_after_deafness_nothing_is_known_until_the_next_snapshot_and_that_is_a_baseline() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 1_000)
    [held] = symbol.deafen()
    assert held.price == 101.0
    assert not symbol.is_heard
    symbol.changed({"lp": 105.0, "volume": 70.0, "lp_time": S0 + 30}, T0 + 31_000)
    [tick] = symbol.completed(T0 + 31_100)
    assert (tick.price, tick.is_baseline, tick.day_high) == (105.0, True, None)


def test_a_rebase_repeats_the_present_state_as_a_baseline() -> None:
    symbol = a_symbol()
    [tick] = symbol.rebase(T0 + 5_000)
    assert said(tick) == (100.0, 50.0, 0, False)
    assert (tick.is_baseline, tick.received_at) == (True, T0 + 5_000)


STYLES = ("whole", "time_first", "price_first", "untimed")


@given(st.lists(st.tuples(st.integers(1, 20), st.sampled_from(STYLES), st.integers(20, 120)), min_size=1, max_size=40))
def test_however_price_and_time_are_sent_every_trade_is_one_tick_in_its_second_or_an_estimate_near_it(
    trades: list[tuple[int, str, int]],
) -> None:
    symbol = a_symbol()
    ticks: list[wire.Tick] = []
    second, wanted = 0, []
    for number, (wait, style, apart) in enumerate(trades):
        second += wait
        at = T0 + second * 1000 + 900
        ticks += symbol.expire(at - 600)
        price: dict[str, Any] = {"lp": 200.0 + number, "volume": 60.0 + number}
        time: dict[str, Any] = {"lp_time": S0 + second}
        styles: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
            "whole": (price | time, {}),
            "time_first": (time, price),
            "price_first": (price, time),
            "untimed": (price, {}),
        }
        first, then = styles[style]
        ticks += symbol.changed(first, at)
        ticks += symbol.changed(then, at + apart)
        wanted.append((200.0 + number, 60.0 + number, second, style == "untimed"))
    ticks += symbol.expire(T0 + second * 1000 + 5_000)
    assert [
        (t.price, t.cumulative_volume, (t.event_time - T0) // 1000, t.event_time_estimated) for t in ticks
    ] == wanted
    order = [(t.event_time // 1000, t.sequence) for t in ticks]
    assert order == sorted(order)


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "lp": st.none() | st.floats(-1e15, 1e15),
        "volume": st.none() | st.floats(0, 1e18),
        "lp_time": st.none() | st.integers(S0 - 2 * 86_400, S0 + 50),
        "open_time": st.none() | st.integers(DAY0 // 1000 - 20 * 86_400, DAY0 // 1000 + 20 * 86_400),
        "high_price": st.none() | st.floats(-1e15, 1e15),
        "update_mode": st.sampled_from(["streaming", "delayed_streaming_900", "pulsed"]),
        "current_session": st.sampled_from(["market", "holiday", 5]),
    },
)


@given(st.lists(st.tuples(FIELDS, st.integers(0, 400), st.booleans()), max_size=30))
def test_whatever_is_sent_the_ticks_are_valid_in_order_and_none_is_held_for_long(
    messages: list[tuple[dict[str, Any], int, bool]],
) -> None:
    symbol = SymbolFeed(SymbolId("SIM", "A"), Sequencer())
    now, ticks = T0, []
    for changed, wait, is_complete in messages:
        now += wait
        ticks += symbol.expire(now)
        assert symbol.held_since is None or now - symbol.held_since < HOLD_MS
        ticks += symbol.changed(changed, now)
        if is_complete:
            ticks += symbol.completed(now)
        Quote.decode(symbol.quote().encode())
    ticks += symbol.deafen()
    for tick in ticks:
        QuoteTick.decode(wire.encode(tick))
    assert [tick.sequence for tick in ticks] == sorted({tick.sequence for tick in ticks})
    assert all(tick.event_time <= tick.received_at + MINUTE for tick in ticks)
