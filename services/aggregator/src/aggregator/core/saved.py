"""The state of a partition as records of its changelog: one for each symbol, one for what was heard of it, a header.

A record is a MessagePack array, its fields in the order of the shape; a JSON array where an integer needs more than 64
bits, which MessagePack does not have: a day's volume of some coins does, in units of 1e-8. Its key:
`EXCHANGE:SYMBOL`, the same after `?` for what was heard of it, `!` for the header.
"""

from operator import attrgetter
from typing import Any

import msgspec

from aggregator.core.gaps import SavedHearing
from aggregator.core.longer import Chain, RollUp, Values
from aggregator.core.minute import Carry, Minute, Move, Seen
from aggregator.core.symbol import Issued, Symbol
from contracts.intervals import Interval
from contracts.symbols import SymbolId

HEADER_KEY = b"!"
HEARD_KEY = b"?"
FORMAT = 1


ANEW = (
    "to begin anew, stop all engines, delete the topic market.rollup.v1 and the group's offsets, and start them: "
    "they fold the log again from its beginning, and what it holds is issued again"
)


class StateError(Exception):
    """A changelog that this fold cannot go on from; the message says why, and what to do."""


class SavedMinute(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`Minute`."""

    open_time: int
    day: int
    delay: int
    count: int
    first: Seen | None
    last: Seen | None
    high: float
    low: float
    earliest: int
    latest: int
    first_seen: Seen | None
    last_seen: Seen | None
    cumulative: float
    previous: float
    previous_day: int
    moves: list[Move]
    after: Carry | None
    issued: Values | None
    bar_day: int
    revision: int


class SavedSymbol(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`Symbol`; longer bars by their interval."""

    delay_ms: int
    floor: int
    sequence: int
    received: int
    base: Carry
    carry: Carry
    minutes: list[SavedMinute]
    retained: list[SavedMinute]
    settled: dict[str, dict[int, Values]]
    issued: dict[str, dict[int, Issued]]
    untold: list[Move] = []


class Header(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a partition's state is beside its symbols, and the offset of the first record that is not in it."""

    format: int
    position: int
    intervals: tuple[str, ...]
    since: dict[str, int]
    """Of intervals that are built from some instant on: bars that open before it are not whole."""
    clock: int
    through: dict[int, int]
    next: dict[int, int]
    changed: list[str]
    moved: list[str]
    unjudged: dict[str, int]
    waiting: list[tuple[int, str]]
    partitions: int = 0
    """How many the log had; 0: it was not said."""


encode = msgspec.msgpack.Encoder().encode
_minute_fields = attrgetter(*SavedMinute.__struct_fields__)
_symbol = msgspec.msgpack.Decoder(SavedSymbol)
_large_symbol = msgspec.json.Decoder(SavedSymbol)
_JSON = b"["
"""No MessagePack array begins with this byte."""
_hearing = msgspec.msgpack.Decoder(SavedHearing)
_header = msgspec.msgpack.Decoder(Header)


def decode_header(value: bytes) -> Header:
    """A header; `StateError` if it is of another format."""
    try:
        header = _header.decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"the header of the state cannot be read ({error}); {ANEW}") from error
    if header.format != FORMAT:
        raise StateError(f"the state is of format {header.format}, this engine's is {FORMAT}; {ANEW}")
    return header


def decode_hearing(value: bytes) -> SavedHearing:
    """What was heard of a symbol; `StateError` if it cannot be read."""
    try:
        return _hearing.decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"what was heard of a symbol cannot be read ({error}); {ANEW}") from error


def encode_symbol(symbol: Symbol, chain: Chain) -> bytes:
    """A symbol's record, in the shape of `SavedSymbol`. Of closed minutes only those that changed are encoded again."""
    try:
        for minute in symbol.retained.values():
            if minute.saved is None:
                minute.saved = _encoded(minute)
        opened = [_encoded(minute) for minute in symbol.minutes.values()]
        return encode(_fields(symbol, chain, opened, [minute.saved for minute in symbol.retained.values()]))
    except OverflowError:
        for minute in symbol.all_minutes():
            minute.keep_seen()
        minutes = [[*map(_minute_fields, of.values())] for of in (symbol.minutes, symbol.retained)]
        return msgspec.json.encode(_fields(symbol, chain, *minutes))


def _fields(symbol: Symbol, chain: Chain, opened: list[Any], retained: list[Any]) -> tuple[Any, ...]:
    names = chain.names
    return (
        symbol.delay_ms,
        symbol.floor,
        symbol.sequence,
        symbol.received,
        symbol.base,
        symbol.carry,
        opened,
        retained,
        {name: bars for name, bars in zip(names, symbol.roll_up.settled, strict=True) if bars},
        {name: issued for name, issued in zip(names, symbol.issued, strict=True) if issued},
        symbol.untold,
    )


def decode_symbol(key: bytes, value: bytes, built: tuple[Interval, ...], chain: Chain) -> Symbol:
    """The symbol of a record, saved when `built` was built, for a fold that builds `chain`."""
    try:
        saved = (_large_symbol if value.startswith(_JSON) else _symbol).decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"the state of {key.decode()} cannot be read ({error}); {ANEW}") from error
    symbol = Symbol(SymbolId.of_key(key), key, saved.carry, chain)
    symbol.delay_ms, symbol.floor = saved.delay_ms, saved.floor
    symbol.sequence, symbol.received = saved.sequence, saved.received
    symbol.base = saved.base
    symbol.untold = saved.untold
    symbol.minutes = {minute.open_time: _restored(minute) for minute in saved.minutes}
    symbol.retained = {minute.open_time: _restored(minute) for minute in saved.retained}
    settled = saved.settled if built == chain.built else _taken_out(saved.settled, built, chain)
    for place, level in enumerate(chain.longer):
        symbol.roll_up.settled[place] = settled.get(level.name, {})
        symbol.issued[place] = saved.issued.get(level.name, {})
    symbol.is_changed = built != chain.built
    return symbol


def _taken_out(
    settled: dict[str, dict[int, Values]], built: tuple[Interval, ...], chain: Chain
) -> dict[str, dict[int, Values]]:
    """What is settled of intervals that are not built any more goes into the bars that were made of theirs."""
    before = Chain(built)
    roll_up = RollUp(before)
    for place, level in enumerate(before.longer):
        roll_up.settled[place] = {**settled.get(level.name, {})}
    for place, level in enumerate(before.longer):
        if level.interval not in chain.built:
            bars, roll_up.settled[place] = roll_up.settled[place], {}
            for label in sorted(bars):
                roll_up.add(level, label, label, bars[label])
    return {level.name: bars for level, bars in zip(before.longer, roll_up.settled, strict=True)}


def _encoded(minute: Minute) -> msgspec.Raw:
    minute.keep_seen()
    return msgspec.Raw(encode(_minute_fields(minute)))


def _restored(saved: SavedMinute) -> Minute:
    minute = Minute(saved.open_time, saved.day)
    for name in SavedMinute.__struct_fields__:
        setattr(minute, name, getattr(saved, name))
    return minute
