"""Corrections: what an exchange announces changes what is to come and never what has traded."""

from datetime import UTC, datetime

import pytest

from tradingview_simulator.model.market import CorrectionError, Market

NAME = "NASDAQ:AAPL"


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


NOON = instant("2026-11-23T17:00")
"""12:00 in New York on a Monday."""


def test_history_has_the_bars_of_the_protocol() -> None:
    market = Market(1)
    found = market.bars(NAME, "60", NOON, 3)
    assert [bar[0] * 1_000 for bar in found] == [instant(f"2026-11-23T{hour}:30") for hour in (14, 15, 16)]
    assert [len(bar) for bar in found] == [6, 6, 6]
    with pytest.raises(KeyError):
        market.bars("FOO:BAR", "60", NOON, 3)


def test_an_early_close_leaves_what_has_traded_and_takes_the_rest_of_the_day() -> None:
    whole, market = Market(1), Market(1)
    market.bars(NAME, "1", NOON, 100)
    market.correct(NAME, "0930-1300:20261123", NOON)
    evening = instant("2026-11-24T05:00")
    minutes = market.bars(NAME, "1", evening, 210)
    close = instant("2026-11-23T18:00")
    assert minutes == [bar for bar in whole.bars(NAME, "1", evening, 390) if bar[0] * 1_000 < close]
    (day,) = market.bars(NAME, "D", evening, 1)
    assert day[0] * 1_000 == instant("2026-11-23T14:30")
    assert day[4] == minutes[-1][4]
    tape = market.tape(NAME)
    assert tape is not None
    assert market.bars(NAME, "60", evening, 4)[-1][0] * 1_000 == instant("2026-11-23T17:30")
    assert tape.instrument.price(tape.previous_close(tape.day_at(NOON) + 1)) == minutes[-1][4]
    # The next days are as they were.
    later = instant("2026-11-25T15:00")
    assert market.bars(NAME, "1", later, 30) == whole.bars(NAME, "1", later, 30)


def test_a_day_to_come_may_be_taken_away_or_shortened() -> None:
    market = Market(1)
    market.correct(NAME, "dayoff:20261124;0930-1100:20261125", NOON)
    tape = market.tape(NAME)
    assert tape is not None
    days = market.bars(NAME, "D", instant("2026-11-26T12:00"), 2)
    assert [bar[0] * 1_000 for bar in days] == [instant("2026-11-23T14:30"), instant("2026-11-25T14:30")]
    assert len(market.bars(NAME, "30", instant("2026-11-26T12:00"), 3)) == 3
    assert "20261127" in tape.calendar.corrections_spec


@pytest.mark.parametrize(
    ("name", "corrections"),
    [
        ("FOO:BAR", "0930-1300:20261123"),
        ("BINANCE:BTCUSDT", "0930-1300:20261123"),
        (NAME, "nonsense"),
        (NAME, ""),
        (NAME, "0930-1130:20261123"),  # over already
        (NAME, "0930-1700:20261123"),
        (NAME, "dayoff:20261123"),
        (NAME, "0930-1300:20261120"),
    ],
)
def test_a_correction_that_would_change_what_has_traded_is_refused(name: str, corrections: str) -> None:
    market = Market(1)
    with pytest.raises(CorrectionError):
        market.correct(name, corrections, NOON)
