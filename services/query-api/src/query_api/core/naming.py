"""Symbols and intervals as callers write them."""

import re
from collections.abc import Sequence

from contracts.errors import BadData
from contracts.history import MAX_SERIES, Series
from contracts.http import Fault, ProblemCode
from contracts.intervals import Interval
from contracts.symbols import SymbolId
from query_api.core.refusal import Refusal, refuse

_EXCHANGE = re.compile(r"[A-Za-z0-9_]{1,32}")


def identity(exchange: str, symbol: str) -> SymbolId:
    """The symbol behind two parts of a path or body; case does not matter.

    The second part may also be the whole identity (`BINANCE:BTCUSDT`), as long as its exchange is the first part.
    """
    prefix, colon, _ = symbol.partition(":")
    if not colon:
        return symbol_id(f"{exchange}:{symbol}", "symbol")
    if prefix.strip().upper() == exchange.strip().upper():
        return symbol_id(symbol, "symbol")
    if _EXCHANGE.fullmatch(prefix.strip()):
        message = f"{symbol[:64]!r} names another exchange than {exchange[:32]!r}"
        raise refuse(ProblemCode.INVALID_SYMBOL, "symbol", message)
    return symbol_id(f"{exchange}:{symbol}", "symbol")


def symbol_id(text: str, where: str) -> SymbolId:
    """The symbol behind `EXCHANGE:TICKER`; an expression of several symbols has a code of its own."""
    try:
        return SymbolId.parse(text)
    except BadData as error:
        code = ProblemCode.EXPRESSION if error.kind == "expression" else ProblemCode.INVALID_SYMBOL
        raise refuse(code, where, error.cause) from None


def interval_of(text: str, where: str = "interval") -> Interval:
    """The interval behind any of its spellings."""
    try:
        return Interval.parse(text)
    except BadData as error:
        raise refuse(ProblemCode.INVALID_INTERVAL, where, error.cause) from None


def symbol_ids(texts: Sequence[str]) -> tuple[SymbolId, ...]:
    """The symbols of a list, each once, in their order; a refusal names every one that is none.

    Its code is `expression` only if all of them are expressions.
    """
    found: dict[SymbolId, None] = {}
    faults: list[Fault] = []
    codes: set[ProblemCode] = set()
    for index, text in enumerate(texts):
        try:
            found[symbol_id(text, f"symbols.{index}")] = None
        except Refusal as refusal:
            faults += refusal.faults
            codes.add(refusal.code)
    if faults:
        raise Refusal(codes.pop() if len(codes) == 1 else ProblemCode.INVALID_SYMBOL, faults)
    return tuple(found)


def all_series(symbols: Sequence[str], intervals: Sequence[str]) -> tuple[Series, ...]:
    """Every interval of every symbol, each series once; at most `MAX_SERIES`."""
    identities = symbol_ids(symbols)
    chosen = dict.fromkeys(interval_of(text, f"intervals.{index}") for index, text in enumerate(intervals))
    count = len(identities) * len(chosen)
    if count > MAX_SERIES:
        raise refuse(
            ProblemCode.INVALID_REQUEST,
            "symbols",
            f"{len(identities)} symbols in {len(chosen)} intervals are {count} series: ask for at most {MAX_SERIES}",
        )
    return tuple(series_of(identity, interval) for identity in identities for interval in chosen)


def series_of(identity: SymbolId, interval: Interval) -> Series:
    """The series of a symbol in one interval."""
    return Series(exchange=identity.exchange, symbol=identity.symbol, interval=interval)
