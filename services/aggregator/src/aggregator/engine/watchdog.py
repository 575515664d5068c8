"""Ends the process when a call into librdkafka does not return, whatever time it was given."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from chassis import logs
from chassis.process import BUG

LIMIT_S = 12.0
"""Longer than any call is given; librdkafka's issues 5456 and 5511 tell of some that never return."""
_LOOK_EVERY_S = 0.5

_log = logs.get("aggregator.engine.watchdog")


class Watchdog:
    """Watches one call at a time from a thread of its own. What the process had not committed is done again."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._watched: tuple[str, float] | None = None
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def watching(self, call: str) -> Iterator[None]:
        """The block is over in time, or the process is."""
        self._watched = (call, time.monotonic())
        try:
            yield
        finally:
            self._watched = None

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            watched = self._watched
            if watched is not None and time.monotonic() - watched[1] > self._limit_s:
                _log.error("a call does not return", call=watched[0], within_s=self._limit_s)
                sys.stdout.flush()
                os._exit(BUG)
