"""Everything one symbol ever traded: nodes of each level, trades, and folds up to an instant. Instants are ms."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tradingview_simulator.model.days import Days
from tradingview_simulator.model.draws import draw
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.nodes import Node, Trade, merge, of_trades
from tradingview_simulator.model.split import DRAWS_PER_NODE, DRAWS_PER_PIECE, Edge, cut

DAY, HOUR, QUARTER, MINUTE = range(4)
STEP_S = (86_400, 3_600, 900, 60)
"""Seconds of a node of each level. Hours, quarters and minutes are aligned to the epoch and cut to the session."""

JITTER_MS = 40


class DayState(NamedTuple):
    """A trading day as known at an instant: `node` folds its trades so far, `last` is the newest of them."""

    day: int
    node: Node
    last: Trade
    previous_close: int


Cut = Callable[["Tape", int, Node], tuple[Node, ...]]
Trades = Callable[["Tape", Node], tuple[Trade, ...]]


class Tape:
    """One symbol. `cut` and `trades_of` are the model's shared caches over `cut_node` and `draw_trades`."""

    def __init__(self, seed: int, instrument: Instrument, cut: Cut, trades_of: Trades) -> None:
        self.instrument = instrument
        self.days = Days(seed, instrument)
        self._key = f"{seed}|{instrument.name}"
        self._cut = cut
        self._trades_of = trades_of
        # Trades of a symbol keep to one phase of the second, so that two are never much closer than a second.
        self._phase_ms = draw(f"{self._key}|phase", 1)[0] % (1_000 - JITTER_MS)

    def children(self, level: int, node: Node) -> tuple[Node, ...]:
        """The nodes of `level + 1` inside a node of `level` above MINUTE that have trades."""
        return self._cut(self, level, node)

    def trades(self, minute: Node) -> tuple[Trade, ...]:
        """The trades of a MINUTE node, in order, in distinct seconds."""
        return self._trades_of(self, minute)

    def cut_node(self, level: int, node: Node) -> tuple[Node, ...]:
        """What `children` answers, computed."""
        edges = _edges(node, STEP_S[level + 1])
        draws = draw(f"{self._key}|{level}|{node.start}", DRAWS_PER_NODE + DRAWS_PER_PIECE * len(edges))
        return tuple(cut(node, edges, draws, [end - start for start, end in edges]))

    def draw_trades(self, minute: Node) -> tuple[Trade, ...]:
        """What `trades` answers, computed."""
        seconds = minute.end - minute.start
        keys = draw(f"{self._key}|seconds|{minute.start}", seconds)
        chosen = sorted(sorted(range(seconds), key=keys.__getitem__)[: minute.trades])
        edges = [(minute.start + second, minute.start + second + 1) for second in chosen]
        draws = draw(f"{self._key}|trades|{minute.start}", DRAWS_PER_NODE + DRAWS_PER_PIECE * len(edges))
        return tuple(
            Trade(piece.start * 1_000 + self._phase_ms + key % JITTER_MS, piece.close, piece.volume)
            for piece, key in zip(cut(minute, edges, draws, [1] * len(edges)), keys, strict=False)
        )

    def nodes(self, day: int, level: int) -> Sequence[Node]:
        """The nodes of a level within a trading day, in order; none where it is no trading day."""
        node = self.days.node(day)
        found: Sequence[Node] = () if node is None else (node,)
        for above in range(level):
            found = [child for parent in found for child in self.children(above, parent)]
        return found

    def until(self, level: int, node: Node, at_ms: int) -> Node | None:
        """The fold of the trades of `node` (a node of `level`) no later than `at_ms`, None where there is none."""
        if node.end * 1_000 <= at_ms:
            return node
        if node.start * 1_000 > at_ms:
            return None
        if level == MINUTE:
            trades = [trade for trade in self.trades(node) if trade.time_ms <= at_ms]
            return of_trades(node.start, node.end, trades) if trades else None
        parts = [part for child in self.children(level, node) if (part := self.until(level + 1, child, at_ms))]
        return merge(parts)._replace(start=node.start, end=node.end) if parts else None

    def last_trade(self, level: int, node: Node, at_ms: int) -> Trade | None:
        """The newest trade of `node` no later than `at_ms`."""
        if level == MINUTE:
            return next((trade for trade in reversed(self.trades(node)) if trade.time_ms <= at_ms), None)
        for child in reversed(self.children(level, node)):
            if child.start * 1_000 <= at_ms and (trade := self.last_trade(level + 1, child, at_ms)):
                return trade
        return None

    def day_at(self, at_ms: int) -> int:
        """The newest trading day whose session began no later than `at_ms`, also where that is before the listing."""
        day = at_ms // 86_400_000 + 1
        session = self.instrument.calendar.session(day)
        while session is None or session.start * 1_000 > at_ms:
            day = self.days.previous(day)
            session = self.instrument.calendar.session(day)
        return day

    def state_at(self, at_ms: int) -> DayState | None:
        """The newest trading day that has traded by `at_ms`, as known then; None before the first trade ever."""
        day = self.day_at(at_ms)
        while day >= self.days.first:
            node = self.days.node(day)
            if node is not None:
                so_far = self.until(DAY, node, at_ms)
                last = self.last_trade(DAY, node, at_ms)
                if so_far is not None and last is not None:
                    return DayState(day, so_far, last, self.days.close(self.days.previous(day)))
            day = self.days.previous(day)
        return None

    def minutes_after(self, at_ms: int) -> Iterator[tuple[int, tuple[Trade, ...]]]:
        """For ever: (trading day, trades later than `at_ms`) of each minute that has such, computed when asked for."""
        day = max(self.day_at(at_ms), self.days.first)
        while True:
            for minute in self._minutes_from(day, at_ms):
                trades = self.trades(minute)
                if minute.start * 1_000 <= at_ms:
                    trades = tuple(trade for trade in trades if trade.time_ms > at_ms)
                if trades:
                    yield day, trades
            day = self.days.next_session(day + 1).day

    def _minutes_from(self, day: int, at_ms: int) -> Iterator[Node]:
        node = self.days.node(day)
        found: Iterator[Node] = iter(() if node is None else (node,))
        for level in (DAY, HOUR, QUARTER):
            found = self._later_children(level, found, at_ms)
        return found

    def _later_children(self, level: int, parents: Iterator[Node], at_ms: int) -> Iterator[Node]:
        for parent in parents:
            yield from (child for child in self.children(level, parent) if child.end * 1_000 > at_ms)


def _edges(node: Node, step: int) -> list[Edge]:
    inner = range(node.start // step * step + step, node.end, step)
    bounds = [node.start, *inner, node.end]
    return list(pairwise(bounds))
