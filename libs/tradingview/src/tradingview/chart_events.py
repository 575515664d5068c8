"""What a chart session tells its caller. Events never change once made."""

import msgspec

from tradingview.connection import ConnectionEvent
from tradingview.quote_fields import NO_VALUE
from tradingview.symbols import SymbolInfo


class Bar(msgspec.Struct, frozen=True):
    """Open, high, low, close and volume of one bar, as the server sent them.

    `time_s` is when it opens, in epoch seconds: for intraday bars the instant itself, from a day on the instant at
    which the session of its first day opens (protocol §5.3). `volume` is None where the instrument has none.
    """

    time_s: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None


class SeriesLoaded(msgspec.Struct, frozen=True):
    """The series is complete: `bars` ascending in time, each time once; the last one is usually still forming.

    `update_mode` as in a quote. `data_completed` says why there are fewer bars than asked: `limit` of the account,
    `end` of history; None if it is not said. `symbol_info` is None if the server did not send it.
    """

    bars: tuple[Bar, ...]
    update_mode: str
    data_completed: str | None
    symbol_info: SymbolInfo | None


class SeriesFailed(msgspec.Struct, frozen=True):
    """There will be no bars. `cause` is the method that said so: `symbol_error`, `series_error`, `critical_error`.

    `reason` are the server's words, such as `invalid symbol`, `permission denied`, `resolve error`,
    `seconds_not_entitled` (protocol §6); `detail` is what else it said.
    """

    cause: str
    reason: str
    detail: str


ChartEvent = SeriesLoaded | SeriesFailed | ConnectionEvent


def parse_bar(value: object) -> Bar:
    """Read the `v` of a bar, `[time, open, high, low, close]` and mostly a volume; raises `ValueError`."""
    if not isinstance(value, list) or len(value) < 5:
        raise ValueError("a bar has five or six numbers")
    for number in value[:5]:
        if not _is_number(number):
            raise ValueError("a bar holds what is no number")
    time_s = int(value[0])
    if time_s != value[0]:
        raise ValueError("a bar does not open at a whole second")
    volume = value[5] if len(value) > 5 else None
    if volume == NO_VALUE:
        volume = None
    if volume is not None and not _is_number(volume):
        raise ValueError("a volume that is no number")
    opened, high, low, close = map(float, value[1:5])
    return Bar(time_s, opened, high, low, close, None if volume is None else float(volume))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < NO_VALUE
