"""A tick as it is made here: `wire.Tick` by position, which takes a tenth of the time that twenty names take."""

from contracts import wire


class MadeTick(wire.Tick, frozen=True, gc=False, kw_only=False):
    """The fields of `wire.Tick` in its order, all of them given."""

    exchange: str
    symbol: str
    price: float
    cumulative_volume: float | None
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    day_open: float | None
    day_high: float | None
    day_low: float | None
    previous_close: float | None
    trading_day: int
    session: str
    delay: int
    event_time: int
    event_time_estimated: bool
    received_at: int
    sequence: int
    is_baseline: bool
