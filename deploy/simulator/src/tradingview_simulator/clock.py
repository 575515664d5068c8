"""The simulator's own clock: the one place that reads the wall clock."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000  # noqa: TID251 - the simulator's own clock
