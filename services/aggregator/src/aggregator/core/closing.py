"""What marks do: bars close as the clock passes their ends, are emitted again, and become final.

A delay class is the symbols of one feed delay. The clock passes every minute boundary of a class in order; at each the
bars of its symbols that end there are emitted, symbol by symbol, from 1m to 1M, and bars older than the grace period
become final. Which longer bars end at a boundary is computed once for all symbols of a calendar.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aggregator.core.counter import Move
from aggregator.core.emission import AUCTION, CALENDAR, GAP_MS, LATE_TICK, VOLUME, Emitter
from aggregator.core.grid import CalendarGrid
from aggregator.core.longer import Chain, Level, Values
from aggregator.core.minute import Minute
from aggregator.core.rules import Rules
from aggregator.core.symbol import Emitted, Symbol
from contracts.intervals import MINUTE
from contracts.marks import Coverage

ANNOUNCED_WITHIN_MS = 5 * MINUTE
"""Maximum delay from the end of a gap to its event, the close delay included."""


class Boundary(NamedTuple):
    """What happens to the symbols of one calendar at a minute boundary; levels are named by their place in the chain.

    `ending`: the levels of which a bar closes; `needed`: those and the levels that they are made of; `finishing`: those
    of which a bar becomes final. `since`: no bar that closes begins before it (None: it may have begun at any time).
    """

    ending: tuple[int, ...]
    needed: list[int]
    finishing: Sequence[int]
    since: int | None


class Closing:
    """Closes, corrects and finishes the bars of one partition's symbols."""

    def __init__(self, rules: Rules, chain: Chain, coverage: Coverage, emitter: Emitter) -> None:
        self._rules = rules
        self._chain = chain
        self._coverage = coverage
        self._emitter = emitter
        self.since: dict[str, int] = {}
        """Intervals that were added later: only bars that begin at or after this instant are emitted."""
        self.pending: dict[str, int] = {}
        """Symbols with a bar that later marks may change, and the clock at which it is checked again."""

    def decide(self, symbol: Symbol, move: Move) -> bool:
        """Whether what the counter moved is volume of a bar, as the marks say by now: the symbol was covered meanwhile.

        It is decided for good once the close delay has passed since the end of the uncovered stretch, when its gap
        event is emitted; until then later marks may still say that the symbol was covered.
        """
        if move.is_covered is not None:
            return move.is_covered
        until = self._uncovered_until(symbol, move)
        due = max(move.received, until) + self._rules.close_delay_ms
        if self._coverage.clock >= due:
            move.is_covered = not until
        else:
            self._look_again(symbol, due)
        return not until

    def seems(self, symbol: Symbol, move: Move) -> bool:
        """The answer of `decide` as the marks are by now, without deciding anything for good."""
        return not self._uncovered_until(symbol, move) if move.is_covered is None else move.is_covered

    def _uncovered_until(self, symbol: Symbol, move: Move) -> int:
        """When the stretch that was uncovered while a counter moved ended, as far as marks say; 0: there was none."""
        uncovered = self._coverage.uncovered(symbol.name, move.before, self._coverage.clock)
        return max([end for start, end in uncovered if start < move.received], default=0)

    def _look_again(self, symbol: Symbol, at: int) -> None:
        self.pending[symbol.name] = max(at, self.pending.get(symbol.name, 0))

    def boundary(self, grid: CalendarGrid, boundary: int) -> Boundary:
        """What happens to the symbols of a calendar at a boundary."""
        longer, ending = self._chain.longer, grid.ending_at(boundary)
        finishing = grid.finishing_at(boundary - self._rules.grace_ms)
        steps = [longer[place].step for place in ending]
        since = boundary - max(steps) if steps and all(steps) else None
        return Boundary(ending, self._chain.with_sources(ending), finishing, since)

    def passed(self, symbol: Symbol, boundary: int, plan: Boundary) -> None:
        """The clock has passed a boundary of the symbol's class: close what ends there, make final what is old."""
        auctions = self.minutes(symbol, boundary)
        if plan.ending:
            self._longer(symbol, boundary, plan)
        if auctions:
            self._emit_again(symbol, [(minute, AUCTION) for minute in auctions], {}, boundary)
        grace_ms = self._rules.grace_ms
        symbol.finish(self._chain, boundary - grace_ms, plan.finishing, boundary - ANNOUNCED_WITHIN_MS)
        if not (symbol.minutes or symbol.retained or symbol.unannounced):
            symbol.sleep(self._chain, grace_ms)

    def minutes(self, symbol: Symbol, boundary: int) -> list[Minute]:
        """Close every minute of a symbol that ends by a boundary; returns those that hold a closing auction.

        Such a minute follows the close, so it changes longer bars that were emitted at the close.
        """
        auctions = []
        symbol.floor = max(symbol.floor, boundary)
        minutes = symbol.minutes
        for open_time in sorted(minutes) if len(minutes) > 1 else tuple(minutes):
            if minutes[open_time].close_time > boundary:
                break
            minute = symbol.close(open_time, self.decide)
            if minute.emitted is not None:
                minute.revision = 0
                minute.gap_ms = self._gap_ms(symbol, open_time, minute.close_time)
                self._emitter.minute(symbol, minute, None)
                if not symbol.grid.is_session(open_time):
                    auctions.append(minute)
        return auctions

    def _longer(self, symbol: Symbol, boundary: int, plan: Boundary) -> None:
        """Close a symbol's longer bars that end at a boundary. Those that ended earlier are emitted already.

        A bar that was emitted at an early close which was taken back later ends a second time.
        """
        chain, grid, since = self._chain, symbol.grid, plan.since
        built = symbol.roll_up.built(chain, plan.needed, symbol.retained_parts(since), grid)
        gap_free_from = None
        for place in plan.ending:
            bars, emitted = built[place], symbol.emitted[place]
            due = [
                label
                for label in bars
                if grid.close_of(place, label) <= boundary
                and (label not in emitted or emitted[label].close_time < grid.close_of(place, label))
            ]
            if not due:
                continue
            level = chain.longer[place]
            whole_from = self.since.get(level.name) if self.since else None
            for label in sorted(due) if len(due) > 1 else due:
                begin, close_time = grid.span(place, label)
                if (since is not None and begin < since) or (whole_from is not None and begin < whole_from):
                    continue
                if gap_free_from is None or begin < gap_free_from:
                    gap_free_from = self._emitter.first_gap_free(symbol, begin, boundary)
                gap_ms = self._gap_ms(symbol, begin, close_time) if begin < gap_free_from else 0
                revision = emitted[label].revision + 1 if label in emitted else 0
                bar = emitted[label] = Emitted(bars[label], close_time, gap_ms, revision)
                symbol.is_changed = True
                self._emitter.longer(symbol, level, label, bar, CALENDAR if revision else None)

    def catch_up(self, symbol: Symbol, boundary: int) -> None:
        """Close all bars that end by a boundary and are still open, after the symbol's class or calendar changed."""
        closed_before = symbol.floor
        auctions = self.minutes(symbol, boundary)
        if auctions:
            self._emit_again(symbol, [(minute, AUCTION) for minute in auctions], {}, closed_before)
        built = symbol.roll_up.built(self._chain, self._chain.places, symbol.retained_parts(), symbol.grid)
        for place, level in enumerate(self._chain.longer):
            for label in sorted(built[place].keys() - symbol.emitted[place].keys()):
                self._again(symbol, place, level, label, built[place], GAP_MS, closed_before)

    def correct(self, symbol: Symbol, *, everything: bool) -> None:
        """Emit again, or for the first time, what has changed: minutes, then every closed longer bar.

        `everything`: coverage or the calendar may have changed longer bars of which no minute did.
        """
        chain = self._chain
        changed: list[tuple[Minute, str]] = []
        symbol.is_changed = True
        for minute in symbol.retained.values():
            if any(move.is_covered is None for move in minute.moves):
                minute.saved = None
            values = symbol.values(minute, self.decide)
            if values is None:
                continue
            gap_ms = self._emitter.gap_ms(symbol, minute.open_time, minute.close_time)
            if values == minute.emitted and gap_ms == minute.gap_ms:
                continue
            reason = LATE_TICK if minute.late else VOLUME if values != minute.emitted else GAP_MS
            minute.emitted, minute.gap_ms, minute.late, minute.saved = values, gap_ms, 0, None
            minute.revision += 1
            changed.append((minute, reason))
            self._emitter.minute(symbol, minute, reason if minute.revision else None)
        if not changed and not everything:
            return
        of_all = dict.fromkeys(chain.places, GAP_MS) if everything else {}
        self._emit_again(symbol, changed, of_all, symbol.floor)

    def _emit_again(
        self, symbol: Symbol, changed: list[tuple[Minute, str]], of_all: dict[int, str], closed_until: int
    ) -> None:
        """Emit closed longer bars that have changed again: those of changed minutes, and all of the levels `of_all`.

        `closed_until`: a boundary that was passed; what is older than that by the grace period is final.
        """
        chain, grid = self._chain, symbol.grid
        built = symbol.roll_up.built(chain, chain.places, symbol.retained_parts(), grid)
        for place, level in enumerate(chain.longer):
            reasons = dict.fromkeys(symbol.emitted[place], of_all[place]) if place in of_all else {}
            reasons |= {grid.labels(minute.open_time)[place]: reason for minute, reason in reversed(changed)}
            for label in sorted(reasons):
                self._again(symbol, place, level, label, built[place], reasons[label], closed_until)

    def _again(  # noqa: PLR0917 - one bar, by all that identifies it
        self,
        symbol: Symbol,
        place: int,
        level: Level,
        label: int,
        bars: dict[int, Values],
        reason: str,
        closed_until: int,
    ) -> None:
        """Emit a closed longer bar if it has changed since it was emitted, or was not emitted yet."""
        emitted = symbol.emitted[place]
        before, values = emitted.get(label), bars.get(label)
        begin, close_time = symbol.grid.span(place, label)
        if values is None or close_time > symbol.floor:
            return
        if before is None:
            if begin < self.since.get(level.name, begin):
                return
        elif before.close_time == close_time and close_time + MINUTE <= closed_until - self._rules.grace_ms:
            return
        gap_ms = self._emitter.gap_ms(symbol, begin, close_time)
        if before is None:
            bar = Emitted(values, close_time, gap_ms)
        elif (before.values, before.close_time, before.gap_ms) == (values, close_time, gap_ms):
            return
        else:
            reason = CALENDAR if before.close_time != close_time else reason
            bar = Emitted(values, close_time, gap_ms, before.revision + 1)
        emitted[label] = bar
        symbol.is_changed = True
        self._emitter.longer(symbol, level, label, bar, reason if bar.revision else None)

    def pass_all(self, members: Iterable[Symbol], boundary: int) -> None:
        """Pass a boundary for symbols in their order."""
        plans: dict[int, Boundary] = {}
        for symbol in members:
            grid = symbol.grid
            plan = plans.get(id(grid))
            if plan is None:
                plan = plans[id(grid)] = self.boundary(grid, boundary)
            self.passed(symbol, boundary, plan)

    def _gap_ms(self, symbol: Symbol, begin: int, close_time: int) -> int:
        """The `gap_ms` of a bar that closes now; if it is not 0, later marks may still make it smaller."""
        gap_ms = self._emitter.gap_ms(symbol, begin, close_time)
        if gap_ms:
            self._look_again(symbol, self._coverage.clock + self._rules.close_delay_ms)
        return gap_ms
