"""The fold of one partition of the tick log: ticks open and change minutes, marks close them and every longer bar."""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Self

import msgspec

from aggregator.core import saved
from aggregator.core.gaps import NEVER, Gaps
from aggregator.core.longer import Chain, Level, Part, Values
from aggregator.core.minute import Minute, Move
from aggregator.core.rules import Rules
from aggregator.core.symbol import Issued, Symbol
from contracts import wire
from contracts.bars import VOLUME_SCALE, Origin, volume_of, volume_units
from contracts.intervals import DAY, MINUTE, Interval
from contracts.marks import Hearing, cost_of
from contracts.symbols import SymbolId

TICKS = Origin.TICKS.value
LATE_TICK = "late_tick"
"""The reason of a bar that is issued again because a tick of it came late."""
REMEMBERED_MS = 45 * DAY
"""Hearing is remembered for longer than the longest bar can be open."""
TELLING_MS = 5 * MINUTE
"""A gap is told sooner than this after its end, lateness and all."""


class Kind(StrEnum):
    """What was issued, and so where it goes."""

    BAR = "bar"
    COMPLETE = "complete"
    LATE = "late"
    GAP = "gap"
    DEAD = "dead"


BAR, COMPLETE = Kind.BAR, Kind.COMPLETE


class Issue(msgspec.Struct, frozen=True, gc=False):
    """One record the fold issues, in order. `record` of a dead one is its cause: the caller holds the raw record."""

    kind: Kind
    key: bytes | None
    record: wire.Bar | wire.IntervalComplete | wire.LateTick | wire.GapEvent | str
    source: wire.Tick | None = None
    """The tick that a dead record is of."""


class Closing:
    """The longer levels of which a bar ends at a minute boundary, and how many bars are issued of each, by place."""

    __slots__ = ("boundary", "counts", "ending", "heard_from", "heard_until", "needed", "since")

    def __init__(self, chain: Chain, boundary: int, delay_ms: int, lateness_ms: int) -> None:
        self.boundary = boundary
        self.ending = chain.ending_at(boundary)
        self.counts = {place: 0 for place, _, _ in self.ending}
        self.needed = chain.with_sources(self.counts)
        self.since = min([until if level.step else 0 for _, level, until in self.ending], default=0)
        self.heard_from = min([until for _, _, until in self.ending], default=boundary) + delay_ms
        self.heard_until = boundary + delay_ms + lateness_ms


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
        self._gaps = Gaps(rules.lateness_ms)
        self._changed: dict[str, Symbol] = {}
        """Symbols of which a closed minute has changed since the last mark."""
        self._moved: dict[str, Symbol] = {}
        """Symbols whose delay class has changed since the last mark."""
        self._unjudged: dict[str, int] = {}
        """Symbols with a closed minute whose residual is not certain yet, and when it will be."""
        self._next: dict[int, int] = {}
        self._due = NEVER
        self._plausible = 0
        """An event time up to which no tick is ahead of its time, whatever its timestamp."""
        self._since: dict[str, int] = {}
        """Intervals whose bars are whole only from an instant on."""
        self._gone: list[bytes] = []
        """Symbols that are known no more since the last call of `save`."""
        self.regressions = 0
        """How often a cumulative volume fell within a day: from tick to tick of a minute, or from one to the next."""
        self.issues: list[Issue] = []
        """What was issued and not taken yet, in order."""

    @classmethod
    def restored(cls, rules: Rules, records: Mapping[bytes, bytes]) -> tuple[Self, int]:
        """A fold that goes on from what `save` told of another one, and the offset to go on at.

        `records`: the newest value of each key. Raises `StateError`.
        """
        fold = cls(rules)
        if saved.HEADER_KEY not in records:
            raise saved.StateError(f"the state has {len(records)} records and no header; {saved.ANEW}")
        header = saved.decode_header(records[saved.HEADER_KEY])
        if header.partitions and rules.partitions not in {0, header.partitions}:
            raise saved.StateError(
                f"the state is of a log of {header.partitions} partitions, and {rules.partitions} are meant now: "
                f"symbols would be apart from their state; make it {header.partitions} again, or {saved.ANEW}"
            )
        built = tuple(Interval(name) for name in header.intervals)
        fold._since = {name: at for name, at in header.since.items() if Interval(name) in rules.intervals}
        fold._since |= {i.value: header.clock for i in rules.intervals if i not in built}
        fold._next = header.next
        heard = {}
        for key, value in records.items():
            if key[:1] == saved.HEARD_KEY:
                heard[key[1:].decode()] = saved.decode_hearing(value)
            elif key != saved.HEADER_KEY:
                symbol = saved.decode_symbol(key, value, built, fold._chain)
                if symbol.delay_ms in header.next and symbol.name not in header.moved:
                    symbol.floor = max(symbol.floor, header.next[symbol.delay_ms] - MINUTE)
                fold._symbols[key] = symbol
        fold._sorted = sorted(fold._symbols.values(), key=lambda symbol: symbol.name)
        fold._hearing = Hearing.restored(
            header.clock,
            header.through,
            {name: hearing.pieces for name, hearing in heard.items() if hearing.pieces},
            [name for name, hearing in heard.items() if hearing.is_left],
        )
        fold._gaps.restore(heard, header.waiting)
        fold._changed = {name: fold._symbols[name.encode()] for name in header.changed}
        fold._moved = {name: fold._symbols[name.encode()] for name in header.moved}
        fold._unjudged = header.unjudged
        fold._plausible = header.clock + rules.max_skew_ms
        fold._plan()
        return fold, header.position

    def save(self, position: int) -> Iterator[tuple[bytes, bytes | None]]:
        """What has changed since the last call, as records of the changelog; None: a key that is no more.

        `position`: the offset of the first record that the fold has not taken. The header comes last.
        """
        yield from ((key, None) for key in self._gone)
        self._gone.clear()
        current = self._current
        for key, symbol in self._symbols.items():
            minute = current.get(key)
            if symbol.is_changed or (minute is not None and isinstance(minute.last, wire.Tick)):
                symbol.is_changed = False
                yield key, saved.encode_symbol(symbol, self._chain)
        for name in sorted(self._gaps.touched):
            key, hearing = saved.HEARD_KEY + name.encode(), self._gaps.saved(name, self._hearing)
            yield key, None if hearing is None else saved.encode(hearing)
        self._gaps.touched.clear()
        header = saved.Header(
            saved.FORMAT,
            position,
            tuple(interval.value for interval in self._rules.intervals),
            self._since,
            self.clock,
            dict(self._hearing.through),
            self._next,
            sorted(self._changed),
            sorted(self._moved),
            self._unjudged,
            self._gaps.waiting,
            self._rules.partitions,
        )
        yield saved.HEADER_KEY, saved.encode(header)

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

    def feed(self, records: Iterable[tuple[bytes, Any, Any]], timestamp_of: Callable[[Any], int] = int) -> None:
        """Take the next records of the log: key, `wire.Tick` or `wire.Mark`, and what `timestamp_of` knows its time by.

        A tick that is its minute's newest is taken here; whatever else it may be is `_observe`'s.
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
                and record.trading_day == minute.day
                and record.delay == minute.delay
                and event_time <= plausible
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
                if cumulative is not None and cumulative != minute.cumulative:
                    if cumulative > minute.cumulative:
                        minute.cumulative = cumulative
                    else:
                        self.regressions += 1
            else:
                self._observe(key, record, timestamp_of(stamp))

    def tick(self, key: bytes, tick: wire.Tick, timestamp: int) -> None:
        """Take the next tick of the log."""
        self.feed(((key, tick, timestamp),))

    def mark(self, mark: wire.Mark, timestamp: int) -> None:
        """Take the next mark of the log: tell gaps that ended, correct what came late, close what its clock passed."""
        clock = self._hearing.apply(mark, timestamp)
        self._plausible = clock + self._rules.max_skew_ms
        if mark.changes:
            self._gaps.apply(mark, self._hearing)
        if clock >= self._gaps.due:
            self._tell_gaps(clock)
        if self._unjudged:
            due = [name for name, at in self._unjudged.items() if at <= clock]
            self._changed |= {name: self._symbols[name.encode()] for name in due if self._unjudged.pop(name)}
        if self._changed:
            self._correct()
        if self._due == NEVER and clock:
            for delay_ms in {symbol.delay_ms for symbol in self._symbols.values()}:
                self._begin_class(delay_ms)
        if self._moved:
            self._catch_up()
        if clock >= self._due:
            self._close(clock)

    def forming(self) -> Iterator[tuple[bytes, wire.Forming]]:
        """The forming bars of every symbol that changed since they were taken last, with its key.

        Records may be fed between one symbol and the next; each is told as it is then.
        """
        for key, symbol in list(self._symbols.items()):
            ticks = sum([minute.count for minute in symbol.minutes.values()])
            sequence = symbol.last_sequence()
            if not ticks or (sequence, ticks, symbol.late) == symbol.told:
                continue
            symbol.told = (sequence, ticks, symbol.late)
            minutes = symbol.open_parts(self._seems_residual)
            bars = [self._forming_bar(symbol, self._chain.minute, minutes[-1])]
            built = symbol.roll_up.built(self._chain, self._chain.places, symbol.retained_parts() + minutes)
            for place, level in enumerate(self._chain.longer):
                label = max(built[place])
                bars.append(self._forming_bar(symbol, level, (label, label, built[place][label])))
            yield (
                key,
                wire.Forming(exchange=symbol.id.exchange, symbol=symbol.id.symbol, sequence=sequence, bars=tuple(bars)),
            )

    def _take(self, key: bytes, record: wire.Tick | wire.Mark, timestamp: int) -> None:
        if isinstance(record, wire.Mark):
            self.mark(record, timestamp)
        else:
            self._observe(key, record, timestamp)

    def _observe(self, key: bytes, tick: wire.Tick, timestamp: int) -> None:
        """Take a tick that does not simply continue its symbol's current minute."""
        ahead = tick.event_time - max(timestamp, self.clock)
        if ahead > self._rules.max_skew_ms:
            self.issues.append(Issue(Kind.DEAD, key, f"event_time is {ahead} ms in the future", tick))
            return
        symbol = self._symbols.get(key) or self._met(key, tick)
        symbol.is_changed = True
        minute = self._minute(symbol, key, tick, timestamp)
        if minute is None:
            return
        if key not in self._symbols:
            self._symbols[key] = symbol
            insort(self._sorted, symbol, key=lambda member: member.name)
        if tick.is_baseline:
            self._baseline(symbol, minute, tick)
            return
        if tick.trading_day > minute.day:
            self._turn_day(symbol, minute, tick)
        minute.take(tick)
        if minute.open_time >= symbol.floor:
            minute.delay = tick.delay
            if minute.last.trading_day == minute.day:
                self._current[key] = minute
        if tick.cumulative_volume is not None:
            minute.reach(tick.trading_day, tick.cumulative_volume)
        symbol.received = max(symbol.received, tick.received_at)

    def _met(self, key: bytes, tick: wire.Tick) -> Symbol:
        """A symbol at its first tick; it is kept once one of its ticks is not too late for every bar."""
        symbol = Symbol.first_heard(SymbolId(tick.exchange, tick.symbol), key, tick, self._chain)
        if self.clock:
            self._begin_class(symbol.delay_ms)
            symbol.floor = self._next[symbol.delay_ms] - MINUTE
        return symbol

    def _begin_class(self, delay_ms: int) -> None:
        """From its first symbol on, a delay class passes every minute boundary, with or without bars."""
        if delay_ms not in self._next:
            limit = self.clock - self._rules.lateness_ms - delay_ms
            members = [symbol for symbol in self._symbols.values() if symbol.delay_ms == delay_ms]
            opened = [minute.close_time for symbol in members for minute in symbol.minutes.values()]
            self._next[delay_ms] = min([limit - limit % MINUTE + MINUTE, *opened])
            for symbol in members:
                symbol.floor = max(symbol.floor, self._next[delay_ms] - MINUTE)
            self._plan()

    def _plan(self) -> None:
        waits = [boundary + self._rules.lateness_ms + delay_ms for delay_ms, boundary in self._next.items()]
        self._due = min(waits, default=NEVER)

    def _minute(self, symbol: Symbol, key: bytes, tick: wire.Tick, timestamp: int) -> Minute | None:
        """The minute of a tick that may still change, None if it is settled. A baseline counts from the oldest one."""
        if tick.delay * 1000 != symbol.delay_ms:
            symbol.delay_ms = tick.delay * 1000
            self._moved[symbol.name] = symbol
            self._current.pop(key, None)
            if self.clock:
                self._begin_class(symbol.delay_ms)
        open_time = tick.event_time - tick.event_time % MINUTE
        settled = symbol.floor - self._rules.horizon_ms
        if not self.clock:
            oldest = timestamp - symbol.delay_ms - self._rules.max_age_ms
            settled = max(0, oldest - oldest % MINUTE + MINUTE)
        if open_time < settled and not tick.is_baseline:
            late = wire.LateTick(tick=tick, reason="beyond_horizon", bar_open_time=open_time, closed_until=settled)
            self.issues.append(Issue(Kind.LATE, key, late))
            return None
        minute, is_new = symbol.minute_at(max(open_time, settled), tick.trading_day)
        if is_new:
            self._enter_day(symbol, minute, tick)
        if minute.open_time < symbol.floor:
            minute.saved = None
            symbol.late += 1
            self._changed[symbol.name] = symbol
        return minute

    def _turn_day(self, symbol: Symbol, minute: Minute, tick: wire.Tick) -> None:
        """The next tick, though it may continue the minute, is the first of the new day: `_observe` sees it."""
        self._current.pop(symbol.key, None)
        minute.turn_day(tick.trading_day)
        self._enter_day(symbol, minute, tick)

    def _enter_day(self, symbol: Symbol, minute: Minute, tick: wire.Tick) -> None:
        """Of a trading day seen for the first time: what it had traded before we heard it may be no bar's volume."""
        day, cumulative = tick.trading_day, tick.cumulative_volume
        if cumulative is not None and not symbol.has_seen(day, minute):
            minute.moves.append(Move(symbol.last_received(), tick.received_at, volume_units(cumulative), day))

    def _seems_residual(self, symbol: Symbol, move: Move) -> bool:
        """Whether a counter moved unheard, as far as the marks tell."""
        return bool(self._unheard_until(symbol, move)) if move.is_residual is None else move.is_residual

    def _judge(self, symbol: Symbol, move: Move) -> bool:
        """`_seems_residual`, and that for good once every run has had its say; until then it is looked at again.

        Like the gap that tells of it, it waits from the end of the unheard stretch on.
        """
        if move.is_residual is not None:
            return move.is_residual
        until = self._unheard_until(symbol, move)
        due = max(move.received, until) + self._rules.lateness_ms
        if self.clock >= due:
            move.is_residual = bool(until)
        else:
            self._unjudged[symbol.name] = max(due, self._unjudged.get(symbol.name, 0))
        return bool(until)

    def _unheard_until(self, symbol: Symbol, move: Move) -> int:
        """When the stretch that was unheard while a counter moved ended, as far as the marks tell; 0: it was heard."""
        unheard = self._hearing.unheard(symbol.name, move.before, self.clock)
        return max([end for start, end in unheard if start < move.received], default=0)

    def _baseline(self, symbol: Symbol, minute: Minute, tick: wire.Tick) -> None:
        """Count a baseline for the counter and the day's figures; what moved unheard is residual."""
        cumulative, day = tick.cumulative_volume, tick.trading_day
        reached = symbol.reached(day)
        if day > minute.day:
            self._turn_day(symbol, minute, tick)
        if cumulative is not None and reached is not None:
            moved = max(0, volume_units(cumulative) - reached)
            minute.moves.append(Move(symbol.last_received(), tick.received_at, moved, day))
        if cumulative is not None:
            minute.reach(day, cumulative)
        if tick.event_time >= minute.open_time:
            minute.see(tick)
        symbol.received = max(symbol.received, tick.received_at)

    def _tell_gaps(self, clock: int) -> None:
        """Tell of every unheard stretch that ended, with what its symbol's counter moved meanwhile."""
        for name, start, end in self._gaps.take(clock, self._hearing):
            identity = SymbolId.parse(name)
            symbol = self._symbols.get(identity.key)
            residual = None if symbol is None else symbol.residual(start, end, self._judge)
            event = wire.GapEvent(
                exchange=identity.exchange,
                symbol=identity.symbol,
                start=start,
                end=end,
                delay=0 if symbol is None else symbol.delay_ms // 1000,
                residual_volume=None if residual is None else volume_of(residual),
                at=clock,
            )
            self.issues.append(Issue(Kind.GAP, identity.key, event))

    def _correct(self) -> None:
        """Issue again, or for the first time, what late ticks have changed: minutes, then every closed longer bar."""
        changed, self._changed = self._changed, {}
        for name in sorted(changed):
            symbol = changed[name]
            minutes = symbol.revise(self._judge)
            for minute, values in minutes:
                if minute.issued is None:
                    minute.bar_day = minute.label_day()
                minute.issued = values
                minute.revision += 1
                self._issue(symbol, self._chain.minute, minute.open_time, values, minute.revision)
            if minutes:
                self._correct_longer(symbol, [minute for minute, _ in minutes])

    def _correct_longer(self, symbol: Symbol, minutes: list[Minute]) -> None:
        built = symbol.roll_up.built(self._chain, self._chain.places, symbol.retained_parts())
        for place, level in enumerate(self._chain.longer):
            issued = symbol.issued[place]
            for label in sorted({level.open_time(minute.open_time, minute.bar_day) for minute in minutes}):
                values, before = built[place][label], issued.get(label)
                if before is None:
                    if level.close_time(label) > symbol.floor or label < self._since.get(level.name, 0):
                        continue
                    issued[label] = Issued(values)
                elif before.values != values:
                    issued[label] = Issued(values, before.revision + 1)
                else:
                    continue
                self._issue(symbol, level, label, values, issued[label].revision)

    def _close(self, clock: int) -> None:
        """Pass every minute boundary that the clock allows, class by class, each in time order."""
        for delay_ms in sorted(self._next):
            limit = clock - self._rules.lateness_ms - delay_ms
            boundary = self._next[delay_ms]
            if boundary > limit:
                continue
            members = [symbol for symbol in self._sorted if symbol.delay_ms == delay_ms]
            asleep_until = boundary
            while boundary <= limit:
                awake = []
                if boundary >= asleep_until:
                    awake = [member for member in members if member.is_awake(boundary)]
                    if not awake:
                        asleep_until = min([member.wakes_at for member in members], default=NEVER)
                self._pass(awake, delay_ms, boundary)
                if boundary % DAY == 0:
                    members = self._forget(members, boundary)
                boundary += MINUTE
            for symbol in members:
                symbol.floor = max(symbol.floor, boundary - MINUTE)
            self._next[delay_ms] = boundary
        self._plan()

    def _pass(self, members: list[Symbol], delay_ms: int, boundary: int) -> None:
        """Close, from 1m to 1M, every bar of a delay class that ends at a minute boundary; settle what is old.

        `members`: those of its symbols of which anything can close or settle there.
        """
        chain, horizon_ms = self._chain, self._rules.horizon_ms
        closing = Closing(chain, boundary, delay_ms, self._rules.lateness_ms)
        settled = chain.ending_at(boundary - horizon_ms)
        count = 0
        for symbol in members:
            count += self._close_minutes(symbol, boundary)
            if closing.ending:
                self._close_longer(symbol, closing)
            symbol.settle(chain, boundary - horizon_ms, settled, boundary - TELLING_MS)
            if not (symbol.minutes or symbol.retained or symbol.untold):
                symbol.sleep(chain, horizon_ms)
        self._complete(chain.minute, boundary - MINUTE, delay_ms, count)
        for place, level, until in closing.ending:
            self._complete(level, until, delay_ms, closing.counts[place])

    def _forget(self, members: list[Symbol], boundary: int) -> list[Symbol]:
        """Once a day: drop what was heard long ago, and symbols that nobody wants and of which nothing is open."""
        self._gaps.touched.update(self._hearing.forget(boundary - REMEMBERED_MS))
        kept = []
        for symbol in members:
            if symbol.is_empty and not self._hearing.is_wanted(symbol.name):
                del self._symbols[symbol.key]
                self._sorted.remove(symbol)
                self._unjudged.pop(symbol.name, None)
                self._gone.append(symbol.key)
            else:
                kept.append(symbol)
        return kept

    def _close_longer(self, symbol: Symbol, closing: Closing) -> None:
        """Close a symbol's bars of the levels of which one ends. Those that ended earlier are issued already."""
        chain, boundary, delay_ms = self._chain, closing.boundary, symbol.delay_ms
        built = symbol.roll_up.built(chain, closing.needed, symbol.retained_parts(closing.since))
        unheard = self._hearing.unheard(symbol.name, closing.heard_from, closing.heard_until)
        heard_from = unheard[-1][1] - delay_ms if unheard else 0
        identity, key, all_issued, since = symbol.id, symbol.key, symbol.issued, self._since
        issues, counts = self.issues, closing.counts
        for place, level, until in closing.ending:
            bars, issued = built[place], all_issued[place]
            due = None
            for label in bars:
                if label <= until and label not in issued:
                    due = [label] if due is None else [*due, label]
            if due is None:
                continue
            if since and level.name in since:
                due = [label for label in due if label >= since[level.name]]
            for label in sorted(due) if len(due) > 1 else due:
                values = bars[label]
                issued[label] = Issued(values)
                symbol.is_changed = True
                if label != until:
                    close_time = level.close_time(label)
                    lost = self._gap_ms(symbol, label, close_time)
                else:
                    close_time = boundary
                    lost = label < heard_from and cost_of(unheard, label, boundary, delay_ms, self._rules.lateness_ms)
                bar = bar_of(identity, level.name, label, close_time, values, 0, lost or 0)
                issues.append(Issue(BAR, key, bar))
                counts[place] += 1

    def _close_minutes(self, symbol: Symbol, boundary: int) -> int:
        """Close every minute of a symbol that ends by a boundary; how many bars that gave."""
        symbol.floor = max(symbol.floor, boundary)
        minutes, current = symbol.minutes, self._current
        count = 0
        for open_time in sorted(minutes) if len(minutes) > 1 else tuple(minutes):
            if open_time >= boundary:
                break
            if current.get(symbol.key) is minutes[open_time]:
                del current[symbol.key]
            before = symbol.carry
            minute = symbol.close(open_time, self._judge)
            if before.day == minute.day and minute.falls_short_of(before.reached):
                self.regressions += 1
            if minute.issued is not None:
                minute.revision = 0
                minute.bar_day = minute.label_day()
                self._issue(symbol, self._chain.minute, open_time, minute.issued, 0)
                count += 1
        return count

    def _catch_up(self) -> None:
        """Close what the new delay class of a symbol has passed without it."""
        moved, self._moved = self._moved, {}
        for name in sorted(moved):
            symbol = moved[name]
            boundary = self._next[symbol.delay_ms] - MINUTE
            self._close_minutes(symbol, boundary)
            built = symbol.roll_up.built(self._chain, self._chain.places, symbol.retained_parts())
            for place, level in enumerate(self._chain.longer):
                self._close_bars(symbol, place, level, built[place], level.last_ended(boundary))

    def _close_bars(self, symbol: Symbol, place: int, level: Level, bars: dict[int, Values], until: int) -> int:
        """Issue every bar up to a label that has not been issued yet; how many."""
        issued = symbol.issued[place]
        due = [label for label in bars if label <= until and label not in issued]
        if self._since and level.name in self._since:
            due = [label for label in due if label >= self._since[level.name]]
        symbol.is_changed = symbol.is_changed or bool(due)
        for label in sorted(due) if len(due) > 1 else due:
            issued[label] = Issued(bars[label])
            self._issue(symbol, level, label, bars[label], 0)
        return len(due)

    def _complete(self, level: Level, open_time: int, delay_ms: int, count: int) -> None:
        record = wire.IntervalComplete(interval=level.name, open_time=open_time, delay=delay_ms // 1000, count=count)
        self.issues.append(Issue(COMPLETE, None, record))

    def _issue(self, symbol: Symbol, level: Level, open_time: int, values: Values, revision: int) -> None:
        close_time = level.close_time(open_time)
        gap_ms = self._gap_ms(symbol, open_time, close_time)
        bar = bar_of(symbol.id, level.name, open_time, close_time, values, revision, gap_ms)
        self.issues.append(Issue(BAR, symbol.key, bar))

    def _forming_bar(self, symbol: Symbol, level: Level, part: Part) -> wire.FormingBar:
        open_time, _, values = part
        close_time = level.close_time(open_time)
        told_until = min(close_time, self.clock - symbol.delay_ms - self._rules.lateness_ms)
        return wire.FormingBar(
            level.name,
            open_time,
            close_time,
            values.open,
            values.high,
            values.low,
            values.close,
            None if values.volume is None else volume_of(values.volume),
            values.tick_count,
            values.first_tick_time,
            values.last_tick_time,
            self._gap_ms(symbol, open_time, told_until) if told_until > open_time else 0,
        )

    def _gap_ms(self, symbol: Symbol, open_time: int, close_time: int) -> int:
        """How much of a bar's event time was unheard, as far as the marks tell by now."""
        delay_ms, lateness_ms = symbol.delay_ms, self._rules.lateness_ms
        unheard = self._hearing.unheard(symbol.name, open_time + delay_ms, close_time + delay_ms + lateness_ms)
        return cost_of(unheard, open_time, close_time, delay_ms, lateness_ms) if unheard else 0


def bar_of(  # noqa: PLR0917 - by name it takes longer, and it is called for every bar
    identity: SymbolId, interval: str, open_time: int, close_time: int, values: Values, revision: int, gap_ms: int
) -> wire.Bar:
    """A bar as it is issued."""
    volume = values.volume
    return wire.Bar(
        interval,
        open_time,
        close_time,
        values.open,
        values.high,
        values.low,
        values.close,
        None if volume is None else volume / VOLUME_SCALE,
        values.tick_count,
        values.first_tick_time,
        values.last_tick_time,
        gap_ms,
        exchange=identity.exchange,
        symbol=identity.symbol,
        origin=TICKS,
        revision=revision,
        reason=LATE_TICK if revision else None,
    )
