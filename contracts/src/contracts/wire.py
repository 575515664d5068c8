"""msgspec twins of the records on the hot path: the same JSON as their Pydantic models, decoded ten times faster.

The field sets and values are held equal by tests. Twins decode and encode; bounds are the Pydantic models' word.
"""

import msgspec

from contracts.errors import BadData


class Tick(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.ticks.QuoteTick`."""

    exchange: str
    symbol: str
    price: float
    cumulative_volume: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    day_open: float | None = None
    day_high: float | None = None
    day_low: float | None = None
    previous_close: float | None = None
    trading_day: int
    session: str = "unknown"
    delay: int = 0
    event_time: int
    event_time_estimated: bool = False
    received_at: int
    sequence: int
    is_baseline: bool = False


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.marks.FeedChange`."""

    symbol: str
    state: str
    at: int


class Mark(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.marks.FeedMark`."""

    kind: str = "mark"
    run: int
    through: int
    changes: tuple[Change, ...] = ()


class Bar(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.bars.Bar`."""

    interval: str
    open_time: int
    close_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    tick_count: int = 0
    first_tick_time: int | None = None
    last_tick_time: int | None = None
    gap_ms: int = 0
    exchange: str
    symbol: str
    origin: str
    revision: int = 0
    reason: str | None = None


class FormingBar(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.bars.FormingBar`."""

    interval: str
    open_time: int
    close_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    tick_count: int = 0
    first_tick_time: int | None = None
    last_tick_time: int | None = None
    gap_ms: int = 0


class Forming(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.bars.Forming`."""

    exchange: str
    symbol: str
    sequence: int
    bars: tuple[FormingBar, ...]


class IntervalComplete(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.bars.IntervalComplete`."""

    kind: str = "interval_complete"
    interval: str
    open_time: int
    delay: int = 0
    count: int


class LateTick(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """`contracts.ticks.LateTick`."""

    tick: Tick
    reason: str
    bar_open_time: int
    closed_until: int


encode = msgspec.json.Encoder().encode
"""Any twin as compact JSON in UTF-8."""

_tick = msgspec.json.Decoder(Tick)
_mark = msgspec.json.Decoder(Mark)
_bar = msgspec.json.Decoder(Bar)
_forming = msgspec.json.Decoder(Forming)
_complete = msgspec.json.Decoder(IntervalComplete)

decode_tick = _tick.decode
"""A tick from its bytes; raises `msgspec.DecodeError` (the hot path catches it and asks `fault_of`)."""
decode_mark = _mark.decode
decode_bar = _bar.decode
decode_forming = _forming.decode
decode_interval_complete = _complete.decode


def fault_of(error: msgspec.DecodeError) -> BadData:
    """What was wrong with an undecodable record, for its dead letter."""
    return BadData(str(error)[:200], kind="undecodable")
