"""Bars from ticks equal what the chart serves: the simulator, both cores and the labels of history, in one process.

A *day* runs a symbol through whole trading days with a twentieth of its trades, so that bars of every length are
compared; a *window* runs it at its own pace around an opening or a close. Nothing that was covered from the beginning
of a bar may differ from history in any digit. One rule holds between the two: see `seam.compare` on daily volumes.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import pytest

from aggregator.core.emission import Kind
from contracts.bars import volume_of
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.instants import at, shown
from tests.support.seam import (
    WITHOUT_OFFERS,
    Comparison,
    Emitted,
    compare,
    history_bars,
    outside_units,
    tape_of,
    tick_bars,
)
from tradingview.quote_fields import FIELDS
from tradingview_simulator import Market
from tradingview_simulator.model.registry import LISTED

NEW_YORK = "America/New_York"
THIN = 0.05
LENGTHS = (Interval.M1, Interval.M30, Interval.H1, Interval.H4, Interval.D1)


class Run(NamedTuple):
    """A symbol that is wanted between two times of the exchange's clock, and the daily bars to be compared."""

    name: str
    symbol: str
    start: str
    end: str
    days: tuple[str, ...] = ()
    activity: float = THIN
    early_close: tuple[str, str] | None = None
    """When corrections are announced, and which."""

    @property
    def zone(self) -> str:
        return tape_of(Market(1), self.symbol).calendar.timezone


DAYS = (
    Run("crypto across midnight", "BINANCE:BTCUSDT", "2026-11-25 23:50", "2026-11-27 00:10", ("2026-11-26",)),
    Run("crypto across midnight", "BINANCE:ETHUSDT", "2026-11-25 23:50", "2026-11-27 00:10", ("2026-11-26",)),
    Run("a name that is not ASCII", "BINANCE:币安人生USDT.P", "2026-11-25 23:50", "2026-11-27 00:10", ("2026-11-26",)),
    Run("a week of a thin market", "KRAKEN:RAREUSD", "2026-11-22 23:50", "2026-11-30 00:10",
        tuple(f"2026-11-{day}" for day in range(23, 30)), 1.0),
    Run("before the market to a half day and the week after", "NASDAQ:AAPL", "2026-11-23 03:50", "2026-11-30 10:40",
        ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27")),
    Run("a change of clocks over a weekend", "NASDAQ:AAPL", "2026-10-30 09:20", "2026-11-02 10:40", ("2026-10-30",)),
    Run("from within the time before the market", "NYSE:BAC/PL", "2026-11-24 09:20", "2026-11-30 12:40",
        ("2026-11-24", "2026-11-25", "2026-11-27"), 1.0),
    Run("an index over a half day", "TVC:NDX", "2026-11-25 09:20", "2026-11-30 10:40", ("2026-11-25", "2026-11-27")),
    Run("two days around a holiday", "NSE:NIFTY", "2026-11-23 09:05", "2026-11-26 09:50",
        ("2026-11-23", "2026-11-25")),
    Run("a special session in the evening of a holiday", "NSE:NIFTY", "2024-10-31 09:05", "2024-11-04 09:50",
        ("2024-10-31", "2024-11-01")),
    Run("breaks, and closes with and without an auction", "TSE:7203", "2026-11-24 08:50", "2026-11-26 09:40",
        ("2026-11-24", "2026-11-25")),
    Run("two grids, auctions and a half day", "HKEX:700", "2026-12-23 09:20", "2026-12-28 10:10",
        ("2026-12-23", "2026-12-24")),
    Run("a day", "CME_MINI:ES1!", "2026-11-23 16:50", "2026-11-24 17:40", ("2026-11-24",)),
    Run("a holiday that is merged into a half day", "CME_MINI:ES1!", "2026-11-25 16:50", "2026-11-29 17:40",
        ("2026-11-27",)),
    Run("a holiday Monday that is merged into Tuesday", "CME_MINI:ES1!", "2025-01-19 16:50", "2025-01-21 17:40",
        ("2025-01-21",)),
    Run("a change of clocks over a weekend", "CME_MINI:ES1!", "2026-10-29 16:50", "2026-11-02 17:40",
        ("2026-10-30", "2026-11-02")),
    Run("a contract roll, 15 minutes behind", "NYMEX:CL1!", "2026-11-18 17:50", "2026-11-20 18:50",
        ("2026-11-19", "2026-11-20")),
    Run("a holiday that is merged into a half day", "NYMEX:CL1!", "2026-11-25 17:50", "2026-11-29 18:50",
        ("2026-11-27",)),
    Run("a Friday night that is Monday's", "TAIFEX:MXF1!", "2026-11-19 14:50", "2026-11-23 15:40",
        ("2026-11-20", "2026-11-23")),
    Run("a change of clocks over a weekend", "OANDA:EURUSD", "2026-10-29 16:50", "2026-11-02 17:40",
        ("2026-10-30", "2026-11-02")),
    Run("a Monday of 26 hours, after a change of clocks", "TVC:DXY", "2026-10-29 18:50", "2026-11-02 19:40",
        ("2026-10-30", "2026-11-02")),
)  # fmt: skip

EARLY_CLOSES = (
    Run("an early close is announced at noon", "NASDAQ:AAPL", "2026-11-23 09:20", "2026-11-24 10:10", ("2026-11-23",),
        early_close=("2026-11-23 12:00", "0930-1300:20261123")),
    Run("an early close is announced at noon", "TVC:NDX", "2026-11-23 09:20", "2026-11-24 10:10", ("2026-11-23",),
        early_close=("2026-11-23 12:00", "0930-1300:20261123")),
    Run("an early close is announced in the break", "TSE:7203", "2026-11-25 08:50", "2026-11-26 09:40",
        ("2026-11-25",), early_close=("2026-11-25 12:00", "0900-1130,1230-1400:20261125")),
    Run("an early close is announced at noon", "NSE:NIFTY", "2026-11-25 09:05", "2026-11-26 09:50", ("2026-11-25",),
        early_close=("2026-11-25 12:00", "0915-1300:20261125")),
    Run("an early close is announced at noon", "CME_MINI:ES1!", "2026-11-23 16:50", "2026-11-24 17:40",
        ("2026-11-24",), early_close=("2026-11-24 12:00", "1700-1300:20261124")),
    Run("an early close is announced at noon, 15 minutes behind", "NYMEX:CL1!", "2026-11-23 17:50",
        "2026-11-24 18:50", ("2026-11-24",), early_close=("2026-11-24 12:00", "1800-1330:20261124")),
)  # fmt: skip

WINDOWS = (
    Run("midnight", "BINANCE:BTCUSDT", "2026-11-25 23:50", "2026-11-26 00:35", activity=1),
    Run("midnight", "BINANCE:ETHUSDT", "2026-11-25 23:50", "2026-11-26 00:35", activity=1),
    Run("midnight", "BINANCE:币安人生USDT.P", "2026-11-25 23:50", "2026-11-26 00:35", activity=1),
    Run("an opening", "NASDAQ:AAPL", "2026-11-24 09:20", "2026-11-24 10:05", activity=1),
    Run("a half day's close and after it", "NASDAQ:AAPL", "2026-11-27 12:25", "2026-11-27 13:20", activity=1),
    Run("an opening", "TVC:NDX", "2026-11-24 09:20", "2026-11-24 10:05", activity=1),
    Run("an opening", "NSE:NIFTY", "2026-11-25 09:05", "2026-11-25 09:50", activity=1),
    Run("a break", "TSE:7203", "2026-11-24 10:55", "2026-11-24 13:05", activity=1),
    Run("a close with an auction", "TSE:7203", "2026-11-24 14:55", "2026-11-24 15:40", activity=1),
    Run("a break", "HKEX:700", "2026-11-24 11:25", "2026-11-24 13:35", activity=1),
    Run("a close with an auction", "HKEX:700", "2026-11-24 15:25", "2026-11-24 16:20", activity=1),
    Run("a close and the next opening", "CME_MINI:ES1!", "2026-11-24 15:25", "2026-11-24 17:35", activity=1),
    Run("a close and the next opening", "NYMEX:CL1!", "2026-11-19 16:40", "2026-11-19 18:50", activity=1),
    Run("the end of the night", "TAIFEX:MXF1!", "2026-11-21 04:25", "2026-11-21 05:10", activity=1),
    Run("an opening", "TAIFEX:MXF1!", "2026-11-23 08:35", "2026-11-23 09:20", activity=1),
    Run("a day's end", "OANDA:EURUSD", "2026-11-24 16:50", "2026-11-24 17:35", activity=1),
    Run("a day's end", "TVC:DXY", "2026-11-24 18:50", "2026-11-24 19:35", activity=1),
)  # fmt: skip


@cache
def emitted(run: Run) -> Emitted:
    """What the engine made of a run."""
    announcements = [(at(run.early_close[0], run.zone), run.early_close[1])] if run.early_close else []
    return tick_bars(
        Market(1, run.activity), run.symbol, at(run.start, run.zone), at(run.end, run.zone),
        fields=FIELDS if run in WINDOWS else WITHOUT_OFFERS, announcements=announcements,
    )  # fmt: skip


def named(run: Run) -> str:
    return f"{run.symbol} {run.name}"


def agree(run: Run) -> Comparison:
    """Every bar is as history has it, and nothing was late, lost, or put aside."""
    found = emitted(run)
    assert [issue for issue in found.others if issue.kind is not Kind.GAP] == []
    comparison = compare(found)
    assert comparison.differences[:10] == []
    return comparison


@pytest.mark.parametrize("run", DAYS + EARLY_CLOSES, ids=named)
def test_bars_of_whole_days_are_those_of_the_chart(run: Run) -> None:
    same = agree(run).same
    assert [shown(day)[:10] for day in same[Interval.D1]] == list(run.days)
    for interval in LENGTHS:
        assert len(same[interval]) >= len(run.days)


@pytest.mark.parametrize("run", WINDOWS, ids=named)
def test_bars_of_a_busy_market_are_those_of_the_chart(run: Run) -> None:
    same = agree(run).same
    assert len(same[Interval.M1]) >= 15
    assert same[Interval.M30]
    assert emitted(run).ticks > 100


def test_every_symbol_runs_through_whole_days_and_all_but_thin_ones_at_their_own_pace() -> None:
    assert {run.symbol for run in DAYS} == {instrument.name for instrument in LISTED}
    assert {run.symbol for run in WINDOWS} == {one.name for one in LISTED if one.trades_per_second > 0.01}


def run_of(runs: Sequence[Run], symbol: str, name: str) -> Run:
    (found,) = [run for run in runs if run.symbol == symbol and name in run.name]
    return found


def test_a_week_has_one_weekly_bar() -> None:
    same = agree(run_of(DAYS, "KRAKEN:RAREUSD", "week")).same
    assert [shown(week) for week in same[Interval.W1]] == ["2026-11-23 00:00"]
    same = agree(run_of(DAYS, "NASDAQ:AAPL", "half day")).same
    assert [shown(week) for week in same[Interval.W1]] == ["2026-11-23 00:00"]


def test_an_auction_opens_a_bar_at_the_close_where_the_session_string_does_not_have_it() -> None:
    tokyo, close = emitted(run_of(WINDOWS, "TSE:7203", "auction")), at("2026-11-24 15:30", "Asia/Tokyo")
    trade = tokyo.bars[Interval.M1, close]
    assert (trade.tick_count, trade.close_time - trade.open_time) == (1, MINUTE)
    assert shown(trade.trading_day) == "2026-11-24 00:00"
    day = emitted(run_of(DAYS, "TSE:7203", "auction"))
    assert (Interval.M30, close) in day.bars
    assert (Interval.M30, close + DAY) not in day.bars, "there was none on the day after"
    hong_kong, close = emitted(run_of(WINDOWS, "HKEX:700", "auction")), at("2026-11-24 16:00", "Asia/Hong_Kong")
    last = hong_kong.bars[Interval.M1, close - MINUTE]
    assert (last.last_tick_time or 0) >= close
    assert last.close_time == close + 11 * MINUTE


def test_volume_before_and_after_the_market_is_in_the_charts_daily_bars_and_in_none_of_ours() -> None:
    whole = emitted(run_of(DAYS, "NASDAQ:AAPL", "half day"))
    charts = {bar.open_time: bar for bar in history_bars(whole.market, whole.symbol, Interval.D1, whole.until, 5)}
    for day in map(at, ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-27")):
        minutes = [bar.volume or 0 for bar in whole.bars.values() if bar.interval == "1m" and bar.trading_day == day]
        outside = volume_of(outside_units(whole, charts[day]))
        assert outside > 0
        assert whole.bars[Interval.D1, day].volume == sum(minutes)
        assert charts[day].volume == sum(minutes) + outside


def test_an_early_close_ends_bars_of_every_length() -> None:
    found = emitted(run_of(EARLY_CLOSES, "NASDAQ:AAPL", "early"))
    close = at("2026-11-23 13:00", NEW_YORK)
    day = found.bars[Interval.D1, at("2026-11-23")]
    assert day.close_time == close
    assert found.bars[Interval.H1, at("2026-11-23 12:30", NEW_YORK)].close_time == close
    assert not [at for _, at in found.bars if close <= at < close + 12 * HOUR]


GRIDS = (
    ("NSE:NIFTY", "around a holiday", Interval.M30, "2026-11-23",
     "09:15 09:45 10:15 10:45 11:15 11:45 12:15 12:45 13:15 13:45 14:15 14:45 15:15"),
    ("NASDAQ:AAPL", "half day", Interval.H1, "2026-11-24", "09:30 10:30 11:30 12:30 13:30 14:30 15:30"),
    ("NASDAQ:AAPL", "half day", Interval.H1, "2026-11-27", "09:30 10:30 11:30 12:30"),
    ("CME_MINI:ES1!", "a day", Interval.H4, "2026-11-24", "17:00 21:00 01:00 05:00 09:00 13:00"),
    ("TAIFEX:MXF1!", "Friday", Interval.H1, "2026-11-23",
     "15:00 16:00 17:00 18:00 19:00 20:00 21:00 22:00 23:00 00:00 01:00 02:00 03:00 04:00 "
     "08:45 09:45 10:45 11:45 12:45"),
    ("OANDA:EURUSD", "clocks", Interval.H4, "2026-11-02", "17:00 21:00 01:00 05:00 09:00 13:00"),
    ("HKEX:700", "grids", Interval.H1, "2026-12-23", "09:30 10:00 11:00 13:00 14:00 15:00"),
    ("HKEX:700", "grids", Interval.H1, "2026-12-24", "09:30 10:00 11:00"),
    ("BINANCE:BTCUSDT", "midnight", Interval.M45, "2026-11-26",
     " ".join(f"{minute // 60:02}:{minute % 60:02}" for minute in range(0, 24 * 60, 45))),
)  # fmt: skip


@pytest.mark.parametrize(("symbol", "name", "interval", "day", "openings"), GRIDS)
def test_tick_bars_stand_on_the_grid_of_the_session(
    symbol: str, name: str, interval: Interval, day: str, openings: str
) -> None:
    """With `-s` it prints the openings of a trading day, by the exchange's clock and as epoch seconds."""
    run = run_of(DAYS, symbol, name)
    bars = emitted(run).bars
    of_day = sorted(opening for (each, opening), bar in bars.items() if each is interval and bar.trading_day == at(day))
    texts = [shown(opening, run.zone)[11:] for opening in of_day]
    print(f"\n{symbol} {interval} {day} {run.zone}:", *texts)
    print(*[opening // 1000 for opening in of_day])
    assert texts == openings.split()
    assert set(of_day) <= set(agree(run).same[interval])
