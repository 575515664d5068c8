"""The identity of a symbol: `EXCHANGE:TICKER`, as TradingView writes it, its ASCII letters in upper case."""

import re
from typing import NamedTuple

from contracts.base import TICKER_CHARACTERS
from contracts.errors import BadData

IDENTITY = re.compile(rf"([A-Z0-9_]{{1,32}}):([{TICKER_CHARACTERS}\ud800-\udfff]{{1,64}})")
"""An identity. Lone surrogates are refused: a `str` can hold them, but a key in UTF-8 cannot."""
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class SymbolId(NamedTuple):
    """Exchange and ticker of a symbol: `SymbolId("NYMEX", "CL1!")`; as text `NYMEX:CL1!`."""

    exchange: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"

    @property
    def key(self) -> bytes:
        """The Kafka key of every record about this symbol."""
        return str(self).encode()

    @classmethod
    def parse(cls, text: str) -> "SymbolId":
        """Read an identity; `binance:btcusdt` and `BINANCE:BTCUSDT` are one symbol.

        A ticker is 1 to 64 visible characters without `:` or blanks. `BadData` says what would be valid; an expression
        of several symbols, such as `TVC:US10Y-TVC:US02Y`, is refused with the kind `expression`.
        """
        word = text.strip().translate(_UPPER) if len(text) <= 128 else ""
        found = IDENTITY.fullmatch(word)
        if found is not None:
            return cls(found[1], found[2])
        if text.count(":") > 1:
            raise BadData(
                f"{text[:64]!r} is an expression of several symbols: ask for each of them by itself", kind="expression"
            )
        raise BadData(
            f"{text[:64]!r} is not a symbol: write EXCHANGE:TICKER, like BINANCE:BTCUSDT", kind="invalid_symbol"
        )

    @classmethod
    def of_key(cls, key: bytes) -> "SymbolId":
        """The identity that a Kafka key names; `BadData` (`invalid_symbol`) if it names none."""
        try:
            return cls.parse(key.decode())
        except UnicodeDecodeError:
            raise BadData("the key is not UTF-8", kind="invalid_symbol") from None
