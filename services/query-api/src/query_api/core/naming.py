"""Symbols and intervals as callers write them."""

from collections.abc import Sequence

from contracts.errors import BadData
from contracts.history import MAX_SERIES, Series
from contracts.http import Fault, ProblemCode
from contracts.intervals import Interval
from contracts.symbols import SymbolId
from query_api.core.refusal import Refusal, refuse


def identity(exchange: str, symbol: str) -> SymbolId:
    """The symbol behind two parts of a path or body; case does not matter.

    The second part may also be the whole identity (`BINANCE:BTCUSDT`), as long as its exchange is the first part.
    """
    text = f"{exchange}:{symbol}"
    if ":" in symbol and symbol.partition(":")[0].strip().upper() == exchange.strip().upper():
        text = symbol
    return symbol_id(text, "symbol")


def symbol_id(text: str, where: str) -> SymbolId:
    """The symbol behind `EXCHANGE:SYMBOL`."""
    try:
        return SymbolId.parse(text)
    except BadData as error:
        raise refuse(ProblemCode.INVALID_SYMBOL, where, error.cause) from None


def interval_of(text: str, where: str = "interval") -> Interval:
    """The interval behind any of its spellings."""
    try:
        return Interval.parse(text)
    except BadData as error:
        raise refuse(ProblemCode.INVALID_INTERVAL, where, error.cause) from None


def symbol_ids(texts: Sequence[str]) -> tuple[SymbolId, ...]:
    """The symbols of a list, each once, in their order; a refusal names every one that is none."""
    found: dict[SymbolId, None] = {}
    faults: list[Fault] = []
    for index, text in enumerate(texts):
        try:
            found[symbol_id(text, f"symbols.{index}")] = None
        except Refusal as refusal:
            faults += refusal.faults
    if faults:
        raise Refusal(ProblemCode.INVALID_SYMBOL, faults)
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
