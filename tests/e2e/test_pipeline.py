"""A frame becomes a tick, ticks become bars, bars meet history, and the API answers for all of it."""

import itertools
import time
from datetime import datetime
from typing import Any

from pymongo import MongoClient

from contracts.bars import Bar, Origin, winner
from contracts.documents import DATABASE, OHLCV, bar_of, ohlcv_id
from contracts.topics import BARS
from tests.support.datafeed import Interval, fetch
from tests.support.oracle import Folded, fold_topic, winners
from tests.support.system import System, eventually
from tests.support.topics import by_partition, read_all

PARTITIONS = 4
MINUTE = 60_000
FIRST_BAR_WITHIN_S = 120


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def folded(system: System) -> Folded:
    return fold_topic(system.at.kafka, PARTITIONS)


def assert_store_is_the_fold(system: System) -> int:
    """Every bar of the pure fold of the log is stored, or the bar that beats it; how many there are."""
    expected = winners(folded(system).bars)

    def missing() -> dict[str, Bar] | None:
        with MongoClient[dict[str, Any]](system.at.mongo) as client:
            found = client[DATABASE][OHLCV].find({"_id": {"$in": list(expected)}})
            stored = {document["_id"]: bar_of(document) for document in found}
        wrong = {
            name: bar
            for name, bar in expected.items()
            if name not in stored
            or winner(bar, stored[name]) != stored[name]
            or (stored[name].origin is Origin.TICKS and stored[name] != bar)
        }
        return wrong or None

    deadline = time.monotonic() + 30
    while (wrong := missing()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not wrong, f"{len(wrong)} of {len(expected)} bars of the fold are not what is stored, such as {wrong}"
    return len(expected)


def test_a_closed_bar_of_live_ticks_is_served_within_two_minutes_and_equals_the_fold(system: System) -> None:
    bar = eventually(
        lambda: next(iter(system.tick_bars("BINANCE", "BTCUSDT")), None), FIRST_BAR_WITHIN_S, "a closed 1m bar"
    )
    name = f"BINANCE:BTCUSDT|1m|{milliseconds(bar['open_time'])}"
    truth = winners(folded(system).bars)[name]
    served = {field: bar[field] for field in ("open", "high", "low", "close", "volume", "tick_count", "gap_ms")}
    assert served == {field: getattr(truth, field) for field in served}
    assert bar["state"] == "closed"
    assert milliseconds(bar["close_time"]) == truth.close_time


def test_history_joins_the_live_bars_and_replaces_none(system: System) -> None:
    live = eventually(lambda: system.tick_bars("BINANCE", "BTCUSDT"), FIRST_BAR_WITHIN_S, "a bar of live ticks")
    body = {"exchange": "BINANCE", "symbol": "BTCUSDT", "interval": "1m", "n_bars": 300}
    answer = system.api.post("/market-data/sync", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["bars_fetched"] >= 299
    series = system.bars("BINANCE", "BTCUSDT", interval="1m", limit=200)
    times = [milliseconds(bar["open_time"]) for bar in series]
    assert len(series) == 200
    assert all(later - earlier == MINUTE for later, earlier in itertools.pairwise(times)), "no hole at the seam"
    by_time = {bar["open_time"]: bar for bar in series}
    assert all(by_time[bar["open_time"]] == bar for bar in live), "a tick bar beats the provider's"
    assert series[-1]["origin"] == "backfill"


def test_bars_that_were_covered_throughout_equal_the_providers_to_the_last_digit(system: System) -> None:
    names = (("BINANCE", "BTCUSDT"), ("BINANCE", "ETHUSDT"))

    def covered(name: tuple[str, str]) -> list[dict[str, Any]]:
        return [bar for bar in system.tick_bars(*name) if bar["gap_ms"] == 0]

    eventually(lambda: all(covered(name) for name in names), 150, "a bar of each symbol without a gap")
    records = [record for of in by_partition(read_all(system.at.kafka, BARS.name)).values() for record in of]
    published = [Bar.decode(record.value or b"") for record in records if ("kind", b"bar") in record.headers]
    whole = {
        ohlcv_id(bar.identity, bar.interval, bar.open_time): bar
        for bar in published
        if bar.gap_ms == 0 and bar.interval.value == "1m" and bar.identity in names
    }
    assert whole
    provider = {
        f"{exchange}:{symbol}|1m|{bar.open_time}": bar
        for exchange, symbol in names
        for bar in fetch(system.at.tradingview, exchange, symbol, Interval.in_1_minute, 100)
    }
    for name, bar in whole.items():
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == provider[name][1:], name


def test_unmodified_tvdatafeed_fetches_all_thirteen_intervals(system: System) -> None:
    counts = {
        interval: len(fetch(system.at.tradingview, "BINANCE", "BTCUSDT", interval, 5000)) for interval in Interval
    }
    assert len(counts) == 13
    assert {interval for interval, count in counts.items() if count != 5000} == {
        Interval.in_daily, Interval.in_weekly, Interval.in_monthly,
    }  # fmt: skip
    assert counts[Interval.in_daily] > 1000


def test_a_dropped_socket_is_in_the_log_and_in_the_bars_and_the_feed_goes_on(system: System) -> None:
    before = system.newest_tick("BINANCE", "BTCUSDT")
    system.control.post("/control/drop").raise_for_status()
    eventually(lambda: system.newest_tick("BINANCE", "BTCUSDT") > before + 1_000, 30, "ticks after the drop")
    dropped_in = before - before % MINUTE
    bar = eventually(
        lambda: next(
            (b for b in system.tick_bars("BINANCE", "BTCUSDT") if milliseconds(b["open_time"]) >= dropped_in), None
        ),
        90,
        "the bar of the minute of the drop",
    )
    assert bar["gap_ms"] > 0
    assert_store_is_the_fold(system)


def test_every_child_killed_is_restarted_and_ticks_and_bars_flow_again(system: System) -> None:
    for child in system.children():
        killed = system.kill(child)
        eventually(lambda: system.children().get(child, killed) != killed, 30, f"{child} is started again")  # noqa: B023
        at = round(time.time() * 1000)  # noqa: TID251 - a test may read the clock
        eventually(lambda: system.newest_tick("BINANCE", "BTCUSDT") > at, 90, f"ticks after {child} was killed")  # noqa: B023
    after = round(time.time() * 1000)  # noqa: TID251 - likewise
    eventually(
        lambda: [b for b in system.tick_bars("BINANCE", "BTCUSDT") if milliseconds(b["open_time"]) >= after],
        180,
        "a bar that began after the last kill",
    )
    assert assert_store_is_the_fold(system) > 0
