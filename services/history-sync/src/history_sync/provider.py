"""Who gives history: the small protocol that workers use, whatever stands behind it."""

from dataclasses import dataclass
from typing import Protocol

from contracts.history import Series
from history_sync.core.rows import Row


@dataclass(frozen=True)
class Fetched:
    """A complete answer: rows oldest first, its feed's delay in ms (None: untold), when it was complete (ms)."""

    rows: tuple[Row, ...]
    delay_ms: int | None
    complete_at: int


class Provider(Protocol):
    """Fetches the newest bars of a series."""

    async def fetch(self, series: Series, bars: int) -> Fetched:
        """At most `bars` rows, the newest, oldest first. `ProviderUnavailable` or `SeriesRefused` if there are none."""
        ...
