"""Every opening instant of the full series against our calendar of its session string, with exact counts."""

from datetime import date, timedelta

import pytest

from contracts.calendar import Calendar
from contracts.intervals import DAY, Interval, day_ms
from tests.support.grids import Record, Series, explains, full, records

ALL = {series.name: series for series in full()}
RECORDS = records()

ASSUMED = {"EUREX:FDAX1! 15m": "0115-2200"}
"""The file has no session string for this one: it opens at 01:15 in winter and 02:15 in summer."""

EXPLAINED = {
    "BATS:SPY 5m": (1_992, 1_992),
    "BATS:QQQ 5m": (2_000, 2_000),
    "BATS:XLK 1h": (1_948, 1_948),
    "SP:SPX 1h": (1_948, 1_948),
    "XETR:DAX 1h": (1_805, 1_805),
    "SIX:SMI 1h": (1_781, 1_781),
    "EURONEXT:IWDA 1h": (1_821, 1_821),
    "OMXSTO:OMXS30 30m": (2_000, 2_000),
    "EUREX:FDAX1! 15m": (2_000, 2_000),
    "NSE:NIFTY 5m": (1_800, 1_812),
    "NSE:NIFTY1! 3m": (492, 492),
    "NSE:NIFTY1! 5m": (652, 652),
    "MCX:GOLD1! 2h": (1_882, 1_883),
    "TVC:HSI 1h": (2_000, 2_000),
    "TSE:TOPIX 1h": (1_190, 1_190),
    "TVC:NI225 1h": (1_167, 1_167),
    "OSE:NK225M1! 1h": (1_194, 1_194),
    "TAIFEX:MXF1! 30m": (2_000, 2_000),
    "TAIFEX:MXF1! 4h": (2_000, 2_000),
    "CME_MINI:ES1! 4h": (1_937, 1_937),
    "CME_MINI:ES1! 1h": (1_888, 1_888),
    "CME_MINI:ES1! 30m": (1_887, 1_887),
    "CME_MINI:ES1! 15m": (1_993, 1_993),
    "CME_MINI:ES1! 5m": (2_000, 2_000),
    "CME_MINI:NQ1! 1h": (1_663, 1_663),
    "CME_MINI:NQ1! 15m": (1_929, 1_929),
    "CBOE:VX1! 5m": (2_000, 2_000),
    "CBOT:ZN1! 5m": (2_000, 2_000),
    "NYMEX:MCL1! 5m": (2_000, 2_000),
    "OANDA:XAUUSD 4h": (1_673, 1_673),
    "OANDA:BTCUSD 4h": (1_691, 1_691),
    "OANDA:XAUUSD 5m": (2_000, 2_000),
    "FX_IDC:XAUUSD 1h": (2_000, 2_000),
    "TVC:DXY 4h": (2_000, 2_000),
    "TVC:DXY 30m": (1_991, 1_991),
    "CAPITALCOM:EURUSD 5m": (1_925, 1_925),
    "BINANCE:BTCUSDT 4h": (1_331, 1_331),
    "BINANCE:BTCUSDT.P 1h": (1_656, 1_656),
    "BINANCE:BTCUSDT 2h": (301, 301),
    "CME_MINI:ES1! 1d": (1_996, 1_996),
    "SP:SPX 1d": (1_895, 1_895),
    "BATS:SPY 1d": (1_961, 1_961),
    "TVC:NI225 1d": (1_143, 1_143),
    "TSE:TOPIX 1d": (1_194, 1_194),
    "OSE:NK225M1! 1d": (1_191, 1_192),
    "SGX:A17U 1d": (1_975, 1_975),
    "FX:EURUSD 1d": (1_277, 1_277),
    "FX_IDC:EURUSD 1d": (300, 300),
    "ICEUS:SB1! 1d": (1_899, 1_899),
    "NYMEX:CL1! 1d": (1_899, 1_899),
    "TVC:US05Y 1d": (2_000, 2_000),
    "INDEX:S5FI 1d": (2_000, 2_000),
    "BINANCE:BTCUSDT 1d": (564, 564),
    "TAIFEX:MXF1! 1d": (1_939, 1_939),
    "FX_IDC:XAUUSD 1d": (1_988, 1_988),
    "TVC:DXY 1d": (2_000, 2_000),
    "SP:SPX 1w": (650, 718),
    "BATS:TSLA 1w": (579, 640),
    "INDEX:S5FI 1w": (302, 302),
    "TVC:US10Y-TVC:US02Y 1w": (1_805, 1_805),
    "TAIFEX:MXF1! 1w": (678, 723),
    "FX_IDC:XAUUSD 1w": (1_522, 1_609),
    "SP:SPX 1M": (456, 490),
    "TVC:GOLD 1M": (472, 489),
    "COINBASE:BTCUSD 1M": (103, 103),
    "CME_MINI:NQ1! 1M": (303, 323),
    "TSE:7203 1h": (70, 70),
    "HKEX:700 1h": (60, 60),
    "CBOT:ZC1! 4h": (50, 50),
    "BATS:AAPL 1w": (92, 105),
    "BITSTAMP:BTCUSD 15m": (300, 300),
    "BATS:AAPL 1d": (300, 300),
}
"""Of each series: how many stamps are explained by its session string alone, and how many there are."""

PREDICTED = {
    ("CME_MINI:ES1! 4h", "CME_MINI:ES1!"): (586, 586),
    ("CME_MINI:ES1! 1h", "CME_MINI:ES1!"): (640, 640),
    ("CME_MINI:ES1! 30m", "CME_MINI:ES1!"): (589, 589),
    ("CME_MINI:ES1! 5m", "CME_MINI:ES1!"): (2_000, 2_000),
    ("CME_MINI:ES1! 1d", "CME_MINI:ES1!"): (127, 127),
    ("CME_MINI:NQ1! 1h", "CME_MINI:ES1!"): (1_663, 1_663),
    ("CME_MINI:NQ1! 15m", "CME_MINI:ES1!"): (1_929, 1_929),
    ("CME_MINI:NQ1! 1M", "CME_MINI:ES1!"): (16, 16),
    ("SP:SPX 1h", "SP:SPX"): (908, 908),
    ("SP:SPX 1d", "SP:SPX"): (1_895, 1_895),
    ("SP:SPX 1w", "SP:SPX"): (718, 718),
    ("SP:SPX 1M", "SP:SPX"): (299, 299),
    ("BATS:TSLA 1w", "SP:SPX"): (640, 640),
    ("BATS:AAPL 1w", "SP:SPX"): (105, 105),
    ("BATS:AAPL 1d", "SP:SPX"): (300, 300),
    ("BATS:SPY 5m", "NASDAQ (US stock)"): (1_992, 1_992),
    ("BATS:SPY 1d", "NASDAQ (US stock)"): (304, 304),
    ("BATS:XLK 1h", "NASDAQ (US stock)"): (1_012, 1_012),
    ("TVC:DXY 4h", "TVC:DXY"): (2_000, 2_000),
    ("TVC:DXY 30m", "TVC:DXY"): (1_991, 1_991),
    ("TVC:DXY 1d", "TVC:DXY"): (340, 340),
    ("TVC:GOLD 1M", "TVC:GOLD"): (472, 489),
    ("FX_IDC:EURUSD 1d", "FX_IDC:EURUSD"): (300, 300),
    ("BITSTAMP:BTCUSD 15m", "BITSTAMP:BTCUSD"): (300, 300),
    ("BINANCE:BTCUSDT 4h", "BINANCE:BTCUSDT"): (1_331, 1_331),
    ("BINANCE:BTCUSDT 2h", "BINANCE:BTCUSDT"): (301, 301),
    ("BINANCE:BTCUSDT 1d", "BINANCE:BTCUSDT"): (564, 564),
    ("NSE:NIFTY 5m", "NSE:NIFTY"): (1_800, 1_812),
    ("OANDA:XAUUSD 5m", "OANDA:XAUUSD"): (2_000, 2_000),
    ("OANDA:XAUUSD 4h", "OANDA:XAUUSD"): (0, 1_673),
    ("TSE:7203 1h", "TSE:7203"): (70, 70),
    ("HKEX:700 1h", "HKEX:700"): (10, 60),
    ("CBOT:ZC1! 4h", "CBOT:ZC1!"): (50, 50),
}
"""Blind: a series against the recorded metadata of its symbol, or of one with the same hours, within the years that
the record's holidays cover. Nothing of these strings was read from the bars."""

REPAIRED = {
    "NSE:NIFTY 5m": "1800-1900:20241101",
    "MCX:GOLD1! 2h": "1800-1915:20231112",
    "OSE:NK225M1! 1d": "0800-1545:20250103",
}
"""Special sessions that a correction would name."""


def calendar_of(series: Series, holidays: str = "", corrections: str = "") -> Calendar:
    return Calendar.parse(series.timezone, series.session or ASSUMED[series.name], holidays, corrections)


def count(calendar: Calendar, series: Series, begins: int = -(10**14), ends: int = 10**14) -> tuple[int, int]:
    stamps = [stamp for stamp in series.times_ms if begins <= stamp < ends]
    return sum(explains(calendar, series, stamp) for stamp in stamps), len(stamps)


def day_of(text: str) -> int:
    return day_ms(date(int(text[:4]), int(text[4:6]), int(text[6:])))


def record_of(symbol: str) -> Record:
    """The record of a symbol that says most."""
    return max((row for row in RECORDS if row.symbol == symbol), key=lambda row: len(row.holidays))


def weekdays_without(days: set[int]) -> str:
    """The weekdays between the first and the last of some days that are not among them."""
    numbers = {day // DAY for day in days}
    missing = [day for day in range(min(numbers), max(numbers)) if (day + 3) % 7 < 5 and day not in numbers]
    return ",".join(date.fromordinal(date(1970, 1, 1).toordinal() + day).strftime("%Y%m%d") for day in missing)


def test_every_series_of_the_file_is_counted() -> None:
    assert set(EXPLAINED) == set(ALL)
    assert sum(len(series.times_ms) for series in ALL.values()) == 102_859


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_session_string_explains_the_bars_of_its_series(name: str) -> None:
    assert count(calendar_of(ALL[name]), ALL[name]) == EXPLAINED[name]


@pytest.mark.parametrize(("name", "symbol"), PREDICTED)
def test_recorded_metadata_predict_the_bars_of_a_series(name: str, symbol: str) -> None:
    record = record_of(symbol)
    calendar = Calendar.parse(record.timezone, record.session, record.holidays, record.corrections)
    days = sorted(map(day_of, record.holidays.split(","))) if record.holidays else [-(10**14), 10**14]
    assert count(calendar, ALL[name], days[0], days[-1]) == PREDICTED[name, symbol]


@pytest.mark.parametrize("name", REPAIRED)
def test_special_sessions_are_explained_by_a_correction(name: str) -> None:
    series = ALL[name]
    assert count(calendar_of(series, corrections=REPAIRED[name]), series) == (len(series.times_ms),) * 2


def test_hong_kong_reopens_on_a_grid_of_its_own_and_opens_within_an_hour() -> None:
    recorded = record_of("HKEX (stock)")
    assert count(Calendar.parse(recorded.timezone, recorded.session), ALL["HKEX:700 1h"]) == (60, 60)


def test_daily_bars_predict_to_which_trading_day_the_night_sessions_of_taifex_belong() -> None:
    daily = ALL["TAIFEX:MXF1! 1d"]
    days = set(daily.times_ms)
    calendar = calendar_of(daily, weekdays_without(days))
    for name, inside in (("TAIFEX:MXF1! 30m", 1990), ("TAIFEX:MXF1! 4h", 2000)):
        stamps = [stamp for stamp in ALL[name].times_ms if min(days) <= stamp < max(days)]
        assert len(stamps) == 2000
        assert {calendar.trading_day(stamp) for stamp in stamps} <= days
        assert sum(map(calendar.is_open, stamps)) == inside, "the other ten are closing auctions at 13:45"
        assert all(calendar.is_open(stamp - 1) for stamp in stamps if not calendar.is_open(stamp))


def test_the_weeks_of_taifex_begin_on_their_first_trading_day() -> None:
    daily, weekly = ALL["TAIFEX:MXF1! 1d"], ALL["TAIFEX:MXF1! 1w"]
    days = sorted(daily.times_ms)
    calendar = calendar_of(daily, weekdays_without(set(days)))
    assert count(calendar, weekly, days[0] + 7 * DAY, days[-1]) == (407, 408), "20190930 has a week but no day"


def us_holidays(since: str) -> list[str]:
    return [text for text in record_of("SP:SPX").holidays.split(",") if text >= since]


@pytest.mark.parametrize(
    ("name", "since", "counted"), [("FX_IDC:XAUUSD 1w", "2009", (1539, 1539)), ("CME_MINI:NQ1! 1M", "2010", (305, 307))]
)
def test_weeks_and_months_of_older_years_count_us_holidays_as_trading_days(
    name: str, since: str, counted: tuple[int, int]
) -> None:
    holidays = us_holidays(since)
    series = ALL[name]
    assert count(calendar_of(series, ",".join(holidays)), series, ends=day_of(holidays[-1])) == counted


def test_months_of_gold_begin_on_the_eve_of_a_holiday_that_is_merged_into_their_first_day() -> None:
    series, holidays = ALL["TVC:GOLD 1M"], us_holidays("2009")
    closed = calendar_of(series, ",".join(holidays))
    merged = []
    for text in holidays:
        day = day_of(text)
        if text[4:6] in ("05", "09"):
            days = next(ahead for ahead in range(1, 8) if closed.segments(day + ahead * DAY))
            following = date(int(text[:4]), int(text[4:6]), int(text[6:])) + timedelta(days)
            merged.append(f"1800F{days + 1}-1200F{days},1800-1700:{following:%Y%m%d}")
    assert count(closed, series, ends=day_of(holidays[-1])) == (471, 479)
    calendar = calendar_of(series, ",".join(holidays), ";".join(merged))
    assert count(calendar, series, ends=day_of(holidays[-1])) == (479, 479)


def test_the_night_before_a_holiday_belongs_to_the_day_after_it_in_osaka() -> None:
    daily = ALL["OSE:NK225M1! 1d"]
    zone_ms = 9 * 3_600_000
    evenings = {stamp + zone_ms for stamp in daily.times_ms}
    calendar = calendar_of(daily, weekdays_without(evenings))
    labels = [calendar.label_of_provider(Interval.D1, stamp) for stamp in daily.times_ms]
    assert sum(on_grid for _, _, on_grid in labels) == 1190
    assert len({label for label, _, _ in labels}) == 1191
    assert all(calendar.segments(label) for label, _, _ in labels)
