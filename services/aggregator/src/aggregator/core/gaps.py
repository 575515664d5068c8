"""Which stretches of a wanted symbol were uncovered, each announced once, soon after it is covered again."""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

import msgspec

from contracts import wire
from contracts.marks import ENGINE_EPOCH, EVERY_SYMBOL, Coverage, CoverageState, Piece

NEVER = 1 << 62
Gap = tuple[str, int, int]
"""A symbol's name and an uncovered stretch `[start, end)` of receive time, milliseconds."""


class SavedCoverage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What `Coverage` and `Gaps` know of a symbol."""

    pieces: list[Piece]
    is_released: bool
    announced: int | None


class Gaps:
    """Follows the marks of one partition beside `Coverage`.

    A stretch is announced `patience_ms` (the close delay) after its end: until then a mark that comes late, for example
    of the epoch that gives the partition away, may still say that the symbol was covered.
    """

    def __init__(self, patience_ms: int) -> None:
        self._patience_ms = patience_ms
        self.announced: dict[str, int] = {}
        """Up to which instant the uncovered stretches of a symbol have been announced."""
        self.waiting: list[tuple[int, str]] = []
        """A heap of the instants at which symbols were covered again."""
        self.touched: set[str] = set()
        """Symbols of which the marks, or an announcement, changed something here or in the `Coverage` beside it."""

    @property
    def due(self) -> int:
        """What the clock must reach for something to be announced."""
        return self.waiting[0][0] + self._patience_ms if self.waiting else NEVER

    def apply(self, mark: wire.Mark, coverage: Coverage) -> list[str]:
        """Take the next mark of the log, after `coverage` has; returns the symbols that it named."""
        if mark.epoch == ENGINE_EPOCH:
            return []
        changed = []
        for change in mark.coverage:
            names = [change.symbol]
            if change.symbol == EVERY_SYMBOL:
                names = [name for name in coverage.symbols if coverage.is_wanted(name)]
            changed += names
            for name in names:
                if change.state == CoverageState.RELEASED.value:
                    self.announced.pop(name, None)
                elif change.state == CoverageState.COVERED.value and name not in self.announced:
                    self.announced[name] = change.at
                elif change.state == CoverageState.COVERED.value and change.at > self.announced[name]:
                    heappush(self.waiting, (change.at, name))
        self.touched.update(changed)
        return changed

    def take(self, clock: int, coverage: Coverage) -> Iterator[Gap]:
        """The stretches that are due, in the order of their ends."""
        while self.due <= clock:
            end, name = heappop(self.waiting)
            self.touched.add(name)
            start = self.announced.get(name)
            if start is None or end <= start:
                continue
            self.announced[name] = end
            for a, b in coverage.uncovered(name, start, end):
                yield name, a, b

    def saved(self, name: str, coverage: Coverage) -> SavedCoverage | None:
        """What this and `coverage` know of a symbol, without `waiting`; None if nothing."""
        pieces, announced = coverage.pieces(name), self.announced.get(name)
        if not pieces and announced is None:
            return None
        return SavedCoverage(pieces, coverage.is_released(name), announced)

    def restore(self, saved: Mapping[str, SavedCoverage], waiting: list[tuple[int, str]]) -> None:
        """Take over the state of another `Gaps`: what `saved` gave for each symbol, and its `waiting`."""
        self.announced = {name: one.announced for name, one in saved.items() if one.announced is not None}
        self.waiting = waiting
        heapify(self.waiting)
