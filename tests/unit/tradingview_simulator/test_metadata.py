"""A calendar as metadata."""

from datetime import UTC, datetime

import pytest

from tradingview_simulator.model import exchanges
from tradingview_simulator.model.calendars import Calendar
from tradingview_simulator.model.metadata import market_status, subsessions


def test_the_extended_session_spans_the_parts_also_on_half_days() -> None:
    regular, extended, before, after = subsessions(exchanges.US_STOCKS)
    assert "0930-1300:" in str(regular["session-correction"])
    assert "0400-1700:" in str(extended["session-correction"])
    assert (before["private"], after["private"]) == (True, True)
    assert "1300-1700:" in str(after["session-correction"])


def test_a_calendar_without_corrections_says_nothing_of_them() -> None:
    (regular,) = subsessions(exchanges.TAIFEX)
    assert "session-correction" not in regular


@pytest.mark.parametrize(
    ("calendar", "at", "phase", "day"),
    [
        (exchanges.TAIFEX, "2026-11-20T12:00", "regular", "20261123"),  # Friday night is Monday's
        (exchanges.CME_EQUITY, "2025-01-20T12:00", "regular", "20250121"),  # a holiday is the next day's
        (exchanges.US_STOCKS, "2026-11-23T12:00", "premarket", "20261123"),
        (exchanges.US_STOCKS, "2026-11-23T22:00", "postmarket", "20261123"),
        (exchanges.US_STOCKS, "2026-11-22T22:00", "out_of_session", "20261120"),
        (exchanges.TSE, "2026-11-20T03:00", "out_of_session", "20261120"),
        (exchanges.ALWAYS, "2026-11-22T22:00", "regular", "20261122"),
    ],
)
def test_the_market_status_has_the_phase_and_the_newest_trading_day(
    calendar: Calendar, at: str, phase: str, day: str
) -> None:
    at_s = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())
    assert market_status(calendar, at_s) == {"phase": phase, "tradingday": day}
