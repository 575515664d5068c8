"""The wall clock, and the only place that reads it: cores take the time as an argument."""

import time


def now_ms() -> int:
    """Milliseconds since 1970-01-01T00:00Z as this machine believes; it may step backwards."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - this is the one place
