"""The 13 intervals: how they are spelled, and how long they are. `contracts.calendar` says where their bars lie."""

from datetime import date
from enum import StrEnum
from functools import lru_cache

from contracts.errors import BadData

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Interval(StrEnum):
    """A bar's length, in its canonical spelling (`m` is a minute, `M` a month), ordered from short to long."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    M45 = "45m"
    H1 = "1h"
    H2 = "2h"
    H3 = "3h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"
    MO1 = "1M"

    @property
    def step_ms(self) -> int | None:
        """The length of an intraday interval in milliseconds; None for those that follow the calendar."""
        return _STEPS.get(self)

    @property
    def is_intraday(self) -> bool:
        return self in _STEPS

    @property
    def tradingview(self) -> str:
        """The resolution code of TradingView's chart session and of UDF: `1`, `60`, `1D`."""
        return _TRADINGVIEW[self]

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Accept canonical forms, TradingView codes, UDF resolutions and common spellings.

        `1m 3m … 1M`, `1 3 … 240`, `1H`, `60`, `D`, `1D`, `W`, `M`, `1Min`, `1Hour`, `1Day`, `1Week`, `1Month`.
        A lone `m` is a minute and `M` a month. `BadData` lists what is valid.
        """
        word = text.strip()
        found = _SPELLINGS.get(word) or _SPELLINGS_ANY_CASE.get(word.lower())
        if found is None:
            raise BadData(
                f"{text[:32]!r} is not an interval: use one of {', '.join(cls)}",
                kind="invalid_interval",
            )
        return found


_STEPS: dict[Interval, int] = {
    Interval.M1: MINUTE,
    Interval.M3: 3 * MINUTE,
    Interval.M5: 5 * MINUTE,
    Interval.M15: 15 * MINUTE,
    Interval.M30: 30 * MINUTE,
    Interval.M45: 45 * MINUTE,
    Interval.H1: HOUR,
    Interval.H2: 2 * HOUR,
    Interval.H3: 3 * HOUR,
    Interval.H4: 4 * HOUR,
}

_TRADINGVIEW: dict[Interval, str] = {
    **{interval: str(step // MINUTE) for interval, step in _STEPS.items()},
    Interval.D1: "1D",
    Interval.W1: "1W",
    Interval.MO1: "1M",
}


def _spellings() -> tuple[dict[str, Interval], dict[str, Interval]]:
    exact: dict[str, Interval] = {interval.value: interval for interval in Interval}
    exact |= {code: interval for interval, code in _TRADINGVIEW.items()}
    exact |= {"D": Interval.D1, "W": Interval.W1, "M": Interval.MO1}
    any_case: dict[str, Interval] = {"d": Interval.D1, "1d": Interval.D1, "w": Interval.W1, "1w": Interval.W1}
    words = {
        "min": MINUTE, "mins": MINUTE, "minute": MINUTE, "minutes": MINUTE,
        "h": HOUR, "hour": HOUR, "hours": HOUR,
    }  # fmt: skip
    for interval, step in _STEPS.items():
        for word, unit in words.items():
            if step % unit == 0 and (unit == HOUR or step < HOUR or interval is Interval.H1):
                any_case[f"{step // unit}{word}"] = interval
    for interval, names in {
        Interval.D1: ("day", "1day", "daily"),
        Interval.W1: ("week", "1week", "weekly", "1wk"),
        Interval.MO1: ("month", "1month", "monthly", "1mo", "1mon"),
    }.items():
        any_case |= dict.fromkeys(names, interval)
    return exact, any_case


_SPELLINGS, _SPELLINGS_ANY_CASE = _spellings()


def day_ms(day: date) -> int:
    """Midnight UTC of a calendar day, in milliseconds."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY


def rfc3339(instant: int) -> str:
    """`2026-01-31T23:59:00Z`, with milliseconds only when there are some."""
    day, rest = divmod(instant, DAY)
    minutes, rest = divmod(rest, MINUTE)
    seconds, millis = divmod(rest, 1000)
    fraction = f".{millis:03d}" if millis else ""
    return f"{_day_text(day)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{fraction}Z"


@lru_cache(maxsize=4096)
def _day_text(day: int) -> str:
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat()
