"""What the feed heard: marks in the tick log, and the one fold from marks to unheard stretches."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, StringConstraints

from contracts.base import Millis, Record

ENGINE_RUN = 0
"""The run of marks that the engine writes when nobody else does: it hears nothing."""
EVERY_SYMBOL = "*"

MARKED_SYMBOL = r"^(\*|[A-Z0-9_]{1,32}:[A-Z0-9_.!&+*^'-]{1,64})$"
MarkedSymbol = Annotated[str, StringConstraints(pattern=MARKED_SYMBOL)]


class Hears(StrEnum):
    """What a run says of a symbol: it hears it, it is deaf to it, or nobody wants it any more."""

    HEARD = "heard"
    DEAF = "deaf"
    LEFT = "left"


class FeedChange(Record):
    """From `at` (milliseconds, may lie in the past) the run hears `symbol` (`*`: all it ever heard), or does not."""

    symbol: MarkedSymbol
    state: Hears
    at: Millis


class FeedMark(Record):
    """The clock and the hearing of one partition of `market.ticks`, under the key `!`, every 250 ms.

    Every observation received up to `through` stands before this mark in the log. A run begins deaf, at an assignment
    or after a failed delivery; its hearing ends at its last `through`.
    """

    kind: Literal["mark"] = "mark"
    run: Annotated[int, Field(ge=0, lt=2**53)]
    through: Millis
    changes: Annotated[tuple[FeedChange, ...], Field(max_length=20_000)] = ()


class ChangeLike(Protocol):
    """A change as either twin reads it."""

    @property
    def symbol(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def at(self) -> int: ...


class MarkLike(Protocol):
    """A mark as either twin reads it."""

    @property
    def run(self) -> int: ...
    @property
    def through(self) -> int: ...
    @property
    def changes(self) -> Sequence[ChangeLike]: ...


Stretch = tuple[int, int]
"""`[start, end)` in milliseconds of receive time."""


Piece = tuple[int, int, int | None]
"""A run, from when it heard a symbol, and until when; None: up to the run's last `through`."""


def cost_of(unheard: Iterable[Stretch], open_time: int, close_time: int, delay_ms: int, lateness_ms: int) -> int:
    """How much of a bar's event time unheard stretches cost, milliseconds; they are in order and disjoint.

    An unheard stretch `[a, b)` costs a symbol of this delay the event time `[a - delay - lateness, b - delay)`. What
    was unheard before the bar could be told of, or after, costs it nothing.
    """
    start, end = open_time + delay_ms, close_time + delay_ms + lateness_ms
    cost = 0
    reached = open_time
    for a, b in unheard:
        if b <= start or end <= a:
            continue
        # Calls of max and min would treble its time, and a month's first bars ask for each.
        lost_from = (a if a > start else start) - delay_ms - lateness_ms  # noqa: FURB136
        lost_from = lost_from if lost_from > reached else reached  # noqa: FURB136
        lost_until = b - delay_ms if b - delay_ms < close_time else close_time  # noqa: FURB136
        if lost_from < lost_until:
            cost += lost_until - lost_from
            reached = lost_until
    return cost


class _Piece:
    """A run's hearing of one symbol: `[start, end)`, or up to the run's last `through` while `end` is None."""

    __slots__ = ("end", "run", "start")

    def __init__(self, run: int, start: int, end: int | None = None) -> None:
        self.run = run
        self.start = start
        self.end = end


class Hearing:
    """The fold of one partition's marks, in log order: a clock, and for each symbol what was heard.

    A symbol is heard while any run hears it. What no run vouches for is unheard, also before the first mark.
    """

    def __init__(self) -> None:
        self.clock = 0
        """The greatest `min(through, record timestamp)` of the marks applied: the log's clock, milliseconds."""
        self._through: dict[int, int] = {}
        self._pieces: dict[str, list[_Piece]] = {}
        self._left: set[str] = set()

    @classmethod
    def restored(
        cls, clock: int, through: Mapping[int, int], pieces: Mapping[str, Sequence[Piece]], left: Iterable[str]
    ) -> Self:
        """What `clock`, `through`, `pieces` and `is_left` told of another one."""
        hearing = cls()
        hearing.clock = clock
        hearing._through = dict(through)
        hearing._pieces = {symbol: [_Piece(*piece) for piece in found] for symbol, found in pieces.items()}
        hearing._left = set(left)
        return hearing

    @property
    def through(self) -> Mapping[int, int]:
        """Up to which instant each run has vouched."""
        return self._through

    def pieces(self, symbol: str) -> list[Piece]:
        """Which run heard a symbol when, in the order in which they said so; empty for one that is not remembered."""
        return [(piece.run, piece.start, piece.end) for piece in self._pieces.get(symbol, ())]

    def is_left(self, symbol: str) -> bool:
        """Whether it was said that nobody wants the symbol any more."""
        return symbol in self._left

    def apply(self, mark: MarkLike, timestamp: int) -> int:
        """Take the next mark of the log with its record timestamp; the new clock."""
        run = mark.run
        through = max(mark.through, self._through.get(run, 0))
        self._through[run] = through
        for change in mark.changes:
            if run != ENGINE_RUN:
                self._change(run, change)
        reached = min(mark.through, timestamp)
        self.clock = max(self.clock, reached)
        return self.clock

    @property
    def symbols(self) -> Iterable[str]:
        """Every symbol that a run has named and that is still remembered."""
        return self._pieces.keys()

    def is_wanted(self, symbol: str) -> bool:
        """Whether a run has heard the symbol and none has said since that it left."""
        return symbol in self._pieces and symbol not in self._left

    def heard(self, symbol: str, start: int, end: int) -> list[Stretch]:
        """The stretches of `[start, end)` in which any run heard the symbol, in order and disjoint."""
        found = []
        for piece in self._pieces.get(symbol, ()):
            a, b = max(piece.start, start), min(self._end(piece), end)
            if a < b:
                found.append((a, b))
        found.sort()
        joined: list[Stretch] = []
        for a, b in found:
            if joined and a <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], b))
            else:
                joined.append((a, b))
        return joined

    def unheard(self, symbol: str, start: int, end: int) -> list[Stretch]:
        """The stretches of `[start, end)` in which no run heard the symbol, in order and disjoint."""
        for piece in reversed(self._pieces.get(symbol, ())):
            if piece.start <= start and end <= (self._through[piece.run] if piece.end is None else piece.end):
                return []
        missing = []
        reached = start
        for a, b in self.heard(symbol, start, end):
            if reached < a:
                missing.append((reached, a))
            reached = b
        if reached < end:
            missing.append((reached, end))
        return missing

    def gap_ms(self, symbol: str, open_time: int, close_time: int, *, delay_ms: int, lateness_ms: int) -> int:
        """How much of a bar's event time was unheard, in milliseconds: `cost_of`."""
        unheard = self.unheard(symbol, open_time + delay_ms, close_time + delay_ms + lateness_ms)
        return cost_of(unheard, open_time, close_time, delay_ms, lateness_ms)

    def forget(self, before: int) -> list[str]:
        """Drop what was heard before an instant: answers are then true for stretches from there on only.

        Returns the symbols of which something was dropped.
        """
        changed = []
        for symbol in list(self._pieces):
            kept = [piece for piece in self._pieces[symbol] if piece.end is None or piece.end > before]
            kept = [piece for piece in kept if piece.end is not None or self._end(piece) > before]
            if len(kept) == len(self._pieces[symbol]):
                continue
            changed.append(symbol)
            if kept:
                self._pieces[symbol] = kept
            else:
                del self._pieces[symbol]
                self._left.discard(symbol)
        speaking = {piece.run for pieces in self._pieces.values() for piece in pieces}
        for run in [run for run, through in self._through.items() if through < before and run not in speaking]:
            del self._through[run]
        return changed

    def _end(self, piece: _Piece) -> int:
        return self._through[piece.run] if piece.end is None else piece.end

    def _change(self, run: int, change: ChangeLike) -> None:
        if change.symbol != EVERY_SYMBOL:
            self._set(run, change.symbol, change.state, change.at)
            return
        for symbol in list(self._pieces):
            if symbol not in self._left and any(piece.run == run for piece in self._pieces[symbol]):
                self._set(run, symbol, change.state, change.at)

    def _set(self, run: int, symbol: str, state: str, at: int) -> None:
        pieces = self._pieces.setdefault(symbol, [])
        current = next((piece for piece in reversed(pieces) if piece.run == run and piece.end is None), None)
        if state == Hears.HEARD:
            self._left.discard(symbol)
            if current is None:
                pieces.append(_Piece(run, at))
            return
        if state == Hears.LEFT:
            self._left.add(symbol)
        for piece in pieces:
            if piece.run == run:
                piece.end = min(self._end(piece), max(at, piece.start))
