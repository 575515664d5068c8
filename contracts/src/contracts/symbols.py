"""The identity of a symbol: `EXCHANGE:SYMBOL`, as TradingView writes it, in upper case."""

import re
from typing import NamedTuple

from contracts.errors import BadData

IDENTITY = re.compile(r"([A-Z0-9_]{1,32}):([A-Z0-9_.!&+*^'-]{1,64})")


class SymbolId(NamedTuple):
    """Where it trades and what trades: `SymbolId("NYMEX", "CL1!")`; as text `NYMEX:CL1!`."""

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
        """`binance:btcusdt` and `BINANCE:BTCUSDT` are one symbol; `BadData` says what would be valid."""
        found = IDENTITY.fullmatch(text.strip().upper()) if len(text) <= 128 and text.isascii() else None
        if found is None:
            raise BadData(
                f"{text[:64]!r} is not a symbol: write EXCHANGE:SYMBOL, like BINANCE:BTCUSDT", kind="invalid_symbol"
            )
        return cls(found[1], found[2])

    @classmethod
    def of_key(cls, key: bytes) -> "SymbolId":
        """The identity behind a Kafka key."""
        try:
            return cls.parse(key.decode())
        except UnicodeDecodeError:
            raise BadData("the key is not UTF-8", kind="invalid_symbol") from None
