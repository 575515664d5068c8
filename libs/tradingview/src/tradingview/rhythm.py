"""The pace at which data comes over a connection, and from when on its absence tells that the connection is dead."""

LEAST_WAIT_MS = 20_000
"""Shorter silences of a lively connection tell nothing."""
GAPS_WAITED = 20
"""How many times its usual gap a connection may be silent."""
LEAST_COUNT = 30
"""So many frames of data teach the usual gap; before, no silence is too long."""
REMEMBERED = 50
"""About so many gaps make the usual one."""


class Rhythm:
    """Instants are epoch milliseconds. A server can go on with heartbeats and send no data (protocol §3.1)."""

    __slots__ = ("_count", "_gap_ms", "_last_ms")

    def __init__(self, began_at_ms: int) -> None:
        self._last_ms = began_at_ms
        self._gap_ms = 0.0
        self._count = 0

    @property
    def last_ms(self) -> int:
        """When data came last."""
        return self._last_ms

    def data_came(self, now_ms: int) -> None:
        """A frame with data came."""
        self._count += 1
        self._gap_ms += (now_ms - self._last_ms - self._gap_ms) / min(self._count, REMEMBERED)
        self._last_ms = now_ms

    def late_at_ms(self) -> int | None:
        """From when on data is missing; None while the usual gap is not known."""
        if self._count < LEAST_COUNT:
            return None
        return self._last_ms + max(LEAST_WAIT_MS, int(self._gap_ms * GAPS_WAITED))

    def forget(self, now_ms: int) -> None:
        """The pace has changed for a known reason: learn it anew."""
        self._last_ms, self._count, self._gap_ms = now_ms, 0, 0.0
