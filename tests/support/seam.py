"""From the simulator's quotes to the engine's bars, and from its history to stored bars, with nothing running.

`tick_bars` gives the simulator's messages to ingest-ws's feed, its batches as a log to the engine's fold, and collects
what that emits. `history_bars` labels what the simulator's charts serve as history-sync does. Both speak of the same
trades, so bars that were covered from their beginning must agree to the last digit: `compare` says where they do not.
Time is that of the messages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aggregator.core.emission import Issue, Kind
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.bars import Bar, volume_of, volume_units
from contracts.calendar import Calendar
from contracts.history import Series
from contracts.intervals import DAY, MINUTE, Interval
from contracts.symbols import SymbolId
from contracts.topics import MARK_KEY
from history_sync.core.rows import Row, bars_of
from history_sync.core.volumes import with_known_volumes
from ingest_ws.core.feed import Feed
from ingest_ws.core.partition import GRID_MS
from ingest_ws.core.symbol import HOLD_MS
from tests.support.instants import shown
from tradingview.hours import trading_hours
from tradingview.live import LiveFields
from tradingview.quote_fields import FIELDS, without_void
from tradingview.symbols import symbol_info as read_symbol_info
from tradingview_simulator import Market, frames
from tradingview_simulator.charts.info import symbol_info
from tradingview_simulator.model.tape import Tape

WITHOUT_OFFERS = tuple(name for name in FIELDS if not name.startswith(("bid", "ask")))
"""What is asked for where a thin market runs for days: offers would be most of its messages, and make no tick."""
SETTLED_MS = 2 * MINUTE
"""So long after its close a bar is compared: the close delay, and a closing auction's minute."""
_QUIET_STEP_MS = 30_000
"""From mark to mark while nothing comes; in service it is `GRID_MS` always."""
_LIVE = frozenset(LiveFields.__struct_fields__)
_COMPARED = ("open_time", "close_time", "trading_day", "open", "high", "low", "close", "volume")

Announcements = Sequence[tuple[int, str]]


@dataclass
class Emitted:
    """What was emitted of a symbol from `start` to `until`: the last revision of each bar, and all else in order.

    `ticks` counts those in the log. `market` is as it was at the end.
    """

    market: Market
    symbol: str
    start: int
    until: int
    delay_ms: int
    ticks: int = 0
    bars: dict[tuple[Interval, int], wire.Bar] = field(default_factory=dict)
    others: list[Issue] = field(default_factory=list)

    def take(self, issues: Sequence[Issue]) -> None:
        """The next of what was emitted; a bar comes with revision 0, 1, 2 … and a reason from 1 on."""
        for issue in issues:
            if issue.kind is Kind.COMPLETE:
                continue
            if issue.kind is not Kind.BAR:
                self.others.append(issue)
                continue
            bar = issue.record
            assert isinstance(bar, wire.Bar)
            place = (Interval(bar.interval), bar.open_time)
            before = self.bars.get(place)
            assert bar.revision == (0 if before is None else before.revision + 1), (before, bar)
            assert (bar.reason is None) == (bar.revision == 0), bar
            self.bars[place] = bar


def tick_bars(
    market: Market,
    symbol: str,
    start: int,
    end: int,
    *,
    fields: Sequence[str] = FIELDS,
    announcements: Announcements = (),
) -> Emitted:
    """The bars that the engine makes of the messages about a symbol that is wanted from `start` to `end` (ms)."""
    tape = tape_of(market, symbol)
    identity = SymbolId.parse(symbol)
    feed = Feed(partitions=1, salt=0, room_bytes=10**8, now=start)
    feed.assign([0], start)
    feed.want(0, [identity], start)
    fold = PartitionFold(Rules())
    found = Emitted(market, symbol, start, end, tape.instrument.delay_s * 1_000)
    symbol_feed = feed.symbols[symbol].feed
    now = start

    def pass_until(instant: int) -> None:
        """Append to the log what the feed has, with a mark on the grid, and fold it, until an instant."""
        nonlocal now
        is_quiet = False
        while True:
            held_since = symbol_feed.held_since
            due = now - now % GRID_MS + (_QUIET_STEP_MS if is_quiet else GRID_MS)
            if held_since is not None:
                due = max(held_since + HOLD_MS, now)
            if due > instant:
                now = instant
                return
            now = due
            feed.expire(now)
            batch = feed.take(0, now)
            is_quiet = batch is None or not batch.entries
            if batch is not None:
                feed.acknowledged(0)
                found.ticks += len(batch.ticks)
                fold.feed([(key, _decoded(key, value), now) for key, value in batch.records()])
                found.take(fold.take())

    for at, said in _messages(found, fields, announcements):
        pass_until(at)
        if said is None:
            feed.completed(symbol, now)
        else:
            fault = feed.changed(symbol, said, now)
            assert fault is None, fault
    pass_until(end)
    assert not feed.refused
    assert feed.lost_ticks == 0
    return found


def history_bars(market: Market, symbol: str, interval: Interval, until: int, count: int) -> list[Bar]:
    """The newest bars of a symbol as history-sync stores them: what had traded by `until` (ms, the exchange's time)."""
    tape = tape_of(market, symbol)
    metadata = symbol_info(tape.instrument, tape.calendar)
    rows = [
        Row(round(v[0] * 1000), v[1], v[2], v[3], v[4], v[5] if len(v) > 5 else 0.0)
        for v in market.bars(symbol, interval.tradingview, until, count)
    ]
    known = with_known_volumes(rows, read_symbol_info(metadata).has_volume, None)
    identity = SymbolId.parse(symbol)
    series = Series(exchange=identity.exchange, symbol=identity.symbol, interval=interval)
    stored = bars_of(series, known, calendar_of(market, symbol), revision=1, closed_until=until)
    assert not stored.rejected, stored.examples
    assert not stored.off_grid, (symbol, interval, stored.off_grid)
    return list(stored.bars)


def tape_of(market: Market, symbol: str) -> Tape:
    """What the simulator knows of a symbol."""
    tape = market.tape(symbol)
    assert tape is not None
    return tape


def calendar_of(market: Market, symbol: str) -> Calendar:
    """The calendar of a symbol as history-sync reads it."""
    tape = tape_of(market, symbol)
    hours = trading_hours(symbol_info(tape.instrument, tape.calendar))
    assert hours is not None
    return Calendar.parse(*hours)


@dataclass
class Comparison:
    """`same`: the openings of bars that are equal, by interval; `differences`: one line for each that is not."""

    same: dict[Interval, list[int]]
    differences: list[str]


def compare(emitted: Emitted) -> Comparison:
    """Hold the engine's bars against history, from the first that was covered from its beginning on.

    Equal must be: which bars there are, and of each its opening, close, trading day, prices and volume. The volume of
    daily and longer bars is the provider's without what traded before and after the market: charts count that in
    them (protocol §4.5), while ours are the sum of their minutes.
    """
    symbol, found = emitted.symbol, Comparison({}, [])
    calendar, until = calendar_of(emitted.market, symbol), emitted.until - emitted.delay_ms
    for interval in Interval:
        days = (emitted.until - emitted.start) // DAY + 2
        count = days * (DAY // interval.step_ms if interval.step_ms else 1)
        history = {bar.open_time: bar for bar in history_bars(emitted.market, symbol, interval, until, count)}
        ours = {at: bar for (each, at), bar in emitted.bars.items() if each is interval}
        found.same[interval] = []
        for at in sorted(history.keys() | ours.keys()):
            begins = at if interval.is_intraday else calendar.first_open(interval, at)
            if begins <= emitted.start - emitted.delay_ms or calendar.close_of(interval, at) + SETTLED_MS > until:
                continue
            lines = _differences(emitted, ours.get(at), history.get(at))
            found.differences += [f"{symbol} {interval} {shown(at, calendar.timezone)}: {line}" for line in lines]
            if not lines:
                found.same[interval].append(at)
    return found


def _differences(emitted: Emitted, ours: wire.Bar | None, theirs: Bar | None) -> list[str]:
    if ours is None or theirs is None:
        return ["only in history" if ours is None else "not in history"]
    expected = {name: getattr(theirs, name) for name in _COMPARED} | {"gap_ms": 0}
    if theirs.volume is not None and not theirs.interval.is_intraday:
        outside = outside_units(emitted, theirs)
        expected["volume"] = volume_of(volume_units(theirs.volume) - outside)
    return [
        f"{name} is {getattr(ours, name)}, in history {value}"
        for name, value in expected.items()
        if getattr(ours, name) != value
    ]


def outside_units(emitted: Emitted, bar: Bar) -> int:
    """What traded before and after the market on the days of a daily or longer bar, in units of 1e-8."""
    tape, until = tape_of(emitted.market, emitted.symbol), emitted.until - emitted.delay_ms
    calendar = calendar_of(emitted.market, emitted.symbol)
    days = [day for day in range(bar.open_time, bar.close_time + DAY, DAY)
            if calendar.period(bar.interval, day)[0] == bar.open_time]  # fmt: skip
    return sum(volume_units(tape.instrument.volume(tape.outside_volume(day // DAY, until))) for day in days)


def _messages(
    emitted: Emitted, fields: Sequence[str], announcements: Announcements
) -> Iterator[tuple[int, LiveFields | Mapping[str, Any] | None]]:
    """Each message as the connection hands it to the feed, and when; None: the snapshot is complete."""
    market, symbol, start, until = emitted.market, emitted.symbol, emitted.start, emitted.until
    for frame in frames(market, symbol, start, until, fields=fields, announcements=announcements):
        if frame.completes:
            yield frame.sent_at_ms, None
        elif frame.fields.keys() <= _LIVE:
            yield frame.sent_at_ms, msgspec.convert(without_void(dict(frame.fields)), LiveFields)
        else:
            yield frame.sent_at_ms, without_void(dict(frame.fields))


def _decoded(key: bytes, value: bytes) -> wire.Tick | wire.Mark | wire.Calendar:
    if key == MARK_KEY:
        return wire.decode_mark(value)
    return wire.decode_calendar(value) if key.startswith(MARK_KEY) else wire.decode_tick(value)
