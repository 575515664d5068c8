"""The status of each symbol, and when it is published."""

from collections.abc import Callable, Collection

from contracts.feed import SymbolState, SymbolStatus
from contracts.ticks import SessionPhase
from ingest_ws.core.feed import Served

QUIET_MS = 60_000
"""A symbol without a tick for so long is quiet, if its market is open and this is longer than it usually takes."""
GAPS_WAITED = 4
"""How many times its usual gap between ticks a symbol may be silent before it is quiet."""
REMEMBERED = 20
"""The usual gap is an average over about so many gaps."""
REPUBLISH_MS = 30_000
"""The time of the last tick is published this often, a change of state at once. A replica without changes publishes one
status again this often, so that others see that it is alive."""

_CLOSED = frozenset({SessionPhase.OUT_OF_SESSION.value, SessionPhase.HOLIDAY.value})


class Pace:
    """How often a symbol ticks, as seen from time to time."""

    __slots__ = ("_count", "gap_ms", "last_at")

    def __init__(self) -> None:
        self.last_at: int | None = None
        self.gap_ms = 0.0
        """The usual gap between two of its ticks."""
        self._count = 0

    def seen(self, last_at: int | None) -> None:
        """Its last tick was received then."""
        if last_at is None or last_at == self.last_at:
            return
        if self.last_at is not None and last_at > self.last_at:
            self._count += 1
            self.gap_ms += (last_at - self.last_at - self.gap_ms) / min(self._count, REMEMBERED)
        self.last_at = last_at


def state_of(
    served: Served, line_state: SymbolState | None, usual_gap_ms: float, now: int
) -> tuple[SymbolState, str | None]:
    """The state of a symbol and a detail for people; `line_state` is that of its connection where it does not live."""
    state, detail = _state_of(served, line_state, usual_gap_ms, now)
    fault = served.feed.description.fault
    if detail is None and fault is not None:
        detail = f"its calendar cannot be read, the last good one (or 24x7) is in use: {fault.cause}"[:1000]
    return state, detail


def _state_of(
    served: Served, line_state: SymbolState | None, usual_gap_ms: float, now: int
) -> tuple[SymbolState, str | None]:
    feed = served.feed
    if line_state is not None:
        return line_state, None
    if served.error is not None:
        return SymbolState.ERROR, served.error
    if not feed.is_covered:
        return SymbolState.STALLED, "no snapshot yet"
    if feed.phase in _CLOSED:
        return SymbolState.CLOSED, feed.phase
    if feed.last_tick_at is None or now - feed.last_tick_at > max(QUIET_MS, usual_gap_ms * GAPS_WAITED):
        return SymbolState.QUIET, None
    if feed.delay:
        return SymbolState.DELAYED, f"{feed.delay} s behind the exchange"
    return SymbolState.LIVE, None


class Statuses:
    """Remembers the last status of each symbol, and how often it ticks."""

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._last: dict[str, SymbolStatus] = {}
        self._paces: dict[str, Pace] = {}
        self.counts: dict[SymbolState, int] = {}
        """How many symbols are in each state, as of the last `due`."""
        self._published_at = 0

    def due(
        self, symbols: Collection[Served], line_state: Callable[[str], SymbolState | None], now: int
    ) -> list[SymbolStatus]:
        """The statuses to publish now; `line_state` of a symbol as in `state_of`."""
        news = []
        self.counts = dict.fromkeys(SymbolState, 0)
        for served in symbols:
            pace = self._paces.get(served.name)
            if pace is None:
                pace = self._paces[served.name] = Pace()
            pace.seen(served.feed.last_tick_at)
            state, detail = state_of(served, line_state(served.name), pace.gap_ms, now)
            self.counts[state] += 1
            last = self._last.get(served.name)
            if (
                last is not None
                and (last.state, last.detail) == (state, detail)
                and (last.last_tick_time == served.feed.last_tick_time or now - last.at < REPUBLISH_MS)
            ):
                continue
            identity = served.feed.identity
            status = self._last[served.name] = SymbolStatus(
                exchange=identity.exchange,
                symbol=identity.symbol,
                replica=self._replica,
                state=state,
                detail=detail,
                last_tick_time=served.feed.last_tick_time,
                at=now,
            )
            news.append(status)
        if not news and self._last and now - self._published_at >= REPUBLISH_MS:
            name, status = next(iter(self._last.items()))
            self._last[name] = status.model_copy(update={"at": now})
            news.append(self._last[name])
        if news:
            self._published_at = now
        return news

    def ended(self, names: Collection[str]) -> list[SymbolStatus]:
        """The last statuses of symbols that are not served any more: each becomes a tombstone under its key."""
        for name in names:
            self._paces.pop(name, None)
        return [self._last.pop(name) for name in names if name in self._last]
