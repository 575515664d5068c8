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
        self.hub = Hub(self.market, self.timers, settings)
        self.mischief = self.hub.mischief
        self.session = QuoteSession("qs", self.hub, self._put, Random(seed))

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
            assert found["volume"] == instrument.volume(model.node.volume + tape.outside_volume(day, time_ms))
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


NEW_DAY = {"volume", "open_time", "open_price", "high_price", "low_price", "prev_close_price"}


@pytest.mark.parametrize("number", range(1, 9))
def test_a_day_roll_sends_the_first_price_under_the_old_total_and_the_reset_in_a_message_of_its_own(
    number: int,
) -> None:
    stage, name = Stage("2026-11-23T23:59:30"), f"SIM:S{number:04}"
    stage.call("quote_add_symbols", name)
    stage.pass_time(60)
    updates = stage.updates(name)
    midnight = instant("2026-11-24")
    roll = next(index for index, (_, fields, _) in enumerate(updates) if "open_time" in fields)
    before = [fields["volume"] for _, fields, _ in updates[:roll] if "volume" in fields][-1]
    assert updates[roll][1].keys() == NEW_DAY
    assert updates[roll][1]["open_time"] == midnight // 1_000
    assert updates[roll][1]["volume"] < before / 100
    first = [fields for at_ms, fields, _ in updates[:roll] if at_ms > midnight and "lp" in fields]
    assert [fields["lp"] for fields in first] == [updates[roll][1]["open_price"]]
    assert "volume" not in first[0]


def told_before(stage: Stage, name: str, end_ms: int) -> dict[str, Any]:
    """What a client knows that merged everything sent before an instant."""
    state: dict[str, Any] = {}
    for at_ms, method, params, _ in stage.sent:
        if at_ms < end_ms and method == "qsd" and params[1]["n"] == name:
            state |= params[1]["v"]
    return state


def test_after_midnight_the_old_total_may_be_sent_again_and_a_first_trade_without_its_time() -> None:
    stale = timeless = 0
    midnight = instant("2026-11-24")
    for number in range(1, 31):
        stage, name = Stage("2026-11-23T23:59:50"), f"SIM:S{number:04}"
        stage.call("quote_add_symbols", name)
        stage.pass_time(20)
        after = [each for each in stage.updates(name) if each[0] >= midnight]
        total = told_before(stage, name, midnight)["volume"]
        stale += any(at_ms == midnight + 50 and fields == {"volume": total} for at_ms, fields, _ in after)
        first = next(fields for _, fields, _ in after if "lp" in fields)
        timeless += "lp_time" not in first
    assert 3 <= stale <= 27
    assert 3 <= timeless <= 27


def test_volume_and_the_price_outside_move_before_and_after_the_market_and_the_last_price_does_not() -> None:
    stage, name = Stage("2026-11-23T08:59:50"), "NASDAQ:AAPL"
    stage.call("quote_set_fields", "lp", "lp_time", "volume", "rtc", "rtc_time", "market-status")
    stage.call("quote_add_symbols", name)
    stage.pass_time(1_800)
    before = stage.updates(name)
    assert stage.snapshots(name)[0]["volume"] > 1_000_000
    assert not any({"lp", "lp_time"} & fields.keys() for _, fields, _ in before)
    moved = [fields for _, fields, _ in before if "rtc_time" in fields]
    assert len(moved) > 20
    assert moved[0]["volume"] < 10_000
    assert [fields["volume"] for fields in moved] == sorted(fields["volume"] for fields in moved)
    assert {"market-status": {"phase": "premarket", "tradingday": "20261123"}} in [fields for _, fields, _ in before]
    stage.pass_time(5 * 3_600 + 60)
    opened = told_before(stage, name, stage.at_ms)
    assert opened["rtc"] is None
    assert opened["volume"] > moved[-1]["volume"]
    assert opened["market-status"] == {"phase": "regular", "tradingday": "20261123"}


def test_a_snapshot_tells_when_the_symbol_trades() -> None:
    stage = Stage("2026-11-23T15:00:00")
    stage.call("quote_set_fields", "timezone", "subsessions", "session_holidays", "market-status")
    stage.call("quote_add_symbols", "NASDAQ:AAPL", "BINANCE:BTCUSDT")
    stage.pass_time(1)
    (stock,), (coin,) = stage.snapshots("NASDAQ:AAPL"), stage.snapshots("BINANCE:BTCUSDT")
    assert stock["timezone"] == "America/New_York"
    assert [(each["id"], each["session"]) for each in stock["subsessions"]] == [
        ("regular", "0930-1600"),
        ("extended", "0400-2000"),
        ("premarket", "0400-0930"),
        ("postmarket", "1600-2000"),
    ]
    assert "20261127" in stock["subsessions"][0]["session-correction"]
    assert "20261126" in stock["session_holidays"]
    assert coin["market-status"] == {"phase": "regular", "tradingday": "20261123"}
    assert coin["subsessions"][0]["session"] == "24x7"


def test_an_early_close_announced_at_noon_is_sent_and_ends_the_day() -> None:
    stage, name = Stage("2026-11-23T17:00:00"), "NASDAQ:AAPL"
    stage.call("quote_add_symbols", name)
    stage.pass_time(10)
    stage.hub.correct(name, "0930-1300:20261123")
    stage.pass_time(3 * 3_600)
    corrected = [fields for _, fields, _ in stage.updates(name) if "subsessions" in fields]
    assert [fields.keys() for fields in corrected] == [{"subsessions"}]
    assert "20261123" in corrected[0]["subsessions"][0]["session-correction"]
    last = max(at_ms for at_ms, fields, _ in stage.updates(name) if "lp" in fields)
    assert instant("2026-11-23T17:59:50") < last < instant("2026-11-23T18:00:01")
    closed = [at_ms for at_ms, fields, _ in stage.updates(name) if fields.get("current_session") == "out_of_session"]
    assert closed == [instant("2026-11-23T18:00:00")]


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
