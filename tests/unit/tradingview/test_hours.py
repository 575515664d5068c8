"""Trading hours as quotes and resolved symbols state them."""

from typing import Any

import pytest

from tradingview.hours import TradingHours, trading_hours

REGULAR = {"id": "regular", "session": "0915-1530", "session-correction": "1800-1900:20241101"}
EXTENDED = {"id": "extended", "session": "0900-1600", "session-correction": ""}
SAID: dict[str, Any] = {
    "timezone": "Asia/Kolkata",
    "session": "0900-1600",
    "corrections": "dayoff:20250101",
    "session_holidays": "20250126,20250226",
    "subsessions": [EXTENDED, REGULAR],
}


def test_the_regular_subsession_has_the_hours() -> None:
    expected = TradingHours("Asia/Kolkata", "0915-1530", "20250126,20250226", "1800-1900:20241101")
    assert trading_hours(SAID) == expected


@pytest.mark.parametrize("subsessions", [None, [], "text", [None, 5, EXTENDED], [{"id": "regular"}]])
def test_without_a_regular_subsession_the_symbols_own_session_counts(subsessions: object) -> None:
    expected = TradingHours("Asia/Kolkata", "0900-1600", "20250126,20250226", "dayoff:20250101")
    assert trading_hours({**SAID, "subsessions": subsessions}) == expected


def test_a_symbol_that_states_a_session_and_a_zone_only_has_no_holidays() -> None:
    assert trading_hours({"timezone": "Etc/UTC", "session": "24x7"}) == TradingHours("Etc/UTC", "24x7")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"timezone": "Etc/UTC"},
        {"session": "24x7"},
        {"timezone": 5, "session": "24x7"},
        {"timezone": "", "session": "24x7"},
    ],
)
def test_hours_need_a_zone_and_a_session(said: dict[str, Any]) -> None:
    assert trading_hours(said) is None
