"""The trading hours that TradingView states for a symbol, in its own strings.

A quote snapshot and `symbol_resolved` both have `timezone`, `session_holidays` and `subsessions`; `symbol_resolved`
also has `session` and `corrections` (protocol §4.2, §5.4). Bars are made of the subsession `regular`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

REGULAR = "regular"


class TradingHours(NamedTuple):
    """A time zone (IANA), a session string, holidays (`yyyymmdd,…`) and corrections, as the provider writes them."""

    timezone: str
    session: str
    holidays: str = ""
    corrections: str = ""


def trading_hours(fields: Mapping[str, Any]) -> TradingHours | None:
    """The regular hours that a quote's merged fields or a `symbol_resolved` state; None if there are none.

    The session and its corrections are those of the subsession `regular`, or the symbol's own where it has none.
    """
    timezone = _text(fields, "timezone")
    regular = _regular(fields.get("subsessions"))
    session, corrections = _text(regular, "session"), _text(regular, "session-correction")
    if not session:
        session, corrections = _text(fields, "session"), _text(fields, "corrections")
    if not timezone or not session:
        return None
    return TradingHours(timezone, session, _text(fields, "session_holidays"), corrections)


def _regular(subsessions: object) -> Mapping[str, Any]:
    for each in subsessions if isinstance(subsessions, list) else ():
        if isinstance(each, dict) and each.get("id") == REGULAR:
            return each
    return {}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
