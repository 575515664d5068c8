"""Instants as callers write them: RFC 3339, a date, or a count of seconds or milliseconds since 1970."""

import re
from datetime import UTC, date, datetime, timedelta

from contracts.base import MAX_MS, MIN_MS
from contracts.http import ProblemCode
from contracts.intervals import day_ms
from query_api.core.refusal import refuse

_SECONDS_BELOW = 100_000_000_000
"""Counts nearer to 1970 are seconds (until the year 5138), others milliseconds (from March 1973 on, or until 1966)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_COUNT = re.compile(r"-?\d{1,16}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(
    r"(?P<local>\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?)(?P<zone>[Zz]|[+ -]\d{2}:\d{2})?"
)


def instant_of(text: str, where: str) -> int:
    """Milliseconds since 1970-01-01T00:00Z, negative before it.

    Without a zone UTC is meant. A `+` that the query string turned into a space is understood. Below the millisecond
    is cut off.
    """
    word = text.strip()
    try:
        if _COUNT.fullmatch(word):
            count = int(word)
            found = count * 1000 if abs(count) < _SECONDS_BELOW else count
        elif _DATE.fullmatch(word):
            found = day_ms(date.fromisoformat(word))
        else:
            found = _rfc3339(word)
    except (ValueError, OverflowError):
        found = MAX_MS + 1
    if not MIN_MS <= found <= MAX_MS:
        raise refuse(
            ProblemCode.INVALID_RANGE,
            where,
            f"{text[:40]!r} is not an instant of the years 1 to 9999: write 2026-01-31T09:30:00Z, 2026-01-31, "
            "or seconds or milliseconds since 1970",
        )
    return found


def _rfc3339(word: str) -> int:
    match = _INSTANT.fullmatch(word)
    if match is None:
        raise ValueError(word)
    zone = (match["zone"] or "Z").upper().replace(" ", "+")
    local = match["local"].upper().replace(" ", "T").replace(",", ".")
    return (datetime.fromisoformat(f"{local}{'+00:00' if zone == 'Z' else zone}") - _EPOCH) // _MILLISECOND
