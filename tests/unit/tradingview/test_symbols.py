"""Symbols: what we write to ask for one, what we read about one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingview.errors import BadAnswer, Misuse, RemoteFault
from tradingview.symbols import parse_search, symbol_info, symbol_spec


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        ({}, '={"symbol":"NSE:ABC"}'),
        ({"session": "extended"}, '={"session":"extended","symbol":"NSE:ABC"}'),
        (
            {"adjustment": "splits", "session": "regular"},
            '={"adjustment":"splits","session":"regular","symbol":"NSE:ABC"}',
        ),
    ],
)
def test_a_spec_is_compact_json_with_sorted_keys(options: dict[str, Any], spec: str) -> None:
    assert symbol_spec("NSE:ABC", **options) == spec


@pytest.mark.parametrize(
    ("symbol", "options"),
    [
        ("", {}),
        ('={"symbol":"NSE:ABC"}', {}),
        ("NSE:\ud800", {}),
        ("NSE:ABC", {"adjustment": "all"}),
        ("NSE:ABC", {"session": "night"}),
    ],
)
def test_a_spec_that_the_server_would_not_know_is_our_misuse(symbol: str, options: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        symbol_spec(symbol, **options)


def test_metadata_is_read_by_name_and_kept_whole() -> None:
    raw = {
        "name": "ABC",
        "pro_name": "NSE:ABC",
        "timezone": "Asia/Kolkata",
        "session": "0915-1530",
        "session_holidays": "20250101,20251225",
        "typespecs": ["common", 5],
        "pricescale": 100.0,
        "minmov": 5,
        "visible_plots_set": "ohlc",
        "has_intraday": True,
        "figi": {"country-composite": "X"},
    }
    info = symbol_info(raw)
    assert (info.name, info.pro_name, info.timezone, info.session) == ("ABC", "NSE:ABC", "Asia/Kolkata", "0915-1530")
    assert info.session_holidays == ("20250101", "20251225")
    assert info.typespecs == ("common",)
    assert (info.tick_size, info.has_volume, info.has_intraday, info.is_tradable) == (0.05, False, True, None)
    assert info.raw is raw


@given(
    st.dictionaries(
        st.sampled_from(["name", "pricescale", "minmov", "typespecs", "session_holidays", "has_intraday", "other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
    )
)
def test_metadata_of_unusual_types_is_no_reason_to_fail(raw: dict[str, Any]) -> None:
    info = symbol_info(raw)
    assert info.tick_size is None or info.tick_size != 0


FOUND = {
    "symbol": "<em>AB</em>C",
    "description": "<em>Ab</em> Corp",
    "type": "stock",
    "exchange": "NSE",
    "currency_code": "INR",
    "country": "IN",
    "is_primary_listing": True,
    "typespecs": ["common"],
    "source2": {"id": "NSE"},
}
ROOT = {
    "symbol": "ES",
    "description": "E-mini",
    "type": "futures",
    "exchange": "CME",
    "prefix": "CME_MINI",
    "contracts": [{"symbol": "ES1!", "description": "Front"}, {"symbol": "ESZ2030", "prefix": "CME"}, "odd", {}],
}


def test_a_search_finds_symbols_as_they_are_subscribed() -> None:
    page = parse_search(json.dumps({"symbols_remaining": 12, "symbols": [FOUND, ROOT, {"symbol": "NOWHERE"}, 5]}))
    found, root = page.symbols
    assert (found.symbol, found.ticker, found.description) == ("NSE:ABC", "ABC", "Ab Corp")
    assert (found.typespecs, found.is_primary_listing, found.contracts) == (("common",), True, ())
    assert [contract.symbol for contract in root.contracts] == ["CME_MINI:ES1!", "CME:ESZ2030"]
    assert (page.remaining, page.unreadable) == (12, 2)


def test_the_older_search_answers_with_a_bare_list() -> None:
    page = parse_search(json.dumps([FOUND]).encode())
    assert [found.symbol for found in page.symbols] == ["NSE:ABC"]
    assert page.remaining == 0


@pytest.mark.parametrize("body", ["<!doctype html>", "5", "{}", '{"symbols":5}', b"\xff", "[" * 100_000])
def test_anything_else_is_a_bad_answer_of_theirs(body: str | bytes) -> None:
    with pytest.raises(BadAnswer) as failure:
        parse_search(body)
    assert isinstance(failure.value, RemoteFault)
