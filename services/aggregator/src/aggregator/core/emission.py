"""What the fold emits, in order: bars, `BarsComplete`, gap events, late ticks and records that it puts aside."""

from collections import defaultdict
from enum import StrEnum

import msgspec

from aggregator.core.gaps import NEVER
from aggregator.core.longer import Level, Values
from aggregator.core.minute import Minute
from aggregator.core.rules import Rules
from aggregator.core.symbol import Emitted, Symbol
from contracts import wire
from contracts.bars import VOLUME_SCALE, Origin, volume_of
from contracts.errors import BadData
from contracts.marks import Coverage, Stretch, lost_time
from contracts.topics import MARK_KEY

TICKS = Origin.TICKS.value
LATE_TICK, VOLUME, GAP_MS, CALENDAR, AUCTION = "late_tick", "volume", "gap", "calendar", "auction"
"""Why a bar is emitted again.

In this order: a tick came late; its volume was decided anew; its `gap_ms` changed; its `close_time` moved; a closing
auction followed the close.
"""


class Kind(StrEnum):
    """What was emitted, and so where it goes."""

    BAR = "bar"
    COMPLETE = "complete"
    LATE = "late"
    GAP = "gap"
    DEAD = "dead"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Why a record of the log is put aside: one sentence, and a stable word for metrics."""

    cause: str
    kind: str


class Issue(msgspec.Struct, frozen=True, gc=False):
    """One record that the fold emits. For a record of the log that is put aside it has the cause; the caller has the
    raw record.

    `at` is the log's clock when it was emitted, milliseconds.
    """

    kind: Kind
    key: bytes | None
    record: wire.Bar | wire.BarsComplete | wire.LateTick | wire.GapEvent | Refused
    at: int = 0
    source: wire.Tick | wire.Calendar | None = None
    """The record that is put aside."""


class Emitter:
    """Collects what is emitted. `coverage` says what of a bar was uncovered."""

    def __init__(self, rules: Rules, coverage: Coverage) -> None:
        self._rules = rules
        self._coverage = coverage
        self.issues: list[Issue] = []
        """What was emitted and not taken yet, in order."""
        self.counts: dict[int, int] = defaultdict(int)
        """Bars of each delay class, in seconds, that were emitted since its last `BarsComplete`."""

    @property
    def clock(self) -> int:
        """The log's clock."""
        return self._coverage.clock

    def minute(self, symbol: Symbol, minute: Minute, reason: str | None) -> None:
        """Emit the bar of a closed minute: its `emitted`, `gap_ms` and `revision`."""
        assert minute.emitted is not None
        self._put(symbol, "1m", minute.open_time, minute.close_time, minute.day, minute.emitted, minute.gap_ms,
                  minute.revision, reason)  # fmt: skip

    def longer(self, symbol: Symbol, level: Level, label: int, bar: Emitted, reason: str | None) -> None:
        """Emit a longer bar."""
        day = symbol.grid.day_of(label) if level.step else label
        self._put(symbol, level.name, label, bar.close_time, day, bar.values, bar.gap_ms, bar.revision, reason)

    def _put(  # noqa: PLR0917 - by name it takes longer, and it is called for every bar
        self, symbol: Symbol, interval: str, open_time: int, close_time: int, day: int, values: Values, gap_ms: int,
        revision: int, reason: str | None,
    ) -> None:  # fmt: skip
        volume, delay = values.volume, symbol.delay_ms // 1000
        bar = wire.Bar(
            interval,
            open_time,
            close_time,
            day,
            values.open,
            values.high,
            values.low,
            values.close,
            None if volume is None else volume / VOLUME_SCALE,
            values.tick_count,
            values.first_tick_time,
            values.last_tick_time,
            gap_ms,
            exchange=symbol.id.exchange,
            symbol=symbol.id.symbol,
            origin=TICKS,
            revision=revision,
            delay=delay,
            reason=reason,
        )
        self.counts[delay] += 1
        self.issues.append(Issue(Kind.BAR, symbol.key, bar, self._coverage.clock))

    def complete(self, delay_ms: int, closed_through: int, final_through: int) -> None:
        """Emit up to when the bars of a delay class are complete and final."""
        delay = delay_ms // 1000
        record = wire.BarsComplete(
            delay=delay, closed_through=closed_through, final_through=final_through, count=self.counts.pop(delay, 0)
        )
        self.issues.append(Issue(Kind.COMPLETE, MARK_KEY, record, self._coverage.clock))

    def gap(self, key: bytes, symbol: Symbol | None, stretch: Stretch, lost: Stretch, volume: int | None) -> None:
        """Emit a gap event: a stretch of receive time was uncovered, by which the event time `lost` was lost."""
        exchange, _, ticker = key.decode().partition(":")
        event = wire.GapEvent(
            exchange=exchange,
            symbol=ticker,
            start=stretch[0],
            end=stretch[1],
            delay=0 if symbol is None else symbol.next_delay_ms // 1000,
            event_start=lost[0],
            event_end=lost[1],
            session_ms=_session_ms(symbol, lost),
            gap_volume=None if volume is None else volume_of(volume),
            at=self._coverage.clock,
        )
        self.issues.append(Issue(Kind.GAP, key, event, self._coverage.clock))

    def late(self, key: bytes, tick: wire.Tick, bar_open_time: int, closed_until: int) -> None:
        """Emit a tick whose minute is final already."""
        late = wire.LateTick(
            tick=tick, reason="beyond_grace_period", bar_open_time=bar_open_time, closed_until=closed_until
        )
        self.issues.append(Issue(Kind.LATE, key, late, self._coverage.clock))

    def dead(self, key: bytes, source: wire.Tick | wire.Calendar, cause: str, kind: str) -> None:
        """Put a record of the log aside."""
        self.issues.append(Issue(Kind.DEAD, key, Refused(cause, kind), self._coverage.clock, source))

    def gap_ms(self, symbol: Symbol, start: int, close_time: int) -> int:
        """How much of the session time of `[start, close_time)` was not covered, as far as the marks say by now."""
        if not symbol.delays:
            stretches = self._lost(symbol, start, close_time, symbol.delay_ms)
            if not stretches:
                return 0
        else:
            stretches = [
                stretch
                for begin, end, delay_ms in symbol.observed_with(start, close_time)
                for stretch in self._lost(symbol, begin, end, delay_ms)
            ]
            stretches += [(max(a, start), min(b, close_time)) for a, b in symbol.lost]
        session_ms, reached, total = symbol.grid.calendar.session_ms, start, 0
        for a, b in sorted(stretches):
            begin = max(a, reached)
            if begin < b:
                total += session_ms(begin, b)
                reached = b
        return total

    def _lost(self, symbol: Symbol, start: int, until: int, delay_ms: int) -> list[Stretch]:
        """The event time that a symbol with this delay lost by uncovered stretches.

        Receive time beyond the clock is not known yet: after a rise of the delay, closed bars may still wait there.
        """
        if start >= until:
            return []
        close_delay_ms = self._rules.close_delay_ms
        end = min(until + delay_ms + close_delay_ms, self._coverage.clock)
        uncovered = self._coverage.uncovered(symbol.name, start + delay_ms, end)
        return lost_time(uncovered, start, until, delay_ms, close_delay_ms) if uncovered else []

    def first_gap_free(self, symbol: Symbol, start: int, until: int) -> int:
        """The instant from which on everything up to `until` was covered: a bar that begins there has no gap."""
        delay_ms = symbol.delay_ms
        uncovered = self._coverage.uncovered(
            symbol.name, start + delay_ms, until + delay_ms + self._rules.close_delay_ms
        )
        if symbol.delays:
            return NEVER
        return uncovered[-1][1] - delay_ms if uncovered else start


def _session_ms(symbol: Symbol | None, lost: Stretch) -> int:
    """How much session time a gap cost; all of it where no calendar is known, or none covers such times."""
    if symbol is not None:
        try:
            return symbol.grid.calendar.session_ms(*lost)
        except BadData:
            pass
    return lost[1] - lost[0]
