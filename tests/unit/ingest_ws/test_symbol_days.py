"""One symbol across openings: trading days, counters that begin anew, and the calendar that the snapshot names."""

from typing import Any

import pytest

from contracts.intervals import DAY
from contracts.symbols import SymbolId
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.symbol import HOLD_MS, SymbolFeed
from tests.support.quoted import DAY0, FRIDAY, MONDAY, NEW_YORK, OPENING, T0, a_symbol, an_index

NIGHT = DAY0 + DAY
NIGHT_S = NIGHT // 1000


def test_a_fall_of_the_cumulative_volume_is_an_observation_like_any_other() -> None:
    symbol = a_symbol()
    [fall] = symbol.changed({"volume": 40.0, "lp_time": T0 // 1000 + 1}, T0 + 1_000)
    [rise] = symbol.changed({"volume": 41.0, "lp_time": T0 // 1000 + 2}, T0 + 2_000)
    assert [tick.cumulative_volume for tick in (fall, rise)] == [40.0, 41.0]
    assert (fall.is_baseline, rise.is_baseline) == (False, False)


def test_a_tick_of_a_new_day_carries_what_was_shown_last() -> None:
    symbol = a_symbol()
    [first] = symbol.changed({"lp": 102.0, "volume": 51.0, "lp_time": NIGHT_S}, NIGHT + 400)
    assert (first.trading_day, first.cumulative_volume, first.is_baseline) == (NIGHT, 51.0, False)
    assert [first.day_open, first.day_high, first.day_low, first.previous_close] == [100.5, 101.0, 99.0, 98.0]
    quote = symbol.quote()
    assert (quote.trading_day, quote.day_high) == (NIGHT, 101.0), "a quote is what the provider shows"


def test_an_old_total_without_a_time_just_after_midnight_is_an_observation_at_its_time() -> None:
    symbol = a_symbol(volume=20_060.0)
    symbol.changed({"lp": 101.0, "volume": 20_061.0}, NIGHT + 50)
    [stale] = symbol.expire(NIGHT + 50 + HOLD_MS)
    [reset] = symbol.changed({"lp": 102.0, "volume": 6.0, "lp_time": NIGHT_S + 1}, NIGHT + 1_300)
    assert (stale.event_time, stale.event_time_estimated, stale.cumulative_volume) == (NIGHT + 50, True, 20_061.0)
    assert (reset.event_time, reset.cumulative_volume) == (NIGHT + 1_000, 6.0)
    assert (stale.is_baseline, reset.is_baseline) == (False, False)
    assert (stale.trading_day, reset.trading_day) == (NIGHT, NIGHT)


def test_a_time_of_the_new_day_one_message_before_the_reset_is_an_observation_under_the_old_total() -> None:
    symbol = a_symbol(volume=20_060.0)
    [early] = symbol.changed({"lp": 101.0, "lp_time": NIGHT_S}, NIGHT + 300)
    symbol.changed({"volume": 6.0, "open_time": NIGHT_S, "open_price": 101.0}, NIGHT + 350)
    [reset] = symbol.expire(NIGHT + 350 + HOLD_MS)
    assert (early.event_time, early.cumulative_volume, early.is_baseline) == (NIGHT, 20_060.0, False)
    assert (reset.event_time, reset.cumulative_volume, reset.is_baseline) == (NIGHT + 350, 6.0, False)


def test_the_first_trade_of_a_day_without_a_time_is_a_trade() -> None:
    symbol = a_symbol()
    symbol.changed({"lp": 101.0, "volume": 0.5}, NIGHT + 400)
    [first] = symbol.expire(NIGHT + 400 + HOLD_MS)
    assert (first.trading_day, first.cumulative_volume, first.is_baseline) == (NIGHT, 0.5, False)


def test_a_counter_that_falls_to_zero_without_a_time_is_no_trade() -> None:
    symbol = a_symbol()
    assert symbol.changed({"volume": 0.0, "open_time": NIGHT_S}, NIGHT + 1_000) == []
    [tick] = symbol.expire(NIGHT + 1_000 + HOLD_MS)
    assert (tick.trading_day, tick.cumulative_volume, tick.is_baseline) == (NIGHT, 0.0, True)


def test_a_time_alone_at_an_opening_makes_no_tick_of_the_price_before() -> None:
    symbol = an_index()
    second = OPENING // 1000
    ticks = []
    for wait in range(3):
        ticks += symbol.changed({"lp_time": second + wait}, OPENING + wait * 1000 + 40)
        ticks += symbol.expire(OPENING + wait * 1000 + 40 + HOLD_MS)
    assert ticks == []
    symbol.changed({"lp": 19709.64}, OPENING + 4_500)
    ticks += symbol.expire(OPENING + 4_500 + HOLD_MS)
    symbol.changed({"lp_time": second + 5}, OPENING + 5_040)
    ticks += symbol.expire(OPENING + 5_040 + HOLD_MS)
    assert [(tick.price, tick.event_time - OPENING) for tick in ticks] == [(19709.64, 4_500), (19709.64, 5_000)]
    assert {tick.trading_day for tick in ticks} == {MONDAY}
    assert not any(tick.is_baseline for tick in ticks)


def test_a_price_that_comes_soon_after_the_time_of_an_opening_has_it() -> None:
    symbol = an_index()
    symbol.changed({"lp_time": OPENING // 1000}, OPENING + 40)
    assert symbol.expire(OPENING + 40 + HOLD_MS) == []
    [tick] = symbol.changed({"lp": 19709.64}, OPENING + 900)
    assert (tick.price, tick.event_time, tick.event_time_estimated) == (19709.64, OPENING, False)


def test_a_baseline_in_a_new_session_does_not_make_the_old_price_one_of_it() -> None:
    symbol = an_index()
    symbol.changed({"lp_time": OPENING // 1000}, OPENING + 40)
    symbol.expire(OPENING + 40 + HOLD_MS)
    [baseline] = symbol.rebase(OPENING + 1_500)
    assert (baseline.price, baseline.is_baseline) == (19967.94, True)
    symbol.changed({"lp_time": OPENING // 1000 + 2}, OPENING + 2_040)
    assert symbol.expire(OPENING + 2_040 + HOLD_MS) == []


@pytest.mark.parametrize(
    ("extended_time", "event_time", "is_estimated"),
    [
        (OPENING - 600_000, OPENING - 600_000, True),
        (OPENING - 235_800_000 + 7_200_000, OPENING - 235_800_000, False),
        (OPENING + 600_000, OPENING - 235_800_000, False),
    ],
    ids=["before the market", "after the market, on Friday", "ahead of us"],
)
def test_a_baseline_has_the_time_of_a_trade_before_the_market_which_its_counter_is_of(
    extended_time: int, event_time: int, *, is_estimated: bool
) -> None:
    symbol = an_index(volume=990_000.0, rtc=19_900.0, rtc_time=extended_time // 1000)
    [baseline] = symbol.rebase(OPENING - 50_000)
    assert (baseline.event_time, baseline.event_time_estimated) == (event_time, is_estimated)
    assert (baseline.is_baseline, baseline.price) == (True, 19967.94)


def test_volume_after_the_market_has_the_time_of_its_trade_and_is_no_auction() -> None:
    symbol = an_index(volume=10.0)
    after = OPENING + 23_400_000 + 5_000
    symbol.changed({"lp": 1.0, "volume": 11.0}, after - 100)
    message = {"volume": 12.0, "rtc": 2.0, "rtc_time": after // 1000}
    held, outside = symbol.changed(message, after + 700)
    assert (held.price, held.event_time, held.cumulative_volume) == (1.0, after - 100, 11.0)
    assert (outside.price, outside.event_time, outside.event_time_estimated) == (1.0, after, True)
    assert (outside.cumulative_volume, outside.is_baseline) == (12.0, False)
    ahead = {"volume": 13.0, "rtc": 2.0, "rtc_time": after // 1000 + 3_600}
    assert symbol.changed(ahead, after + 1_000) == []
    assert [tick.event_time for tick in symbol.expire(after + 1_000 + HOLD_MS)] == [after + 1_000]
    assert symbol.changed({"rtc": 3.0, "rtc_time": after // 1000 + 1}, after + 1_700) == []
    assert (symbol.quote().extended_price, symbol.quote().extended_time) == (3.0, after + 1_000)


def test_volume_before_the_market_that_arrives_after_the_opening_does_not_open_the_minute() -> None:
    symbol = an_index(volume=10.0)
    message = {"volume": 12.0, "rtc": 2.0, "rtc_time": OPENING // 1000 - 1}
    [outside] = symbol.changed(message, OPENING + 60)
    assert (outside.event_time, outside.event_time_estimated) == (OPENING - 1_000, True)
    symbol.changed({"volume": 13.0}, OPENING + 80)
    [untimed] = symbol.expire(OPENING + 80 + HOLD_MS)
    assert (untimed.event_time, untimed.is_baseline) == (OPENING + 80, True), "the price is of Friday"
    [first] = symbol.changed({"lp": 19709.64, "volume": 14.0, "lp_time": OPENING // 1000}, OPENING + 900)
    symbol.changed({"volume": 15.0}, OPENING + 1_000)
    [after] = symbol.expire(OPENING + 1_000 + HOLD_MS)
    assert (first.is_baseline, after.is_baseline) == (False, False)


@pytest.mark.parametrize("is_snapshot", [False, True])
def test_the_first_trade_of_a_day_at_the_close_before_is_a_trade_where_its_price_was_said(*, is_snapshot: bool) -> None:
    symbol = an_index(volume=10.0)
    again = {"lp": 19967.94, "description": "A"} if is_snapshot else {"lp": 19967.94}
    assert symbol.changed(again, OPENING + 26_000) == []
    symbol.changed({"volume": 3.0, "open_price": 19967.94}, OPENING + 26_050)
    [tick] = symbol.expire(OPENING + 26_050 + HOLD_MS)
    assert (tick.price, tick.cumulative_volume, tick.is_baseline) == (19967.94, 3.0, is_snapshot)


def test_a_trade_at_the_price_of_the_session_before_is_a_trade_where_it_has_a_time() -> None:
    symbol = an_index(volume=10.0)
    [first] = symbol.changed({"volume": 12.0, "lp_time": OPENING // 1000}, OPENING + 60)
    assert (first.price, first.is_baseline) == (19967.94, False)


@pytest.mark.parametrize(
    ("event_time", "day"),
    [
        (OPENING, MONDAY),
        (OPENING + 23_400_000 - 1_000, MONDAY),
        (OPENING + 23_400_000 + 1_000, MONDAY + DAY),
        (OPENING - 3_600_000, MONDAY),
        (OPENING - 235_800_000 - 1_000, FRIDAY),
        (OPENING - 3 * DAY, FRIDAY),
    ],
)
def test_the_trading_day_is_the_calendars(event_time: int, day: int) -> None:
    symbol = an_index(lp_time=OPENING // 1000 - 10 * 86_400)
    for price in (1.0, 2.0):  # the second time from what was remembered
        [tick] = symbol.changed({"lp": price, "lp_time": event_time // 1000}, max(OPENING, event_time) + 1_000)
        assert (tick.event_time, tick.trading_day) == (event_time, day)
        [tick] = symbol.changed({"lp": price + 10, "lp_time": OPENING // 1000 + 60}, OPENING + 60_500)
        assert tick.trading_day == MONDAY


def test_a_calendar_that_changes_counts_at_once_for_the_trading_day() -> None:
    symbol = an_index()
    [before] = symbol.changed({"lp": 1.0, "lp_time": OPENING // 1000}, OPENING + 100)
    symbol.changed({"subsessions": [{"id": "regular", "session": "1700-0930"}]}, OPENING + 200)
    [after] = symbol.changed({"lp": 2.0, "lp_time": OPENING // 1000 + 1}, OPENING + 1_100)
    assert (before.trading_day, after.trading_day) == (MONDAY, MONDAY + DAY)


def test_a_night_session_belongs_to_the_day_it_leads_into() -> None:
    hours = {"timezone": "America/Chicago", "subsessions": [{"id": "regular", "session": "1700-1600"}]}
    sunday = OPENING - 15 * 3_600_000 - 1_800_000 + 2 * 3_600_000  # 18:00 in Chicago, of the evening before
    symbol = an_index(**hours, lp_time=sunday // 1000 - 7_200)
    [tick] = symbol.changed({"lp": 1.0, "lp_time": sunday // 1000}, sunday + 100)
    assert tick.trading_day == MONDAY


def test_differences_between_the_providers_trading_day_and_the_calendars_are_counted() -> None:
    symbol = an_index()
    right, wrong = ({"market-status": {"phase": "regular", "tradingday": day}} for day in ("20260112", "20260113"))
    symbol.changed(right, OPENING + 10)
    symbol.changed(right, OPENING - 200)
    assert symbol.day_differences == 0
    symbol.changed(wrong, OPENING + 120_000)
    assert symbol.day_differences == 1


def test_the_calendar_is_known_when_the_snapshot_is_complete_and_follows_what_is_said_later() -> None:
    symbol = SymbolFeed(SymbolId("NYSE", "BAC/PL"), Sequencer())
    symbol.changed({"timezone": "America/New_York"}, T0)
    symbol.changed({"lp": 1.0, "volume": 5.0, "subsessions": NEW_YORK["subsessions"]}, T0)
    assert symbol.description.version == 0
    symbol.completed(T0)
    record = symbol.description.record(symbol.identity, T0)
    assert (record.timezone, record.session, record.holidays, record.has_volume) == (
        "America/New_York", "0930-1600", "", True,
    )  # fmt: skip
    assert symbol.description.version == 1
    symbol.changed({"lp": 2.0, "bid": 3.0}, T0 + 1_000)
    symbol.changed({"timezone": "America/New_York"}, T0 + 1_000)
    assert symbol.description.version == 1, "nothing has changed"
    early = [{"id": "regular", "session": "0930-1600", "session-correction": "0930-1300:20260703"}]
    symbol.changed({"subsessions": early}, T0 + 2_000)
    assert symbol.description.record(symbol.identity, T0).corrections == "0930-1300:20260703"
    assert symbol.description.version == 2


def test_a_symbol_whose_metadata_name_no_calendar_never_closes() -> None:
    record = a_symbol().description.record(SymbolId("SIM", "A"), T0)
    assert (record.timezone, record.session, record.holidays, record.corrections) == ("Etc/UTC", "24x7", "", "")


@pytest.mark.parametrize(
    "bad",
    [
        {"timezone": "Mars/Phobos"},
        {"timezone": 7},
        {"timezone": "A" * 129},
        {"subsessions": "0930-1600"},
        {"subsessions": [{"id": "regular", "session": "nine to four"}]},
        {"session_holidays": "20260101," * 8_000},
    ],
)
def test_a_calendar_that_cannot_be_read_leaves_the_last_good_one_or_24x7(bad: dict[str, Any]) -> None:
    never = an_index(**bad)
    assert never.description.fault is not None
    assert never.description.record(never.identity, T0).session == "24x7"
    symbol = an_index()
    symbol.changed(bad, OPENING)
    assert symbol.description.fault is not None
    record = symbol.description.record(symbol.identity, T0)
    assert (record.timezone, record.session) == ("America/New_York", "0930-1600")
    symbol.uncover()
    symbol.changed({"lp": 1.0} | NEW_YORK | bad, OPENING + 1_000)
    symbol.completed(OPENING + 1_000)
    assert symbol.description.record(symbol.identity, T0).session == "0930-1600", "another connection says the same"
    symbol.changed(NEW_YORK, OPENING + 2_000)
    assert symbol.description.fault is None
    symbol.uncover()
    symbol.changed({"lp": 1.0}, OPENING + 3_000)
    symbol.completed(OPENING + 3_000)
    assert symbol.description.record(symbol.identity, T0).session == "0930-1600", "it names none any more"


@pytest.mark.parametrize(
    ("volume", "has_volume"), [({"volume": 7.0}, True), ({"volume": 0}, True), ({"volume": None}, False), ({}, False)]
)
def test_whether_there_is_volume_is_what_the_quotes_say(volume: dict[str, Any], has_volume: bool) -> None:
    symbol = an_index(**volume)
    assert symbol.description.record(symbol.identity, T0).has_volume is has_volume
    version = symbol.description.version
    symbol.changed({"lp": 2.0, "volume": 8.0, "lp_time": OPENING // 1000}, OPENING + 500)
    assert symbol.description.has_volume
    assert symbol.description.version == version + (not has_volume)
    symbol.changed({"volume": -1}, OPENING + 600)
    symbol.changed({"description": "renamed"}, OPENING + 700)
    assert symbol.description.has_volume, "a value that makes no sense does not take it away"
