"""Who gives history: the small protocol that workers use, and what may come instead of bars."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from contracts.calendar import Calendar
from contracts.history import Series
from history_sync.core.failures import JobError
from history_sync.core.outcome import NOTHING, Tally
from history_sync.core.rows import Row


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete answer: rows oldest first, the symbol's calendar, and the instant of its data (`closed_until`).

    Bars that end after that instant may still change. `answered_at` is when the answer was complete, by our clock;
    `last_closes` when the provider says that the last bar ends, if it does. All in milliseconds.
    """

    rows: tuple[Row, ...]
    calendar: Calendar
    closed_until: int
    answered_at: int
    last_closes: int | None = None


class ProviderUnavailable(Exception):  # noqa: N818 - a state of the world
    """No answer, or not to its end: another try may succeed. `cause` is a word for a counter, `detail` for people."""

    def __init__(self, cause: str, detail: str, at_least_ms: int = 0) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail
        self.at_least_ms = at_least_ms


class Refused(Exception):  # noqa: N818 - the provider's word
    """The provider will not serve this series, however often it is asked; `tally` is what of it was put aside."""

    def __init__(self, error: JobError, tally: Tally = NOTHING) -> None:
        super().__init__(error.detail)
        self.error = error
        self.tally = tally


class Call:
    """One fetch under way: until when, and how to cut it short from another thread."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._until = time.monotonic() + within_s
        self._lock = threading.Lock()
        self._cut: Callable[[], None] | None = None
        self.is_cut = False

    def remaining_s(self) -> float:
        """Seconds that are left; 0 when the call was cut short or its deadline has passed."""
        return 0.0 if self.is_cut else max(0.0, self._until - time.monotonic())

    def when_cut(self, act: Callable[[], None]) -> None:
        """What ends the wait of the calling thread; done at once if the call was cut short before."""
        with self._lock:
            self._cut = act
            is_late = self.is_cut
        if is_late:
            act()

    def cut(self) -> None:
        """End the fetch as soon as may be; it then raises `ProviderUnavailable`."""
        with self._lock:
            self.is_cut = True
            act = self._cut
        if act is not None:
            act()


class Provider(Protocol):
    """Fetches the newest bars of a series. Blocks, so it is called in a thread of a pool."""

    def fetch(self, series: Series, bars: int, call: Call) -> Fetched:
        """At most `bars` rows, the newest. Raises `ProviderUnavailable` or `Refused`."""
        ...
