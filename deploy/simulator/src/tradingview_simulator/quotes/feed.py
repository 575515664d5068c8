"""The live side of one symbol: takes its trades from the model as their time comes and has subscriptions flush them.

Nothing runs while nobody subscribes. Of a delayed symbol everything happens `delay_s` later, under its exchange time.
"""

from collections.abc import Collection, Iterator
from functools import partial
from random import Random
from typing import Protocol

from tradingview_simulator.model.nodes import Node, Trade
from tradingview_simulator.model.tape import Counter, DayState, Tape
from tradingview_simulator.quotes.rolls import STALE_CHANCE, STALE_MS, roll
from tradingview_simulator.quotes.values import (
    BBO_KEYS,
    CALENDAR_KEYS,
    FIGURE_KEYS,
    LIVE_KEYS,
    OUTSIDE_KEYS,
    PRICE_KEYS,
    RESET_KEYS,
    SESSION_KEYS,
    TIME_KEYS,
    VOLUME_KEYS,
    Values,
    bbo_values,
    calendar_values,
    live_values,
    outside_values,
    session_values,
    static_values,
)
from tradingview_simulator.timers import Timers

RESYNC_MS = 60_000
"""A feed that wakes this long after a trade starts again from the present, with snapshots."""
APART_MS = (20, 120)
UNTIMED_SECONDS = range(5, 50)
"""Seconds of the minute in which a trade may go without its time: a time estimated on arrival is in the same minute."""


class Listener(Protocol):
    """What a feed knows of a subscription."""

    is_fast: bool

    def flush(self, keys: Collection[str]) -> None: ...
    def forget(self, keys: Collection[str]) -> None: ...
    def plan_snapshot(self, delay_ms: float) -> None: ...
    def wants(self, key: str) -> bool: ...


class Feed:
    """`values`: the state of every quote field; `last_trade_ms`: the true instant of the newest trade in it."""

    def __init__(self, tape: Tape, timers: Timers, chance: Random, delivery_ms: tuple[int, int]) -> None:
        self.instrument = tape.instrument
        self.values: Values = static_values(tape.instrument, tape.calendar)
        self.last_trade_ms: int | None = None
        self.bbo_keys = BBO_KEYS if tape.instrument.has_bbo else ()
        self._tape = tape
        self._timers = timers
        self._chance = chance
        self._delivery_ms = delivery_ms
        self._delay_ms = tape.instrument.delay_s * 1_000
        self._listeners: list[Listener] = []
        self._run = 0
        self._plan = 0
        self._quoting = False
        self._state: DayState | None = None
        self._minutes: Iterator[tuple[int, tuple[Trade, ...]]] = iter(())
        self._ahead: tuple[int, tuple[Trade, ...]] | None = None
        self._minute: tuple[int, tuple[Trade, ...]] = (0, ())
        self._position = 0
        self._fetch_at = 0

    def join(self, listener: Listener) -> None:
        self._listeners.append(listener)
        if len(self._listeners) == 1:
            self._start()
        if not self._quoting and self.bbo_keys and listener.wants("bid"):
            self._quoting = True
            self._plan_bbo(self._run)

    def leave(self, listener: Listener) -> None:
        self._listeners.remove(listener)
        if not self._listeners:
            self._run += 1
            self._quoting = False

    def earlier(self, by_ms: int) -> tuple[int, Values] | None:
        """The instant of a trade at least `by_ms` before the newest, and the price block as it was then."""
        if self.last_trade_ms is None or (state := self._tape.state_at(self.last_trade_ms - by_ms)) is None:
            return None
        return state.last.time_ms, live_values(self.instrument, state)

    def calendar_changed(self) -> None:
        """The calendar was corrected: send it, and go on with the trades that there still are."""
        self.values |= calendar_values(self._tape.calendar)
        if not self._listeners:
            return
        at_ms = self._timers.now() - self._delay_ms if self._state is None else self._state.last.time_ms
        self._plan += 1
        self._minutes = self._tape.minutes_after(at_ms)
        self._minute, self._position, self._ahead = (0, ()), 0, None
        self._flush(self._run, CALENDAR_KEYS)
        self._plan_trade(self._run)
        self._plan_phase(self._run)

    def _start(self) -> None:
        """Take the state of the present and go on from there."""
        self._run += 1
        self._plan += 1
        now = self._timers.now() - self._delay_ms
        self._state = self._tape.state_at(now)
        self._minutes = self._tape.minutes_after(now)
        self._minute, self._position, self._ahead = (0, ()), 0, None
        self._publish_state()
        self.values |= session_values(self._tape.calendar, now // 1_000)
        if self._state is not None and self.bbo_keys:
            self.values |= bbo_values(self.instrument, self._state.last.price, self._chance)
        self._plan_trade(self._run)
        for tape in self._tape.outside:
            self._plan_outside(self._run, tape, tape.minutes_after(now))
        if not self._tape.calendar.is_always_open:
            self._plan_phase(self._run)
        if self._quoting:
            self._plan_bbo(self._run)

    def _publish_state(self) -> None:
        if self._state is not None:
            self.values |= live_values(self.instrument, self._state)
            self.last_trade_ms = self._state.last.time_ms
            if self._tape.outside:
                self.values |= outside_values(self.instrument, self._state)
                if self._state.outside is not None:
                    self.last_trade_ms = self._state.outside.time_ms

    def _next_trade(self) -> tuple[int, Trade]:
        """The next trade and its day.

        The minute after is fetched at a random trade, so that symbols do not all do it at once.
        """
        if self._position == len(self._minute[1]):
            self._minute = self._ahead or next(self._minutes)
            self._ahead, self._position = None, 0
            self._fetch_at = self._chance.randrange(len(self._minute[1]))
        elif self._position == self._fetch_at and self._ahead is None:
            self._ahead = next(self._minutes)
        day, trades = self._minute
        trade = trades[self._position]
        self._position += 1
        return day, trade

    def _plan_trade(self, run: int) -> None:
        day, trade = self._next_trade()
        due = trade.time_ms + self._delay_ms + self._chance.randint(*self._delivery_ms)
        self._timers.at(due, partial(self._trade, run, self._plan, due, day, trade))
        self._plan_stale(run, self._tape, day)

    def _plan_stale(self, run: int, tape: Tape, day: int) -> None:
        """Where a new day is next, perhaps send the total of the old one once more, just after the new has begun."""
        if self._state is None or self._state.counter.day == day or not self.instrument.has_volume:
            return
        session = tape.calendar.session(day)
        if session is None or self._chance.random() >= STALE_CHANCE:
            return
        due = session.start * 1_000 + STALE_MS + self._delay_ms
        if due > self._timers.now():
            self._timers.at(due, partial(self._stale, run, day))

    def _stale(self, run: int, day: int) -> None:
        if run != self._run or self._state is None or self._state.counter.day == day:
            return
        for listener in self._listeners:
            if listener.is_fast:
                listener.forget(VOLUME_KEYS)
        self._flush(run, VOLUME_KEYS)

    def _trade(self, run: int, plan: int, due: int, day: int, trade: Trade) -> None:
        if run != self._run or plan != self._plan:
            return
        if self._timers.now() - due > RESYNC_MS:
            self._resync()
            return
        state = self._state
        same_day = state is not None and state.day == day
        was_outside = state is not None and state.outside is not None
        self._state = (
            _traded(state, trade) if state is not None and same_day else _rolled(self._tape, day, trade, state)
        )
        self._publish_state()
        if state is not None and same_day:
            self._send_trade(run, due, trade, moved=trade.price != state.last.price)
        else:
            self.values |= session_values(self._tape.calendar, trade.time_ms // 1_000)
            self._send_roll(run, due, trade)
        if was_outside:
            self._flush(run, OUTSIDE_KEYS)
        self._plan_trade(run)

    def _resync(self) -> None:
        """Go on from the present with snapshots: what lies between is never sent."""
        self._start()
        for listener in self._listeners:
            listener.plan_snapshot(0)

    def _is_auction(self, trade: Trade) -> bool:
        if not self.instrument.has_auction or self._state is None:
            return False
        session = self._tape.calendar.session(self._state.day)
        return session is not None and trade.time_ms >= session.end * 1_000

    def _send_trade(self, run: int, due: int, trade: Trade, *, moved: bool) -> None:
        """One flush: mostly whole; sometimes its time before or after it, or not at all.

        A trade at an unchanged price keeps its time: without one, nothing may be left to say of it. So does an
        auction's, which only its time tells from trading after the market.
        """
        style = self._chance.random()
        later = due + self._chance.randint(*APART_MS)
        price = (*PRICE_KEYS, *FIGURE_KEYS)
        if self._is_auction(trade):
            self._flush(run, LIVE_KEYS)
        elif style < 0.12:
            self._flush(run, TIME_KEYS)
            self._timers.at(later, partial(self._flush, run, price))
        elif style < 0.24:
            self._flush(run, price)
            self._timers.at(later, partial(self._flush, run, TIME_KEYS))
        elif style < 0.4 and moved and trade.time_ms // 1_000 % 60 in UNTIMED_SECONDS:
            self._flush(run, price)
        else:
            self._flush(run, LIVE_KEYS)

    def _send_roll(self, run: int, due: int, trade: Trade) -> None:
        """The first trade of a day, and the reset of the day's counters and figures in a message of its own."""
        for listener in self._listeners:
            listener.forget(("lp", *RESET_KEYS))
        for apart, keys in roll(self._chance, trade.time_ms):
            due += apart
            if apart:
                self._timers.at(due, partial(self._flush, run, keys))
            else:
                self._flush(run, keys)

    def _plan_outside(self, run: int, tape: Tape, minutes: Iterator[tuple[int, tuple[Trade, ...]]]) -> None:
        """Trades before and after the market move `rtc` and the day's volume, and never `lp`."""
        trades = ((day, trade) for day, minute in minutes for trade in minute)

        def plan() -> None:
            day, trade = next(trades)
            due = trade.time_ms + self._delay_ms + self._chance.randint(*self._delivery_ms)
            self._timers.at(due, partial(send, due, day, trade))
            self._plan_stale(run, tape, day)

        def send(due: int, day: int, trade: Trade) -> None:
            if run != self._run:
                return
            if self._timers.now() - due > RESYNC_MS:
                self._resync()
                return
            if self._state is not None:
                self._state = _outside(self._state, day, trade)
                self._publish_state()
                self._flush(run, (*OUTSIDE_KEYS, *VOLUME_KEYS))
            plan()

        plan()

    def _flush(self, run: int, keys: Collection[str]) -> None:
        if run == self._run:
            for listener in self._listeners:
                if listener.is_fast:
                    listener.flush(keys)

    def _plan_bbo(self, run: int) -> None:
        def quote() -> None:
            if run != self._run:
                return
            if self._state is not None and self.values["current_session"] == "market":
                self.values.update(bbo_values(self.instrument, self._state.last.price, self._chance))
                self._flush(run, BBO_KEYS)
            self._plan_bbo(run)

        self._timers.after(self._chance.randint(1_000, 4_000), quote)

    def _plan_phase(self, run: int) -> None:
        """Look at the phase when it may be another."""
        plan = self._plan

        def look() -> None:
            if run == self._run and plan == self._plan:
                self.values |= session_values(self._tape.calendar, due)
                self._flush(run, SESSION_KEYS)
                self._plan_phase(run)

        due = self._tape.calendar.next_look((self._timers.now() - self._delay_ms) // 1_000)
        self._timers.at(due * 1_000 + self._delay_ms, look)


def _rolled(tape: Tape, day: int, trade: Trade, before: DayState | None) -> DayState:
    session = tape.days.session(day)
    assert session is not None
    node = Node(session.start, session.end, trade.price, trade.price, trade.price, trade.price, trade.volume, 1)
    counted = before.counter.units if before is not None and before.counter.day == day else 0
    return DayState(day, node, trade, tape.previous_close(day), Counter(day, counted + trade.volume))


def _traded(state: DayState, trade: Trade) -> DayState:
    node = state.node
    node = Node(
        node.start,
        node.end,
        node.open,
        max(node.high, trade.price),
        min(node.low, trade.price),
        trade.price,
        node.volume + trade.volume,
        node.trades + 1,
    )
    counter = Counter(state.day, state.counter.units + trade.volume)
    return DayState(state.day, node, trade, state.previous_close, counter)


def _outside(state: DayState, day: int, trade: Trade) -> DayState:
    """A trade before or after the market; the first of another day begins its counter."""
    counted = state.counter.units if state.counter.day == day else 0
    return state._replace(counter=Counter(day, counted + trade.volume), outside=trade)
