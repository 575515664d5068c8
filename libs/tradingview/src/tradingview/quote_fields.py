"""The fields of a quote: which to ask for, and what a message says about them (protocol §4.2)."""

from typing import Any

FIELDS = (
    "lp",
    "lp_time",
    "ch",
    "chp",
    "volume",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "open_price",
    "high_price",
    "low_price",
    "prev_close_price",
    "open_time",
    "rtc",
    "rtc_time",
    "current_session",
    "market-status",
    "update_mode",
    "currency_code",
    "pricescale",
    "minmov",
    "original_name",
    "pro_name",
    "listed_exchange",
    "type",
    "timezone",
    "subsessions",
    "session_holidays",
    "description",
)
"""What a client of market data needs: the price block, and the metadata that make a trading calendar.

A session that never names fields is sent more than a thousand.
"""

NO_VALUE = 1e100
"""How the server writes that an instrument has no such thing, its volume for one (protocol §4.2)."""


def without_void(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with None for each that has no value; the very same dict if all have one."""
    if NO_VALUE in fields.values():
        return {name: None if value == NO_VALUE else value for name, value in fields.items()}
    return fields


def delay_s(update_mode: object) -> int | None:
    """Seconds that a feed lags behind its exchange: 0 for `streaming`, 900 for `delayed_streaming_900`.

    None where the mode does not say (`endofday`, `pulsed`, anything unknown).
    """
    if update_mode == "streaming":
        return 0
    if isinstance(update_mode, str) and update_mode.startswith("delayed_streaming_"):
        seconds = update_mode.removeprefix("delayed_streaming_")
        if seconds.isascii() and seconds.isdigit() and len(seconds) <= 6:
            return int(seconds)
    return None
