"""An observation of a symbol before a tick is made of it."""

import msgspec

from contracts import wire


class Numbers(msgspec.Struct, gc=False):
    """The merged state of a symbol's numbers by the names of our contracts."""

    price: float | None = None
    cumulative_volume: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    day_open: float | None = None
    day_high: float | None = None
    day_low: float | None = None
    previous_close: float | None = None
    change: float | None = None
    change_percent: float | None = None
    extended_price: float | None = None


class Observation(msgspec.Struct, gc=False):
    """An observation whose tick is not made yet: the state at its instant, and what is known of its time."""

    numbers: Numbers
    floor: int
    """The last time known before it, epoch seconds; 0 where none is."""
    last_time: int | None
    has_price: bool
    """It came with a price or a volume, not with a time alone."""
    is_reset: bool
    """The cumulative volume fell to zero: that is no trade, unless it has a time of its own."""
    session: wire.Phase
    delay: int
    received_at: int
    sequence: int
    says_price: bool = True
    """It came with a price, not with a volume alone."""
    extended_time: int | None = None
    """The time of a trade before or after the market, milliseconds: it moved the volume, and not the price."""
