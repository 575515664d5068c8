"""The symbols that exist. To add one, add an `Instrument` to `LISTED`; `SIM:S0001` to `SIM:S9999` are for load."""

import re
from datetime import date, time
from functools import lru_cache

from tradingview_simulator.model.calendars import Always, Weekdays
from tradingview_simulator.model.instruments import Instrument

NEW_YORK = "America/New_York"
US_STOCKS = Weekdays(NEW_YORK, time(9, 30), time(16), "0930-1600", extended=(time(4), time(20)))
US_INDEX = Weekdays(NEW_YORK, time(9, 30), time(16), "0930-1600")
NYMEX = Weekdays(NEW_YORK, time(18), time(17), "1800-1700", opens_evening_before=True)

LISTED = (
    Instrument(
        exchange="BINANCE",
        symbol="BTCUSDT",
        description="Bitcoin / TetherUS",
        kind="spot",
        typespecs=("crypto",),
        calendar=Always(),
        listed=date(2017, 8, 17),
        pricescale=100,
        base_price=6_400_000,
        volatility=0.025,
        trades_per_second=0.93,
        day_volume=2_000_000_000,
        volume_scale=100_000,
        currency="USDT",
        country="",
    ),
    Instrument(
        exchange="BINANCE",
        symbol="ETHUSDT",
        description="Ethereum / TetherUS",
        kind="spot",
        typespecs=("crypto",),
        calendar=Always(),
        listed=date(2017, 8, 17),
        pricescale=100,
        base_price=310_000,
        volatility=0.03,
        trades_per_second=0.9,
        day_volume=35_000_000_000,
        volume_scale=100_000,
        currency="USDT",
        country="",
    ),
    Instrument(
        exchange="NASDAQ",
        symbol="AAPL",
        description="Apple Inc.",
        kind="stock",
        typespecs=("common",),
        calendar=US_STOCKS,
        listed=date(1980, 12, 12),
        pricescale=100,
        base_price=21_000,
        volatility=0.015,
        trades_per_second=0.8,
        day_volume=50_000_000,
    ),
    Instrument(
        exchange="TVC",
        symbol="NDX",
        description="NASDAQ 100 Index",
        kind="index",
        calendar=US_INDEX,
        listed=date(1985, 2, 1),
        pricescale=100,
        base_price=2_100_000,
        volatility=0.012,
        trades_per_second=0.95,
        day_volume=0,
        has_bbo=False,
    ),
    Instrument(
        exchange="NYMEX",
        symbol="CL1!",
        description="Light Crude Oil Futures",
        kind="futures",
        typespecs=("continuous", "synthetic"),
        calendar=NYMEX,
        listed=date(1983, 3, 30),
        pricescale=100,
        base_price=7_000,
        volatility=0.02,
        trades_per_second=0.6,
        day_volume=300_000,
        delay_s=900,
        extra={"root": "CL", "front_contract": "CLF2027"},
    ),
    Instrument(
        exchange="KRAKEN",
        symbol="RAREUSD",
        description="SuperRare 💎 / U.S. Dollar",
        kind="spot",
        typespecs=("crypto",),
        calendar=Always(),
        listed=date(2021, 11, 4),
        pricescale=100_000,
        base_price=6_000,
        volatility=0.05,
        trades_per_second=1 / 600,
        day_volume=9_000_000,
        volume_scale=100,
        country="",
    ),
)

_BY_NAME = {instrument.name: instrument for instrument in LISTED}
_SYNTHETIC = re.compile(r"SIM:S([0-9]{4})")


def find(name: str) -> Instrument | None:
    """The instrument called `EXCHANGE:SYMBOL`, or None where there is no such symbol."""
    return _BY_NAME.get(name) or _synthetic(name)


@lru_cache(maxsize=10_000)
def _synthetic(name: str) -> Instrument | None:
    match = _SYNTHETIC.fullmatch(name)
    if match is None or match[1] == "0000":
        return None
    number = int(match[1])
    return Instrument(
        exchange="SIM",
        symbol=f"S{match[1]}",
        description=f"Synthetic coin {number}",
        kind="spot",
        typespecs=("crypto",),
        calendar=Always(),
        listed=date(2020, 1, 1),
        pricescale=100,
        base_price=10_000 + 37 * number,
        volatility=0.02,
        trades_per_second=0.95,
        day_volume=1_000_000_000,
        volume_scale=100_000,
        country="",
    )
