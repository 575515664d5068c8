"""One symbol: tables of messages and instants, and the ticks they bring about."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import wire
from contracts.intervals import MINUTE
from contracts.symbols import SymbolId
from contracts.ticks import Quote, QuoteTick
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.symbol import HOLD_MS, MOST_HELD, SymbolFeed
from tests.support.quoted import DAY0, NEW_YORK, S0, T0, a_symbol
from tradingview.live import LiveFields


def summary(tick: wire.Tick) -> tuple[float, float | None, int, bool]:
    """Price, cumulative volume, seconds after S0, whether that is an estimate."""
    assert QuoteTick.decode(wire.encode(tick))
    return tick.price, tick.cumulative_volume, tick.event_time - T0, tick.event_time_estimated


def test_the_first_complete_snapshot_is_a_baseline_with_the_time_of_its_price() -> None:
    symbol = SymbolFeed(SymbolId("SIM", "A"), Sequencer())
    assert symbol.changed({"lp_time": S0 - 600, "open_time": DAY0 // 1000}, T0) == []
    assert symbol.changed({"lp": 7.0, "volume": 3.0}, T0 + 5) == []
    [tick] = symbol.completed(T0 + 9)
    assert summary(tick) == (7.0, 3.0, -600_000, False)
    assert tick.is_baseline and symbol.is_covered
    assert (tick.received_at, tick.trading_day) == (T0 + 9, DAY0)
    assert symbol.completed(T0 + 20) == []


def test_a_tick_made_here_is_a_tick_of_the_contract_to_the_byte() -> None:
    [tick] = a_symbol(bid=99.5, ask=101.5, bid_size=1.5, ask_size=2.5).rebase(T0 + 5)
    assert len(set(msgspec.structs.astuple(tick)[2:12])) == 10, "values that differ, so that none may be exchanged"
    assert isinstance(tick, wire.Tick)
    assert wire.encode(wire.Tick(**msgspec.structs.asdict(tick))) == wire.encode(tick)


def test_a_quote_made_here_is_a_quote_of_the_contract_to_the_byte() -> None:
    symbol = a_symbol(bid=99.5, ask=101.5, bid_size=1.5, ask_size=2.5, ch=3.5, chp=4.5, currency_code="USD",
                      description="A \u20ac", rtc=102.5, rtc_time=S0 + 7)  # fmt: skip
    made = symbol.quote()
    assert len(set(msgspec.structs.astuple(made)[2:15])) == 13, "values that differ, so that none may be exchanged"
    assert tuple(Quote.model_fields) == made.__struct_fields__
    assert Quote.decode(made.encode()).encode() == made.encode()
    assert (made.change, made.currency, made.event_time, made.trading_day) == (3.5, "USD", T0, DAY0)
    assert (made.extended_price, made.extended_time) == (102.5, T0 + 7_000)


def test_a_symbol_without_a_price_is_covered_from_the_first_one_on() -> None:
    symbol = SymbolFeed(SymbolId("SIM", "A"), Sequencer())
    symbol.changed({"description": "never traded"}, T0)
    assert symbol.completed(T0) == []
    assert not symbol.is_covered
    [tick] = symbol.changed({"lp": 1.0, "lp_time": S0 + 1}, T0 + 1_010)
    assert (tick.price, tick.is_baseline, symbol.is_covered) == (1.0, True, True)


def test_price_and_time_in_one_message_are_a_tick_at_once() -> None:
    symbol = a_symbol()
    [tick] = symbol.changed({"lp": 100.5, "volume": 51.0, "lp_time": S0 + 1, "high_price": 101.5}, T0 + 1_040)
    assert summary(tick) == (100.5, 51.0, 1_000, False)
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
    assert summary(tick) == (101.0, 52.0, 1_000, False)
    assert tick.received_at == T0 + 1_040
    assert symbol.held_since is None


def test_a_time_is_held_for_its_price() -> None:
    symbol = a_symbol()
    assert symbol.changed({"lp_time": S0 + 60}, T0 + 60_040) == []
    [tick] = symbol.changed({"lp": 101.0, "volume": 52.0}, T0 + 60_100)
    assert summary(tick) == (101.0, 52.0, 60_000, False)
    assert tick.received_at == T0 + 60_100


def test_a_price_whose_time_does_not_come_gets_an_estimate() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 1_040)
    [tick] = symbol.expire(T0 + 1_040 + HOLD_MS)
    assert summary(tick) == (101.0, 50.0, 1_040, True)


def test_without_volume_a_time_whose_price_does_not_come_is_a_trade_at_the_same_price() -> None:
    symbol = a_symbol(volume=None)
    symbol.changed({"lp_time": S0 + 60}, T0 + 60_040)
    [tick] = symbol.expire(T0 + 60_290)
    assert summary(tick) == (100.0, None, 60_000, False)
    assert not tick.is_baseline


def test_with_volume_such_a_time_is_no_trade_and_a_price_that_comes_soon_still_has_it() -> None:
    symbol = a_symbol()
    symbol.changed({"lp_time": S0 + 60}, T0 + 60_940)
    assert symbol.expire(T0 + 61_190) == []
    [tick] = symbol.changed({"lp": 101.0, "volume": 51.0}, T0 + 61_300)
    assert (summary(tick), tick.is_baseline) == ((101.0, 51.0, 60_000, False), False)
    assert symbol.changed({"lp": 102.0, "volume": 52.0}, T0 + 61_350) == []


def test_a_price_that_comes_long_after_a_time_does_not_have_it() -> None:
    symbol = a_symbol()
    symbol.changed({"lp_time": S0 + 60}, T0 + 60_040)
    symbol.expire(T0 + 60_290)
    assert symbol.changed({"lp": 101.0}, T0 + 62_000) == []
    assert summary(symbol.expire(T0 + 62_250)[0]) == (101.0, 50.0, 62_000, True)


def test_an_estimate_is_never_before_the_last_time_nor_after_the_next() -> None:
    ahead = a_symbol(lp_time=S0 + 5)
    ahead.changed({"lp": 101.0}, T0 + 1_000)
    assert summary(ahead.expire(T0 + 1_250)[0])[2] == 5_000
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 60_030)
    earlier, later = symbol.changed({"lp": 102.0, "lp_time": S0 + 60}, T0 + 60_200)
    assert (summary(earlier), summary(later)) == ((101.0, 50.0, 60_000, True), (102.0, 50.0, 60_000, False))
    assert earlier.sequence < later.sequence


def test_of_a_delayed_feed_the_estimate_lies_the_delay_back() -> None:
    symbol = a_symbol(update_mode="delayed_streaming_900", lp_time=S0 - 900)
    symbol.changed({"lp": 101.0}, T0 + 20_000)
    [tick] = symbol.expire(T0 + 20_250)
    assert (tick.delay, tick.event_time) == (900, T0 + 20_000 - 900_000)


def test_figures_that_come_later_do_not_belong_to_an_earlier_price() -> None:
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


def test_a_live_update_that_is_older_than_the_last_is_kept_with_its_own_time() -> None:
    symbol = a_symbol()
    [tick] = symbol.changed({"lp": 90.0, "volume": 49.0, "lp_time": S0 - 1}, T0 + 900)
    assert (summary(tick), tick.is_baseline) == ((90.0, 49.0, -1_000, False), False)
    symbol.changed({"lp": 91.0}, T0 + 950)
    assert summary(symbol.expire(T0 + 1_200)[0]) == (91.0, 49.0, 950, True)
    symbol = a_symbol(lp_time=S0 + 5)
    assert len(symbol.changed({"lp": 90.0, "lp_time": S0 + 4}, T0 + 5_900)) == 1
    symbol.changed({"lp": 91.0}, T0 + 4_000)
    assert summary(symbol.expire(T0 + 4_250)[0])[2] == 5_000, "no time is estimated below the greatest"


def test_a_snapshot_that_goes_back_in_time_is_no_news() -> None:
    symbol = a_symbol()
    past = {"lp": 90.0, "volume": 40.0, "lp_time": S0 - 13, "high_price": 91.0, "ch": 1.0, "bid": 89.0, "type": "spot"}
    assert symbol.changed(past, T0 + 900) == []
    assert symbol.stale_snapshots == 1
    quote = symbol.quote()
    assert (quote.price, quote.cumulative_volume, quote.day_high, quote.bid) == (100.0, 50.0, 101.0, 89.0)
    [tick] = symbol.changed(past | {"lp_time": S0 + 1}, T0 + 1_900)
    assert summary(tick) == (90.0, 40.0, 1_000, False)


def test_a_snapshot_of_a_longer_delay_does_not_go_back() -> None:
    symbol = a_symbol()
    delayed = {"lp": 90.0, "volume": 40.0, "lp_time": S0 - 890, "update_mode": "delayed_streaming_900", "type": "spot"}
    [tick] = symbol.changed(delayed, T0 + 10_000)
    assert (summary(tick), tick.delay) == ((90.0, 40.0, -890_000, False), 900)
    symbol.changed({"lp": 91.0}, T0 + 11_000)
    assert summary(symbol.expire(T0 + 11_250)[0])[2] == -889_000, "the delay back, not at the time of the shorter delay"
    symbol = a_symbol()
    symbol.changed({"update_mode": "delayed_streaming_900"}, T0 + 10_000)
    symbol.changed({"lp": 91.0}, T0 + 11_000)
    assert summary(symbol.expire(T0 + 11_250)[0])[2] == -889_000


def test_when_the_delay_falls_ticks_carry_the_new_one_from_then_on() -> None:
    symbol = a_symbol(update_mode="delayed_streaming_900", lp_time=S0 - 900)
    symbol.changed({"lp": 101.0}, T0 + 1_000)
    [held] = symbol.changed({"update_mode": "streaming", "type": "spot", "lp_time": S0 + 1}, T0 + 1_100)
    assert (held.delay, held.event_time) == (900, T0 + 1_000)
    [tick] = symbol.changed({"lp": 103.0, "volume": 60.0, "lp_time": S0 + 2}, T0 + 2_000)
    assert (tick.delay, summary(tick)) == (0, (103.0, 60.0, 2_000, False))
    symbol.changed({"lp": 104.0}, T0 + 3_000)
    assert summary(symbol.expire(T0 + 3_250)[0])[2] == 3_000


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
        assert summary(tick) == (102.0 + second, 51.0 + second, (second - delay) * 1000, False)
    assert symbol.stale_snapshots == 0
    past = {"lp": 90.0, "volume": 140.5, "lp_time": S0 + 60 - delay, "type": "spot"}
    assert symbol.changed(past, T0 + 90_000) == []
    assert symbol.stale_snapshots == 1


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


def test_after_a_lost_connection_nothing_is_known_until_the_next_snapshot_and_that_is_a_baseline() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0}, T0 + 1_000)
    [held] = symbol.uncover()
    assert held.price == 101.0
    assert not symbol.is_covered
    symbol.changed({"lp": 105.0, "volume": 70.0, "lp_time": S0 + 30}, T0 + 31_000)
    [tick] = symbol.completed(T0 + 31_100)
    assert (tick.price, tick.is_baseline, tick.day_high) == (105.0, True, None)


def test_a_rebase_repeats_the_present_state_as_a_baseline() -> None:
    symbol = a_symbol()
    [tick] = symbol.rebase(T0 + 5_000)
    assert summary(tick) == (100.0, 50.0, 0, False)
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
        "subsessions": st.sampled_from([None, NEW_YORK["subsessions"], [{"id": "regular", "session": "?"}]]),
        "timezone": st.sampled_from([None, "America/New_York", "Asia/Tokyo", 5]),
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
    ticks += symbol.uncover()
    for tick in ticks:
        QuoteTick.decode(wire.encode(tick))
    assert [tick.sequence for tick in ticks] == sorted({tick.sequence for tick in ticks})
    assert all(tick.event_time <= tick.received_at + MINUTE for tick in ticks)
