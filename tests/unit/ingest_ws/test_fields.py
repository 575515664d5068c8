"""What a quote message says, and what makes no sense."""

from typing import Any

import pytest

from contracts.intervals import DAY
from ingest_ws.core.fields import Rest, day_of_opening, read, trading_day
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
            "open_time": TODAY // 1000,
            "current_session": "market",
            "update_mode": "delayed_streaming_900",
            "currency_code": "USD",
            "pricescale": 100,
        }
    )
    assert live == LiveFields(lp=2851.0, volume=48.5, bid=None, ch=-1.0, lp_time=NOW // 1000)
    assert rest == Rest({"day_high": 2900.5}, {"currency": "USD"}, TODAY, "market", 900)
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
        ({"open_time": 1e18}, "senseless"),
    ],
)
def test_what_makes_no_sense_has_no_value_and_is_told_by_the_name_of_its_field(
    changed: dict[str, Any], kind: str
) -> None:
    live, rest, fault = read({**changed, "ask": 7.5, "low_price": "?"})
    assert fault is not None
    assert (fault.kind, fault.cause.partition(":")[0]) == (kind, *changed)
    assert live == LiveFields(**dict.fromkeys(changed.keys() - {"open_time"}), ask=7.5)
    assert rest == Rest({"day_low": None}, {})


def test_a_price_below_zero_and_an_unknown_phase_are_no_faults() -> None:
    live, rest, _ = read({"lp": -37.63, "current_session": "siesta", "update_mode": "endofday"})
    assert (live.lp, rest.session, rest.delay) == (-37.63, "unknown", None)


@pytest.mark.parametrize(
    ("opened", "day"),
    [
        (TODAY // 1000, TODAY),  # midnight of the trading day, as in 2025
        (TODAY // 1000 - 7_200, TODAY),  # a future's evening before, 22:00 UTC, as in 2019
        (TODAY // 1000 + 52_200, TODAY),  # a stock's opening, 14:30 UTC
    ],
)
def test_the_trading_day_of_an_opening(opened: int, day: int) -> None:
    assert day_of_opening(opened) == day


@pytest.mark.parametrize(
    ("event_time", "day"),
    [
        (TODAY - 7_200_000, TODAY),
        (TODAY - 10 * DAY, TODAY),
        (TODAY - 10 * DAY - 1, TODAY - 11 * DAY),
        (TODAY + DAY - 1, TODAY),
        (TODAY + DAY, TODAY + DAY),
    ],
)
def test_an_open_time_counts_only_near_the_event(event_time: int, day: int) -> None:
    assert trading_day(TODAY, event_time) == day
    assert trading_day(None, event_time) == event_time - event_time % DAY
