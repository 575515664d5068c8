"""Everything one symbol ever traded: nodes of each level, trades, and folds up to an instant. Instants are ms.

Trading before and after the market is a tape of its own for each (`outside`). It makes no bar of less than a day, but
its volume counts in the day's cumulative volume, which therefore begins again with the first trade before the market.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from tradingview_simulator.model.calendars import Calendar
from tradingview_simulator.model.days import Days
from tradingview_simulator.model.draws import draw
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.nodes import Node, Trade, merge, of_trades
from tradingview_simulator.model.outside import OutsideDays
from tradingview_simulator.model.split import DRAWS_PER_NODE, DRAWS_PER_PIECE, Edge, cut

DAY, HOUR, QUARTER, MINUTE = range(4)
STEP_S = (86_400, 3_600, 900, 60)
"""Seconds of a node of each level. Hours, quarters and minutes are aligned to the epoch and cut to the session."""

JITTER_MS = 40


class Counter(NamedTuple):
    """The cumulative volume of a trading day at an instant, in units, trading outside the session included."""

    day: int
    units: int


class DayState(NamedTuple):
    """A trading day as known at an instant: `node` folds its trades so far, `last` is the newest of them.

    counter: may be of the day after already, before the market. outside: the newest trade outside the session, where
    it is newer than `last`.
    """

    day: int
    node: Node
    last: Trade
    previous_close: int
    counter: Counter
    outside: Trade | None = None


Cut = Callable[["Tape", int, Node], tuple[Node, ...]]
Trades = Callable[["Tape", Node], tuple[Trade, ...]]


class Tape:
    """One symbol. `cut` and `trades_of` are the model's shared caches over `cut_node` and `draw_trades`."""

    def __init__(
        self, seed: int, instrument: Instrument, cut: Cut, trades_of: Trades, days: Days | None = None
    ) -> None:
        self.instrument = instrument
        self.days = days or Days(seed, instrument)
        key = f"{seed}|{instrument.name}"
        self._key = key if days is None else f"{key}|{days.calendar.spec}"
        self._cut = cut
        self._trades_of = trades_of
        # Trades of a symbol keep to one phase of the second, so that two are never much closer than a second.
        self._phase_ms = draw(f"{key}|phase", 1)[0] % (1_000 - JITTER_MS)
        outside = instrument.calendar.outside.items() if days is None else ()
        self.outside: tuple[Tape, ...] = tuple(
            self._part(seed, replace(instrument, calendar=calendar), name) for name, calendar in outside
        )

    def _part(self, seed: int, instrument: Instrument, name: str) -> "Tape":
        return Tape(seed, instrument, self._cut, self._trades_of, OutsideDays(seed, instrument, self.days, name))

    @property
    def calendar(self) -> Calendar:
        """The calendar in force, corrections included."""
        return self.days.calendar

    def previous_close(self, day: int) -> int:
        """The price that the trading day before ended with, also where an early close cut that day."""
        before = self.days.previous(day)
        node = self.days.node(before)
        if node is None or self.days.end(before) is None:
            return self.days.close(before)
        part = self.until(DAY, node, self._cut_ms(before))
        return self.days.close(before) if part is None else part.close

    def children(self, level: int, node: Node) -> tuple[Node, ...]:
        """The nodes of `level + 1` inside a node of `level` above MINUTE that have trades."""
        return self._cut(self, level, node)

    def trades(self, minute: Node) -> tuple[Trade, ...]:
        """The trades of a MINUTE node, in order, in distinct seconds."""
        return self._trades_of(self, minute)

    def cut_node(self, level: int, node: Node) -> tuple[Node, ...]:
        """What `children` answers, computed."""
        prints_last = False
        if level == DAY:
            day = self.days.day_at(node.start)
            edges = [edge for stretch in self.days.stretches(day) for edge in _edges(*stretch, STEP_S[HOUR])]
            prints_last = self.days.has_auction(day)
        else:
            edges = _edges(node.start, node.end, STEP_S[level + 1])
        draws = draw(f"{self._key}|{level}|{node.start}", DRAWS_PER_NODE + DRAWS_PER_PIECE * len(edges))
        return tuple(cut(node, edges, draws, [end - start for start, end in edges], prints_last=prints_last))

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
        if self.days.end(day) is None:
            return found
        return [part for each in found if (part := self.until(level, each, self._cut_ms(day))) is not None]

    def _cut_ms(self, day: int) -> int:
        """The last instant of a day at which it may trade."""
        end = self.days.end(day)
        return 1 << 62 if end is None else end * 1_000 - 1

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
        return self.days.day_at(at_ms // 1_000)

    def day_until(self, day: int, at_ms: int) -> Node | None:
        """The fold of a trading day's trades no later than `at_ms`, None where there is none."""
        node = self.days.node(day)
        return None if node is None else self.until(DAY, node, min(at_ms, self._cut_ms(day)))

    def outside_volume(self, day: int, at_ms: int) -> int:
        """What traded before and after the market of a day by `at_ms`, in units."""
        parts = [tape.day_until(day, at_ms) for tape in self.outside]
        return sum(part.volume for part in parts if part is not None)

    def state_at(self, at_ms: int) -> DayState | None:
        """The newest trading day that has traded by `at_ms`, as known then; None before the first trade ever."""
        day = self.day_at(at_ms)
        while day >= self.days.first:
            node = self.days.node(day)
            so_far = self.day_until(day, at_ms)
            if node is not None and so_far is not None:
                last = self.last_trade(DAY, node, min(at_ms, self._cut_ms(day)))
                assert last is not None
                counter = Counter(day, so_far.volume + self.outside_volume(day, at_ms))
                outside = self._last_outside(at_ms)
                if outside is not None and outside[1].time_ms > last.time_ms:
                    if outside[0] != day:
                        counter = Counter(outside[0], self.outside_volume(outside[0], at_ms))
                    return DayState(day, so_far, last, self.previous_close(day), counter, outside[1])
                return DayState(day, so_far, last, self.previous_close(day), counter)
            day = self.days.previous(day)
        return None

    def _last_outside(self, at_ms: int) -> tuple[int, Trade] | None:
        """The newest trade before or after a market, and its trading day."""
        found = [(state.day, state.last) for tape in self.outside if (state := tape.state_at(at_ms)) is not None]
        return max(found, key=lambda each: each[1].time_ms, default=None)

    def minutes_after(self, at_ms: int) -> Iterator[tuple[int, tuple[Trade, ...]]]:
        """For ever: (trading day, trades later than `at_ms`) of each minute that has such, computed when asked for."""
        day = max(self.day_at(at_ms), self.days.first)
        while True:
            until_ms = self._cut_ms(day)
            for minute in self._minutes_from(day, at_ms):
                trades = self.trades(minute)
                if minute.start * 1_000 <= at_ms or minute.end * 1_000 > until_ms:
                    trades = tuple(trade for trade in trades if at_ms < trade.time_ms <= until_ms)
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


def _edges(start: int, end: int, step: int) -> list[Edge]:
    inner = range(start // step * step + step, end, step)
    return list(pairwise([start, *inner, end]))
