"""Which stretches of a wanted symbol were unheard, each told once, soon after it is heard again."""

from collections.abc import Iterator
from heapq import heappop, heappush

from contracts import wire
from contracts.marks import ENGINE_RUN, EVERY_SYMBOL, Hearing, Hears

NEVER = 1 << 62
Gap = tuple[str, int, int]
"""A symbol's name and an unheard stretch `[start, end)` of receive time, milliseconds."""


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

    @property
    def due(self) -> int:
        """What the clock must reach for something to be told."""
        return self.waiting[0][0] + self._patience_ms if self.waiting else NEVER

    def apply(self, mark: wire.Mark, hearing: Hearing) -> None:
        """Take the next mark of the log, after `hearing` has."""
        if mark.run == ENGINE_RUN:
            return
        for change in mark.changes:
            names = [*hearing.symbols] if change.symbol == EVERY_SYMBOL else [change.symbol]
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
            start = self.told.get(name)
            if start is None or end <= start:
                continue
            self.told[name] = end
            for a, b in hearing.unheard(name, start, end):
                yield name, a, b
