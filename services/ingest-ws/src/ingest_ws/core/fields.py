"""The fields of one quote message (protocol §4.2) as checked values; what makes no sense is `BadData`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.errors import BadData
from contracts.intervals import DAY
from contracts.ticks import SessionPhase
from tradingview.live import LARGEST_PRICE, LARGEST_VOLUME, LATEST_S, LiveFields
from tradingview.quote_fields import delay_s

LIVE_NUMBERS = frozenset(LiveFields.__struct_fields__) - {"lp_time"}
FIGURES = {
    "open_price": "day_open",
    "high_price": "day_high",
    "low_price": "day_low",
    "prev_close_price": "previous_close",
}
TEXTS = {"currency_code": ("currency", 128), "description": ("description", 1000)}
DAY_FIELDS = ("cumulative_volume", *FIGURES.values())
"""What belongs to a trading day and is void when it ends."""

AHEAD_MS = 60_000
"""How far a last time may lie in the future: more is no clock skew."""
HALF_SHIFT_MS = 6 * 3_600_000

_PHASES = {phase.value: phase.value for phase in SessionPhase}
_VOLUMES = frozenset({"volume", "bid_size", "ask_size"})


class Rest(msgspec.Struct):
    """What a message said beside `LiveFields`: figures and texts by the names of our contracts; None means no value.

    `open_day` in epoch milliseconds; it, `session` and `delay` are None where not said.
    """

    figures: dict[str, float | None]
    texts: dict[str, str | None]
    open_day: int | None = None
    session: str | None = None
    delay: int | None = None


def read(changed: Mapping[str, Any]) -> tuple[LiveFields, Rest, BadData | None]:
    """The fields of any message, and the fault of the first that makes no sense: such a one has no value."""
    live: dict[str, Any] = {}
    rest = Rest({}, {})
    fault: BadData | None = None
    for name, value in changed.items():
        try:
            _read(name, value, live, rest)
        except BadData as error:
            fault = fault or error
            if name in LIVE_NUMBERS or name == "lp_time":
                live[name] = None
            elif name in FIGURES:
                rest.figures[FIGURES[name]] = None
    return LiveFields(**live), rest, fault


def _read(name: str, value: Any, live: dict[str, Any], rest: Rest) -> None:
    if name in LIVE_NUMBERS:
        live[name] = _number(name, value)
    elif name == "lp_time":
        live[name] = _seconds(name, value)
    elif name in FIGURES:
        rest.figures[FIGURES[name]] = _number(name, value)
    elif name in TEXTS:
        target, longest = TEXTS[name]
        rest.texts[target] = value[:longest] or None if isinstance(value, str) else None
    elif name == "open_time":
        opened = _seconds(name, value)
        rest.open_day = None if opened is None else day_of_opening(opened)
    elif name == "current_session":
        rest.session = _PHASES.get(value, "unknown") if isinstance(value, str) else "unknown"
    elif name == "update_mode":
        seconds = delay_s(value)
        rest.delay = seconds if seconds is None or seconds <= 86_400 else None


def ahead(last_time: int, now: int) -> BadData:
    """The fault of a last time (epoch seconds) that lies further in the future than `AHEAD_MS`."""
    return BadData(f"lp_time: {last_time * 1000 - now} ms ahead of us", kind="time_ahead")


def day_of_opening(opened: int) -> int:
    """The trading day of an `open_time` in epoch seconds: midnight UTC in 2025, the opening instant in 2019."""
    shifted = opened * 1000 + HALF_SHIFT_MS
    return shifted - shifted % DAY


def trading_day(open_day: int | None, event_time: int) -> int:
    """The trading day of an event: that of the `open_time` field where it can be true, else the UTC date."""
    if open_day is not None and open_day - 10 * DAY <= event_time < open_day + DAY:
        return open_day
    return event_time - event_time % DAY


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise BadData(f"{name}: not a number", kind="senseless")
    least, greatest = (0, LARGEST_VOLUME) if name in _VOLUMES else (-LARGEST_PRICE, LARGEST_PRICE)
    if not least <= value <= greatest:  # also refuses NaN
        raise BadData(f"{name}: not between {least:g} and {greatest:g}", kind="senseless")
    return float(value)


def _seconds(name: str, value: object) -> int | None:
    if value is None:
        return None
    if (type(value) is not float and type(value) is not int) or not 0 <= value <= LATEST_S:
        raise BadData(f"{name}: not a time in seconds", kind="senseless")
    return int(value)
