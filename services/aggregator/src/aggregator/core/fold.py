"""The fold of one partition of the tick log: ticks open and change minutes, marks close them and every longer bar."""

from bisect import insort
from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from aggregator.core.longer import Chain, Level, Part, Values
from aggregator.core.minute import Minute
from aggregator.core.rules import Rules
from aggregator.core.symbol import Counter, Symbol, bar_day
from contracts import wire
from contracts.bars import Origin, volume_of, volume_units
from contracts.intervals import DAY, MINUTE
from contracts.marks import Hearing
from contracts.symbols import SymbolId

TICKS = Origin.TICKS.value
NEVER = 1 << 62
REMEMBERED_MS = 45 * DAY
"""Hearing is remembered for longer than the longest bar can be open."""


class Kind(StrEnum):
    """What was issued, and so where it goes."""

    BAR = "bar"
    COMPLETE = "complete"
    LATE = "late"
    DEAD = "dead"


BAR, COMPLETE = Kind.BAR, Kind.COMPLETE


class Issue(msgspec.Struct, frozen=True, gc=False):
    """One record the fold issues, in order. `record` of a dead one is its cause: the caller holds the raw record."""

    kind: Kind
    key: bytes | None
    record: wire.Bar | wire.IntervalComplete | wire.LateTick | str


class PartitionFold:
    """Give it every record of a partition in log order; take what it issues.

    The same log under the same rules gives the same issues in the same order, whenever they are taken. Times are
    milliseconds; `timestamp` is the record's append time.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._chain = Chain(rules.intervals)
        self._hearing = Hearing()
        self._symbols: dict[bytes, Symbol] = {}
        self._current: dict[bytes, Minute] = {}
        self._sorted: list[Symbol] = []
        self._next: dict[int, int] = {}
        self._due = NEVER
        self.issues: list[Issue] = []
        """What was issued and not taken yet, in order."""

    @property
    def clock(self) -> int:
        """`W`: the greatest `min(through, record timestamp)` of the marks read."""
        return self._hearing.clock

    @property
    def open_minutes(self) -> int:
        """How many minutes are open, over all symbols."""
        return sum(len(symbol.minutes) for symbol in self._symbols.values())

    def take(self) -> list[Issue]:
        """What was issued since the last call, in order."""
        taken, self.issues = self.issues, []
        return taken

    def feed(self, records: Iterable[tuple[bytes, Any, int]]) -> None:
        """Take the next records of the log: key, `wire.Tick` or `wire.Mark`, timestamp.

        A tick that is its minute's newest is taken here; whatever else it may be is `_observe`'s.
        """
        current = self._current
        skew = self._rules.max_skew_ms
        for key, record, timestamp in records:
            minute = current.get(key)
            if minute is None:
                self._take(key, record, timestamp)
                continue
            last = minute.last
            event_time = record.event_time
            if (
                last.event_time <= event_time < minute.close_time
                and record.sequence > last.sequence
                and record.trading_day == minute.day
                and event_time - timestamp <= skew
                and not record.is_baseline
            ):
                minute.last = record
                minute.count += 1
                price = record.price
                if price > minute.high:
                    minute.high = price
                elif price < minute.low:
                    minute.low = price
                cumulative = record.cumulative_volume
                if cumulative is not None and cumulative > minute.cumulative:
                    minute.cumulative = cumulative
            else:
                self._observe(key, record, timestamp)

    def tick(self, key: bytes, tick: wire.Tick, timestamp: int) -> None:
        """Take the next tick of the log."""
        self.feed(((key, tick, timestamp),))

    def mark(self, mark: wire.Mark, timestamp: int) -> None:
        """Take the next mark of the log: close what its clock has passed."""
        clock = self._hearing.apply(mark, timestamp)
        for delay_ms in {symbol.delay_ms for symbol in self._symbols.values()} if self._due == NEVER else ():
            self._begin_class(delay_ms)
        if clock >= self._due:
            self._close(clock)

    def forming(self) -> list[tuple[bytes, wire.Forming]]:
        """The forming bars of every symbol that changed since the last call, with its key."""
        found = []
        for key, symbol in self._symbols.items():
            ticks = sum(minute.count for minute in symbol.minutes.values())
            sequence = symbol.last_sequence()
            if not ticks or (sequence, ticks) == symbol.told:
                continue
            symbol.told = (sequence, ticks)
            parts = symbol.open_parts(partial(self._unheard_units, symbol))
            opened = symbol.roll_up.forming(self._chain, parts)
            forming = wire.Forming(
                exchange=symbol.id.exchange,
                symbol=symbol.id.symbol,
                sequence=sequence,
                bars=tuple(self._forming_bar(symbol, level, part) for level, part in opened),
            )
            found.append((key, forming))
        return found

    def _take(self, key: bytes, record: wire.Tick | wire.Mark, timestamp: int) -> None:
        if isinstance(record, wire.Mark):
            self.mark(record, timestamp)
        else:
            self._observe(key, record, timestamp)

    def _observe(self, key: bytes, tick: wire.Tick, timestamp: int) -> None:
        """Take a tick that does not simply continue its symbol's current minute."""
        ahead = tick.event_time - timestamp
        if ahead > self._rules.max_skew_ms:
            self.issues.append(Issue(Kind.DEAD, key, f"event_time is {ahead} ms in the future"))
            return
        symbol = self._symbols.get(key) or self._join(key, tick)
        minute = self._minute(symbol, key, tick, timestamp)
        if tick.is_baseline:
            self._baseline(symbol, minute, tick)
        elif minute is not None:
            if tick.trading_day > minute.day:
                self._turn_day(symbol, minute, tick)
            minute.take(tick)
            self._current[key] = minute
            cumulative = tick.cumulative_volume
            if cumulative is not None and tick.trading_day == minute.day:
                minute.cumulative = max(minute.cumulative, cumulative)

    def _join(self, key: bytes, tick: wire.Tick) -> Symbol:
        symbol = Symbol(SymbolId(tick.exchange, tick.symbol), key, tick, self._chain)
        self._symbols[key] = symbol
        insort(self._sorted, symbol, key=lambda member: member.name)
        if self.clock:
            self._begin_class(symbol.delay_ms)
        return symbol

    def _begin_class(self, delay_ms: int) -> None:
        """From its first symbol on, a delay class passes every minute boundary, with or without bars."""
        if delay_ms in self._next:
            return
        limit = self.clock - self._rules.lateness_ms - delay_ms
        opened = [m.close_time for s in self._symbols.values() if s.delay_ms == delay_ms for m in s.minutes.values()]
        self._next[delay_ms] = min([limit - limit % MINUTE + MINUTE, *opened])
        self._plan()

    def _plan(self) -> None:
        waits = [boundary + self._rules.lateness_ms + delay_ms for delay_ms, boundary in self._next.items()]
        self._due = min(waits, default=NEVER)

    def _minute(self, symbol: Symbol, key: bytes, tick: wire.Tick, timestamp: int) -> Minute | None:
        """The open minute of a tick; None when it is closed: a baseline then counts for the counter, a tick is late."""
        if tick.delay * 1000 != symbol.delay_ms:
            symbol.delay_ms = tick.delay * 1000
            if self.clock:
                self._begin_class(symbol.delay_ms)
        event_time = tick.event_time
        open_time = event_time - event_time % MINUTE
        floor = max(symbol.floor, self._next.get(symbol.delay_ms, 0) - MINUTE)
        if not self.clock:
            floor = max(floor, timestamp - symbol.delay_ms - self._rules.max_age_ms)
        if open_time < floor:
            if not tick.is_baseline:
                late = wire.LateTick(tick=tick, reason="minute_closed", bar_open_time=open_time, closed_until=floor)
                self.issues.append(Issue(Kind.LATE, key, late))
            return None
        minute = symbol.minutes.get(open_time)
        if minute is None:
            minute = symbol.minutes[open_time] = Minute(open_time, max(tick.trading_day, 0))
            if tick.trading_day > symbol.counter.day:
                self._enter_day(symbol, minute, tick)
        return minute

    def _turn_day(self, symbol: Symbol, minute: Minute, tick: wire.Tick) -> None:
        minute.turn_day(tick.trading_day)
        self._enter_day(symbol, minute, tick)

    def _enter_day(self, symbol: Symbol, minute: Minute, tick: wire.Tick) -> None:
        """A trading day seen for the first time: what it had traded before we heard it is no bar's volume."""
        seen = any(other.day >= tick.trading_day for other in symbol.minutes.values() if other is not minute)
        if not seen and symbol.counter.day < tick.trading_day and tick.cumulative_volume is not None:
            minute.entered = (symbol.last_received(), tick.received_at, volume_units(tick.cumulative_volume))

    def _unheard_units(self, symbol: Symbol, minute: Minute) -> int:
        """What a day that was entered in a minute had traded unheard, as far as the marks tell (1e-8)."""
        if minute.entered is None:
            return 0
        before, received_at, units = minute.entered
        return units if self._hearing.unheard(symbol.name, before, min(received_at, self.clock)) else 0

    def _baseline(self, symbol: Symbol, minute: Minute | None, tick: wire.Tick) -> None:
        """Count a baseline for the counter and the day's figures; what moved unheard is residual."""
        cumulative, day = tick.cumulative_volume, tick.trading_day
        units = None if cumulative is None else volume_units(cumulative)
        reached = symbol.reached(day)
        if minute is None:
            counter = symbol.counter
            if day > counter.day:
                known = None if counter.reached is None and units is None else 0
                symbol.counter = Counter(day, known, units or 0)
            elif day == counter.day and units is not None:
                moved = max(0, units - reached) if reached is not None else 0
                symbol.counter = Counter(
                    day, units if counter.reached is None else counter.reached, counter.residual + moved
                )
        else:
            if day > minute.day:
                self._turn_day(symbol, minute, tick)
            elif day == minute.day and units is not None and reached is not None:
                minute.residual += max(0, units - reached)
            if cumulative is not None and day == minute.day:
                minute.cumulative = max(minute.cumulative, cumulative)
            minute.see(tick)
        symbol.received = max(symbol.received, tick.received_at)

    def _close(self, clock: int) -> None:
        """Pass every minute boundary that the clock allows, class by class, each in time order."""
        for delay_ms in sorted(self._next):
            limit = clock - self._rules.lateness_ms - delay_ms
            boundary = self._next[delay_ms]
            while boundary <= limit:
                self._pass(delay_ms, boundary)
                boundary += MINUTE
            self._next[delay_ms] = boundary
        self._plan()

    def _pass(self, delay_ms: int, boundary: int) -> None:
        """Close, from 1m to 1M, every bar of a delay class that ends at a minute boundary."""
        chain, current = self._chain, self._current
        members = [symbol for symbol in self._sorted if symbol.delay_ms == delay_ms]
        count = 0
        opened = boundary - MINUTE
        for symbol in members:
            symbol.floor = max(symbol.floor, boundary)
            minutes = symbol.minutes
            for open_time in sorted(minutes) if len(minutes) > 1 else tuple(minutes):
                if open_time > opened:
                    break
                minute = minutes.pop(open_time)
                if current.get(symbol.key) is minute:
                    del current[symbol.key]
                values = symbol.close(minute, 0 if minute.entered is None else self._unheard_units(symbol, minute))
                if values is not None:
                    self._close_bar(symbol, chain.minute, open_time, bar_day(minute), values)
                    count += 1
        self._complete(chain.minute, opened, delay_ms, count)
        for index, level in enumerate(chain.longer):
            if not level.ends_at(boundary):
                continue
            opened = level.open_time(boundary - 1, (boundary - 1) - (boundary - 1) % DAY)
            count = 0
            for symbol in members:
                for label, values in symbol.roll_up.close(index, opened):
                    self._close_bar(symbol, level, label, label, values)
                    count += 1
            self._complete(level, opened, delay_ms, count)
        if boundary % DAY == 0:
            self._hearing.forget(boundary - REMEMBERED_MS)

    def _complete(self, level: Level, open_time: int, delay_ms: int, count: int) -> None:
        record = wire.IntervalComplete(interval=level.name, open_time=open_time, delay=delay_ms // 1000, count=count)
        self.issues.append(Issue(COMPLETE, None, record))

    def _close_bar(self, symbol: Symbol, level: Level, open_time: int, day: int, values: Values) -> None:
        close_time = open_time + level.step if level.step else level.close_time(open_time)
        volume = values.volume
        identity = symbol.id
        bar = wire.Bar(
            interval=level.name,
            open_time=open_time,
            close_time=close_time,
            open=values.open,
            high=values.high,
            low=values.low,
            close=values.close,
            volume=None if volume is None else volume_of(volume),
            tick_count=values.tick_count,
            first_tick_time=values.first_tick_time,
            last_tick_time=values.last_tick_time,
            gap_ms=self._gap_ms(symbol, open_time, close_time),
            exchange=identity.exchange,
            symbol=identity.symbol,
            origin=TICKS,
        )
        self.issues.append(Issue(BAR, symbol.key, bar))
        if level.parents:
            symbol.roll_up.add(level, open_time, day, values)

    def _forming_bar(self, symbol: Symbol, level: Level, part: Part) -> wire.FormingBar:
        open_time, _, values = part
        close_time = level.close_time(open_time)
        told_until = min(close_time, self.clock - symbol.delay_ms - self._rules.lateness_ms)
        return wire.FormingBar(
            interval=level.name,
            open_time=open_time,
            close_time=close_time,
            open=values.open,
            high=values.high,
            low=values.low,
            close=values.close,
            volume=None if values.volume is None else volume_of(values.volume),
            tick_count=values.tick_count,
            first_tick_time=values.first_tick_time,
            last_tick_time=values.last_tick_time,
            gap_ms=self._gap_ms(symbol, open_time, told_until) if told_until > open_time else 0,
        )

    def _gap_ms(self, symbol: Symbol, open_time: int, close_time: int) -> int:
        return self._hearing.gap_ms(
            symbol.name, open_time, close_time, delay_ms=symbol.delay_ms, lateness_ms=self._rules.lateness_ms
        )
