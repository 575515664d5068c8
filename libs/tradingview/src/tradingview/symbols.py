"""What TradingView says about symbols: how to ask for one, what it resolves to, what a search finds.

The shapes are those of protocol §4.1, §5.4 and §8. Reading is tolerant: a member that is absent or of another type
than usual is None (or empty), the rest stands.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tradingview.errors import BadAnswer, Misuse

INHERITED = ("prefix", "exchange", "type", "currency_code", "country")
MARKUP = re.compile(r"</?em>")

_encoder = msgspec.json.Encoder(order="sorted")
_values = msgspec.json.Decoder()


def symbol_spec(
    symbol: str,
    *,
    adjustment: Literal["splits", "dividends", "none"] | None = None,
    session: Literal["regular", "extended"] | None = None,
) -> str:
    """A symbol with how its prices are wanted: `={"adjustment":"splits","session":"regular","symbol":"NSE:ABC"}`.

    `adjustment` is for which events history is re-adjusted, `session` whether hours before and after the market count.
    What is not given is left to the server. Raises `Misuse` for anything else.
    """
    if not symbol or symbol.startswith("="):
        raise Misuse(f"{symbol!r} is not EXCHANGE:TICKER")
    if adjustment not in (None, "splits", "dividends", "none"):
        raise Misuse(f"adjustment {adjustment!r} is none of splits, dividends, none")
    if session not in (None, "regular", "extended"):
        raise Misuse(f"session {session!r} is neither regular nor extended")
    spec = {"adjustment": adjustment, "session": session, "symbol": symbol}
    try:
        return "=" + _encoder.encode({name: value for name, value in spec.items() if value is not None}).decode()
    except UnicodeEncodeError as error:
        raise Misuse(f"not Unicode text: {error.reason}") from None


class SymbolInfo(msgspec.Struct, frozen=True):
    """The metadata of `symbol_resolved`. Sessions are the provider's text: `0915-1530`, `24x7`; days are `yyyymmdd`.

    `raw` is all that was said, for what has no place here.
    """

    name: str | None
    full_name: str | None
    pro_name: str | None
    description: str | None
    exchange: str | None
    listed_exchange: str | None
    type: str | None
    typespecs: tuple[str, ...]
    currency_code: str | None
    country: str | None
    timezone: str | None
    session: str | None
    session_holidays: tuple[str, ...]
    pricescale: int | None
    minmov: int | None
    minmove2: int | None
    has_intraday: bool | None
    is_tradable: bool | None
    visible_plots_set: str | None
    raw: Mapping[str, Any]

    @property
    def tick_size(self) -> float | None:
        """The smallest step of a price: `minmov / pricescale`."""
        return self.minmov / self.pricescale if self.minmov and self.pricescale else None

    @property
    def has_volume(self) -> bool | None:
        """Whether bars come with a volume; None if it is not said."""
        return None if self.visible_plots_set is None else self.visible_plots_set == "ohlcv"


def symbol_info(info: Mapping[str, Any]) -> SymbolInfo:
    """Read the third parameter of `symbol_resolved`."""
    return SymbolInfo(
        name=_text(info, "name"),
        full_name=_text(info, "full_name"),
        pro_name=_text(info, "pro_name"),
        description=_text(info, "description"),
        exchange=_text(info, "exchange"),
        listed_exchange=_text(info, "listed_exchange"),
        type=_text(info, "type"),
        typespecs=_texts(info, "typespecs"),
        currency_code=_text(info, "currency_code"),
        country=_text(info, "country"),
        timezone=_text(info, "timezone"),
        session=_text(info, "session"),
        session_holidays=tuple(day for day in (_text(info, "session_holidays") or "").split(",") if day),
        pricescale=_whole(info, "pricescale"),
        minmov=_whole(info, "minmov"),
        minmove2=_whole(info, "minmove2"),
        has_intraday=_flag(info, "has_intraday"),
        is_tradable=_flag(info, "is_tradable"),
        visible_plots_set=_text(info, "visible_plots_set"),
        raw=info,
    )


class FoundSymbol(msgspec.Struct, frozen=True):
    """A symbol that a search found. `symbol` is what to subscribe, such as `CME_MINI:ES1!`.

    A root of futures is no symbol itself: its `contracts` are.
    """

    symbol: str
    ticker: str
    exchange: str
    description: str | None
    type: str | None
    typespecs: tuple[str, ...]
    currency_code: str | None
    country: str | None
    is_primary_listing: bool | None
    contracts: tuple["FoundSymbol", ...] = ()


class SearchPage(msgspec.Struct, frozen=True):
    """One page of a search; `remaining` symbols are on later pages, `unreadable` entries were left out."""

    symbols: tuple[FoundSymbol, ...]
    remaining: int
    unreadable: int


def parse_search(body: str | bytes) -> SearchPage:
    """Read an answer of the symbol search, of version 3 or of the older one (a bare list).

    Raises `BadAnswer` for anything else, such as the HTML of a challenge page.
    """
    try:
        answer = _values.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"not JSON: {error}") from None
    entries = answer.get("symbols") if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        raise BadAnswer("no list of symbols")
    found = [_found(entry, {}) for entry in entries]
    remaining = _whole(answer, "symbols_remaining") if isinstance(answer, dict) else None
    symbols = tuple(symbol for symbol in found if symbol is not None)
    return SearchPage(symbols, remaining or 0, len(found) - len(symbols))


def _found(entry: object, root: Mapping[str, Any]) -> FoundSymbol | None:
    """One entry; a contract inherits from its root what it does not say itself."""
    if not isinstance(entry, dict):
        return None
    entry = {**{name: root[name] for name in INHERITED if name in root}, **entry}
    ticker, exchange = _plain(entry, "symbol"), _plain(entry, "exchange")
    venue = _plain(entry, "prefix") or exchange
    if not ticker or not exchange or not venue:
        return None
    contracts = entry.get("contracts")
    inner = [_found(contract, entry) for contract in contracts] if isinstance(contracts, list) else []
    return FoundSymbol(
        symbol=f"{venue}:{ticker}",
        ticker=ticker,
        exchange=exchange,
        description=_plain(entry, "description"),
        type=_text(entry, "type"),
        typespecs=_texts(entry, "typespecs"),
        currency_code=_text(entry, "currency_code"),
        country=_text(entry, "country"),
        is_primary_listing=_flag(entry, "is_primary_listing"),
        contracts=tuple(contract for contract in inner if contract is not None),
    )


def _text(source: Mapping[str, Any], name: str) -> str | None:
    value = source.get(name)
    return value if isinstance(value, str) else None


def _plain(source: Mapping[str, Any], name: str) -> str | None:
    """A text without the marks that `hl=1` puts around what matched."""
    value = _text(source, name)
    return None if value is None else MARKUP.sub("", value)


def _texts(source: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = source.get(name)
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _whole(source: Mapping[str, Any], name: str) -> int | None:
    value = source.get(name)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(source: Mapping[str, Any], name: str) -> bool | None:
    value = source.get(name)
    return value if isinstance(value, bool) else None
