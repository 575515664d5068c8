"""history-sync with unmodified tvDatafeed against the simulator: what is stored is the model's truth."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from chassis.clock import now_ms
from contracts.bars import Bar, Origin
from contracts.cache import generation_key, series_key
from contracts.documents import BARS_VERSION, CONTRACT, OHLCV, ohlcv_document
from contracts.history import Series, SyncStatus
from contracts.intervals import DAY, MINUTE, Interval
from tests.support.history import History, history, kinds, replica, request, series
from tests.support.parts import Parts
from tests.support.topics import headers_of, read_all
from tradingview_simulator import SimulatorSettings, serve
from tradingview_simulator.model.bars import RESOLUTIONS, bars, close_time, values_of
from tradingview_simulator.model.calendars import day_date, day_number
from tradingview_simulator.model.market import Market
from tradingview_simulator.server import Simulator

BTC = "BINANCE:BTCUSDT"
NOW = 1_795_446_000_000  # Monday 2026-11-23T15:00Z, while everything trades
SETTINGS = SimulatorSettings(now=lambda: NOW + 12_345)
Values = tuple[int, float, float, float, float, float | None]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(SETTINGS) as running:
        yield running


@pytest.fixture
async def own(parts: Parts, database: str, prefix: str) -> AsyncIterator[History]:
    async with history(parts, database, prefix) as found:
        yield found


def truth(wanted: Series, count: int) -> list[Values]:
    """The newest closed bars that the model has, by their label: midnight UTC of the trading day from a day on."""
    return [(open_time, *found) for open_time, _, _, *found in labelled(wanted, count)]


def labelled(wanted: Series, count: int) -> list[tuple[Any, ...]]:
    """Open time, close time, trading day and values of the newest closed bars, by the simulator's own calendar."""
    tape = Market(SETTINGS.seed).tape(str(wanted.identity))
    assert tape is not None
    until_ms = SETTINGS.now() - tape.instrument.delay_s * 1_000
    resolution, found = RESOLUTIONS[wanted.interval.tradingview], []
    for bar in bars(tape, resolution, until_ms, count + 1):
        stamp, *prices = values_of(tape.instrument, bar)
        day = tape.days.day_at(bar.node.start)
        if wanted.interval.is_intraday:
            open_time, closes = round(stamp) * 1_000, (close_time(tape, resolution, bar) + 1) * 1_000
        else:
            period = days_of(wanted.interval, day)
            sessions = [session for each in period if (session := tape.calendar.session(each)) is not None]
            open_time, closes = period.start * DAY, sessions[-1].end * 1_000
            day = period.start
        if closes <= until_ms:
            found.append((open_time, closes, day * DAY, *[*prices, None][:5]))
    return found[-count:]


def days_of(interval: Interval, day: int) -> range:
    """The days, counted from 1970, of the day, week or month that a day lies in."""
    if interval is Interval.W1:
        return range(day - (day + 3) % 7, day - (day + 3) % 7 + 7)
    if interval is Interval.MO1:
        first = day_date(day).replace(day=1)
        return range(day_number(first), day_number((first + timedelta(days=31)).replace(day=1)))
    return range(day, day + 1)


def values(stored: list[Bar]) -> list[Values]:
    return [(bar.open_time, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in stored]


async def test_all_13_intervals_of_a_symbol_are_stored_as_the_model_has_them(
    own: History, simulator: Simulator
) -> None:
    wanted = [series(BTC, interval) for interval in Interval]
    before = now_ms()
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("all", *wanted, bars=300))
        parent = await own.done("all")
    for each in wanted:
        stored, expected = await own.bars(each), truth(each, 300)
        assert values(stored) == expected, each
        assert {bar.origin for bar in stored} == {Origin.BACKFILL}
        assert before <= stored[0].revision <= now_ms()
    assert parent.status is SyncStatus.COMPLETED
    children = [await own.done(f"all.{place}") for place in range(13)]
    assert [child.series for child in children] == wanted
    assert parent.bars_written == sum(child.bars_written for child in children) > 3_000
    for child, each in zip(children, wanted, strict=True):
        status = await own.status(each)
        assert status is not None
        assert (status.status, status.job_id) == (SyncStatus.COMPLETED, child.job_id)
        expected = truth(each, 300)
        assert (status.first_open_time, status.last_open_time) == (expected[0][0], expected[-1][0])
        assert (child.bars_fetched, child.bars_written) == (len(expected), len(expected))
        assert kinds(await own.events(child.job_id)) == ["accepted", "completed"]


SYMBOLS = (
    "NASDAQ:AAPL", "TVC:NDX", "NYMEX:CL1!", "KRAKEN:RAREUSD", "NYSE:BAC/PL", "BINANCE:币安人生USDT.P", "NSE:NIFTY",
    "TSE:7203", "HKEX:700", "CME_MINI:ES1!", "TAIFEX:MXF1!", "OANDA:EURUSD", "TVC:DXY",
)  # fmt: skip


@pytest.mark.parametrize("name", SYMBOLS)
async def test_every_kind_of_symbol_is_stored_whole_on_the_grid_of_its_sessions(
    own: History, simulator: Simulator, name: str
) -> None:
    """600 bars of 2h and longer reach beyond the change of clocks on 1 November."""
    wanted = [series(name, interval) for interval in Interval]
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("kind", *wanted, bars=600))
        parent = await own.done("kind")
    assert parent.status is SyncStatus.COMPLETED, parent.error_detail
    # In Hong Kong the calendar has the closing auction in the last bar; the simulator gives it a bar of its own.
    auction_apart = name == "HKEX:700"
    assert (parent.bars_rejected, parent.bars_off_grid == 0 or auction_apart) == (0, True)
    for place, each in enumerate(wanted):
        stored, expected = await own.bars(each), labelled(each, 600)
        assert values(stored) == [(open_time, *found) for open_time, _, _, *found in expected], each
        assert [bar.trading_day for bar in stored] == [day for _, _, day, *_ in expected], each
        if not auction_apart:
            assert [bar.close_time for bar in stored] == [closes for _, closes, *_ in expected], each
        assert (await own.done(f"kind.{place}")).bars_fetched == len(expected)
    assert all((bar.volume is None) == (name in {"TVC:NDX", "TVC:DXY"}) for bar in stored)


async def test_an_unknown_symbol_ends_in_an_error_with_a_code(own: History, simulator: Simulator) -> None:
    unknown = series("FOO:BAR", Interval.H1)
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("unknown", unknown))
        job = await own.done("unknown")
    assert (job.status, job.error_code) == (SyncStatus.ERROR, "symbol_refused")
    assert job.error_detail
    assert "invalid symbol" in job.error_detail
    status = await own.status(unknown)
    assert status is not None
    assert (status.status, status.error_code, status.job_id) == (SyncStatus.ERROR, "symbol_refused", "unknown")
    told = await own.events("unknown")
    assert kinds(told) == ["accepted", "error"]
    assert told[-1].error_code == "symbol_refused"


async def test_one_bad_series_of_many_fails_alone_and_the_parent_says_so(own: History, simulator: Simulator) -> None:
    wanted = [series(BTC, Interval.H1), series("FOO:BAR", Interval.H1)]
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("mixed", *wanted, bars=10))
        parent = await own.done("mixed")
    assert (parent.status, parent.error_code) == (SyncStatus.ERROR, "series_failed")
    assert parent.error_detail == "1 of 2 series failed"
    assert (await own.done("mixed.0")).status is SyncStatus.COMPLETED
    assert len(await own.bars(wanted[0])) == 10


async def test_a_request_that_comes_twice_is_one_job(own: History, simulator: Simulator) -> None:
    wanted = series(BTC, Interval.M5)
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("twice", wanted, bars=20), request("twice", wanted, bars=20))
        first = await own.done("twice")
        await own.ask(request("twice", wanted, bars=20), request("after", wanted, bars=1))
        await own.done("after")
    assert await own.job("twice") == first
    assert await own.db["jobs"].count_documents({}) == 2
    assert kinds(await own.events("twice")) == ["accepted", "completed"]


async def test_a_bar_from_ticks_is_not_replaced_and_cached_answers_are_dropped(
    own: History, simulator: Simulator
) -> None:
    wanted = series("BINANCE:ETHUSDT", Interval.M1)
    expected = truth(wanted, 5)
    ours = Bar(
        exchange="BINANCE", symbol="ETHUSDT", interval=Interval.M1, open_time=expected[2][0],
        close_time=expected[2][0] + MINUTE, open=1.0, high=2.0, low=0.5, close=1.5, volume=3.0, tick_count=2,
        origin=Origin.TICKS, trading_day=expected[2][0] // DAY * DAY,
    )  # fmt: skip
    await own.db[CONTRACT].insert_one(BARS_VERSION.document)
    await own.db[OHLCV].insert_one(ohlcv_document(ours))
    key = series_key(wanted.identity, wanted.interval)
    await own.redis.hset(key, "query", "answer")
    generation = int(await own.redis.get(generation_key(wanted.identity, wanted.interval)) or 0)
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("guarded", wanted, bars=5))
        job = await own.done("guarded")
        assert not await own.redis.exists(key)
        assert int(await own.redis.get(generation_key(wanted.identity, wanted.interval)) or 0) == generation + 1
    stored = await own.bars(wanted)
    assert stored[2] == ours
    assert [*values(stored)[:2], *values(stored)[3:]] == [*expected[:2], *expected[3:]]
    assert (job.bars_fetched, job.bars_written) == (5, 4)


async def test_fetched_again_the_later_answer_is_stored(own: History, simulator: Simulator) -> None:
    wanted = series(BTC, Interval.H1)
    async with replica(own.settings(simulator.url), own.topics):
        await own.ask(request("one", wanted, bars=3))
        await own.done("one")
        first = await own.bars(wanted)
        await own.ask(request("two", wanted, bars=3))
        assert (await own.done("two")).bars_written == 3
    second = await own.bars(wanted)
    assert values(second) == values(first)
    assert second[0].revision > first[0].revision


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        (b"k", b"nonsense", "undecodable"),
        (b"k", None, "undecodable"),
        (b"other", request("mine", series(BTC, Interval.M1)).encode(), "key_mismatch"),
        (b"x" * 99, request("x" * 99, series(BTC, Interval.M1), series(BTC, Interval.M3)).encode(), "id"),
    ],
)
async def test_a_request_that_makes_no_sense_is_put_aside_and_the_next_is_served(
    own: History, simulator: Simulator, key: bytes, value: bytes | None, cause: str
) -> None:
    async with replica(own.settings(simulator.url), own.topics):
        await own.send(key, value, partition=1)
        await own.send(b"good", request("good", series(BTC, Interval.D1), bars=1).encode(), partition=1)
        await own.done("good")
    [letter] = read_all(own.parts.kafka, own.topics.requests.dead.name)
    headers = headers_of(letter)
    assert (headers["kind"], headers["partition"], headers["offset"]) == (cause, "1", "0")
    assert headers["cause"]
