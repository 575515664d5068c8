"""The state of a partition as records of its changelog: for each symbol, its calendar, its coverage; and a header.

A record is a MessagePack array, its fields in the order of the shape; a JSON array where an integer needs more than 64
bits, which MessagePack does not have: a day's volume of some coins does, in units of 1e-8. Its key: `EXCHANGE:TICKER`,
the same after `%` for the calendar and after `?` for the coverage, `!` for the header.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from aggregator.core.calendars import Known
from aggregator.core.counter import Move
from aggregator.core.follower import Follower
from aggregator.core.gaps import SavedCoverage
from aggregator.core.grid import CalendarGrid
from aggregator.core.longer import Chain, RollUp, Values
from aggregator.core.minute import Minute, Newest, Seen
from aggregator.core.symbol import Emitted, Symbol
from contracts.intervals import Interval
from contracts.marks import Stretch
from contracts.symbols import SymbolId

HEADER_KEY = b"!"
COVERAGE_KEY = b"?"
CALENDAR_KEY = b"%"
OTHER_KEYS = (HEADER_KEY, COVERAGE_KEY, CALENDAR_KEY)
"""First bytes of the keys of records that are not the state of a symbol."""
FORMAT = 2
"""The format of the state; an engine refuses any other."""

ANEW = (
    "to begin anew, stop all engines, delete the topic market.rollup.v1 and the group's offsets, and start them: "
    "they fold the log again from its beginning, and what it holds is emitted again"
)
ALL_ANEW = (
    "nothing of it can be used: stop everything and clear it: `make clean` for the local stack; elsewhere delete the "
    "topics with `kafka-topics.sh --delete --topic 'market\\..*'`, the offsets of the group aggregator-engine with "
    "`kafka-consumer-groups.sh --delete --group aggregator-engine`, and the store with `db.dropDatabase()`"
)


class StateError(Exception):
    """A state that this fold cannot be restored from; the message says why, and what to do."""


class SavedMinute(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`Minute`."""

    open_time: int
    close_time: int
    day: int
    delay: int
    count: int
    first: Seen | None
    last: Seen | None
    high: float
    low: float
    earliest: int
    latest: int
    counter: float
    counter_before: float
    has_counter: bool
    volume: int
    moves: list[Move]
    emitted: Values | None
    gap_ms: int
    late: int
    revision: int


class SavedSymbol(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """`Symbol`; longer bars by interval. `current`: open time of its current minute; `newest`: the last tick of it."""

    delay_ms: int
    next_delay_ms: int
    joins_at: int
    floor: int
    sequence: int
    follower: Follower
    delays: list[tuple[int, int, int]]
    lost: list[Stretch]
    minutes: list[SavedMinute]
    retained: list[SavedMinute]
    current: int | None
    newest: Newest | None
    final: dict[str, dict[int, Values]]
    emitted: dict[str, dict[int, Emitted]]
    unannounced: list[Move] = []


class Header(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The state of a partition apart from its symbols, and the offset of the first record that is not in it."""

    format: int
    position: int
    intervals: tuple[str, ...]
    since: dict[str, int]
    """Intervals that were added later, and from when on their bars are emitted."""
    clock: int
    watermarks: dict[int, int]
    next: dict[int, int]
    changed: dict[str, bool]
    moved: list[str]
    falls: list[tuple[str, int, int]]
    pending: dict[str, int]
    waiting: list[tuple[int, str]]
    counts: dict[int, int]
    partitions: int = 0
    """How many the log had; 0: not known."""


encode = msgspec.msgpack.Encoder().encode
_minute_fields = attrgetter(*SavedMinute.__struct_fields__)
_newest_fields = attrgetter(*Newest.__struct_fields__)
_symbol = msgspec.msgpack.Decoder(SavedSymbol)
_large_symbol = msgspec.json.Decoder(SavedSymbol)
_JSON = b"["
"""No MessagePack array begins with this byte."""
_coverage = msgspec.msgpack.Decoder(SavedCoverage)
_calendar = msgspec.msgpack.Decoder(Known)
_header = msgspec.msgpack.Decoder(Header)


def header_of(records: Mapping[bytes, bytes], partitions: int) -> Header:
    """The header of a state; `StateError` if there is none, or it is of another format or count of partitions."""
    if HEADER_KEY not in records:
        raise StateError(f"the state has {len(records)} records and no header; {ANEW}")
    header = decode_header(records[HEADER_KEY])
    if header.partitions and partitions not in {0, header.partitions}:
        raise StateError(
            f"the state is of a log of {header.partitions} partitions, and {partitions} are meant now: "
            f"symbols would be apart from their state; make it {header.partitions} again, or {ANEW}"
        )
    return header


def decode_header(value: bytes) -> Header:
    """A header; `StateError` if it is of another format."""
    format_ = value[1] if len(value) > 1 else None
    if format_ is not None and format_ != FORMAT and value[:1] != _JSON:
        raise StateError(f"the state is of format {format_}, this engine's is {FORMAT}; {ALL_ANEW}")
    try:
        return _header.decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"the header of the state cannot be read ({error}); {ANEW}") from error


def decode_coverage(value: bytes) -> SavedCoverage:
    """The coverage of a symbol; `StateError` if it cannot be read."""
    try:
        return _coverage.decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"the coverage of a symbol cannot be read ({error}); {ANEW}") from error


def decode_calendar(value: bytes) -> Known:
    """The calendar of a symbol; `StateError` if it cannot be read."""
    try:
        return _calendar.decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"the calendar of a symbol cannot be read ({error}); {ANEW}") from error


def encode_symbol(symbol: Symbol, chain: Chain, current: Minute | None) -> bytes:
    """A symbol's record, in the shape of `SavedSymbol`; `current`: the minute that is taken by the short way.

    Of closed minutes only those that changed are encoded again.
    """
    newest = None
    if current is not None:
        newest = _newest_fields(current.last)
        current.last = Newest(*newest)
    try:
        for minute in symbol.retained.values():
            if minute.saved is None:
                minute.saved = msgspec.Raw(encode(_fields_of(minute)))
        retained: list[Any] = [minute.saved for minute in symbol.retained.values()]
        return encode(_fields(symbol, chain, retained, current, newest))
    except OverflowError:
        retained = [_fields_of(minute) for minute in symbol.retained.values()]
        return msgspec.json.encode(_fields(symbol, chain, retained, current, newest))


def _fields(symbol: Symbol, chain: Chain, retained: list[Any], current: Minute | None, newest: Any) -> tuple[Any, ...]:
    names = chain.names
    return (
        symbol.delay_ms,
        symbol.next_delay_ms,
        symbol.joins_at,
        symbol.floor,
        symbol.sequence,
        symbol.follower,
        symbol.delays,
        symbol.lost,
        [_fields_of(minute) for minute in symbol.minutes.values()],
        retained,
        None if current is None else current.open_time,
        newest,
        {name: bars for name, bars in zip(names, symbol.roll_up.final, strict=True) if bars},
        {name: emitted for name, emitted in zip(names, symbol.emitted, strict=True) if emitted},
        symbol.unannounced,
    )


def _fields_of(minute: Minute) -> Any:
    """The fields of a minute; its first and last tick as they are kept."""
    fields = list(_minute_fields(minute))
    for place in (_FIRST, _LAST):
        tick = fields[place]
        if tick is not None and not isinstance(tick, Seen):
            fields[place] = Seen(tick.event_time, tick.sequence, tick.price)
    return fields


_FIRST = SavedMinute.__struct_fields__.index("first")
_LAST = SavedMinute.__struct_fields__.index("last")


def decode_symbol(
    key: bytes, value: bytes, built: tuple[Interval, ...], chain: Chain, grid: CalendarGrid
) -> tuple[Symbol, Minute | None]:
    """The symbol of a record, saved when `built` was built, for a fold that builds `chain`; and its current minute."""
    try:
        saved = (_large_symbol if value.startswith(_JSON) else _symbol).decode(value)
    except msgspec.MsgspecError as error:
        raise StateError(f"the state of {key.decode()} cannot be read ({error}); {ANEW}") from error
    symbol = Symbol(SymbolId.of_key(key), key, grid, saved.follower, chain)
    symbol.delay_ms, symbol.next_delay_ms, symbol.joins_at = saved.delay_ms, saved.next_delay_ms, saved.joins_at
    symbol.floor, symbol.sequence = saved.floor, saved.sequence
    symbol.delays, symbol.lost = saved.delays, saved.lost
    symbol.unannounced = saved.unannounced
    symbol.minutes = {minute.open_time: _restored(minute) for minute in saved.minutes}
    symbol.retained = {minute.open_time: _restored(minute) for minute in saved.retained}
    final = saved.final if built == chain.built else _taken_out(saved.final, built, chain, grid)
    for place, level in enumerate(chain.longer):
        symbol.roll_up.final[place] = final.get(level.name, {})
        symbol.emitted[place] = saved.emitted.get(level.name, {})
    symbol.is_changed = built != chain.built
    current = None
    if saved.current is not None and saved.newest is not None:
        current = symbol.minutes[saved.current]
        current.last = saved.newest
    return symbol, current


def _taken_out(
    final: dict[str, dict[int, Values]], built: tuple[Interval, ...], chain: Chain, grid: CalendarGrid
) -> dict[str, dict[int, Values]]:
    """Final parts of intervals that are no longer built are merged into the bars that were made of them."""
    before = Chain(built)
    old_grid = CalendarGrid(grid.calendar, before, 0)
    roll_up = RollUp(before)
    for place, level in enumerate(before.longer):
        roll_up.final[place] = {**final.get(level.name, {})}
    for place, level in enumerate(before.longer):
        if level.interval not in chain.built:
            for label in sorted(roll_up.final[place]):
                roll_up.finish(place, level, label, old_grid)
    return {level.name: bars for level, bars in zip(before.longer, roll_up.final, strict=True)}


def _restored(saved: SavedMinute) -> Minute:
    minute = Minute(saved.open_time, saved.close_time, saved.day)
    for name in SavedMinute.__struct_fields__:
        setattr(minute, name, getattr(saved, name))
    return minute
