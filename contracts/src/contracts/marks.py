"""Watermarks and coverage: marks in the tick log, and the one fold from marks to uncovered stretches.

The owner of a partition of `market.ticks` writes a `FeedMark` into it every 250 ms. A mark carries a watermark (every
observation received up to it stands before the mark) and changes of coverage (from when on the epoch covers a symbol,
or no longer does). `Coverage` folds them into the log's clock and, for each symbol, the stretches of receive time in
which at least one epoch covered it. A watermark later than the mark's own append time counts as that time.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Literal, Protocol

from pydantic import Field, StringConstraints

from contracts.base import TICKER_CHARACTERS, Millis, Record

ENGINE_EPOCH = 0
"""The epoch of the marks that the engine writes when nobody else does: it covers nothing."""
EVERY_SYMBOL = "*"
"""In a change of coverage: every symbol that the epoch has covered."""

MARKED_SYMBOL = rf"\*|[A-Z0-9_]{{1,32}}:[{TICKER_CHARACTERS}]{{1,64}}"
"""What a change of coverage names: an identity or `*`; to be matched whole."""
MarkedSymbol = Annotated[str, StringConstraints(pattern=rf"^({MARKED_SYMBOL})$")]
MAX_CHANGES = 20_000
"""Changes of coverage in one mark, at most."""

Epoch = Annotated[int, Field(ge=0, lt=2**53)]
"""One period in which one process owned a partition of the tick log."""


class CoverageState(StrEnum):
    """Whether an epoch covers a symbol, or does not, or the symbol is no longer wanted (`released`)."""

    COVERED = "covered"
    UNCOVERED = "uncovered"
    RELEASED = "released"


class CoverageChange(Record):
    """From `at` (milliseconds of receive time, may be in the past) on `symbol` has this state in the mark's epoch.

    `*` stands for every symbol that the epoch has covered.
    """

    symbol: MarkedSymbol
    state: CoverageState
    at: Millis


class FeedMark(Record):
    """A watermark and changes of coverage of one partition of `market.ticks`, under the key `!`, every 250 ms.

    Every observation received up to `watermark` (milliseconds) stands before this mark in the log. An epoch begins at
    an assignment of the partition, or after a failed delivery, and covers nothing at first; its coverage ends at its
    last watermark.
    """

    kind: Literal["mark"] = "mark"
    epoch: Epoch
    watermark: Millis
    coverage: Annotated[tuple[CoverageChange, ...], Field(max_length=MAX_CHANGES)] = ()


class ChangeLike(Protocol):
    """A change of coverage as either twin reads it."""

    @property
    def symbol(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def at(self) -> int: ...


class MarkLike(Protocol):
    """A mark as either twin reads it."""

    @property
    def epoch(self) -> int: ...
    @property
    def watermark(self) -> int: ...
    @property
    def coverage(self) -> Sequence[ChangeLike]: ...


Stretch = tuple[int, int]
"""`[start, end)` in milliseconds of receive time."""

Piece = tuple[int, int, int | None]
"""An epoch, from when on it covered a symbol, and until when; None: up to the epoch's last watermark."""


def lost_time(
    uncovered: Iterable[Stretch], open_time: int, close_time: int, delay_ms: int, close_delay_ms: int
) -> list[Stretch]:
    """The event time of `[open_time, close_time)` that was lost by uncovered stretches, in order and disjoint.

    By an uncovered stretch `[a, b)` (in order and disjoint) a symbol of this delay loses the event time
    `[a - delay - close_delay, b - delay)`. Time that was uncovered before the first observation of it could arrive, or
    after the last, is not lost.
    """
    start, end = open_time + delay_ms, close_time + delay_ms + close_delay_ms
    lost = []
    reached = open_time
    for a, b in uncovered:
        if b <= start or end <= a:
            continue
        # Calls of max and min would treble its time, and a month's first bars ask for each.
        lost_from = (a if a > start else start) - delay_ms - close_delay_ms  # noqa: FURB136
        lost_from = lost_from if lost_from > reached else reached  # noqa: FURB136
        lost_until = b - delay_ms if b - delay_ms < close_time else close_time  # noqa: FURB136
        if lost_from < lost_until:
            lost.append((lost_from, lost_until))
            reached = lost_until
    return lost


class _Piece:
    """An epoch's coverage of one symbol: `[start, end)`, or up to the epoch's last watermark while `end` is None."""

    __slots__ = ("end", "epoch", "start")

    def __init__(self, epoch: int, start: int, end: int | None = None) -> None:
        self.epoch = epoch
        self.start = start
        self.end = end


class Coverage:
    """The fold of one partition's marks, in log order: a clock, and for each symbol what was covered.

    A symbol is covered while any epoch covers it; all other time is uncovered, also that before the first mark.
    """

    def __init__(self) -> None:
        self.clock = 0
        """The greatest `min(watermark, record timestamp)` of the marks applied: the log's clock, milliseconds."""
        self._watermarks: dict[int, int] = {}
        self._pieces: dict[str, list[_Piece]] = {}
        self._released: set[str] = set()

    def restore(
        self, clock: int, watermarks: Mapping[int, int], pieces: Mapping[str, Sequence[Piece]], released: Iterable[str]
    ) -> None:
        """Take over the state of another `Coverage`: its `clock`, `watermarks`, `pieces` and released symbols."""
        self.clock = clock
        self._watermarks = dict(watermarks)
        self._pieces = {symbol: [_Piece(*piece) for piece in found] for symbol, found in pieces.items()}
        self._released = set(released)

    @property
    def watermarks(self) -> Mapping[int, int]:
        """The greatest watermark of each epoch, bounded by the append time of its mark."""
        return self._watermarks

    def pieces(self, symbol: str) -> list[Piece]:
        """Which epoch covered a symbol when, in log order; empty for a symbol that is not known."""
        return [(piece.epoch, piece.start, piece.end) for piece in self._pieces.get(symbol, ())]

    def is_released(self, symbol: str) -> bool:
        """Whether the symbol was released: it is no longer wanted."""
        return symbol in self._released

    def apply(self, mark: MarkLike, timestamp: int) -> int:
        """Take the next mark of the log with its record timestamp; returns the new clock."""
        epoch = mark.epoch
        reached = min(mark.watermark, timestamp)
        self._watermarks[epoch] = max(reached, self._watermarks.get(epoch, 0))
        for change in mark.coverage:
            if epoch != ENGINE_EPOCH:
                self._change(epoch, change)
        self.clock = max(self.clock, reached)
        return self.clock

    @property
    def symbols(self) -> Iterable[str]:
        """Every symbol that an epoch has named and that is still known."""
        return self._pieces.keys()

    def is_wanted(self, symbol: str) -> bool:
        """Whether an epoch has covered the symbol and none has released it since."""
        return bool(self._pieces.get(symbol)) and symbol not in self._released

    def covered(self, symbol: str, start: int, end: int) -> list[Stretch]:
        """The stretches of `[start, end)` in which any epoch covered the symbol, in order and disjoint."""
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

    def uncovered(self, symbol: str, start: int, end: int) -> list[Stretch]:
        """The stretches of `[start, end)` in which no epoch covered the symbol, in order and disjoint."""
        for piece in reversed(self._pieces.get(symbol, ())):
            if piece.start <= start and end <= (self._watermarks[piece.epoch] if piece.end is None else piece.end):
                return []
        missing = []
        reached = start
        for a, b in self.covered(symbol, start, end):
            if reached < a:
                missing.append((reached, a))
            reached = b
        if reached < end:
            missing.append((reached, end))
        return missing

    def reach(self, symbol: str, epoch: int) -> tuple[int, bool]:
        """Up to when an epoch covers a symbol, and whether a mark has ended that coverage.

        `(0, True)` for an epoch that never covered the symbol.
        """
        for piece in reversed(self._pieces.get(symbol, ())):
            if piece.epoch == epoch:
                return self._end(piece), piece.end is not None
        return 0, True

    def forget(self, before: int) -> list[str]:
        """Drop coverage before an instant: answers are then true for stretches from there on only.

        Returns the symbols of which something was dropped.
        """
        changed = []
        for symbol in list(self._pieces):
            kept = [piece for piece in self._pieces[symbol] if piece.end is None or piece.end > before]
            kept = [piece for piece in kept if piece.end is not None or self._end(piece) > before]
            if kept and len(kept) == len(self._pieces[symbol]):
                continue
            changed.append(symbol)
            if kept:
                self._pieces[symbol] = kept
            else:
                del self._pieces[symbol]
                self._released.discard(symbol)
        referenced = {piece.epoch for pieces in self._pieces.values() for piece in pieces}
        for epoch, watermark in list(self._watermarks.items()):
            if watermark < before and epoch not in referenced:
                del self._watermarks[epoch]
        return changed

    def _end(self, piece: _Piece) -> int:
        return self._watermarks[piece.epoch] if piece.end is None else piece.end

    def _change(self, epoch: int, change: ChangeLike) -> None:
        if change.symbol != EVERY_SYMBOL:
            self._set(epoch, change.symbol, change.state, change.at)
            return
        for symbol in list(self._pieces):
            if symbol not in self._released and any(piece.epoch == epoch for piece in self._pieces[symbol]):
                self._set(epoch, symbol, change.state, change.at)

    def _set(self, epoch: int, symbol: str, state: str, at: int) -> None:
        pieces = self._pieces.setdefault(symbol, [])
        current = next((piece for piece in reversed(pieces) if piece.epoch == epoch and piece.end is None), None)
        if state == CoverageState.COVERED:
            self._released.discard(symbol)
            if current is None:
                pieces.append(_Piece(epoch, at))
            return
        if state == CoverageState.RELEASED:
            self._released.add(symbol)
        for piece in pieces:
            if piece.epoch == epoch:
                piece.end = min(self._end(piece), max(at, piece.start))
