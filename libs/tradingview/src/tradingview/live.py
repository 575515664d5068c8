"""The commonest message by a straight road: a `qsd` that says only price, volume, time or offer (protocol §4.3).

Such a message goes from its text into typed values at once. Any other, and any that breaks a bound below, is left to
the general road (`codec`), so which of the two a message takes makes no difference to what it says.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

LARGEST_PRICE = 10**15
LARGEST_VOLUME = 10**18
LATEST_S = 253_402_214_400
"""The last day of the year 9999, epoch seconds."""

Price = (
    Annotated[int, Meta(ge=-LARGEST_PRICE, le=LARGEST_PRICE)]
    | Annotated[float, Meta(ge=-LARGEST_PRICE, le=LARGEST_PRICE)]
    | None
    | UnsetType
)
Volume = (
    Annotated[int, Meta(ge=0, le=LARGEST_VOLUME)] | Annotated[float, Meta(ge=0, le=LARGEST_VOLUME)] | None | UnsetType
)
Seconds = Annotated[int, Meta(ge=0, le=LATEST_S)] | None | UnsetType


class LiveFields(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a message says, by the server's names (protocol §4.2): UNSET is not said, None is no value.

    Numbers are `int` or `float` as they were written, within the bounds of their types; `lp_time` is epoch seconds.
    """

    volume: Volume = UNSET
    lp: Price = UNSET
    chp: Price = UNSET
    ch: Price = UNSET
    lp_time: Seconds = UNSET
    bid_size: Volume = UNSET
    bid: Price = UNSET
    ask_size: Volume = UNSET
    ask: Price = UNSET


class LiveQuote(msgspec.Struct, frozen=True, gc=False, rename={"symbol": "n", "fields": "v"}):
    """What a `qsd` says of a symbol that is served."""

    symbol: str
    s: Literal["ok"]
    fields: LiveFields


class LiveParams(msgspec.Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    """The parameters of a `qsd`."""

    session_id: str
    quote: LiveQuote


class LiveMessage(msgspec.Struct, frozen=True, gc=False, tag_field="m", tag="qsd", rename={"params": "p"}):
    """A `qsd` of this kind; `t` and `t_ms` are as in `codec.Message`."""

    params: LiveParams
    t: int | None = None
    t_ms: int | None = None


decode_live = msgspec.json.Decoder(LiveMessage).decode
"""A payload as a `LiveMessage`; raises `ValueError` for any other, which is then the general road's."""


def as_mapping(fields: LiveFields | Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said, as the general road has it: names to values, without those that are not said."""
    return msgspec.to_builtins(fields) if isinstance(fields, LiveFields) else fields
