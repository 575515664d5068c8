"""The second oracle: reads a whole partition of the tick log, sorts, groups, and gives the last values of every bar.

It shares with the fold only the contracts: records, what marks say was covered, and units of volume. Its calendars,
counters and figures are its own (`naive_calendar`, `naive_counter`, `naive_figures`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import NamedTuple

from contracts import wire
from contracts.bars import volume_of, volume_units
from contracts.intervals import MINUTE, Interval
from contracts.marks import Coverage, Stretch, lost_time
from tests.support.naive_calendar import NaiveCalendar, Schedule
from tests.support.naive_counter import Counter, Move, Reading
from tests.support.naive_figures import Extremes, Figures

Record = wire.Tick | wire.Mark | wire.Calendar
Log = Iterable[tuple[bytes, Record, int]]
Label = tuple[str, str, int]
"""Symbol, interval, open time."""

_SILENT_MS = 1_000
"""An epoch whose watermark is further than this behind an observation of the next one has ended."""


class Last(NamedTuple):
    """The last values of a bar. `gap_ms` is None where the delay changed: what is lost then depends on when."""

    open: float
    high: float
    low: float
    close: float
    volume: float | None
    tick_count: int
    first_tick_time: int
    last_tick_time: int
    close_time: int
    trading_day: int
    gap_ms: int | None


class Naive(NamedTuple):
    """What a log comes to."""

    bars: dict[Label, Last]
    late: list[wire.Tick]
    """Beyond the grace period, in log order."""


class Seen(NamedTuple):
    """An observation that counts, where it belongs, and where in the log it stands.

    `minute` is None for a baseline and outside sessions; `opened_day` is the trading day that opened last. `ended` is
    when the epochs before its own ended, as far as the marks before it say; infinity for one that had not.
    """

    place: int
    tick: wire.Tick
    day: int
    opened_day: int
    minute: int | None
    is_inside: bool
    ended: dict[int, float]

    @property
    def order(self) -> tuple[int, int, float]:
        return (self.tick.event_time // 1000, self.tick.sequence, self.tick.price)


@dataclass
class Symbol:
    """What the log says of one symbol."""

    calendar: NaiveCalendar
    has_volume: bool
    delay_ms: int | None = None
    """Of the class in which its bars close; None before its first tick."""
    falls: tuple[int, int] | None = None
    """When its delay fell (received), and to what."""
    delays: set[int] = field(default_factory=set)
    epoch: int | None = None
    """Whose observations count at present."""
    closed_until: int = 0
    final_until: int = 0
    finals: list[tuple[int, int]] = field(default_factory=list)
    """The places of marks, and up to when each made minutes final."""
    seen: list[Seen] = field(default_factory=list)
    calendars: list[tuple[int, NaiveCalendar]] = field(default_factory=list)
    """The calendar as it was from a place in the log on."""

    def final_calendar(self, minute: int) -> NaiveCalendar:
        """The calendar that was known when a minute became final."""
        return [calendar for place, calendar in self.calendars if place < self.settles(minute)][-1]

    def settles(self, minute: int) -> float:
        """The place of the mark that makes a minute final."""
        return next((place for place, until in self.finals if minute + MINUTE <= until), inf)


@dataclass(frozen=True)
class _Rules:
    close_delay_ms: int
    grace_ms: int
    max_skew_ms: int
    max_age_ms: int


def naive(log: Log, *, close_delay_ms: int, grace_ms: int, max_skew_ms: int, max_age_ms: int) -> Naive:
    """The bars of a log that are closed at its end."""
    reader = _Reader(list(log), _Rules(close_delay_ms, grace_ms, max_skew_ms, max_age_ms))
    reader.read()
    bars: dict[Label, Last] = {}
    for name, symbol in reader.symbols.items():
        if symbol.seen:
            bars |= reader.bars_of(name, symbol)
    return Naive(bars, reader.late)


class _Reader:
    """Reads a log once for what counts and when minutes close, then symbol by symbol for the bars."""

    def __init__(self, records: Sequence[tuple[bytes, Record, int]], rules: _Rules) -> None:
        self._records = records
        self._rules = rules
        self._coverage = Coverage()
        self.symbols: dict[str, Symbol] = {}
        self.late: list[wire.Tick] = []

    def read(self) -> None:
        """Which observations count, and up to where minutes are closed and final at each mark."""
        for place, (_, record, timestamp) in enumerate(self._records):
            if isinstance(record, wire.Mark):
                self._coverage.apply(record, timestamp)
                self._close(place)
            elif isinstance(record, wire.Calendar):
                self._take_calendar(place, record)
            else:
                self._take_tick(place, record, timestamp)

    def _take_calendar(self, place: int, record: wire.Calendar) -> None:
        name = f"{record.exchange}:{record.symbol}"
        schedule = Schedule(record.timezone, record.session, record.holidays, record.corrections)
        if name not in self.symbols:
            self.symbols[name] = Symbol(NaiveCalendar(schedule), record.has_volume)
        symbol = self.symbols[name]
        open_minutes = [
            one.minute for one in symbol.seen if one.minute is not None and one.minute + MINUTE > symbol.final_until
        ]
        symbol.calendar.change(schedule, max([record.at, *open_minutes]))
        symbol.calendars.append((place, deepcopy(symbol.calendar)))
        self.symbols[name].has_volume = record.has_volume

    def _close(self, place: int) -> None:
        clock = self._coverage.clock
        for symbol in self.symbols.values():
            if symbol.delay_ms is None:
                continue
            if symbol.falls is not None and clock >= symbol.falls[0] + symbol.delay_ms:
                symbol.delay_ms, symbol.falls = symbol.falls[1], None
            self._advance(symbol, symbol.delay_ms)
            symbol.finals.append((place, symbol.final_until))

    def _advance(self, symbol: Symbol, delay_ms: int) -> None:
        until = self._coverage.clock - self._rules.close_delay_ms - delay_ms
        symbol.closed_until = max(symbol.closed_until, until - until % MINUTE)
        symbol.final_until = max(symbol.final_until, until - self._rules.grace_ms)

    def _take_tick(self, place: int, tick: wire.Tick, timestamp: int) -> None:
        name = f"{tick.exchange}:{tick.symbol}"
        symbol = self.symbols.get(name)
        if symbol is None or tick.event_time - max(timestamp, self._coverage.clock) > self._rules.max_skew_ms:
            return
        ended = self._ended(name, tick)
        active = tick.epoch if symbol.epoch is None else symbol.epoch
        counts = tick.epoch == active or _takes_over(tick.epoch, active, ended)
        if counts:
            self._take_delay(symbol, tick)
        where = symbol.calendar.place(
            tick.event_time, is_own_time=not tick.event_time_estimated, grace_ms=self._rules.grace_ms
        )
        if where.minute is not None and not tick.is_baseline and self._is_late(symbol, where.minute, tick, timestamp):
            self.late.append(tick)
            return
        minute = None if tick.is_baseline else where.minute
        opening = symbol.calendar.last_opening(tick.event_time)
        opened = symbol.calendar.place(opening, is_own_time=True, grace_ms=self._rules.grace_ms)
        symbol.epoch = tick.epoch if counts else active
        symbol.seen.append(Seen(place, tick, where.day, opened.day, minute, where.minute is not None, ended))

    def _take_delay(self, symbol: Symbol, tick: wire.Tick) -> None:
        delay_ms = tick.delay * 1000
        symbol.delays.add(delay_ms)
        if symbol.delay_ms is None or delay_ms >= symbol.delay_ms:
            if symbol.delay_ms is None and self._coverage.clock:
                self._advance(symbol, delay_ms)
            symbol.delay_ms, symbol.falls = delay_ms, None
        elif symbol.falls is None or symbol.falls[1] != delay_ms:
            symbol.falls = (tick.received_at, delay_ms)

    def _is_late(self, symbol: Symbol, minute: int, tick: wire.Tick, timestamp: int) -> bool:
        if self._coverage.clock:
            return minute + MINUTE <= symbol.final_until
        return minute + MINUTE <= timestamp - tick.delay * 1000 - self._rules.max_age_ms

    def _ended(self, name: str, tick: wire.Tick) -> dict[int, float]:
        """By epoch before the tick's own that covered its symbol: when it ended, as far as the log says by now."""
        ended: dict[int, float] = {}
        for epoch, _, end in self._coverage.pieces(name):
            watermark = self._coverage.watermarks[epoch]
            is_silent = watermark < tick.received_at - _SILENT_MS
            ended[epoch] = end if end is not None else watermark if is_silent else inf
        return ended

    def bars_of(self, name: str, symbol: Symbol) -> dict[Label, Last]:
        """The closed bars of a symbol, of every interval."""
        volumes, extremes = self._followed(name, symbol)
        by_minute: dict[int, list[Seen]] = defaultdict(list)
        for one in symbol.seen:
            if one.minute is not None:
                by_minute[one.minute].append(one)
        parts: dict[tuple[Interval, int, int, int], list[Last]] = defaultdict(list)
        for minute in sorted(by_minute):
            group = sorted(by_minute[minute], key=lambda one: one.order)
            has_volume = symbol.has_volume and any(one.tick.cumulative_volume is not None for one in group)
            values = _minute(group, volumes[minute] if has_volume else None, extremes[minute])
            for interval in Interval:
                opened, closed = symbol.calendar.bar(interval, minute, group[0].day)
                day = group[0].day if interval.is_intraday else opened
                parts[interval, opened, closed, day].append(values)
        return {
            (name, interval.value, opened): _merged(found)._replace(
                close_time=closed, trading_day=day, gap_ms=self._gap_ms(name, symbol, interval, opened, closed)
            )
            for (interval, opened, closed, day), found in parts.items()
            if closed <= symbol.closed_until
        }

    def _followed(self, name: str, symbol: Symbol) -> tuple[dict[int, int], dict[int, list[float]]]:
        """What the counter moved in each minute, in units, and the prices that only the day's figures show."""
        counter = Counter(symbol.calendar)
        extremes = Extremes([
            (one.place, one.day, one.tick.price) for one in symbol.seen if one.minute is not None
        ])  # fmt: skip
        active: int | None = None
        remembered: dict[int, list[Seen]] = defaultdict(list)
        for one in _in_sequence(symbol.seen):
            epoch = one.tick.epoch
            if active is None or epoch == active:
                if one.tick.cumulative_volume is not None:
                    counter.observe(_reading(one, symbol))
                extremes.observe(_figures(one))
                active = epoch
            elif not _takes_over(epoch, active, one.ended):
                if epoch > active:
                    remembered[epoch].append(one)
            else:
                ended = one.ended.get(active, -inf)
                if epoch < active:
                    remembered[epoch] = []
                if one.tick.cumulative_volume is not None:
                    before = [_reading(other, symbol) for other in remembered[epoch]]
                    counter.take_over(before, _reading(one, symbol), ended)
                extremes.take_over([_figures(other) for other in remembered[epoch]], _figures(one))
                active = epoch
        for move in counter.moves:
            # It belongs to the minute of the next observation of a price, whatever that says of the counter.
            minute = next(
                (one.minute for one in symbol.seen if one.place >= move.place and one.minute is not None), None
            )
            if minute is not None and self._is_covered(name, move, symbol.settles(minute)):
                counter.volumes[minute] += move.units
        return counter.volumes, extremes.found

    def _is_covered(self, name: str, move: Move, settles: float) -> bool:
        """Whether a symbol was covered up to a baseline, as the marks say when that is judged."""
        coverage = Coverage()
        for place, (_, record, timestamp) in enumerate(self._records):
            if not isinstance(record, wire.Mark):
                continue
            clock = coverage.apply(record, timestamp)
            if place > move.place:
                missing = coverage.uncovered(name, move.before, max(clock, move.received))
                until = max([move.received, *(end for start, end in missing if start < move.received)])
                if clock >= until + self._rules.close_delay_ms or place >= settles:
                    break
        return not coverage.uncovered(name, move.before, move.received)

    def _gap_ms(self, name: str, symbol: Symbol, interval: Interval, opened: int, closed: int) -> int | None:
        """How much of a bar's session time nothing covered."""
        if len(symbol.delays) > 1:
            return None
        if interval.is_intraday:
            calendar = symbol.final_calendar(opened) if interval is Interval.M1 else symbol.calendar
            return sum(calendar.session_ms(*lost) for lost in self._lost(name, symbol, opened, closed))
        segments = symbol.calendar.segments_of_period(interval, opened)
        return sum(b - a for one in segments for a, b in self._lost(name, symbol, one.open, one.close))

    def _lost(self, name: str, symbol: Symbol, start: int, end: int) -> list[Stretch]:
        delay_ms, close_delay_ms = symbol.delay_ms or 0, self._rules.close_delay_ms
        uncovered = self._coverage.uncovered(name, start + delay_ms, end + delay_ms + close_delay_ms)
        return lost_time(uncovered, start, end, delay_ms, close_delay_ms)


def _takes_over(epoch: int, active: int, ended: dict[int, float]) -> bool:
    """Whether an observation of another epoch than the active one counts: that one ended, and a lower one goes on."""
    return ended.get(active, -inf) < inf and (epoch > active or ended.get(epoch, -inf) == inf)


def _in_sequence(seen: Iterable[Seen]) -> list[Seen]:
    """Without those that are no newer than what their epoch showed before: they say a price only."""
    newest: dict[int, int] = {}
    found = []
    for one in seen:
        if one.tick.sequence > newest.get(one.tick.epoch, -1):
            newest[one.tick.epoch] = one.tick.sequence
            found.append(one)
    return found


def _reading(one: Seen, symbol: Symbol) -> Reading:
    tick = one.tick
    minute = tick.event_time - tick.event_time % MINUTE if one.minute is None else one.minute
    return Reading(
        one.place, tick.epoch, volume_units(tick.cumulative_volume or 0.0), tick.event_time, tick.received_at, one.day,
        tick.day_open, one.minute, tick.is_baseline, tick.delay, symbol.settles(minute),
        one.is_inside,
    )  # fmt: skip


def _figures(one: Seen) -> Figures:
    tick = one.tick
    return Figures(
        one.place, tick.event_time, one.opened_day, one.minute, tick.day_open, tick.day_high, tick.day_low,
        tick.is_baseline, tick.delay,
    )  # fmt: skip


def _minute(group: Sequence[Seen], units: int | None, extremes: Sequence[float]) -> Last:
    """A minute's values, its volume in units; `group` is in the order of observations."""
    prices = [one.tick.price for one in group]
    times = [one.tick.event_time for one in group]
    return Last(
        prices[0], max(*prices, *extremes, prices[0]), min(*prices, *extremes, prices[0]), prices[-1], units,
        len(group), min(times), max(times), 0, 0, 0,
    )  # fmt: skip


def _merged(parts: Sequence[Last]) -> Last:
    """The values of a bar made of minutes in order of time, whose volumes are units."""
    assert all(a.first_tick_time // MINUTE <= b.first_tick_time // MINUTE for a, b in pairwise(parts))
    volumes = [int(part.volume) for part in parts if part.volume is not None]
    return Last(
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        volume_of(sum(volumes)) if volumes else None,
        sum(part.tick_count for part in parts),
        min(part.first_tick_time for part in parts),
        max(part.last_tick_time for part in parts),
        0,
        0,
        0,
    )
