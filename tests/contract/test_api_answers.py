"""What the API answers to good requests, and what it says when a part is away."""

import json

import pytest

from contracts import wire
from contracts.bars import FormingBar
from contracts.feed import SymbolState, SymbolStatus
from contracts.history import Series, SyncStatus
from contracts.http import (
    CurrentBarBody,
    FeedStatusBody,
    KnownSymbolsBody,
    QuoteBody,
    QuotesBody,
    SeriesBody,
    SyncStatusBody,
    WantedBody,
)
from contracts.intervals import DAY, MINUTE, Interval
from contracts.jobs import SeriesStatus
from contracts.symbols import SymbolId
from contracts.ticks import Quote
from tests.support.api import NOW, MemoryApi, minute_bars, subscribe

BTC = SymbolId("BINANCE", "BTCUSDT")
OIL = SymbolId("NYMEX", "CL1!")
OHLCV = "/market-data/ohlcv/BINANCE/BTCUSDT"


@pytest.fixture
def api() -> MemoryApi:
    api = MemoryApi()
    api.store.series[BTC, Interval.M1] = minute_bars(BTC, 600)
    return api


async def minutes(api: MemoryApi, query: str) -> list[str]:
    """Open times of the bars answered, as hours and minutes."""
    answer = await api.get(f"{OHLCV}?interval=1m&{query}")
    assert answer.status_code == 200, answer.text
    body = SeriesBody.model_validate_json(answer.content)
    assert body.count == len(body.bars)
    return [bar.open_time[11:16] for bar in body.bars]


async def test_the_newest_bars_come_first_by_default(api: MemoryApi) -> None:
    assert await minutes(api, "limit=3") == ["21:59", "21:58", "21:57"]


async def test_without_a_limit_500_bars_are_answered(api: MemoryApi) -> None:
    assert len(await minutes(api, "")) == 500


async def test_bars_are_ordered_as_asked(api: MemoryApi) -> None:
    assert await minutes(api, "limit=3&sort=asc") == ["21:57", "21:58", "21:59"]


async def test_the_start_is_inclusive_and_the_end_exclusive(api: MemoryApi) -> None:
    query = "start=2026-01-31T12:01:00Z&end=2026-01-31T12:03:00Z"
    assert await minutes(api, query) == ["12:02", "12:01"]


async def test_a_limit_with_a_start_means_the_first_bars_from_it(api: MemoryApi) -> None:
    assert await minutes(api, "start=2026-01-31T13:00:00%2B00:00&limit=2&sort=asc") == ["13:00", "13:01"]
    assert await minutes(api, "start=1769864400&limit=2") == ["13:01", "13:00"]


async def test_a_limit_with_an_end_means_the_last_bars_before_it(api: MemoryApi) -> None:
    assert await minutes(api, "end=1769864400000&limit=2") == ["12:59", "12:58"]


async def test_every_spelling_of_symbol_and_interval_is_the_same_series(api: MemoryApi) -> None:
    for path in ("binance/btcusdt", "BINANCE/BINANCE%3ABTCUSDT", "BINANCE/BINANCE:BTCUSDT"):
        answer = await api.get(f"/market-data/ohlcv/{path}?interval=1min&limit=1")
        assert answer.json()["symbol"] == "BTCUSDT", path
        assert (answer.json()["interval"], answer.json()["count"]) == ("1m", 1)


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("NYSE/BAC%2FPL", SymbolId("NYSE", "BAC/PL")),
        ("NYSE/BAC/PL", SymbolId("NYSE", "BAC/PL")),
        ("NYSE/NYSE%3ABAC%2FPL", SymbolId("NYSE", "BAC/PL")),
        ("BINANCE/币安人生usdt.p", SymbolId("BINANCE", "币安人生USDT.P")),
        ("BINANCE/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT.P", SymbolId("BINANCE", "币安人生USDT.P")),
        ("NSE/M%26M", SymbolId("NSE", "M&M")),
    ],
)
async def test_every_ticker_is_found_in_every_read(path: str, identity: SymbolId) -> None:
    api = MemoryApi()
    api.store.series[identity, Interval.D1] = minute_bars(identity, 1)
    api.cache.latest[identity] = quote(identity)
    api.cache.bars[identity, Interval.M1] = wire.encode(minute_bars(identity, 1)[0])
    for read in ("market-data/ohlcv", "quotes/latest", "quotes/current-bar"):
        answer = await api.get(f"/{read}/{path}")
        assert (answer.status_code, answer.json()["symbol"]) == (200, identity.symbol), read


@pytest.mark.parametrize("name", ["NYSE:BAC/PL", "BINANCE:币安人生USDT.P", "BINANCE:X|Y"])
async def test_every_ticker_is_taken_by_every_command_and_list(name: str) -> None:
    api = MemoryApi()
    identity = SymbolId.parse(name)
    body = {"exchange": identity.exchange, "symbol": identity.symbol}
    assert (await api.post("/quotes/subscribe", json={"symbols": [name]})).json()["symbols"] == [name]
    assert (await api.post("/market-data/sync", json=body)).json()["symbol"] == identity.symbol
    assert (await api.post("/market-data/sync/bulk", json={"symbols": [name]})).status_code == 202
    assert {request.series[0].identity for request in api.commands.requests} == {identity}
    api.store.statuses = [status_of(identity, Interval.D1)]
    for query in ({"symbol": name}, {"symbol": identity.symbol}, body, {"after": f"{name}|1d"}):
        expected = 0 if "after" in query else 1
        answer = await api.get("/market-data/sync-status", params=query)
        assert answer.json()["count"] == expected, query
    listed = await api.get("/market-data/symbols", params={"after": "A:B"})
    assert [one["symbol"] for one in listed.json()["symbols"]] == [identity.symbol]
    assert (await api.get("/quotes/status")).json()["symbols"][0]["symbol"] == name
    assert (await api.get("/quotes/all")).json()["missing"] == [name]


async def test_bars_before_1970_are_asked_for_by_their_dates() -> None:
    api = MemoryApi()
    dow = SymbolId("TVC", "DJI")
    api.store.series[dow, Interval.M1] = minute_bars(dow, 3, -2 * MINUTE)
    path = "/market-data/ohlcv/TVC/DJI?interval=1m&sort=asc"
    found = (await api.get(f"{path}&start=1969-12-31&end=1970-01-01")).json()["bars"]
    assert [bar["open_time"] for bar in found] == ["1969-12-31T23:58:00Z", "1969-12-31T23:59:00Z"]
    assert {bar["trading_day"] for bar in found} == {"1969-12-31"}
    assert (await api.get(f"{path}&start=-60")).json()["count"] == 2


@pytest.mark.parametrize("path", ["NYMEX/CL1!", "NYMEX/CL1%21", "nymex/NYMEX%3ACL1%21"])
async def test_a_continuous_future_is_found_by_its_symbol_encoded_or_not(path: str) -> None:
    api = MemoryApi()
    api.store.series[OIL, Interval.D1] = minute_bars(OIL, 1)
    assert (await api.get(f"/market-data/ohlcv/{path}")).json()["count"] == 1


async def test_a_series_without_bars_is_an_empty_answer(api: MemoryApi) -> None:
    answer = await api.get("/market-data/ohlcv/NASDAQ/AAPL?interval=1w")
    assert (answer.status_code, answer.json()["count"], answer.json()["bars"]) == (200, 0, [])


async def test_the_second_answer_comes_from_the_cache(api: MemoryApi) -> None:
    first = await api.get(f"{OHLCV}?interval=1m&limit=2")
    api.store.is_away = True
    assert (await api.get(f"{OHLCV}?limit=2&interval=1")).content == first.content
    assert (await api.get(f"{OHLCV}?limit=3&interval=1")).status_code == 503


async def test_bars_are_answered_from_the_store_while_the_cache_is_away(api: MemoryApi) -> None:
    api.cache.is_away = True
    assert await minutes(api, "limit=1") == ["21:59"]


async def test_known_symbols_are_the_subscribed_and_the_stored_page_by_page(api: MemoryApi) -> None:
    api.store.series[SymbolId("BINANCE", "BTCUSDT2"), Interval.D1] = []
    subscribe(api, "BINANCE:BTCUSDT", "NYMEX:CL1!", "A:B")
    first = KnownSymbolsBody.model_validate_json((await api.get("/market-data/symbols?limit=2")).content)
    assert first.next is not None
    second = KnownSymbolsBody.model_validate_json(
        (await api.get("/market-data/symbols", params={"limit": 2, "after": first.next})).content
    )
    known = [(f"{one.exchange}:{one.symbol}", one.subscribed, one.stored) for one in first.symbols + second.symbols]
    assert known == [
        ("A:B", True, False), ("BINANCE:BTCUSDT2", False, True), ("BINANCE:BTCUSDT", True, True),
        ("NYMEX:CL1!", True, False),
    ]  # fmt: skip
    assert second.next is None


def status_of(identity: SymbolId, interval: Interval) -> SeriesStatus:
    return SeriesStatus(
        exchange=identity.exchange, symbol=identity.symbol, interval=interval, status=SyncStatus.ERROR,
        error_code="no_data", error_detail="the provider has none", updated_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["BINANCE:BTCUSDT|1d", "BINANCE:BTCUSDT|1m", "NYMEX:CL1!|1d"]),
        ("exchange=binance", ["BINANCE:BTCUSDT|1d", "BINANCE:BTCUSDT|1m"]),
        ("symbol=cl1!", ["NYMEX:CL1!|1d"]), ("symbol=BINANCE:BTCUSDT&interval=D", ["BINANCE:BTCUSDT|1d"]),
        ("exchange=NYMEX&symbol=CL1%21", ["NYMEX:CL1!|1d"]), ("interval=1M", []),
        ("after=BINANCE:BTCUSDT|1m", ["NYMEX:CL1!|1d"]),
    ],
)  # fmt: skip
async def test_sync_status_is_filtered_by_exchange_symbol_and_interval(query: str, names: list[str]) -> None:
    api = MemoryApi()
    api.store.statuses = [status_of(BTC, Interval.M1), status_of(OIL, Interval.D1), status_of(BTC, Interval.D1)]
    body = SyncStatusBody.model_validate_json((await api.get(f"/market-data/sync-status?{query}")).content)
    assert [f"{one.exchange}:{one.symbol}|{one.interval}" for one in body.series] == names
    assert all(one.error_detail == "the provider has none" for one in body.series)


async def test_sync_status_comes_in_pages() -> None:
    api = MemoryApi()
    api.store.statuses = [status_of(BTC, Interval.M1), status_of(BTC, Interval.D1)]
    first = SyncStatusBody.model_validate_json((await api.get("/market-data/sync-status?limit=1")).content)
    assert first.next == str(Series(exchange="BINANCE", symbol="BTCUSDT", interval=Interval.D1))
    answer = await api.get("/market-data/sync-status", params={"after": first.next})
    assert [one["interval"] for one in answer.json()["series"]] == ["1m"]


async def test_the_feed_is_stopped_and_started() -> None:
    api = MemoryApi()
    assert (await api.post("/quotes/stop")).json() == {"running": False}
    assert (await api.get("/quotes/status")).json()["running"] is False
    assert (await api.post("/quotes/start")).json() == {"running": True}
    assert (await api.get("/quotes/status")).json()["running"] is True


async def test_subscribing_answers_the_complete_wanted_set() -> None:
    api = MemoryApi()
    subscribe(api, "NYMEX:CL1!")
    answer = await api.post("/quotes/subscribe", json={"symbols": ["binance:btcusdt", "BINANCE:BTCUSDT"]})
    body = WantedBody.model_validate_json(answer.content)
    assert (body.accepted, body.symbols, body.count) == (("BINANCE:BTCUSDT",), ("BINANCE:BTCUSDT", "NYMEX:CL1!"), 2)


async def test_unsubscribing_answers_the_complete_wanted_set() -> None:
    api = MemoryApi()
    subscribe(api, "NYMEX:CL1!", "BINANCE:BTCUSDT")
    answer = await api.post("/quotes/unsubscribe", json={"symbols": ["BINANCE:BTCUSDT", "A:NEVERWANTED"]})
    assert WantedBody.model_validate_json(answer.content).symbols == ("NYMEX:CL1!",)


def quote(identity: SymbolId) -> bytes:
    return Quote(
        exchange=identity.exchange, symbol=identity.symbol, price=42.5, trading_day=NOW - 43_200_000,
        extended_price=42.75, extended_time=NOW - 1_000, event_time=NOW, received_at=NOW + 5, sequence=1,
    ).encode()  # fmt: skip


async def test_the_latest_quote_is_served_with_its_times_in_rfc_3339() -> None:
    api = MemoryApi()
    api.cache.latest[OIL] = quote(OIL)
    body = QuoteBody.model_validate_json((await api.get("/quotes/latest/NYMEX/CL1!")).content)
    assert (body.price, body.trading_day) == (42.5, "2026-01-31")
    assert (body.extended_price, body.extended_time) == (42.75, "2026-01-31T11:59:59Z")
    assert (body.event_time, body.received_at) == ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.005Z")


@pytest.mark.parametrize("path", ["/quotes/latest/BINANCE/BTCUSDT", "/quotes/current-bar/BINANCE/BTCUSDT"])
async def test_the_absence_of_a_quote_or_bar_says_why(path: str) -> None:
    api = MemoryApi()
    unsubscribed = await api.get(path)
    assert (unsubscribed.status_code, unsubscribed.json()["code"]) == (404, "not_found")
    assert "is not subscribed" in unsubscribed.json()["detail"]
    subscribe(api, "BINANCE:BTCUSDT")
    assert "is subscribed, but nothing has come" in (await api.get(path)).json()["detail"]
    api.control.fold.is_running = False
    assert "the feed is stopped" in (await api.get(path)).json()["detail"]


async def test_all_quotes_are_those_of_subscribed_symbols_and_the_missing_are_named() -> None:
    api = MemoryApi()
    subscribe(api, "NYMEX:CL1!", "BINANCE:BTCUSDT", "A:B")
    api.cache.latest = {OIL: quote(OIL), SymbolId("A", "B"): b"{not a quote", SymbolId("NOT", "WANTED"): quote(BTC)}
    body = QuotesBody.model_validate_json((await api.get("/quotes/all")).content)
    assert ([one.symbol for one in body.quotes], body.missing) == (["CL1!"], ("A:B", "BINANCE:BTCUSDT"))


async def test_the_forming_bar_is_served_as_the_engine_told_it() -> None:
    api = MemoryApi()
    bar = FormingBar(
        interval=Interval.H1, open_time=NOW, close_time=NOW + 3_600_000, open=1.0, high=2.0, low=1.0, close=2.0,
        volume=3.0, tick_count=2, gap_ms=1_500, trading_day=NOW // DAY * DAY,
    )  # fmt: skip
    api.cache.bars[BTC, Interval.H1] = bar.encode()
    answer = await api.get("/quotes/current-bar/BINANCE/BTCUSDT?interval=60")
    body = CurrentBarBody.model_validate_json(answer.content)
    assert (body.interval, body.bar.state, body.bar.gap_ms, body.bar.close) == ("1h", "forming", 1_500, 2.0)


async def test_the_status_has_every_symbol_with_the_replica_that_reports_on_it() -> None:
    api = MemoryApi()
    subscribe(api, "NYMEX:CL1!", "BINANCE:BTCUSDT")
    report = SymbolStatus(
        exchange="BINANCE", symbol="BTCUSDT", replica="ingest-0", state=SymbolState.LIVE, last_tick_time=NOW, at=NOW
    )
    api.statuses.fold.apply(report.key, report.encode())
    body = FeedStatusBody.model_validate_json((await api.get("/quotes/status")).content)
    assert body.states == {"live": 1, "unreported": 1}
    assert body.symbols[0].reports[0].replica == body.replicas[0].replica == "ingest-0"


@pytest.mark.parametrize(
    ("away", "path"),
    [
        ("store", OHLCV), ("store", "/market-data/symbols"), ("store", "/market-data/sync-status"),
        ("store", "/market-data/jobs/x"), ("wanted", "/market-data/symbols"), ("wanted", "/quotes/all"),
        ("wanted", "/quotes/status"), ("control", "/quotes/status"), ("statuses", "/quotes/status"),
        ("cache", "/quotes/all"), ("cache", "/quotes/latest/BINANCE/BTCUSDT"),
        ("cache", "/quotes/current-bar/BINANCE/BTCUSDT"),
    ],
)  # fmt: skip
async def test_a_read_of_a_part_that_is_away_says_when_to_try_again(away: str, path: str) -> None:
    api = MemoryApi()
    getattr(api, away).is_away = True
    answer = await api.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


@pytest.mark.parametrize("away", ["commands", "wanted"])
@pytest.mark.parametrize("path", ["/quotes/subscribe", "/quotes/unsubscribe"])
async def test_a_command_while_kafka_is_away_is_refused(away: str, path: str) -> None:
    api = MemoryApi()
    getattr(api, away).is_away = True
    answer = await api.post(path, json={"symbols": ["A:B"]})
    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "unavailable")
    assert not api.wanted.fold.subscriptions
