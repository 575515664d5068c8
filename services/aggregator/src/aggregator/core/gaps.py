"""Which stretches of a wanted symbol were unheard, each told once, soon after it is heard again."""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

import msgspec

from contracts import wire
from contracts.marks import ENGINE_RUN, EVERY_SYMBOL, Hearing, Hears, Piece

NEVER = 1 << 62
Gap = tuple[str, int, int]
"""A symbol's name and an unheard stretch `[start, end)` of receive time, milliseconds."""


class SavedHearing(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What `Hearing` and `Gaps` know of a symbol."""

    pieces: list[Piece]
    is_left: bool
    told: int | None


class Gaps:
    """Follows the marks of one partition beside `Hearing`.

    A stretch is told `patience_ms` after its end: until then a run that was not heard of for a moment, the one that
    gives the partition away for example, may still say that it heard it.
    """

    def __init__(self, patience_ms: int) -> None:
        self._patience_ms = patience_ms
        self.told: dict[str, int] = {}
        """Up to which instant the stretches of a symbol have been told."""
        self.waiting: list[tuple[int, str]] = []
        """A heap of the instants at which symbols were heard again."""
        self.touched: set[str] = set()
        """Symbols of which the marks or the telling of gaps changed something, here or in the `Hearing` beside it."""

    @property
    def due(self) -> int:
        """What the clock must reach for something to be told."""
        return self.waiting[0][0] + self._patience_ms if self.waiting else NEVER

    def apply(self, mark: wire.Mark, hearing: Hearing) -> None:
        """Take the next mark of the log, after `hearing` has."""
        if mark.run == ENGINE_RUN:
            return
        for change in mark.changes:
            names = [change.symbol]
            if change.symbol == EVERY_SYMBOL:
                names = [name for name in hearing.symbols if hearing.is_wanted(name)]
            self.touched.update(names)
            for name in names:
                if change.state == Hears.LEFT.value:
                    self.told.pop(name, None)
                elif change.state == Hears.HEARD.value and name not in self.told:
                    self.told[name] = change.at
                elif change.state == Hears.HEARD.value and change.at > self.told[name]:
                    heappush(self.waiting, (change.at, name))

    def take(self, clock: int, hearing: Hearing) -> Iterator[Gap]:
        """The stretches that are due, by when they ended."""
        while self.due <= clock:
            end, name = heappop(self.waiting)
            self.touched.add(name)
            start = self.told.get(name)
            if start is None or end <= start:
                continue
            self.told[name] = end
            for a, b in hearing.unheard(name, start, end):
                yield name, a, b

    def saved(self, name: str, hearing: Hearing) -> SavedHearing | None:
        """What is known of a symbol here and in `hearing`, but for what waits; None: nothing."""
        pieces, told = hearing.pieces(name), self.told.get(name)
        return SavedHearing(pieces, hearing.is_left(name), told) if pieces or told is not None else None

    def restore(self, saved: Mapping[str, SavedHearing], waiting: list[tuple[int, str]]) -> None:
        """Know of symbols what `saved` and `waiting` told of another one."""
        self.told = {name: hearing.told for name, hearing in saved.items() if hearing.told is not None}
        self.waiting = waiting
        heapify(self.waiting)
