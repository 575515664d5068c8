"""The base of every record that crosses a process boundary: frozen, strict, finite, bounded."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadData

MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""

Millis = Annotated[int, Field(ge=0, le=MAX_MS)]
"""An instant: milliseconds since 1970-01-01T00:00Z."""

Price = Annotated[float, Field(ge=-1e15, le=1e15)]
"""A price in the symbol's currency; futures have traded below zero."""

Volume = Annotated[float, Field(ge=0, le=1e18)]
"""Units traded; fractional for crypto."""

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A number of things, or one that only grows: exact in JSON's doubles, and fits what stores take."""

Exchange = Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,32}$")]
Ticker = Annotated[str, Field(pattern=r"^[A-Z0-9_.!&+*^'-]{1,64}$")]
"""The part of an identity behind the colon, in upper case: `BTCUSDT`, `CL1!`, `BRK.B`."""

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
