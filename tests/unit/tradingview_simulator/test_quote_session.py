"""Quote sessions under a clock that the test moves: what is sent of a symbol folds to what the model says it traded."""

from collections import defaultdict
from datetime import UTC, datetime
from math import ceil
from random import Random
from typing import Any

import pytest

from tradingview.codec import Message, decode
from tradingview_simulator.journal import Sent
from tradingview_simulator.mischief import Lasting
from tradingview_simulator.model.market import Market
from tradingview_simulator.model.nodes import Trade
from tradingview_simulator.quotes.hub import Hub
from tradingview_simulator.quotes.session import QuoteSession
from tradingview_simulator.settings import SimulatorSettings
from tradingview_simulator.timers import Timers

MOST_STEPS_A_SECOND = 10


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


class Stage:
    """One quote session `qs` on a clock of its own; everything it sends, with the instant it was sent at."""

    def __init__(self, start: str, seed: int = 1) -> None:
        self.at_ms = instant(start)
        settings = SimulatorSettings(seed=seed, now=lambda: self.at_ms)
        self.timers = Timers(settings.now)
        self.market = Market(seed)
        self.sent: list[tuple[int, str, tuple[Any, ...], Sent | None]] = []
        hub = Hub(self.market, self.timers, settings)
        self.mischief = hub.mischief
        self.session = QuoteSession("qs", hub, self._put, Random(seed))

    def _put(self, packet: str, sent: Sent | None = None) -> None:
        (message,) = decode(packet)
        assert isinstance(message, Message)
        self.sent.append((self.at_ms, message.method, message.params, sent))

    def call(self, method: str, *params: object) -> None:
        self.session.call(method, params)

    def pass_time(self, seconds: float) -> None:
        """Run everything that falls due, each thing at its own instant."""
        end = self.at_ms + int(seconds * 1_000)
        for _ in range(100 + int(MOST_STEPS_A_SECOND * seconds)):
            due = self.timers.next_due_ms()
            if due is None or due > end:
                break
            self.at_ms = max(self.at_ms, ceil(due))
            self.timers.run_due()
        else:
            pytest.fail("things keep falling due without time passing")
        self.at_ms = end

    def updates(self, name: str) -> list[tuple[int, dict[str, Any], Sent]]:
        """(sent at, fields, journal entry) of the partial updates of a symbol."""
        return [
            (at_ms, params[1]["v"], sent)
            for at_ms, method, params, sent in self.sent
            if method == "qsd" and params[1]["n"] == name and sent is not None and not sent.snapshot
        ]

    def snapshots(self, name: str) -> list[dict[str, Any]]:
        """The fields of each completed snapshot of a symbol, its pieces merged."""
        found: list[dict[str, Any]] = []
        fields: dict[str, Any] = {}
        for _, method, params, sent in self.sent:
            if method == "qsd" and params[1]["n"] == name and sent is not None and sent.snapshot:
                fields |= params[1]["v"]
            elif method == "quote_completed" and params[1] == name:
                found.append(fields)
                fields = {}
        return found


def test_a_symbol_begins_with_a_snapshot_of_the_wanted_fields_and_completion() -> None:
    stage = Stage("2026-11-23T12:00:30")
    stage.call("quote_set_fields", "lp", "volume", "description")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(0.3)
    (snapshot,) = stage.snapshots("BINANCE:BTCUSDT")
    assert snapshot.keys() == {"lp", "volume", "description"}


@pytest.mark.parametrize(
    ("name", "start", "seconds"),
    [
        ("BINANCE:BTCUSDT", "2026-11-23T23:57:10", 300),
        ("KRAKEN:RAREUSD", "2026-11-23T22:10:00", 9_000),
        ("NASDAQ:AAPL", "2026-11-23T14:29:00", 200),
        ("TVC:NDX", "2026-11-23T14:29:00", 200),
        ("NYMEX:CL1!", "2026-11-22T23:14:30", 200),
    ],
)
def test_what_is_sent_is_each_trade_once_and_in_time_also_across_the_roll_of_a_day(
    name: str, start: str, seconds: int
) -> None:
    stage = Stage(start)
    stage.call("quote_add_symbols", name)
    stage.pass_time(1)
    begun = stage.at_ms
    stage.pass_time(seconds)
    tape = stage.market.tape(name)
    assert tape is not None
    instrument, delay_ms = tape.instrument, tape.instrument.delay_s * 1_000
    truth: dict[int, tuple[int, Trade]] = {}
    ahead = tape.minutes_after(begun - delay_ms)
    day, trades = next(ahead)
    while trades[0].time_ms < stage.at_ms - delay_ms:
        truth |= {trade.time_ms: (day, trade) for trade in trades}
        day, trades = next(ahead)
    state = dict(stage.snapshots(name)[0])
    seen: dict[int, dict[str, Any]] = defaultdict(dict)
    for at_ms, fields, sent in stage.updates(name):
        state |= fields
        if sent.trade_time_ms is not None and sent.trade_time_ms >= begun - delay_ms:
            seen[sent.trade_time_ms] |= {"at": seen[sent.trade_time_ms].get("at", at_ms), **state}
    due = [time_ms for time_ms in truth if time_ms < stage.at_ms - delay_ms - 500]
    assert due
    assert set(due) <= seen.keys()
    for time_ms in due:
        day, trade = truth[time_ms]
        found, model = seen[time_ms], tape.state_at(time_ms)
        assert model is not None
        assert found["lp"] == instrument.price(trade.price)
        # Where price and volume stand still there is only the time to send, and it may come apart.
        assert 0 <= found["at"] - delay_ms - time_ms <= (80 if instrument.has_volume else 200)
        assert found["open_time"] == day * 86_400
        if instrument.has_volume:
            assert found["volume"] == instrument.volume(model.node.volume)
        assert found["current_session"] == "market"


def test_a_time_is_left_out_only_where_an_estimate_stays_in_the_same_minute() -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(600)
    times = {fields["lp_time"] for _, fields, _ in stage.updates("BINANCE:BTCUSDT") if "lp_time" in fields}
    true = {sent.trade_time_ms // 1_000 for *_, sent in stage.updates("BINANCE:BTCUSDT") if sent.trade_time_ms}
    assert times <= true
    untimed = sorted(true - times)[:-1]
    assert len(untimed) > 20
    assert all(5 <= second % 60 < 50 for second in untimed)


def test_updates_come_in_the_shapes_that_recordings_show() -> None:
    stage = Stage("2026-11-23T15:00:00")
    stage.call("quote_set_fields", "lp", "lp_time", "volume", "ch", "chp", "bid", "ask", "bid_size", "ask_size")
    stage.call("quote_add_symbols", "NASDAQ:AAPL")
    stage.pass_time(900)
    shapes = {frozenset(fields) for _, fields, _ in stage.updates("NASDAQ:AAPL")}
    for shape in ("lp_time", "volume", "lp ch volume", "lp ch chp volume", "lp_time lp ch volume", "lp_time volume"):
        assert frozenset(shape.split()) in shapes
    assert any("bid" in shape and "lp" not in shape for shape in shapes)


def test_a_day_roll_resets_the_volume_and_sends_the_figures_of_the_day_again() -> None:
    stage = Stage("2026-11-23T23:59:30")
    stage.call("quote_add_symbols", "SIM:S0007")
    stage.pass_time(60)
    updates = [fields for _, fields, _ in stage.updates("SIM:S0007")]
    roll = next(index for index, fields in enumerate(updates) if "open_time" in fields)
    assert updates[roll]["open_time"] == instant("2026-11-24") // 1_000
    assert updates[roll]["volume"] < updates[roll - 1].get("volume", float("inf"))
    after: dict[str, Any] = {}
    for fields in updates[roll + 1 : roll + 6]:
        after |= fields
    assert {"open_price", "high_price", "low_price", "prev_close_price"} <= after.keys()


def test_a_closed_market_answers_the_snapshot_and_streams_nothing() -> None:
    stage = Stage("2026-11-22T12:00:00")
    stage.call("quote_add_symbols", "NASDAQ:AAPL", "TVC:NDX")
    stage.pass_time(120)
    assert stage.snapshots("NASDAQ:AAPL")[0]["current_session"] == "out_of_session"
    assert stage.snapshots("TVC:NDX")[0]["volume"] == 1e100
    assert stage.updates("NASDAQ:AAPL") == stage.updates("TVC:NDX") == []


def test_an_opening_and_a_closing_market_say_so() -> None:
    stage = Stage("2026-11-23T14:29:50")
    stage.call("quote_set_fields", "current_session")
    stage.call("quote_add_symbols", "NASDAQ:AAPL")
    stage.pass_time(7 * 3_600)
    assert [fields for _, fields, _ in stage.updates("NASDAQ:AAPL")] == [
        {"current_session": "market"},
        {"current_session": "post_market"},
    ]


def test_an_unknown_symbol_is_told_and_costs_the_others_nothing() -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "FOO:BAR", "BINANCE:BTCUSDT")
    stage.pass_time(5)
    assert stage.sent[0][2][1] == {"n": "FOO:BAR", "s": "error", "errmsg": "no_such_symbol", "v": {}}
    assert stage.updates("BINANCE:BTCUSDT")


def test_flags_kill_the_session_and_add_nothing() -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT", {"flags": ["force_permission"]})
    stage.call("quote_fast_symbols", "BINANCE:BTCUSDT")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(5)
    assert [sent[1:3] for sent in stage.sent] == [("critical_error", ("qs", "invalid_parameters", "quote_add_symbols"))]


def test_two_spellings_of_a_symbol_are_two_subscriptions_echoed_as_sent() -> None:
    stage = Stage("2026-11-23T12:00:00")
    spelling = '={"symbol":"BINANCE:BTCUSDT","session":"regular"}'
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT", spelling)
    stage.pass_time(5)
    assert len(stage.snapshots(spelling)) == len(stage.snapshots("BINANCE:BTCUSDT")) == 1
    assert stage.updates(spelling)


def test_a_slow_symbol_is_updated_far_less_often_and_a_change_of_class_sends_the_snapshot_again() -> None:
    stage = Stage("2026-11-23T12:00:00")
    fast, slow = "BINANCE:BTCUSDT", "BINANCE:ETHUSDT"
    stage.call("quote_set_fields", "lp")
    stage.call("quote_add_symbols", fast, slow)
    stage.pass_time(1)
    stage.call("quote_fast_symbols", fast)
    stage.pass_time(120)
    assert (len(stage.snapshots(fast)), len(stage.snapshots(slow))) == (1, 2)
    assert len(stage.updates(fast)) > 60
    assert 5 <= len(stage.updates(slow)) <= 10
    stage.call("quote_fast_symbols", fast)
    stage.call("quote_fast_symbols", fast, slow)
    stage.pass_time(60)
    assert (len(stage.snapshots(fast)), len(stage.snapshots(slow))) == (1, 3)
    assert len(stage.updates(slow)) > 40


def test_a_list_sent_before_the_first_snapshot_leads_to_one_snapshot_only() -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT", "BINANCE:ETHUSDT")
    stage.call("quote_fast_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(2)
    assert len(stage.snapshots("BINANCE:BTCUSDT")) == len(stage.snapshots("BINANCE:ETHUSDT")) == 1


@pytest.mark.parametrize("method", ["quote_remove_symbols", "quote_hibernate_all"])
def test_a_removed_or_hibernated_symbol_is_silent(method: str) -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(5)
    stage.call(method, "BINANCE:BTCUSDT")
    before = len(stage.sent)
    stage.pass_time(30)
    assert len(stage.sent) == before


def test_a_fast_list_wakes_a_hibernated_session_with_snapshots() -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(1)
    stage.call("quote_hibernate_all")
    stage.pass_time(5)
    stage.call("quote_fast_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(5)
    assert len(stage.snapshots("BINANCE:BTCUSDT")) == 2


def test_a_process_that_was_away_goes_on_from_the_present_with_a_snapshot() -> None:
    stage = Stage("2026-11-23T12:00:00")
    stage.call("quote_add_symbols", "BINANCE:BTCUSDT")
    stage.pass_time(5)
    stage.at_ms += 3_600_000
    before = len(stage.sent)
    for _ in range(3):
        stage.timers.run_due()
    stage.pass_time(10)
    assert len(stage.snapshots("BINANCE:BTCUSDT")) == 2
    assert len(stage.sent) - before < 60


def watched(name: str) -> Stage:
    """A stage early in a day, whose symbol has had its snapshot and some updates."""
    stage = Stage("2026-11-23T00:10:30")
    stage.call("quote_add_symbols", name)
    stage.pass_time(5)
    return stage


def told(stage: Stage, name: str) -> dict[str, Any]:
    """What a client knows that merged everything."""
    state: dict[str, Any] = {}
    for _, method, params, _ in stage.sent:
        if method == "qsd" and params[1]["n"] == name:
            state |= params[1]["v"]
    return state


@pytest.mark.parametrize("fault", ["silent", "heartbeat_only", "expired_token"])
def test_after_a_mute_time_the_updates_tell_what_changed_meanwhile(fault: str) -> None:
    stage, name = watched("BINANCE:BTCUSDT"), "BINANCE:BTCUSDT"
    stage.mischief.begin(Lasting(fault))
    count, before = len(stage.sent), told(stage, name)
    stage.pass_time(3_600)
    assert len(stage.sent) == count
    stage.mischief.end(lambda one: True)
    stage.pass_time(5)
    tape = stage.market.tape(name)
    assert tape is not None
    assert (state := tape.state_at(stage.at_ms)) is not None
    after = told(stage, name)
    assert after["high_price"] == tape.instrument.price(state.node.high)
    assert after["low_price"] == tape.instrument.price(state.node.low)
    assert (before["high_price"], before["low_price"]) != (after["high_price"], after["low_price"])


def test_a_symbol_asked_for_in_a_mute_time_has_one_snapshot_after_it() -> None:
    stage, name = Stage("2026-11-23T12:00:30"), "BINANCE:BTCUSDT"
    stage.mischief.begin(Lasting("heartbeat_only"))
    stage.call("quote_add_symbols", name)
    stage.pass_time(10)
    assert stage.sent == []
    stage.mischief.end(lambda one: True)
    stage.pass_time(3)
    assert len(stage.snapshots(name)) == 1
    assert stage.sent[0][3] is not None
    assert stage.sent[0][3].snapshot
    assert stage.updates(name)


def test_coalescing_loses_the_extremes_between_updates_but_for_the_days() -> None:
    stage, name = watched("BINANCE:BTCUSDT"), "BINANCE:BTCUSDT"
    stage.mischief.begin(Lasting("coalesce", {"ms": 10_000}))
    begun = stage.at_ms
    stage.pass_time(120)
    updates = [each for each in stage.updates(name) if each[0] > begun]
    assert 8 <= len(updates) <= 12
    sent = {entry.trade_time_ms for _, _, entry in updates}
    unsent = {each for _, _, entry in updates for each in entry.unsent_trades_ms}
    tape = stage.market.tape(name)
    assert tape is not None
    traded = {
        trade.time_ms
        for _, minute in _until(tape.minutes_after(begun), updates[-1][0])
        for trade in minute
        if trade.time_ms <= updates[-1][0] - 200
    }
    assert traded <= sent | unsent
    assert not sent & unsent
    assert (state := tape.state_at(max(time for time in sent if time is not None))) is not None
    assert told(stage, name)["high_price"] == tape.instrument.price(state.node.high)


def _until(minutes: Any, end_ms: int) -> list[tuple[int, tuple[Trade, ...]]]:
    found = []
    for day, trades in minutes:
        if trades[0].time_ms > end_ms:
            break
        found.append((day, trades))
    return found


@pytest.mark.parametrize("name", ["BINANCE:BTCUSDT", "KRAKEN:RAREUSD", "TVC:NDX"])
def test_the_past_and_a_fallen_volume_are_older_and_lower_and_mended_by_the_next_update(name: str) -> None:
    stage = Stage("2026-11-23T15:00:30")
    stage.call("quote_add_symbols", name)
    stage.pass_time(1)
    before = told(stage, name)
    for subscription in stage.session.of(name):
        subscription.repeat_the_past()
    past = stage.sent[-2][2][1]["v"]
    assert past["lp_time"] <= before["lp_time"] - 30
    assert (past["volume"] < before["volume"]) == (name != "TVC:NDX")
    count = len(stage.sent)
    for subscription in stage.session.of(name):
        subscription.regress()
    if name == "TVC:NDX":
        assert len(stage.sent) == count
        return
    assert stage.sent[-1][2][1]["v"] == {"volume": before["volume"] / 2}
    stage.pass_time(3_600)
    assert told(stage, name)["volume"] > before["volume"]
