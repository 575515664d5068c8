"""The fields of one quote message (protocol §4.2) as checked values; a value that makes no sense is `BadData`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from contracts import wire
from contracts.errors import BadData
from tradingview.live import LARGEST_PRICE, LARGEST_VOLUME, LATEST_S, LiveFields
from tradingview.quote_fields import delay_s

LIVE_NUMBERS = frozenset(LiveFields.__struct_fields__) - {"lp_time"}
FIGURES = {
    "open_price": "day_open",
    "high_price": "day_high",
    "low_price": "day_low",
    "prev_close_price": "previous_close",
    "rtc": "extended_price",
}
TEXTS = {
    "currency_code": ("currency", 128),
    "description": ("description", 1000),
    "type": ("type", 128),
    "listed_exchange": ("listed_exchange", 128),
}
SCALES = {"pricescale": "price_scale", "minmov": "min_move"}
CALENDAR = {"timezone": "timezone", "session_holidays": "holidays"}
STATIC = frozenset({*TEXTS, *SCALES, *CALENDAR, "subsessions", "original_name", "pro_name"})
"""Fields that only snapshots carry beside a price; a change of one of them comes without a price."""
REGULAR = "regular"
"""The subsession whose hours the chart shows, and the phase of `market-status` in which it trades."""

AHEAD_MS = 60_000
"""How far a last time may lie in the future: more is no clock skew."""

_VOLUMES = frozenset({"volume", "bid_size", "ask_size"})


class Rest(msgspec.Struct):
    """The fields of a message that are not in `LiveFields`, by the names of our contracts; None means no value.

    `texts` are those of `market.symbols`. `calendar` has `timezone`, `session`, `holidays` and `corrections`, as far as
    the message named them; a `BadData` in place of a text says why it cannot be read. `extended_time` is epoch
    milliseconds. `trading_day` (midnight UTC, milliseconds) is the provider's own, sent while the market is open; it,
    `session` and `delay` are None if the message has none.
    """

    figures: dict[str, float | None] = {}
    texts: dict[str, str | float | None] = {}
    calendar: dict[str, str | BadData | None] = {}
    extended_time: int | msgspec.UnsetType | None = msgspec.UNSET
    trading_day: int | None = None
    session: wire.Phase | None = None
    delay: int | None = None
    is_snapshot: bool = False
    """The message has a price and static fields."""


def read(changed: Mapping[str, Any]) -> tuple[LiveFields, Rest, BadData | None]:
    """The fields of any message, and the fault of the first one that makes no sense; such fields have no value."""
    live: dict[str, Any] = {}
    rest = Rest(is_snapshot="lp" in changed and not STATIC.isdisjoint(changed))
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
    elif name == "rtc_time":
        seconds = _seconds(name, value)
        rest.extended_time = None if seconds is None else seconds * 1000
    elif name == "current_session":
        rest.session = wire.PHASES.get(value, "unknown") if isinstance(value, str) else "unknown"
    elif name == "update_mode":
        delay = delay_s(value)
        rest.delay = delay if delay is None or delay <= 86_400 else None
    elif name in SCALES:
        scale = _number(name, value)
        rest.texts[SCALES[name]] = scale if scale is not None and scale > 0 else None
    else:
        _read_calendar(name, value, rest)


def _read_calendar(name: str, value: Any, rest: Rest) -> None:
    if name in CALENDAR:
        rest.calendar[CALENDAR[name]] = _calendar_text(name, value)
    elif name == "subsessions":
        rest.calendar["session"], rest.calendar["corrections"] = _regular_session(value)
    elif name == "market-status" and isinstance(value, dict) and value.get("phase") == REGULAR:
        rest.trading_day = _day(value.get("tradingday"))


def _regular_session(subsessions: object) -> tuple[str | BadData | None, str | BadData | None]:
    """Session and corrections of the regular subsession (protocol §5.4)."""
    if subsessions is None:
        return None, None
    if not isinstance(subsessions, list):
        return BadData("subsessions: not a list", kind="invalid_calendar"), None
    for each in subsessions:
        if isinstance(each, dict) and each.get("id") == REGULAR:
            corrections = _calendar_text("session-correction", each.get("session-correction"))
            return _calendar_text("session", each.get("session")), corrections
    return None, None


def _calendar_text(name: str, value: object) -> str | BadData | None:
    if value is None or isinstance(value, str):
        return value
    return BadData(f"{name}: not a text", kind="invalid_calendar")


def _day(text: object) -> int | None:
    """Midnight UTC of a `yyyymmdd`; None if it is none."""
    if not isinstance(text, str) or len(text) != 8:
        return None
    try:
        return int(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None


def ahead(last_time: int, now: int) -> BadData:
    """The fault of a last time (epoch seconds) that lies further in the future than `AHEAD_MS`."""
    return BadData(f"lp_time: {last_time * 1000 - now} ms ahead of us", kind="time_ahead")


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
