"""Pages of symbols: what is subscribed merged with what is stored, in one order that continues after any symbol."""

from collections.abc import Iterable, Sequence

from contracts.http import KnownSymbolBody, KnownSymbolsBody
from contracts.symbols import SymbolId

DEFAULT_SYMBOLS = 500
MAX_SYMBOLS = 1_000

_AFTER_INTERVALS = ":"
"""The character after the digits, with one of which every interval begins; identities do not hold it."""


def order(identity: SymbolId) -> str:
    """The place of a symbol: as the `_id`s of its bars (`EX:SYM|interval|open_ms`) stand in the store."""
    return f"{identity}|"


def past(name: str) -> str:
    """Greater than every `_id` of a bar of this symbol, and less than those of the symbols after it."""
    return f"{name}|{_AFTER_INTERVALS}"


def known_symbols(
    subscribed: Iterable[SymbolId], stored: Sequence[SymbolId], after: SymbolId | None, limit: int
) -> KnownSymbolsBody:
    """One page. `stored` are the first `limit + 1` symbols after `after` that have stored bars, or all there are."""
    have_bars = set(stored)
    wanted = {identity for identity in subscribed if after is None or order(identity) > order(after)}
    both = sorted(wanted | have_bars, key=order)
    page = both[:limit]
    return KnownSymbolsBody(
        count=len(page),
        symbols=tuple(
            KnownSymbolBody(exchange=one.exchange, symbol=one.symbol, subscribed=one in wanted, stored=one in have_bars)
            for one in page
        ),
        next=str(page[-1]) if len(both) > limit else None,
    )
