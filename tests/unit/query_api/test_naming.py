"""Symbols and intervals as callers write them."""

import pytest

from contracts.http import ProblemCode
from contracts.intervals import Interval
from contracts.symbols import SymbolId
from query_api.core.naming import all_series, identity, interval_of, symbol_ids
from query_api.core.refusal import MOST_FAULTS, Refusal

BTC = SymbolId("BINANCE", "BTCUSDT")


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [("BINANCE", "BTCUSDT"), ("binance", "btcusdt"), ("BINANCE", "BINANCE:BTCUSDT"), ("binance", "Binance:BtcUsdt")],
)
def test_case_and_a_repeated_exchange_do_not_matter(exchange: str, symbol: str) -> None:
    assert identity(exchange, symbol) == BTC


def test_the_mark_of_a_continuous_future_is_part_of_its_symbol() -> None:
    assert identity("NYMEX", "CL1!") == SymbolId("NYMEX", "CL1!")


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [("BINANCE", ""), ("", "BTCUSDT"), ("A B", "C"), ("A", "B C"), ("A", "x\u200b"), ("A", "X" * 65)],
)
def test_what_is_no_symbol_is_refused_with_what_would_be_valid(exchange: str, symbol: str) -> None:
    with pytest.raises(Refusal) as refused:
        identity(exchange, symbol)
    assert refused.value.code is ProblemCode.INVALID_SYMBOL
    assert "EXCHANGE:TICKER, like BINANCE:BTCUSDT" in refused.value.faults[0].message


def test_another_exchange_in_the_symbol_is_refused() -> None:
    with pytest.raises(Refusal, match="names another exchange than 'NASDAQ'") as refused:
        identity("NASDAQ", "BINANCE:BTCUSDT")
    assert refused.value.code is ProblemCode.INVALID_SYMBOL


@pytest.mark.parametrize("ticker", ["BAC/PL", "M&M", "BRK.B", "币安人生USDT.P", "ß", "X|Y", "50%"])
def test_every_printable_ticker_is_a_symbol(ticker: str) -> None:
    assert identity("nyse", ticker) == identity("NYSE", f"NYSE:{ticker}") == SymbolId("NYSE", ticker)


@pytest.mark.parametrize("symbol", ["US10Y-TVC:US02Y", "TVC:US10Y-TVC:US02Y"])
def test_an_expression_of_several_symbols_has_a_code_of_its_own(symbol: str) -> None:
    with pytest.raises(Refusal, match="expression of several symbols") as refused:
        identity("TVC", symbol)
    assert refused.value.code is ProblemCode.EXPRESSION


def test_a_list_of_expressions_has_their_code_and_a_mixed_one_has_not() -> None:
    with pytest.raises(Refusal) as refused:
        symbol_ids(["TVC:US10Y-TVC:US02Y", "BINANCE:BTCUSDT"])
    assert refused.value.code is ProblemCode.EXPRESSION
    with pytest.raises(Refusal) as refused:
        symbol_ids(["TVC:US10Y-TVC:US02Y", "?"])
    assert refused.value.code is ProblemCode.INVALID_SYMBOL


def test_what_is_no_interval_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(Refusal) as refused:
        interval_of("7m")
    assert refused.value.code is ProblemCode.INVALID_INTERVAL
    assert "1m, 3m, 5m" in refused.value.faults[0].message


def test_every_wrong_symbol_of_a_list_is_named_with_its_place() -> None:
    with pytest.raises(Refusal) as refused:
        symbol_ids(["BINANCE:BTCUSDT", "?", "NYMEX:CL1!", "no"])
    assert [fault.where for fault in refused.value.faults] == ["symbols.1", "symbols.3"]


def test_a_list_of_nonsense_is_answered_with_a_bounded_number_of_faults() -> None:
    with pytest.raises(Refusal) as refused:
        symbol_ids(["?"] * 1000)
    assert len(refused.value.faults) == MOST_FAULTS


def test_a_symbol_named_twice_counts_once() -> None:
    assert symbol_ids(["BINANCE:BTCUSDT", "binance:btcusdt"]) == (BTC,)


def test_a_bulk_is_every_interval_of_every_symbol_once() -> None:
    series = all_series(["BINANCE:BTCUSDT", "NYMEX:CL1!"], ["1d", "1D", "1h"])
    assert [str(one) for one in series] == [
        "BINANCE:BTCUSDT|1d", "BINANCE:BTCUSDT|1h", "NYMEX:CL1!|1d", "NYMEX:CL1!|1h",
    ]  # fmt: skip


def test_a_bulk_of_too_many_series_is_refused_with_the_count() -> None:
    with pytest.raises(Refusal, match="1300 series: ask for at most 1000"):
        all_series([f"X:S{n}" for n in range(100)], list(Interval))
