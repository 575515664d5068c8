"""The trading calendars of a partition's symbols, as the log has them, and the grids that symbols share."""

import msgspec

from aggregator.core.grid import CalendarGrid
from aggregator.core.longer import Chain
from aggregator.core.rules import Rules
from contracts import wire
from contracts.calendar import Calendar
from contracts.intervals import MINUTE

Texts = tuple[str, str, str, str]
"""Time zone, session, holidays, corrections."""
History = tuple[tuple[int, Texts], ...]
"""Texts with the instant from which on each was known, oldest first; the first ones hold from ever on."""
_MOST_CHANGES = 4
"""Changes of a calendar that are remembered: a month that is open may hold some."""
_FEWEST_GRIDS = 64
"""So many grids are kept before those that no symbol uses any more are dropped."""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """The calendar of a symbol, with its changes."""

    history: History
    has_volume: bool


class Calendars:
    """In: the calendar records of the log. Out: the grid of a symbol. Symbols of equal calendars share one grid."""

    def __init__(self, rules: Rules, chain: Chain) -> None:
        self._rules = rules
        self._chain = chain
        self._known: dict[bytes, Known] = {}
        self._grids: dict[History, CalendarGrid] = {}
        self._prune_at = _FEWEST_GRIDS
        self.changed: set[bytes] = set()
        """Symbols whose calendar has changed, or was dropped, since it was saved last."""

    def known(self, key: bytes) -> Known | None:
        """What is known of a symbol's calendar."""
        return self._known.get(key)

    def restore(self, key: bytes, known: Known) -> None:
        """Take over what was saved of a symbol."""
        self._known[key] = known

    def learn(self, key: bytes, record: wire.Calendar, *, traded_until: int | None) -> bool:
        """Take a calendar record; returns whether the symbol's grid changed. `BadData` if it cannot be read.

        `traded_until`: None while the symbol has no bars; else its newest open minute, if any. The calendar until now
        then stays in force up to the trading day that is open, of which only closes move, and that minute stays inside
        a session.
        """
        texts = (record.timezone, record.session, record.holidays, record.corrections)
        changed = Calendar.parse(*texts)
        before = self._known.get(key)
        if before is None or traded_until is None:
            history: History = ((0, texts),)
        elif before.history[-1][1] == texts:
            history = before.history
        else:
            oldest, *newer = before.history[1 - _MOST_CHANGES :]
            kept = ((0, oldest[1]), *newer)
            history = (*kept, (_since(self._grid(kept).calendar, changed, record.at, traded_until), texts))
        after = Known(history, record.has_volume)
        if after == before:
            return False
        self._known[key] = after
        self.changed.add(key)
        return before is None or before.history != history

    def grid(self, key: bytes) -> CalendarGrid | None:
        """The grid of a symbol; None while no calendar of it is known."""
        known = self._known.get(key)
        return None if known is None else self._grid(known.history)

    def _grid(self, history: History) -> CalendarGrid:
        grid = self._grids.get(history)
        if grid is None:
            calendar = Calendar.parse(*history[0][1])
            for at, texts in history[1:]:
                calendar = calendar.changed_to(Calendar.parse(*texts), at)
            if len(self._grids) >= self._prune_at:
                used = {known.history for known in self._known.values()}
                self._grids = {one: kept for one, kept in self._grids.items() if one in used}
                self._prune_at = 2 * len(self._grids) + _FEWEST_GRIDS
            grid = self._grids[history] = CalendarGrid(calendar, self._chain, self._rules.grace_ms)
        return grid

    def forget(self, key: bytes) -> None:
        """Drop the calendar of a symbol that is dropped."""
        if self._known.pop(key, None) is not None:
            self.changed.add(key)


def _since(old: Calendar, new: Calendar, at: int, traded_until: int) -> int:
    """An instant for `changed_to` that gives the same calendar as `at` and is the same for symbols of one exchange.

    Symbols of an exchange get a new calendar within seconds of each other, and should share one grid with its caches.
    So the change is dated at the opening of the trading day that is open then. It is dated at the minute instead if the
    new calendar puts a close into the past, and at `traded_until` if that is later than `at`. `BadData` as of
    `changed_to`.
    """
    opening, day, _ = old.opening_before(at)
    if traded_until > at:
        return traded_until
    from_minute, from_opening = old.changed_to(new, at), old.changed_to(new, opening)
    return opening if from_opening.segments(day) == from_minute.segments(day) else at - at % MINUTE
