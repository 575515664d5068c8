"""Every bad input is answered with a problem that says what would be valid."""

import json
from typing import Any

import pytest

from tests.support.api import KEY, MemoryApi

POSTS: dict[str, Any] = {
    "/market-data/sync": {"exchange": "BINANCE", "symbol": "BTCUSDT"},
    "/market-data/sync/background": {"exchange": "BINANCE", "symbol": "BTCUSDT"},
    "/market-data/sync/bulk": {"symbols": ["BINANCE:BTCUSDT"]},
    "/quotes/start": None,
    "/quotes/stop": None,
    "/quotes/subscribe": {"symbols": ["BINANCE:BTCUSDT"]},
    "/quotes/unsubscribe": {"symbols": ["BINANCE:BTCUSDT"]},
}
OHLCV = "/market-data/ohlcv/BINANCE/BTCUSDT"


def problem_of(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("path", list(POSTS))
@pytest.mark.parametrize("headers", [{}, {"X-API-Key": ""}, {"X-API-Key": KEY + "x"}, {"X-API-Key": KEY[:-1]}])
async def test_a_change_without_the_right_key_is_refused(path: str, headers: dict[str, str]) -> None:
    api = MemoryApi()
    answer = await api.post(path, json=POSTS[path], headers=headers)
    problem_of(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("ApiKey")
    assert not api.commands.requests
    assert api.control.fold.is_running


async def test_a_key_in_other_letters_than_ascii_is_compared_too() -> None:
    answer = await MemoryApi().post("/quotes/start", headers={"X-API-Key": "ключ".encode()})
    problem_of(answer, 401, "unauthorized")


async def test_the_key_is_judged_before_the_body() -> None:
    answer = await MemoryApi().post("/quotes/subscribe", content=b"{" * 300_000, headers={})
    problem_of(answer, 401, "unauthorized")


@pytest.mark.parametrize(
    "path",
    [
        "/market-data/ohlcv/BINANCE/BTC%20USDT", "/market-data/ohlcv/NASDAQ/BINANCE%3ABTCUSDT",
        "/market-data/ohlcv/BIN-ANCE/BTCUSDT",
        f"/market-data/ohlcv/BINANCE/{'X' * 65}", f"/market-data/ohlcv/BINANCE/{'X' * 5000}",
        "/quotes/latest/BINANCE/%20", "/quotes/current-bar/BINANCE/%00", "/market-data/symbols?after=BTCUSDT",
        "/market-data/sync-status?symbol=%09", "/market-data/sync-status?exchange=a-b",
        "/market-data/sync-status?exchange=NASDAQ&symbol=BINANCE:BTCUSDT", "/market-data/sync-status?after=x",
    ],
)  # fmt: skip
async def test_an_invalid_symbol_is_refused(path: str) -> None:
    problem_of(await MemoryApi().get(path), 422, "invalid_symbol")


async def test_an_expression_of_several_symbols_has_a_code_of_its_own_everywhere() -> None:
    api, name = MemoryApi(), "TVC:US10Y-TVC:US02Y"
    for path in ("market-data/ohlcv", "quotes/latest", "quotes/current-bar"):
        for symbol in (name, "US10Y-TVC:US02Y"):
            problem = problem_of(await api.get(f"/{path}/TVC/{symbol}"), 422, "expression")
            assert "ask for each of them by itself" in problem["detail"]
    for path in ("/market-data/sync", "/market-data/sync/background"):
        problem_of(await api.post(path, json={"exchange": "TVC", "symbol": name}), 422, "expression")
    for path in ("/quotes/subscribe", "/quotes/unsubscribe", "/market-data/sync/bulk"):
        problem_of(await api.post(path, json={"symbols": [name]}), 422, "expression")
    problem_of(await api.get("/market-data/symbols", params={"after": name}), 422, "expression")
    problem_of(await api.get("/market-data/sync-status", params={"symbol": name}), 422, "expression")
    assert not api.commands.requests


async def test_the_refusal_of_a_symbol_says_what_a_symbol_is() -> None:
    problem = problem_of(await MemoryApi().get("/quotes/latest/BINANCE/a%20b"), 422, "invalid_symbol")
    assert "EXCHANGE:TICKER, like BINANCE:BTCUSDT" in problem["detail"]


@pytest.mark.parametrize(
    "path",
    [
        f"{OHLCV}?interval=7m", f"{OHLCV}?interval=", f"{OHLCV}?interval={'x' * 3000}",
        "/quotes/current-bar/BINANCE/BTCUSDT?interval=1y", "/market-data/sync-status?interval=2d",
        "/market-data/sync-status?after=BINANCE:BTCUSDT|x",
    ],
)  # fmt: skip
async def test_an_invalid_interval_is_refused_with_the_valid_ones(path: str) -> None:
    problem = problem_of(await MemoryApi().get(path), 422, "invalid_interval")
    assert "1m, 3m, 5m, 15m, 30m, 45m, 1h, 2h, 3h, 4h, 1d, 1w, 1M" in problem["detail"]


@pytest.mark.parametrize(
    "query",
    ["start=yesterday", "end=2026-02-30", "start=", "start=2026-01-02&end=2026-01-01", "start=5&end=5", "start=--1"],
)
async def test_an_invalid_range_is_refused(query: str) -> None:
    problem = problem_of(await MemoryApi().get(f"{OHLCV}?{query}"), 422, "invalid_range")
    assert problem["faults"][0]["where"] in {"start", "end"}


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "query.limit"), ("limit=5001", "query.limit"), ("limit=x", "query.limit"),
        ("limit=1.5", "query.limit"), ("sort=up", "query.sort"), ("intervall=1m", "query.intervall"),
    ],
)  # fmt: skip
async def test_an_invalid_parameter_is_refused_by_its_name(query: str, where: str) -> None:
    problem = problem_of(await MemoryApi().get(f"{OHLCV}?{query}"), 422, "invalid_request")
    assert problem["faults"][0]["where"] == where


@pytest.mark.parametrize(
    ("path", "body", "code", "where"),
    [
        ("/market-data/sync", {}, "invalid_request", "body.exchange"),
        ("/market-data/sync", [], "invalid_request", "body"),
        ("/market-data/sync", {"exchange": "A", "symbol": "B", "n_bar": 1}, "invalid_request", "body.n_bar"),
        ("/market-data/sync", {"exchange": "A", "symbol": "B", "n_bars": 0}, "invalid_request", "body.n_bars"),
        ("/market-data/sync", {"exchange": "A", "symbol": "B", "n_bars": 5001}, "invalid_request", "body.n_bars"),
        ("/market-data/sync", {"exchange": "A", "symbol": "B", "n_bars": None}, "invalid_request", "body.n_bars"),
        ("/market-data/sync", {"exchange": "A", "symbol": 7}, "invalid_request", "body.symbol"),
        ("/market-data/sync", {"exchange": "A", "symbol": "B C"}, "invalid_symbol", "symbol"),
        ("/market-data/sync", {"exchange": "A", "symbol": "B", "interval": "7m"}, "invalid_interval", "body.interval"),
        ("/market-data/sync/background", {"exchange": "?", "symbol": "B"}, "invalid_symbol", "symbol"),
        ("/market-data/sync/bulk", {"symbols": []}, "invalid_request", "body.symbols"),
        ("/market-data/sync/bulk", {"symbols": ["A:B", "x"]}, "invalid_symbol", "symbols.1"),
        ("/market-data/sync/bulk", {"symbols": ["A:B"], "intervals": ["2y"]}, "invalid_interval", "intervals.0"),
        ("/market-data/sync/bulk", {"symbols": ["A:B"], "intervals": []}, "invalid_request", "body.intervals"),
        ("/quotes/subscribe", {"symbols": ["A:B"] * 1001}, "invalid_request", "body.symbols"),
        ("/quotes/subscribe", {"symbols": "A:B"}, "invalid_request", "body.symbols"),
        ("/quotes/subscribe", {"symbols": [None]}, "invalid_request", "body.symbols.0"),
        ("/quotes/subscribe", {"symbols": ["A:" + "B" * 200]}, "invalid_request", "body.symbols.0"),
        ("/quotes/unsubscribe", {"symbols": ["BTCUSDT"]}, "invalid_symbol", "symbols.0"),
    ],
)
async def test_an_invalid_body_is_refused_by_its_field(path: str, body: Any, code: str, where: str) -> None:
    api = MemoryApi()
    problem = problem_of(await api.post(path, json=body), 422, code)
    assert problem["faults"][0]["where"] == where
    assert not api.commands.requests
    assert not api.wanted.fold.subscriptions


async def test_more_series_than_a_bulk_may_have_are_refused_with_their_count() -> None:
    body = {"symbols": [f"X:S{n}" for n in range(501)], "intervals": ["1d", "1h"]}
    problem = problem_of(await MemoryApi().post("/market-data/sync/bulk", json=body), 422, "invalid_request")
    assert "1002 series: ask for at most 1000" in problem["detail"]


@pytest.mark.parametrize("content", [b"{", b"", b"\xff", b"nul", b'{"symbols": ["A:B"],}', b"[" * 100_000])
async def test_a_body_that_is_no_json_is_refused(content: bytes) -> None:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    problem_of(await MemoryApi().post("/quotes/subscribe", content=content, headers=headers), 422, "invalid_request")


async def test_a_body_that_does_not_say_it_is_json_is_told_to() -> None:
    body = json.dumps(POSTS["/quotes/subscribe"])
    answer = await MemoryApi().post(
        "/quotes/subscribe", content=body, headers={"X-API-Key": KEY, "Content-Type": "text/plain"}
    )
    assert "Content-Type: application/json" in problem_of(answer, 422, "invalid_request")["detail"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 101, "ü", '""'])
async def test_an_invalid_idempotency_key_is_refused(key: str) -> None:
    headers = {"X-API-Key": KEY, "Idempotency-Key": key.encode()}
    answer = await MemoryApi().post("/market-data/sync", json=POSTS["/market-data/sync"], headers=headers)
    problem = problem_of(answer, 422, "invalid_request")
    assert problem["faults"][0]["where"] == "Idempotency-Key"


async def test_an_invalid_job_id_is_refused() -> None:
    problem_of(await MemoryApi().get("/market-data/jobs/a%20b"), 422, "invalid_request")


async def test_a_body_declared_too_large_is_refused() -> None:
    problem_of(await MemoryApi().post("/quotes/subscribe", content=b" " * 300_000), 413, "too_large")


async def test_a_body_that_turns_out_too_large_is_refused_before_its_end() -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 10_000

    problem_of(await MemoryApi().post("/quotes/subscribe", content=endless()), 413, "too_large")
    assert sent < 40


@pytest.mark.parametrize(
    "path", ["/nowhere", "/quotes", "/market-data/ohlcv/BINANCE", "/market-data/jobs", "/%2e%2e/x"]
)
async def test_an_unknown_path_is_not_found(path: str) -> None:
    problem_of(await MemoryApi().get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/market-data/sync", "POST"), ("POST", "/quotes/status", "GET"), ("DELETE", "/quotes/start", "POST")],
)
async def test_a_wrong_method_is_refused_with_the_right_one(method: str, path: str, allowed: str) -> None:
    answer = await MemoryApi().ask(method, path, headers={"X-API-Key": KEY})
    assert allowed in problem_of(answer, 405, "method_not_allowed")["detail"]
    assert answer.headers["allow"] == allowed
