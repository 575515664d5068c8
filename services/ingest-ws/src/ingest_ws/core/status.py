"""How the feed stands with each symbol, and when that is worth telling."""

from collections.abc import Collection

from contracts.feed import SymbolState, SymbolStatus
from contracts.ticks import SessionPhase
from ingest_ws.core.feed import Served

QUIET_MS = 60_000
"""A symbol without a tick for so long is quiet, if its market is open."""
RETELL_MS = 30_000
"""The time of the last tick is told this often; a change of state is told at once."""

_CLOSED = frozenset({SessionPhase.OUT_OF_SESSION.value, SessionPhase.HOLIDAY.value})


def state_of(served: Served, feed_state: SymbolState | None, now: int) -> tuple[SymbolState, str | None]:
    """The state of a symbol and a detail for people; `feed_state` is that of the whole feed where it is not up."""
    feed = served.feed
    if feed_state is not None:
        return feed_state, None
    if served.error is not None:
        return SymbolState.ERROR, served.error
    if not feed.is_heard:
        return SymbolState.STALLED, "no snapshot yet"
    if feed.phase in _CLOSED:
        return SymbolState.CLOSED, feed.phase
    if feed.last_tick_at is None or now - feed.last_tick_at > QUIET_MS:
        return SymbolState.QUIET, None
    if feed.delay:
        return SymbolState.DELAYED, f"{feed.delay} s behind the exchange"
    return SymbolState.LIVE, None


class Statuses:
    """Remembers what was told of each symbol."""

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._told: dict[str, SymbolStatus] = {}

    def due(self, symbols: Collection[Served], feed_state: SymbolState | None, now: int) -> list[SymbolStatus]:
        """The statuses to tell now."""
        news = []
        for served in symbols:
            state, detail = state_of(served, feed_state, now)
            last = self._told.get(served.name)
            if (
                last is not None
                and (last.state, last.detail) == (state, detail)
                and (last.last_tick_time == served.feed.last_tick_time or now - last.at < RETELL_MS)
            ):
                continue
            identity = served.feed.identity
            status = self._told[served.name] = SymbolStatus(
                exchange=identity.exchange,
                symbol=identity.symbol,
                replica=self._replica,
                state=state,
                detail=detail,
                last_tick_time=served.feed.last_tick_time,
                at=now,
            )
            news.append(status)
        return news

    def ended(self, names: Collection[str]) -> list[SymbolStatus]:
        """What was told of symbols that are not served any more: each becomes a tombstone under its key."""
        return [self._told.pop(name) for name in names if name in self._told]
