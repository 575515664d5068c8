"""The headers of a record of `market.bars`, by which a reader of one interval skips others without parsing values."""

from collections.abc import Iterable

SCHEMA_VERSION = b"2"
"""The version of the bar contract; a record without this header is of an older one, which is not read here."""
KIND = "kind"
INTERVAL = "interval"
SCHEMA = "schema"
EMITTED_AT = "emitted_at"
BAR = b"bar"
BARS_COMPLETE = b"bars_complete"

Headers = list[tuple[str, bytes]]
_SCHEMA = (SCHEMA, SCHEMA_VERSION)
_BAR = (KIND, BAR)
_BARS_COMPLETE = (KIND, BARS_COMPLETE)


def bar_headers(interval: str, emitted_at: int) -> Headers:
    """Of a bar. `emitted_at`: the log's clock when it was emitted (a replay's: the wall clock), milliseconds."""
    return [_BAR, (INTERVAL, interval.encode()), _SCHEMA, (EMITTED_AT, b"%d" % emitted_at)]


def complete_headers(emitted_at: int) -> Headers:
    """Of a `BarsComplete`."""
    return [_BARS_COMPLETE, _SCHEMA, (EMITTED_AT, b"%d" % emitted_at)]


def is_current(headers: Iterable[tuple[str, bytes]] | None) -> bool:
    """Whether a record of `market.bars` is of the contract that this code reads."""
    return _SCHEMA in (headers or ())
