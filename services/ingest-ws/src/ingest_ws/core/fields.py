"""The fields of one quote message (protocol §4.2) as checked values; what makes no sense is `BadData`."""

from collections.abc import Mapping
from typing import Any

from contracts.errors import BadData
from contracts.intervals import DAY
from contracts.ticks import SessionPhase
from tradingview.quote_fields import delay_s

PRICES = {
    "lp": "price",
    "bid": "bid",
    "ask": "ask",
    "open_price": "day_open",
    "high_price": "day_high",
    "low_price": "day_low",
    "prev_close_price": "previous_close",
}
VOLUMES = {"volume": "cumulative_volume", "bid_size": "bid_size", "ask_size": "ask_size"}
CHANGES = {"ch": "change", "chp": "change_percent"}
TEXTS = {"currency_code": ("currency", 128), "description": ("description", 1000)}
DAY_FIELDS = ("cumulative_volume", "day_open", "day_high", "day_low", "previous_close")
"""What belongs to a trading day and is void when it ends."""

AHEAD_MS = 60_000
"""How far a last time may lie in the future: more is no clock skew."""
HALF_SHIFT_MS = 6 * 3_600_000
LATEST_S = 253_402_214_400

_PHASES = {phase.value: phase.value for phase in SessionPhase}
_KNOWN = {
    **{name: ("price", target) for name, target in PRICES.items()},
    **{name: ("volume", target) for name, target in VOLUMES.items()},
    **{name: ("change", target) for name, target in CHANGES.items()},
    **{name: ("text", target) for name, (target, _) in TEXTS.items()},
    **{name: ("state", name) for name in ("lp_time", "open_time", "current_session", "update_mode")},
}


class Fields:
    """What one message said: `numbers`, `quote_only` and `texts` by the names of our contracts; None means no value.

    `last_time` in epoch seconds, `open_day` in epoch milliseconds, `session` and `delay` None where not said.
    """

    __slots__ = ("delay", "last_time", "numbers", "open_day", "quote_only", "session", "texts")

    def __init__(self) -> None:
        self.numbers: dict[str, float | None] = {}
        self.quote_only: dict[str, float | None] = {}
        self.texts: dict[str, str | None] = {}
        self.last_time: int | None = None
        self.open_day: int | None = None
        self.session: str | None = None
        self.delay: int | None = None


def read(changed: Mapping[str, Any], now: int) -> Fields:
    """The fields of a message received at `now`; `BadData` if one of them makes no sense."""
    fields = Fields()
    numbers = fields.numbers
    for name, value in changed.items():
        known = _KNOWN.get(name)
        if known is None:
            continue
        kind, target = known
        if kind == "price":
            numbers[target] = _number(name, value, -1e15, 1e15)
        elif kind == "volume":
            numbers[target] = _number(name, value, 0.0, 1e18)
        elif kind == "change":
            fields.quote_only[target] = _number(name, value, -1e15, 1e15)
        elif kind == "text":
            fields.texts[target] = value[: TEXTS[name][1]] or None if isinstance(value, str) else None
        elif name == "lp_time":
            fields.last_time = _seconds(name, value)
        elif name == "open_time":
            opened = _seconds(name, value)
            fields.open_day = None if opened is None else day_of_opening(opened)
        elif name == "current_session":
            fields.session = _PHASES.get(value, "unknown") if isinstance(value, str) else "unknown"
        elif name == "update_mode":
            seconds = delay_s(value)
            fields.delay = seconds if seconds is None or seconds <= 86_400 else None
    if fields.last_time is not None and fields.last_time * 1000 > now + AHEAD_MS:
        raise BadData(f"lp_time: {fields.last_time * 1000 - now} ms ahead of us", kind="time_ahead")
    return fields


def day_of_opening(opened: int) -> int:
    """The trading day of an `open_time` in epoch seconds: midnight UTC in 2025, the opening instant in 2019."""
    shifted = opened * 1000 + HALF_SHIFT_MS
    return shifted - shifted % DAY


def trading_day(open_day: int | None, event_time: int) -> int:
    """The trading day of an event: that of the `open_time` field where it can be true, else the UTC date."""
    if open_day is not None and open_day - 10 * DAY <= event_time < open_day + DAY:
        return open_day
    return event_time - event_time % DAY


def _number(name: str, value: object, least: float, greatest: float) -> float | None:
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise BadData(f"{name}: not a number", kind="senseless")
    if not least <= value <= greatest:  # also refuses NaN
        raise BadData(f"{name}: not between {least:g} and {greatest:g}", kind="senseless")
    return float(value)


def _seconds(name: str, value: object) -> int | None:
    if value is None:
        return None
    if (type(value) is not float and type(value) is not int) or not 0 <= value <= LATEST_S:
        raise BadData(f"{name}: not a time in seconds", kind="senseless")
    return int(value)
