"""Redis keys and how long they live; Redis is a cache, so its loss slows reads and loses nothing."""

from contracts.intervals import Interval
from contracts.symbols import SymbolId

QUOTE_TTL_S = 60
QUOTE_REWRITE_S = 20
"""A quote is rewritten this often while its symbol is covered, so that a quiet symbol does not vanish."""
FORMING_TTL_S = 300
SERIES_TTL_S = 300


def quote_key(identity: SymbolId) -> str:
    """The latest `Quote` of a symbol, as JSON: `quote:latest:{EXCHANGE}:{SYMBOL}`."""
    return f"quote:latest:{identity.exchange}:{identity.symbol}"


def forming_key(identity: SymbolId, interval: Interval) -> str:
    """The forming bar of a symbol and interval, a hash: `bar:current:{EXCHANGE}:{SYMBOL}:{interval}`.

    Fields: `bar` (a `FormingBar` as JSON), `open_time` and `sequence`, by which an older one is refused.
    """
    return f"bar:current:{identity.exchange}:{identity.symbol}:{interval.value}"


def series_key(identity: SymbolId, interval: Interval) -> str:
    """Cached answers of one series, a hash with one field per query: `ohlcv:{SYMBOL}:{EXCHANGE}:{interval}`."""
    return f"ohlcv:{identity.symbol}:{identity.exchange}:{interval.value}"


def generation_key(identity: SymbolId, interval: Interval) -> str:
    """A counter that every writer of the series bumps: an answer is cached only if it has not moved since the read."""
    return f"ohlcv:generation:{identity.symbol}:{identity.exchange}:{interval.value}"
