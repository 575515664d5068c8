"""The live side of one symbol: takes its trades from the model as their time comes and has subscriptions flush them.

Nothing runs while nobody subscribes. Of a delayed symbol everything happens `delay_s` later, under its exchange time.
"""

from collections.abc import Collection, Iterator
from functools import partial
from random import Random
from typing import Protocol

from tradingview_simulator.model.nodes import Node, Trade
from tradingview_simulator.model.tape import DayState, Tape
from tradingview_simulator.quotes.values import (
    BBO_KEYS,
    FIGURE_KEYS,
    LIVE_KEYS,
    PRICE_KEYS,
    SESSION_KEYS,
    TIME_KEYS,
    Values,
    bbo_values,
    live_values,
    static_values,
)
from tradingview_simulator.timers import Timers

QUARTER_MS = 900_000
RESYNC_MS = 60_000
"""A feed that wakes this long after a trade starts again from the present, with snapshots."""
APART_MS = (20, 120)
UNTIMED_SECONDS = range(5, 50)
"""Seconds of the minute in which a trade may go without its time: a time estimated on arrival is in the same minute."""


class Listener(Protocol):
    """What a feed knows of a subscription."""

    is_fast: bool

    def flush(self, keys: Collection[str]) -> None: ...
    def day_rolled(self) -> None: ...
    def plan_snapshot(self, delay_ms: float) -> None: ...
    def wants(self, key: str) -> bool: ...


class Feed:
    """`values`: the state of every quote field; `last_trade_ms`: the true instant of the newest trade in it."""

    def __init__(self, tape: Tape, timers: Timers, chance: Random, delivery_ms: tuple[int, int]) -> None:
        self.instrument = tape.instrument
        self.values: Values = static_values(tape.instrument)
        self.last_trade_ms: int | None = None
        self.bbo_keys = BBO_KEYS if tape.instrument.has_bbo else ()
        self._tape = tape
        self._timers = timers
        self._chance = chance
        self._delivery_ms = delivery_ms
        self._delay_ms = tape.instrument.delay_s * 1_000
        self._listeners: list[Listener] = []
        self._run = 0
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

    def _start(self) -> None:
        """Take the state of the present and go on from there."""
        self._run += 1
        now = self._timers.now() - self._delay_ms
        self._state = self._tape.state_at(now)
        self._minutes = self._tape.minutes_after(now)
        self._minute, self._position, self._ahead = (0, ()), 0, None
        self._publish_state()
        self.values["current_session"] = self.instrument.calendar.phase(now // 1_000)
        if self._state is not None and self.bbo_keys:
            self.values |= bbo_values(self.instrument, self._state.last.price, self._chance)
        self._plan_trade(self._run)
        if self.instrument.calendar.spec != "24x7":
            self._plan_phase(self._run)
        if self._quoting:
            self._plan_bbo(self._run)

    def _publish_state(self) -> None:
        if self._state is not None:
            self.values |= live_values(self.instrument, self._state)
            self.last_trade_ms = self._state.last.time_ms

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
        self._timers.at(due, partial(self._trade, run, due, day, trade))

    def _trade(self, run: int, due: int, day: int, trade: Trade) -> None:
        if run != self._run:
            return
        if self._timers.now() - due > RESYNC_MS:
            self._start()
            for listener in self._listeners:
                listener.plan_snapshot(0)
            return
        state = self._state
        same_day = state is not None and state.day == day
        self._state = _traded(state, trade) if state is not None and same_day else _rolled(self._tape, day, trade)
        self._publish_state()
        self.values["current_session"] = self.instrument.calendar.phase(trade.time_ms // 1_000)
        if state is not None and same_day:
            self._send_trade(run, due, trade, moved=trade.price != state.last.price)
        else:
            self._send_roll(run, due)
        self._plan_trade(run)

    def _send_trade(self, run: int, due: int, trade: Trade, *, moved: bool) -> None:
        """One flush: mostly whole; sometimes its time before or after it, or not at all.

        A trade at an unchanged price keeps its time: without one, nothing may be left to say of it.
        """
        style = self._chance.random()
        later = due + self._chance.randint(*APART_MS)
        price = (*PRICE_KEYS, *FIGURE_KEYS)
        if style < 0.12:
            self._flush(run, TIME_KEYS)
            self._timers.at(later, partial(self._flush, run, price))
        elif style < 0.24:
            self._flush(run, price)
            self._timers.at(later, partial(self._flush, run, TIME_KEYS))
        elif style < 0.4 and moved and trade.time_ms // 1_000 % 60 in UNTIMED_SECONDS:
            self._flush(run, price)
        else:
            self._flush(run, LIVE_KEYS)

    def _send_roll(self, run: int, due: int) -> None:
        """The first trade of a day: price, volume and day at once, the day's figures in the messages after it."""
        for listener in self._listeners:
            listener.day_rolled()
        self._flush(run, (*TIME_KEYS, *PRICE_KEYS))
        first = due + self._chance.randint(*APART_MS)
        self._timers.at(first, partial(self._flush, run, FIGURE_KEYS[:2]))
        self._timers.at(first + self._chance.randint(*APART_MS), partial(self._flush, run, FIGURE_KEYS))

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
        """Sessions begin and end on a quarter hour: look at the phase then."""

        def look() -> None:
            if run == self._run:
                self.values["current_session"] = self.instrument.calendar.phase(due // 1_000)
                self._flush(run, SESSION_KEYS)
                self._plan_phase(run)

        now = self._timers.now() - self._delay_ms
        due = (now // QUARTER_MS + 1) * QUARTER_MS
        self._timers.at(due + self._delay_ms, look)


def _rolled(tape: Tape, day: int, trade: Trade) -> DayState:
    session = tape.days.session(day)
    assert session is not None
    node = Node(session.start, session.end, trade.price, trade.price, trade.price, trade.price, trade.volume, 1)
    return DayState(day, node, trade, tape.days.close(tape.days.previous(day)))


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
    return DayState(state.day, node, trade, state.previous_close)
