"""The server's words for the length of a bar (protocol §5.1)."""

import re

from tradingview.errors import Misuse

RESOLUTION = re.compile(r"[1-9][0-9]{0,3}[HSTDWM]?|[DWM]")
"""`5` is five minutes, `M` a month: hours, seconds, ticks, days, weeks and months have their letter, in upper case."""


def resolution(text: str) -> str:
    """The same text if the server may know it: `1`, `45`, `4H`, `1D`, `W`, `12M`, `1S`, `10T`. Else `Misuse`.

    Seconds, ticks and unusual counts of minutes need a paid account; the server says so in `series_error`.
    """
    if RESOLUTION.fullmatch(text) is None:
        raise Misuse(f"{text!r} is no resolution: minutes have no letter, others one of H D W M S T, as in 15 or 1D")
    return text
