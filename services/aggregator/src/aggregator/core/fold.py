"""The fold of one partition of the tick log: ticks open and change minutes, marks close them and every longer bar.

A tick changes the minute of its event time and is followed for what it shows of the counter and of the day's figures.
Only a mark emits anything: it moves the log's clock, and `Closing` passes the boundaries that the clock has reached.
Most ticks simply continue their symbol's current minute; `feed` takes those by a short way, and what it leaves open is
merged into the symbol (`Symbol.settle_current`) before anything else happens to it.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

from aggregator.core import snapshot
from aggregator.core.calendars import Calendars
from aggregator.core.closing import Closing
from aggregator.core.counter import Observed
from aggregator.core.emission import Emitter, Issue
from aggregator.core.figures import NONE
from aggregator.core.follower import Follower
from aggregator.core.forming import forming_of
from aggregator.core.gaps import NEVER, Gaps
from aggregator.core.grid import CalendarGrid, Place
from aggregator.core.longer import Chain
from aggregator.core.minute import NOTHING_SEEN, Minute
from aggregator.core.rules import Rules
from aggregator.core.symbol import Symbol
from contracts import wire
from contracts.errors import BadData
from contracts.intervals import DAY, MINUTE, Interval
from contracts.marks import Coverage
from contracts.symbols import SymbolId

REMEMBERED_MS = 45 * DAY
"""Coverage is kept for longer than the longest bar is open: a month and its grace period."""


class PartitionFold:
    """Give it every record of a partition in log order; take what it emits.

    The same log under the same rules emits the same records in the same order, whenever they are taken. Times are
    milliseconds; `timestamp` is the record's append time.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._chain = Chain(rules.intervals)
        self._coverage = Coverage()
        self._calendars = Calendars(rules, self._chain)
        self._emitter = Emitter(rules, self._coverage)
        self._closing = Closing(rules, self._chain, self._coverage, self._emitter)
        self._symbols: dict[bytes, Symbol] = {}
        self._current: dict[bytes, Minute] = {}
        """By symbol key, the minute that the next tick most likely continues."""
        self._sorted: list[Symbol] = []
        self._gaps = Gaps(rules.close_delay_ms)
        self._changed: dict[str, bool] = {}
        """Symbols whose closed bars may have changed since the last mark; True: also bars of which no minute did."""
        self._moved: dict[str, Symbol] = {}
        """Symbols whose delay class or calendar has changed since the last mark."""
        self._falls: list[tuple[str, int, int]] = []
        """Symbols whose delay fell since the last mark, with the receive time that is a gap at the new delay."""
        self._joining: dict[str, Symbol] = {}
        """Symbols whose delay fell: they join another delay class once the clock has reached `joins_at`."""
        self._next: dict[int, int] = {}
        """By delay class (milliseconds), the minute boundary that is passed next."""
        self._due = NEVER
        """The clock at which the next boundary of any class is passed."""
        self._plausible = 0
        """Up to this event time a tick is not from the future, whatever the timestamp of its record."""
        self._gone: list[bytes] = []
        """Keys of symbols that were dropped since the last call of `save`."""
        self.falls = 0
        """How often a cumulative volume fell."""

    @classmethod
    def restored(cls, rules: Rules, records: Mapping[bytes, bytes]) -> tuple[Self, int]:
        """A fold with the state that `save` yielded, and the offset of the first record that it has not taken.

        `records`: the newest value of each key of the changelog. `StateError` if they are no such state.
        """
        fold = cls(rules)
        header = snapshot.header_of(records, rules.partitions)
        built = tuple(Interval(name) for name in header.intervals)
        since = {name: at for name, at in header.since.items() if Interval(name) in rules.intervals}
        fold._closing.since = since | {i.value: header.clock for i in rules.intervals if i not in built}
        fold._closing.pending = header.pending
        fold._next = header.next
        covered = {}
        for key, value in records.items():
            if key[:1] == snapshot.COVERAGE_KEY:
                covered[key[1:].decode()] = snapshot.decode_coverage(value)
            elif key[:1] == snapshot.CALENDAR_KEY:
                fold._calendars.restore(key[1:], snapshot.decode_calendar(value))
        for key, value in records.items():
            if key[:1] not in snapshot.OTHER_KEYS:
                fold._restore_symbol(key, value, built, header)
        fold._sorted = sorted(fold._symbols.values(), key=lambda symbol: symbol.name)
        fold._coverage.restore(
            header.clock,
            header.watermarks,
            {name: one.pieces for name, one in covered.items() if one.pieces},
            [name for name, one in covered.items() if one.is_released],
        )
        fold._gaps.restore(covered, header.waiting)
        fold._emitter.counts.update(header.counts)
        fold._changed = header.changed
        fold._moved = {name: fold._symbols[name.encode()] for name in header.moved}
        fold._falls = header.falls
        fold._joining = {symbol.name: symbol for symbol in fold._sorted if symbol.joins_at != NEVER}
        fold._plausible = header.clock + rules.max_skew_ms
        fold._plan()
        return fold, header.position

    def _restore_symbol(self, key: bytes, value: bytes, built: tuple[Interval, ...], header: snapshot.Header) -> None:
        grid = self._calendars.grid(key)
        if grid is None:
            raise snapshot.StateError(f"the state of {key.decode()} names no calendar; {snapshot.ANEW}")
        symbol, current = snapshot.decode_symbol(key, value, built, self._chain, grid)
        known = self._calendars.known(key)
        symbol.has_volume = known is None or known.has_volume
        if symbol.delay_ms in header.next and symbol.name not in header.moved:
            symbol.floor = max(symbol.floor, header.next[symbol.delay_ms] - MINUTE)
        self._symbols[key] = symbol
        if current is not None:
            self._current[key] = current

    def save(self, position: int) -> Iterator[tuple[bytes, bytes | None]]:
        """What has changed since the last call, as key and value of records of the changelog; None is a tombstone.

        `position`: the offset of the first record that the fold has not taken. The header comes last.
        """
        yield from ((key, None) for key in self._gone)
        self._gone.clear()
        for key in sorted(self._calendars.changed):
            known = self._calendars.known(key)
            yield snapshot.CALENDAR_KEY + key, None if known is None else snapshot.encode(known)
        self._calendars.changed.clear()
        current = self._current
        for key, symbol in self._symbols.items():
            minute = current.get(key)
            if symbol.is_changed or (minute is not None and isinstance(minute.last, wire.Tick)):
                symbol.is_changed = False
                yield key, snapshot.encode_symbol(symbol, self._chain, minute)
        for name in sorted(self._gaps.touched):
            key, saved = snapshot.COVERAGE_KEY + name.encode(), self._gaps.saved(name, self._coverage)
            yield key, None if saved is None else snapshot.encode(saved)
        self._gaps.touched.clear()
        header = snapshot.Header(
            snapshot.FORMAT,
            position,
            tuple(interval.value for interval in self._rules.intervals),
            self._closing.since,
            self.clock,
            dict(self._coverage.watermarks),
            self._next,
            self._changed,
            sorted(self._moved),
            self._falls,
            self._closing.pending,
            self._gaps.waiting,
            dict(self._emitter.counts),
            self._rules.partitions,
        )
        yield snapshot.HEADER_KEY, snapshot.encode(header)

    @property
    def clock(self) -> int:
        """The log's clock: the greatest `min(watermark, record timestamp)` of the marks taken, milliseconds."""
        return self._coverage.clock

    @property
    def open_minutes(self) -> int:
        """How many minutes are open, over all symbols."""
        return sum(len(symbol.minutes) for symbol in self._symbols.values())

    def has_calendar(self, key: bytes) -> bool:
        """Whether the log so far has a calendar of the symbol."""
        return self._calendars.known(key) is not None

    @property
    def issues(self) -> list[Issue]:
        """What was emitted and not taken yet, in order."""
        return self._emitter.issues

    def take(self) -> list[Issue]:
        """What was emitted since the last call, in order."""
        taken, self._emitter.issues = self._emitter.issues, []
        return taken

    def feed(self, records: Iterable[tuple[bytes, Any, Any]], timestamp_of: Callable[[Any], int] = int) -> None:
        """Take the next records of the log: key, `wire.Tick`, `wire.Mark` or `wire.Calendar`, and a time.

        `timestamp_of` gives the append time of the third. A tick that is the newest of its minute, and whose counter
        rises or stays, is taken here (the short way); `_observe` takes all other ticks.
        """
        current, plausible = self._current, self._plausible
        for key, record, stamp in records:
            minute = current.get(key)
            if minute is None:
                self._take(key, record, timestamp_of(stamp))
                plausible = self._plausible
                continue
            last = minute.last
            event_time = record.event_time
            if (
                last.event_time <= event_time < minute.close_time
                and record.sequence > last.sequence
                and record.epoch == last.epoch
                and record.delay == minute.delay
                and event_time <= plausible
                and not record.is_baseline
            ):
                cumulative = record.cumulative_volume
                if cumulative is not None and cumulative != minute.counter:
                    if cumulative < minute.counter:
                        self._observe(key, record, timestamp_of(stamp))
                        continue
                    minute.counter_before = minute.counter
                    minute.counter = cumulative
                minute.last = record
                minute.count += 1
                price = record.price
                if price > minute.high:
                    minute.high = price
                elif price < minute.low:
                    minute.low = price
            else:
                self._observe(key, record, timestamp_of(stamp))

    def tick(self, key: bytes, tick: wire.Tick, timestamp: int) -> None:
        """Take the next tick of the log."""
        self.feed(((key, tick, timestamp),))

    def calendar(self, key: bytes, record: wire.Calendar) -> None:
        """Take the next calendar record of the log; `key` is that of the symbol, without the `!`."""
        symbol = self._symbols.get(key)
        traded_until = None if symbol is None else max([*symbol.minutes, *symbol.retained], default=record.at)
        try:
            is_other = self._calendars.learn(key, record, traded_until=traded_until)
        except BadData as error:
            self._emitter.dead(key, record, error.cause, error.kind)
            return
        if symbol is None:
            return
        self._settle(symbol)
        symbol.has_volume = record.has_volume
        if is_other:
            symbol.grid = self._grid(key)
            symbol.wakes_at = 0
            symbol.is_changed = True
            self._moved[symbol.name] = symbol
            self._changed[symbol.name] = True

    def mark(self, mark: wire.Mark, timestamp: int) -> None:
        """Take the next mark of the log: announce gaps, emit again what has changed, close the bars that are due."""
        clock = self._coverage.apply(mark, timestamp)
        self._plausible = clock + self._rules.max_skew_ms
        if mark.coverage:
            self._cover(mark)
        if self._falls or clock >= self._gaps.due:
            self._announce_gaps(clock)
        if self._closing.pending:
            pending = self._closing.pending
            for name in [name for name, at in pending.items() if at <= clock]:
                del pending[name]
                self._changed[name] = True
        if self._changed:
            self._correct()
        if self._due == NEVER and clock:
            for delay_ms in {symbol.delay_ms for symbol in self._symbols.values()}:
                self._begin_class(delay_ms)
        if self._joining:
            self._join(clock)
        if self._moved:
            self._catch_up()
        if clock >= self._due:
            self._close(clock)

    def forming(self) -> Iterator[tuple[bytes, wire.Forming]]:
        """The forming bars of every symbol that changed since they were taken last, with its key.

        Records may be fed while it is iterated; each symbol is described as it is at its turn.
        """
        for key, symbol in list(self._symbols.items()):
            found = forming_of(symbol, self._chain, self._closing, self._emitter, self._rules)
            if found is not None:
                yield key, found

    def _take(self, key: bytes, record: wire.Tick | wire.Mark | wire.Calendar, timestamp: int) -> None:
        if isinstance(record, wire.Tick):
            self._observe(key, record, timestamp)
        elif isinstance(record, wire.Mark):
            self.mark(record, timestamp)
        else:
            self.calendar(key[1:], record)

    def _observe(self, key: bytes, tick: wire.Tick, timestamp: int) -> None:
        """Take a tick that does not simply continue its symbol's current minute."""
        ahead = tick.event_time - max(timestamp, self.clock)
        if ahead > self._rules.max_skew_ms:
            self._emitter.dead(key, tick, f"event_time is {ahead} ms in the future", "future")
            return
        symbol = self._symbols.get(key)
        if symbol is not None:
            self._settle(symbol)
        grid = self._calendars.grid(key) if symbol is None else symbol.grid
        if grid is None:
            self._emitter.dead(key, tick, "no calendar of the symbol stands before it in the log", "no_calendar")
            return
        try:
            place = grid.place(tick.event_time, is_estimated=tick.event_time_estimated)
        except BadData as error:
            self._emitter.dead(key, tick, error.cause, error.kind)
            return
        if symbol is None:
            symbol = self._begin(key, tick, place, grid)
        elif self._begin_minute(symbol, tick, place):
            return
        self._see_delay(symbol, tick)
        final_until = self._final_until(symbol, timestamp)
        if place.open_time is not None and place.close_time <= final_until and not tick.is_baseline:
            self._emitter.late(key, tick, place.open_time, final_until)
            return
        if key not in self._symbols:
            self._symbols[key] = symbol
            insort(self._sorted, symbol, key=lambda member: member.name)
        symbol.is_changed = True
        now = Observed(
            tick.cumulative_volume or 0.0,
            tick.event_time,
            tick.received_at,
            tick.day_open,
            None if tick.is_baseline else place.open_time,
            place.close_time,
            place.day,
            place.opening,
            place.opened_day,
            place.closed_at,
            final_until,
            place.open_time is not None,
        )
        self._follow(symbol, tick, now, place)

    def _begin_minute(self, symbol: Symbol, tick: wire.Tick, place: Place) -> bool:
        """Take a tick that begins its minute and is the ordinary next observation of its symbol; False if it is not.

        It does what `_follow` does, for the most frequent of the ticks that do not come by the short way.
        """
        open_time, follower = place.open_time, symbol.follower
        if (
            open_time is None
            or not place.is_session
            or place.close_time <= symbol.floor
            or open_time in symbol.minutes
            or tick.delay * 1000 != symbol.next_delay_ms
            or not follower.continues(tick, place.closed_at)
        ):
            return False
        minute = symbol.minutes[open_time] = Minute(open_time, place.close_time, place.day)
        minute.begin(tick)
        counter, value = follower.counter, tick.cumulative_volume
        if counter is not None and value is not None:
            minute.volume = counter.rise(value, place, tick)
            minute.counter = counter.last
        follower.sequence = tick.sequence
        extremes = follower.figures.see(tick, place.day)
        if extremes is not NONE:
            minute.widen(*extremes)
        follower.figures.priced(place.day, minute.high, minute.low)
        if follower.moves:
            minute.moves, follower.moves = follower.moves, []
        symbol.is_changed = True
        self._current[symbol.key] = minute
        return True

    def _follow(self, symbol: Symbol, tick: wire.Tick, now: Observed, place: Place) -> None:
        """Count what an observation shows of the counter and the day's figures; its minute, if any, takes its price."""
        follower = symbol.follower
        minute = None if now.minute is None else symbol.minute_at(now.minute, now.closes, now.day)
        counter = follower.counter
        if counter is not None and tick.epoch == follower.epoch and tick.cumulative_volume is not None:
            self.falls += now.value < counter.last
        counts, extremes = follower.observe(symbol.name, tick, now, self._coverage)
        if counts and symbol.count(counts):
            self._changed.setdefault(symbol.name, False)
        if minute is None:
            return
        minute.take(tick)
        if extremes is not NONE:
            minute.widen(*extremes)
        follower.figures.priced(now.day, minute.high, minute.low)
        if follower.moves:
            minute.moves += follower.moves
            follower.moves = []
        if minute.close_time <= symbol.floor:
            minute.saved = None
            minute.late += 1
            symbol.updates += 1
            self._changed.setdefault(symbol.name, False)
        elif (
            minute.last is tick and follower.is_plain(tick, now.closed_at) and symbol.grid.is_session(minute.open_time)
        ):
            minute.counter = NOTHING_SEEN if follower.counter is None else follower.counter.last
            self._current[symbol.key] = minute

    def _begin(self, key: bytes, tick: wire.Tick, place: Place, grid: CalendarGrid) -> Symbol:
        """A symbol at its first tick; it is kept once it has a tick whose minute is not final."""
        symbol = Symbol(
            SymbolId(tick.exchange, tick.symbol), key, grid, Follower.first(tick, place.opened_day), self._chain
        )
        known = self._calendars.known(key)
        symbol.has_volume = known is None or known.has_volume
        symbol.delay_ms = symbol.next_delay_ms = tick.delay * 1000
        symbol.sequence = tick.sequence
        if self.clock:
            self._begin_class(symbol.delay_ms)
            symbol.floor = self._next[symbol.delay_ms] - MINUTE
        return symbol

    def _see_delay(self, symbol: Symbol, tick: wire.Tick) -> None:
        """Take note of a feed delay that changed.

        Of two epochs that overlap, the one that is followed counts: the other may have the feed of another account.
        When the delay rises, the symbol is in the new class at once. When it falls, the symbol stays in its class until
        the clock has passed the fall by the old delay: bars that were declared complete stay so.
        """
        delay_ms, before = tick.delay * 1000, symbol.next_delay_ms
        if delay_ms == before or not symbol.follower.follows(symbol.name, tick, self._coverage):
            return
        symbol.next_delay_ms = delay_ms
        symbol.is_changed = True
        if delay_ms >= symbol.delay_ms:
            symbol.joins_at = NEVER
            self._joining.pop(symbol.name, None)
            if delay_ms != symbol.delay_ms:
                symbol.delay_ms = delay_ms
                self._moved[symbol.name] = symbol
                if self.clock:
                    self._begin_class(delay_ms)
        else:
            symbol.joins_at = tick.received_at + symbol.delay_ms
            self._joining[symbol.name] = symbol
        received_at = tick.received_at
        symbol.change_delay(received_at - min(before, delay_ms), before, delay_ms)
        if delay_ms < before:
            symbol.lost.append((received_at - before - self._rules.close_delay_ms, received_at - delay_ms))
            self._falls.append((symbol.name, received_at - (before - delay_ms), received_at))
            self._changed[symbol.name] = True

    def _final_until(self, symbol: Symbol, timestamp: int) -> int:
        """Minutes that close at or before this instant are final. Before the first mark the tick's age decides."""
        if self.clock:
            return symbol.floor - self._rules.grace_ms
        oldest = timestamp - symbol.delay_ms - self._rules.max_age_ms
        return oldest - oldest % MINUTE + MINUTE

    def _settle(self, symbol: Symbol) -> None:
        minute = self._current.pop(symbol.key, None)
        if minute is not None:
            symbol.settle_current(minute)

    def _grid(self, key: bytes) -> CalendarGrid:
        grid = self._calendars.grid(key)
        assert grid is not None
        return grid

    def _cover(self, mark: wire.Mark) -> None:
        """Coverage changed: the `gap_ms` of closed bars may have changed."""
        for name in self._gaps.apply(mark, self._coverage):
            symbol = self._symbols.get(name.encode())
            if symbol is not None and (symbol.retained or any(symbol.emitted)):
                self._changed[name] = True

    def _announce_gaps(self, clock: int) -> None:
        """Emit a gap event for every uncovered stretch that ended, with the volume that was traded meanwhile."""
        falls, self._falls = self._falls, []
        found = [*falls, *self._gaps.take(clock, self._coverage)]
        for name, start, end in found:
            key = name.encode()
            symbol = self._symbols.get(key)
            delay_ms = 0 if symbol is None else symbol.next_delay_ms
            lost = (start - delay_ms - self._rules.close_delay_ms, end - delay_ms)
            if symbol is not None:
                self._settle(symbol)
            volume = None if symbol is None else symbol.gap_volume(start, end, self._closing.decide)
            self._emitter.gap(key, symbol, (start, end), lost, volume)

    def _correct(self) -> None:
        """Emit closed bars that have changed again, or for the first time if they had no tick until now."""
        changed, self._changed = self._changed, {}
        for name in sorted(changed):
            symbol = self._symbols.get(name.encode())
            if symbol is not None:
                self._settle(symbol)
                self._closing.correct(symbol, everything=changed[name])

    def _begin_class(self, delay_ms: int) -> None:
        """From its first symbol on, a delay class passes every minute boundary, with or without bars."""
        if delay_ms not in self._next:
            limit = self.clock - self._rules.close_delay_ms - delay_ms
            members = [symbol for symbol in self._symbols.values() if symbol.delay_ms == delay_ms]
            opened = [minute.close_time for symbol in members for minute in symbol.minutes.values()]
            self._next[delay_ms] = min([limit - limit % MINUTE + MINUTE, *opened])
            for symbol in members:
                symbol.floor = max(symbol.floor, self._next[delay_ms] - MINUTE)
            self._plan()

    def _plan(self) -> None:
        waits = [boundary + self._rules.close_delay_ms + delay_ms for delay_ms, boundary in self._next.items()]
        self._due = min(waits, default=NEVER)

    def _join(self, clock: int) -> None:
        """Symbols whose delay fell join their new class; bars whose end the new class has passed close before that."""
        for name in sorted(self._joining):
            symbol = self._joining[name]
            if symbol.joins_at > clock:
                continue
            del self._joining[name]
            self._settle(symbol)
            self._begin_class(symbol.next_delay_ms)
            self._closing.catch_up(symbol, self._next[symbol.next_delay_ms] - MINUTE)
            symbol.delay_ms, symbol.joins_at = symbol.next_delay_ms, NEVER
            symbol.is_changed = True

    def _catch_up(self) -> None:
        """Close bars whose end the symbol's class has passed already, after its class or its calendar changed."""
        moved, self._moved = self._moved, {}
        for name in sorted(moved):
            symbol = moved[name]
            if symbol.delay_ms in self._next:
                self._settle(symbol)
                self._closing.catch_up(symbol, self._next[symbol.delay_ms] - MINUTE)

    def _close(self, clock: int) -> None:
        """Pass every minute boundary that the clock allows, class by class, each in time order."""
        final_behind = self._rules.grace_ms + MINUTE
        for delay_ms in sorted(self._next):
            limit = clock - self._rules.close_delay_ms - delay_ms
            boundary = first = self._next[delay_ms]
            if boundary > limit:
                continue
            members = [symbol for symbol in self._sorted if symbol.delay_ms == delay_ms]
            asleep_until = boundary
            is_complete = True
            while boundary <= limit:
                is_complete = False
                if boundary >= asleep_until:
                    awake = [member for member in members if member.is_awake(boundary)]
                    for symbol in awake:
                        if symbol.minutes:
                            self._settle_ended(symbol, boundary)
                    self._closing.pass_all(awake, boundary)
                    if not awake:
                        asleep_until = min([member.wakes_at for member in members], default=NEVER)
                if self._emitter.counts.get(delay_ms // 1000):
                    self._emitter.complete(delay_ms, boundary, boundary - final_behind)
                    is_complete = True
                if boundary % DAY == 0:
                    members = self._forget(members, boundary)
                boundary += MINUTE
            for symbol in members:
                symbol.floor = max(symbol.floor, boundary - MINUTE)
            if not is_complete and boundary > first:
                self._emitter.complete(delay_ms, boundary - MINUTE, boundary - MINUTE - final_behind)
            self._next[delay_ms] = boundary
        self._plan()

    def _settle_ended(self, symbol: Symbol, boundary: int) -> None:
        """Before its current minute closes, take over what the short way left on it."""
        minute = self._current.get(symbol.key)
        if minute is not None and minute.close_time <= boundary:
            del self._current[symbol.key]
            symbol.settle_current(minute)

    def _forget(self, members: list[Symbol], boundary: int) -> list[Symbol]:
        """Once a day: drop old coverage, and symbols that are not wanted and of which nothing is open."""
        self._gaps.touched.update(self._coverage.forget(boundary - REMEMBERED_MS))
        kept = []
        for symbol in members:
            symbol.forget(boundary - REMEMBERED_MS)
            if symbol.is_empty and not self._coverage.is_wanted(symbol.name):
                self._settle(symbol)
                del self._symbols[symbol.key]
                self._sorted.remove(symbol)
                for of in (self._closing.pending, self._joining, self._changed):
                    of.pop(symbol.name, None)
                self._calendars.forget(symbol.key)
                self._gone.append(symbol.key)
            else:
                kept.append(symbol)
        return kept
