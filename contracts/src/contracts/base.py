"""The base of every record that crosses a process boundary: frozen, strict, finite, bounded."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadData

MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

MIN_MS = -62_135_596_800_000
"""The first millisecond of the year 1."""

Millis = Annotated[int, Field(ge=MIN_MS, le=MAX_MS)]
"""An instant: milliseconds since 1970-01-01T00:00Z, negative before it (daily history of indices begins earlier)."""

Price = Annotated[float, Field(ge=-1e15, le=1e15)]
"""A price in the symbol's currency; futures have traded below zero."""

Volume = Annotated[float, Field(ge=0, le=1e18)]
"""Units traded in a day at most; fractional for crypto."""

TotalVolume = Annotated[float, Field(ge=0, le=1e20)]
"""Units traded in a bar: a month holds at most 31 days of the largest `Volume`."""

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A number of things, or one that only grows: exact in JSON's doubles, and fits what stores take."""

Exchange = Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,32}$")]
TICKER_CHARACTERS = (
    r"^:a-z\s\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\uffff\ue000-\uf8ff"
)
"""What a ticker holds, as the inside of a character class: upper case, no colon, blank, control or invisible character.

Written out, because every reader of the log must refuse the same records: what a regular expression engine or a Python
calls printable changes with its version of Unicode.
"""
Ticker = Annotated[str, Field(pattern=rf"^[{TICKER_CHARACTERS}]{{1,64}}$")]
"""The part of an identity behind the colon: `BTCUSDT`, `CL1!`, `BRK.B`, `BAC/PL`; ASCII letters in upper case."""

Name = Annotated[str, Field(min_length=1, max_length=128)]
Text = Annotated[str, Field(max_length=1000)]


class Record(BaseModel):
    """A value that never changes once made.

    Who makes one may not add fields (`extra="forbid"`); who reads one ignores fields it does not know (`decode`).
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, str_max_length=4096)

    def encode(self) -> bytes:
        """The record as compact JSON in UTF-8."""
        return self.__pydantic_serializer__.to_json(self)

    @classmethod
    def decode(cls, raw: bytes | str) -> Self:
        """Read a record, ignoring unknown fields; `BadData` names the first field that is wrong."""
        try:
            return cls.model_validate_json(raw, extra="ignore")
        except ValidationError as error:
            raise BadData(first_fault(error), kind="undecodable") from None


def first_fault(error: ValidationError) -> str:
    """`field: what is wrong` of the first fault, without the offending value."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "record"
    return f"{where}: {fault['msg']}"
