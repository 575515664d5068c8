"""Identities: one spelling for each symbol, the same in texts, keys, records and marks."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts import wire
from contracts.base import Ticker
from contracts.errors import BadData
from contracts.feed import Subscription
from contracts.marks import CoverageChange, CoverageState
from contracts.symbols import SymbolId
from contracts.ticks import CalendarRecord

TICKERS = [
    "BTCUSDT", "BTCUSDT.P", "CL1!", "BRK.B", "M&M", "BAC/PL", "币安人生USDT.P", "ÅÄÖ", "é", "A|B", "!A", "A*2",
    "X" * 64,
]  # fmt: skip
NO_TICKERS = {
    "nothing": "", "65 characters": "X" * 65, "a blank": "A B", "a no-break space": "A\xa0B",
    "an ideographic space": "A\u3000B", "a line break": "A\nB", "a control character": "A\x07", "NUL": "A\0",
    "a C1 control": "A\x80", "a zero-width space": "A\u200b", "a byte order mark": "\ufeffA", "a soft hyphen": "A\xad",
    "a change of direction": "\u202eA", "a character of private use": "\ue000", "a noncharacter": "A\uffff",
}  # fmt: skip


@pytest.mark.parametrize("ticker", TICKERS)
def test_a_ticker_is_the_same_in_texts_keys_records_and_marks(ticker: str) -> None:
    identity = SymbolId.parse(f"binance:{ticker}")
    assert identity == ("BINANCE", ticker)
    assert SymbolId.of_key(identity.key) == identity
    wanted = Subscription(exchange=identity.exchange, symbol=identity.symbol, wanted_at=1)
    assert Subscription.decode(wanted.encode()).identity == identity
    change = CoverageChange(symbol=str(identity), state=CoverageState.COVERED, at=1)
    assert msgspec.json.decode(change.encode(), type=wire.CoverageChange).symbol == str(identity)


@pytest.mark.parametrize("ticker", NO_TICKERS.values(), ids=NO_TICKERS)
def test_what_no_eye_can_tell_apart_is_no_ticker_anywhere(ticker: str) -> None:
    with pytest.raises(BadData, match="write EXCHANGE:TICKER"):
        SymbolId.parse(f"SIM:{ticker}")
    with pytest.raises(ValidationError):
        Subscription(exchange="SIM", symbol=ticker, wanted_at=1)
    with pytest.raises(ValidationError):
        CoverageChange(symbol=f"SIM:{ticker}", state=CoverageState.COVERED, at=1)
    raw = json.dumps({"symbol": f"SIM:{ticker}", "state": "covered", "at": 1})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw, type=wire.CoverageChange)


def test_a_line_break_behind_a_name_is_refused_by_both_twins() -> None:
    for name in ("SIM:A\n", "*\n"):
        raw = json.dumps({"symbol": name, "state": "covered", "at": 1})
        with pytest.raises(BadData):
            CoverageChange.decode(raw)
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(raw, type=wire.CoverageChange)


@given(st.text(min_size=1, max_size=66))
def test_an_identity_that_can_be_written_is_one_that_records_and_marks_take(ticker: str) -> None:
    try:
        identity = SymbolId.parse(f"SIM:{ticker}")
    except BadData:
        return
    assert TypeAdapter(Ticker).validate_python(identity.symbol) == identity.symbol
    raw = json.dumps({"symbol": str(identity), "state": "covered", "at": 1})
    assert msgspec.json.decode(raw, type=wire.CoverageChange).symbol == str(identity)
    assert SymbolId.of_key(identity.key) == identity


@pytest.mark.parametrize("text", ["binance:btcusdt", " NYMEX:CL1! ", "NSE:M&M", "nyse:bac/pl"])
def test_ascii_letters_are_written_in_upper_case(text: str) -> None:
    assert str(SymbolId.parse(text)) == text.strip().upper()


def test_letters_beyond_ascii_stay_as_they_are() -> None:
    assert str(SymbolId.parse("sim:straße")) == "SIM:STRAßE"


@pytest.mark.parametrize(
    "text", ["", "BTCUSDT", ":X", "A:", "A/B:C", "A:B C", "BÖRSE:A", "E" * 33 + ":A", "A:" + "B" * 65, "x" * 999]
)
def test_what_is_no_symbol_is_answered_with_how_to_write_one(text: str) -> None:
    with pytest.raises(BadData, match="write EXCHANGE:TICKER") as fault:
        SymbolId.parse(text)
    assert fault.value.kind == "invalid_symbol"
    assert len(fault.value.cause) < 200


@pytest.mark.parametrize("text", ["TVC:US10Y-TVC:US02Y", "A:B:C", "1/FX:EURUSD*FX:GBPUSD", "+".join(["SIM:A"] * 99)])
def test_an_expression_of_several_symbols_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadData, match="expression of several symbols") as fault:
        SymbolId.parse(text)
    assert fault.value.kind == "expression"
    assert len(fault.value.cause) < 200


@pytest.mark.parametrize("surrogate", ["\ud800", "\udfff", "\ud800\udc00"])
def test_a_surrogate_is_in_no_identity_and_in_no_record(surrogate: str) -> None:
    with pytest.raises(BadData, match="write EXCHANGE:TICKER"):
        SymbolId.parse(f"SIM:{surrogate}")
    with pytest.raises(ValidationError):
        Subscription(exchange="SIM", symbol=surrogate, wanted_at=1)


@pytest.mark.parametrize("key", [b"\xff", b"SIM:\xed\xa0\x80", b"!", b""])
def test_a_key_that_names_no_symbol_is_bad_data(key: bytes) -> None:
    with pytest.raises(BadData) as fault:
        SymbolId.of_key(key)
    assert fault.value.kind == "invalid_symbol"


def test_the_key_of_a_calendar_begins_with_an_exclamation_mark() -> None:
    record = CalendarRecord(exchange="NYSE", symbol="BAC/PL", timezone="America/New_York", session="0930-1600", at=1)
    assert record.key == b"!NYSE:BAC/PL"
