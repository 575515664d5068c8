"""What a quote message says, and what makes no sense."""

from typing import Any

import pytest

from contracts.errors import BadData
from ingest_ws.core.fields import Rest, read
from tradingview.live import LiveFields

NOW = 1_767_225_600_000 + 43_200_000
TODAY = 1_767_225_600_000


def test_a_message_is_read_by_the_names_of_our_contracts() -> None:
    live, rest, fault = read(
        {
            "lp": 2851,
            "volume": 48.5,
            "high_price": 2900.5,
            "bid": None,
            "ch": -1,
            "lp_time": NOW // 1000,
            "current_session": "market",
            "update_mode": "delayed_streaming_900",
            "currency_code": "USD",
        }
    )
    assert live == LiveFields(lp=2851.0, volume=48.5, bid=None, ch=-1.0, lp_time=NOW // 1000)
    assert rest == Rest({"day_high": 2900.5}, {"currency": "USD"}, session="market", delay=900, is_snapshot=True)
    assert fault is None


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"lp": float("inf")}, "senseless"),
        ({"lp": float("nan")}, "senseless"),
        ({"lp": "12.5"}, "senseless"),
        ({"lp": True}, "senseless"),
        ({"lp": 1e16}, "senseless"),
        ({"volume": -1}, "senseless"),
        ({"bid_size": -0.5}, "senseless"),
        ({"lp_time": "soon"}, "senseless"),
        ({"lp_time": -1}, "senseless"),
        ({"rtc_time": 1e18}, "senseless"),
        ({"volume": 1.1e18}, "senseless"),
        ({"rtc": -1.1e15}, "senseless"),
        ({"pricescale": "100"}, "senseless"),
    ],
)
def test_what_makes_no_sense_has_no_value_and_is_told_by_the_name_of_its_field(
    changed: dict[str, Any], kind: str
) -> None:
    live, rest, fault = read({**changed, "ask": 7.5, "low_price": "?"})
    assert fault is not None
    assert (fault.kind, fault.cause.partition(":")[0]) == (kind, *changed)
    assert live == LiveFields(**dict.fromkeys(changed.keys() & set(LiveFields.__struct_fields__)), ask=7.5)
    assert rest == Rest({"day_low": None, **({"extended_price": None} if "rtc" in changed else {})})


def test_a_price_below_zero_and_an_unknown_phase_are_no_faults() -> None:
    live, rest, _ = read({"lp": -37.63, "current_session": "siesta", "update_mode": "endofday"})
    assert (live.lp, rest.session, rest.delay) == (-37.63, "unknown", None)


REGULAR = {"id": "regular", "session": "0930-1600", "session-correction": "0930-1300:20260703"}
EXTENDED = {"id": "extended", "session": "0400-2000"}


def test_the_calendar_is_that_of_the_regular_subsession() -> None:
    _, rest, fault = read(
        {"subsessions": [EXTENDED, REGULAR], "timezone": "America/New_York", "session_holidays": "20260101"}
    )
    assert fault is None
    assert rest.calendar == {
        "session": "0930-1600",
        "corrections": "0930-1300:20260703",
        "timezone": "America/New_York",
        "holidays": "20260101",
    }


@pytest.mark.parametrize("subsessions", [None, [], [EXTENDED], ["regular", 7]])
def test_without_a_regular_subsession_there_is_no_session(subsessions: object) -> None:
    assert read({"subsessions": subsessions})[1].calendar == {"session": None, "corrections": None}


@pytest.mark.parametrize(
    "changed",
    [
        {"subsessions": "0930-1600"},
        {"subsessions": [{"id": "regular", "session": 930}]},
        {"subsessions": [REGULAR | {"session-correction": []}]},
        {"timezone": 5},
        {"session_holidays": ["20260101"]},
    ],
)
def test_a_part_of_a_calendar_of_another_type_is_a_fault_of_the_calendar(changed: dict[str, Any]) -> None:
    _, rest, fault = read(changed)
    assert fault is None, "prices are none the worse for it"
    assert any(isinstance(value, BadData) for value in rest.calendar.values())


def test_texts_scales_and_the_price_after_the_market_are_read() -> None:
    _, rest, fault = read(
        {"type": "stock", "listed_exchange": "NASDAQ", "pricescale": 100, "minmov": 5, "description": "Ä" * 1001,
         "rtc": 12.5, "rtc_time": NOW // 1000}
    )  # fmt: skip
    assert fault is None
    assert rest.texts == {
        "type": "stock", "listed_exchange": "NASDAQ", "price_scale": 100.0, "min_move": 5.0, "description": "Ä" * 1000,
    }  # fmt: skip
    assert (rest.figures, rest.extended_time) == ({"extended_price": 12.5}, NOW)
    assert read({"rtc": None, "rtc_time": None, "pricescale": 0})[1] == Rest(
        {"extended_price": None}, {"price_scale": None}, extended_time=None
    )


@pytest.mark.parametrize(
    ("status", "day"),
    [
        ({"phase": "regular", "tradingday": "20260101"}, TODAY),
        ({"phase": "postmarket", "tradingday": "20260101"}, None),
        ({"phase": "regular", "tradingday": "20260230"}, None),
        ({"phase": "regular", "tradingday": 20260101}, None),
        ({"phase": "regular"}, None),
        ("regular", None),
    ],
)
def test_the_providers_trading_day_counts_while_its_market_is_open(status: object, day: int | None) -> None:
    _, rest, fault = read({"market-status": status})
    assert (rest.trading_day, fault) == (day, None)


@pytest.mark.parametrize(
    ("changed", "is_snapshot"),
    [
        ({"lp": 1.0, "pricescale": 100}, True),
        ({"lp": 1.0, "description": "A"}, True),
        ({"lp": 1.0, "lp_time": NOW // 1000, "open_time": TODAY // 1000, "high_price": 2.0}, False),
        ({"subsessions": [REGULAR]}, False),
    ],
)
def test_a_snapshot_has_a_price_and_static_fields(changed: dict[str, Any], is_snapshot: bool) -> None:
    assert read(changed)[1].is_snapshot is is_snapshot
