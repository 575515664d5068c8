"""History over a real socket: unmodified `tvDatafeed` and a plain client get what the model says, to the last digit."""

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd
import pytest
import websocket
from websockets.asyncio.client import connect

from tradingview.codec import Message, decode, encode
from tradingview_simulator import SimulatorSettings, serve
from tradingview_simulator.model.bars import RESOLUTIONS, bars, values_of
from tradingview_simulator.model.market import Market
from tradingview_simulator.model.registry import LISTED

with warnings.catch_warnings():
    # Its source has invalid escape sequences, of which Python warns wherever it compiles it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tvDatafeed import Interval, TvDatafeed

NOW = 1_795_446_000_000  # Monday 2026-11-23T15:00Z, while everything trades
SETTINGS = SimulatorSettings(now=lambda: NOW + 12_345)
DEADLINE_S = 20


class Redirected(TvDatafeed):  # type: ignore[misc]  # the package has no types
    """tvDatafeed with another address and nothing else changed."""

    url: str

    def _TvDatafeed__create_connection(self) -> None:
        self.ws = websocket.create_connection(self.url, timeout=DEADLINE_S)


@contextmanager
def datafeed(url: str) -> Iterator[Redirected]:
    feed = Redirected()
    feed.url = url
    yield feed
    feed.ws.close()


def history(url: str, name: str, interval: Interval, count: int) -> pd.DataFrame | None:
    exchange, symbol = name.split(":")
    with datafeed(url) as feed:
        found: pd.DataFrame | None = feed.get_hist(symbol, exchange, interval, n_bars=count)
        return found


def truth(name: str, resolution: str, count: int) -> list[list[float]]:
    tape = Market(SETTINGS.seed).tape(name)
    assert tape is not None
    until_ms = SETTINGS.now() - tape.instrument.delay_s * 1_000
    return [values_of(tape.instrument, bar) for bar in bars(tape, RESOLUTIONS[resolution], until_ms, count)]


def assert_equal(frame: pd.DataFrame | None, expected: list[list[float]]) -> None:
    assert frame is not None
    assert [moment.to_pydatetime() for moment in frame.index] == [datetime.fromtimestamp(row[0]) for row in expected]
    columns = ["open", "high", "low", "close", "volume"]
    assert frame[columns].to_numpy().tolist() == [[*row[1:], 0.0][:5] for row in expected]


@pytest.mark.parametrize("interval", list(Interval))
async def test_unmodified_tvdatafeed_gets_5000_bars_of_every_interval_or_all_there_are(interval: Interval) -> None:
    async with serve(SETTINGS) as simulator:
        frame = await asyncio.to_thread(history, simulator.url, "BINANCE:BTCUSDT", interval, 5_000)
    expected = truth("BINANCE:BTCUSDT", interval.value, 5_000)
    assert len(expected) == 5_000 or interval in {Interval.in_daily, Interval.in_weekly, Interval.in_monthly}
    assert_equal(frame, expected)


@pytest.mark.parametrize("name", [instrument.name for instrument in LISTED])
async def test_unmodified_tvdatafeed_gets_all_intervals_of_every_kind_of_symbol(name: str) -> None:
    async with serve(SETTINGS) as simulator:
        for interval in Interval:
            frame = await asyncio.to_thread(history, simulator.url, name, interval, 100)
            expected = truth(name, interval.value, 100)
            assert len(expected) == 100 or interval in {Interval.in_weekly, Interval.in_monthly}
            assert_equal(frame, expected)


async def test_a_resolved_symbol_tells_when_it_trades() -> None:
    async with serve(SETTINGS) as simulator:
        messages = await conversation(
            simulator.url,
            ("resolve_symbol", "sym", "CME_MINI:ES1!"),
            ("create_series", "s", "s1", "sym", "1", 3),
            until="series_completed",
        )
    info = next(message.params[2] for message in messages if message.method == "symbol_resolved")
    assert (info["timezone"], info["session"]) == ("America/Chicago", "1700-1600")
    assert "20250120" in info["session_holidays"]
    (regular,) = info["subsessions"]
    assert info["corrections"] == regular["session-correction"]
    assert "1700F2-1200F1,1700-1600:" in info["corrections"]


async def conversation(url: str, *calls: tuple[Any, ...], until: str) -> list[Message]:
    """Make the calls on one chart session `cs` and collect messages up to the last one of method `until`."""
    wanted = sum(call[0] in {"create_series", "request_more_data"} for call in calls)
    found: list[Message] = []
    async with connect(url) as socket, asyncio.timeout(DEADLINE_S):
        await socket.send(encode("chart_create_session", "cs", ""))
        for method, *params in calls:
            await socket.send(encode(method, "cs", *params))
        while sum(message.method == until for message in found) < wanted:
            found += [packet for packet in decode(await socket.recv()) if isinstance(packet, Message)]
    return found


def methods(messages: list[Message]) -> list[str]:
    return [message.method for message in messages]


async def test_a_series_is_served_in_the_order_of_the_protocol_and_tells_where_history_begins() -> None:
    async with serve(SETTINGS) as simulator:
        messages = await conversation(
            simulator.url,
            ("resolve_symbol", "sym", '={"symbol":"KRAKEN:RAREUSD","adjustment":"splits"}'),
            ("create_series", "s", "s1", "sym", "1W", 200, ""),
            ("switch_timezone", "exchange"),
            ("request_more_data", "s", 200),
            ("request_more_data", "s", 200),
            until="series_completed",
        )
    served = ["series_loading", "timescale_update", "series_completed"]
    assert methods(messages) == ["symbol_resolved", *served, *served, "series_loading", "series_completed"]
    assert messages[0].params[2]["description"] == "SuperRare 💎 / U.S. Dollar"
    first, second = (message.params[1]["s"]["s"] for message in messages if message.method == "timescale_update")
    assert [bar["i"] for bar in first] == list(range(200))
    assert [bar["i"] for bar in second] == list(range(-len(second), 0))
    assert [bar["v"] for bar in (*second, *first)] == truth("KRAKEN:RAREUSD", "1W", 5_000)
    completed = [message.params[4] for message in messages if message.method == "series_completed"]
    assert [details.get("data_completed") for details in completed] == [None, "end", "end"]


async def test_a_delayed_symbol_is_served_as_of_a_quarter_of_an_hour_ago() -> None:
    async with serve(SETTINGS) as simulator:
        messages = await conversation(
            simulator.url,
            ("resolve_symbol", "sym", "NYMEX:CL1!"),
            ("create_series", "s", "s1", "sym", "1", 3),
            until="series_completed",
        )
    assert messages[-1].params[2] == "delayed_streaming_900"
    assert messages[2].params[1]["s"]["s"][-1]["v"][0] == NOW / 1_000 - 900


async def test_bars_can_end_at_a_past_moment() -> None:
    async with serve(SETTINGS) as simulator:
        messages = await conversation(
            simulator.url,
            ("resolve_symbol", "sym", "BINANCE:ETHUSDT"),
            ("create_series", "s", "s1", "sym", "60", ["bar_count", NOW // 1_000 - 86_400, 3]),
            until="series_completed",
        )
    times = [bar["v"][0] for bar in messages[2].params[1]["s"]["s"]]
    assert times == [NOW / 1_000 - 86_400 - 3_600 * back for back in (3, 2, 1)]


async def test_an_unknown_symbol_ends_in_two_errors_and_tvdatafeed_survives_it() -> None:
    async with serve(SETTINGS) as simulator:
        messages = await conversation(
            simulator.url,
            ("resolve_symbol", "sym", "FOO:BAR"),
            ("create_series", "s", "s1", "sym", "1", 3),
            until="series_error",
        )
    assert methods(messages) == ["symbol_error", "series_loading", "series_error"]
    assert messages[-1].params[3] == "resolve error"


@pytest.mark.parametrize(
    ("resolution", "method", "reason"),
    [
        ("15m", "critical_error", "invalid parameters"),
        ("1h", "critical_error", "invalid parameters"),
        ("188", "series_error", "custom_resolution"),
        ("5S", "series_error", "seconds_not_entitled"),
        ("1T", "series_error", "ticks_not_entitled"),
    ],
)
async def test_a_resolution_that_is_not_served_is_an_error(resolution: str, method: str, reason: str) -> None:
    async with serve(SETTINGS) as simulator:
        messages = await conversation(
            simulator.url,
            ("resolve_symbol", "sym", "BINANCE:BTCUSDT"),
            ("create_series", "s", "s1", "sym", resolution, 3),
            until=method,
        )
    assert reason in messages[-1].params
