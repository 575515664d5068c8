"""Which symbol comes over which line (a connection and its successors): each has a limit, and symbols never move."""

from collections.abc import Mapping

from ingest_ws.core.feed import Served


class Placement:
    """Lines are numbered from 1; one that has lost its last symbol is gone. `limit` symbols are the most of a line."""

    def __init__(self, limit: int) -> None:
        self.lines: dict[int, dict[str, Served]] = {}
        self.version = 0
        """Changes whenever a line does."""
        self._limit = limit
        self._line_of: dict[str, int] = {}

    def line_of(self, name: str) -> int | None:
        """The line of a symbol; None while it has none."""
        return self._line_of.get(name)

    def follow(self, symbols: Mapping[str, Served]) -> None:
        """Bring the lines to these symbols: who leaves frees its place, who joins goes where there is most room."""
        gone = [
            (name, number)
            for number, members in self.lines.items()
            for name, served in members.items()
            if symbols.get(name) is not served
        ]
        for name, number in gone:
            del self.lines[number][name], self._line_of[name]
        new = [name for name in symbols if name not in self._line_of]
        missing = -(-len(symbols) // self._limit) - sum(1 for members in self.lines.values() if members)
        self.lines = {number: members for number, members in self.lines.items() if members}
        free = (number for number in range(1, len(symbols) + 2) if number not in self.lines)
        for number in [next(free) for _ in range(missing)] if new else ():
            self.lines[number] = {}
        for name in new:
            number = min(self.lines, key=lambda each: (len(self.lines[each]), each))
            self.lines[number][name] = symbols[name]
            self._line_of[name] = number
        self.version += bool(gone or new)
