"""One symbol of the feed: quote messages in, ticks out.

Which updates are ticks: a change of price, of cumulative volume or of last time. All else changes only the quote.

Which time a tick has: most messages carry no `lp_time`, and it may come before or after its price (protocol §4.3). So
a price without a time, or a time without a price, is held up to `HOLD_MS` for the other. A price whose time does not
come gets `max(lp_time before it, received_at - delay)`, no later than the next `lp_time`, and is marked estimated. A
time whose price does not come is a trade at the same price where there is no volume. Where there is, a trade would have
moved it: the time alone is a baseline, and a price that comes soon after the hold still has this time.
"""

from collections.abc import Mapping
from copy import copy
from typing import Any

import msgspec
from msgspec import UNSET

from contracts import wire
from contracts.errors import BadData
from contracts.symbols import SymbolId
from contracts.ticks import SessionPhase
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.fields import AHEAD_MS, DAY_FIELDS, Rest, ahead, read, trading_day
from ingest_ws.core.made import MadeQuote, MadeTick
from tradingview.live import LiveFields

HOLD_MS = 250
CLAIM_MS = 1_000
"""How long after it came a time without a price waits for one; after `HOLD_MS` its own tick has been made."""
MOST_HELD = 16


class _Numbers(msgspec.Struct, gc=False):
    """The merged state of a symbol's numbers by the names of our contracts."""

    price: float | None = None
    cumulative_volume: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    day_open: float | None = None
    day_high: float | None = None
    day_low: float | None = None
    previous_close: float | None = None
    change: float | None = None
    change_percent: float | None = None


class _Held(msgspec.Struct, gc=False):
    """An observation whose tick is not made yet: the state at its instant, and what is known of its time."""

    numbers: _Numbers
    said: dict[str, int]
    """For each field of a day, the turn in which it was last said."""
    turn: int
    """The turn in which the observation began."""
    floor: int
    """The last time known before it, epoch seconds; 0 where none is."""
    last_time: int | None
    has_price: bool
    day: int
    """The trading day known when it came."""
    open_day: int | None
    session: str
    delay: int
    received_at: int
    sequence: int


class SymbolFeed:
    """`is_heard`: its snapshot is complete and its connection lives. Verbs return the ticks that they bring about.

    Which times are milliseconds and which seconds is told by the names of `Rest` and `QuoteTick`.
    """

    # fmt: off
    __slots__ = (
        "_day", "_day_began", "_is_complete", "_last_time", "_numbers", "_open_day", "_said", "_sequencer",
        "_stale_before", "_texts", "_told_day", "_told_volume", "_turn", "_unclaimed", "delay", "fault", "held",
        "identity", "is_heard", "last_sequence", "last_tick_at", "last_tick_time", "phase", "quote_at", "stale_updates",
    )
    # fmt: on

    def __init__(self, identity: SymbolId, sequencer: Sequencer) -> None:
        self.identity = identity
        self.last_tick_time: int | None = None
        self.last_tick_at: int | None = None
        self.last_sequence = 0
        self.stale_updates = 0
        self._sequencer = sequencer
        self._turn = 0
        self._told_day = -1
        self._told_volume: float | None = None
        self._forget()

    def _forget(self) -> None:
        self.is_heard = self._is_complete = False
        self.fault: BadData | None = None
        self.phase: str = SessionPhase.UNKNOWN.value
        self.delay = 0
        self.quote_at = 0
        self._numbers = _Numbers()
        self._texts: dict[str, Any] = {}
        self._said: dict[str, int] = dict.fromkeys(DAY_FIELDS, 0)
        self._last_time: int | None = None
        self._stale_before = 0
        self._open_day: int | None = None
        self._day = -1
        self._day_began = 0
        self.held: list[_Held] = []
        """Observations whose ticks are not made yet."""
        self._unclaimed: _Held | None = None

    @property
    def held_since(self) -> int | None:
        """When the oldest observation came whose tick is not made yet."""
        return self.held[0].received_at if self.held else None

    def changed(self, said: LiveFields | Mapping[str, Any], now: int) -> list[wire.Tick]:
        """A message about the symbol came at `now`. What in it makes no sense is `fault`, and has no value."""
        rest: Rest | None = None
        if isinstance(said, LiveFields):
            live = said
        else:
            live, rest, self.fault = read(said)
        price, volume, last_time = live.lp, live.volume, live.lp_time
        if last_time is not UNSET and last_time is not None:
            if last_time * 1000 > now + AHEAD_MS:
                self.fault = ahead(last_time, now)
                last_time = None
            elif last_time < self._stale_before and self.is_heard and self._is_of_known_day(rest):
                self.stale_updates += 1
                price, volume, last_time = UNSET, UNSET, None
        else:
            last_time = None
        known_time, numbers = self._last_time, self._numbers
        has_time = last_time is not None and last_time != known_time
        has_price = is_news = False
        self._turn += 1
        self.quote_at = now
        if price is not UNSET:
            has_price, is_news = True, price is not None and price != numbers.price
            numbers.price = price
        if volume is not UNSET:
            has_price, is_news = True, is_news or (volume is not None and volume != numbers.cumulative_volume)
            numbers.cumulative_volume = volume
            self._said["cumulative_volume"] = self._turn
        if live.bid is not UNSET:
            numbers.bid = live.bid
        if live.ask is not UNSET:
            numbers.ask = live.ask
        if live.bid_size is not UNSET:
            numbers.bid_size = live.bid_size
        if live.ask_size is not UNSET:
            numbers.ask_size = live.ask_size
        if live.ch is not UNSET:
            numbers.change = live.ch
        if live.chp is not UNSET:
            numbers.change_percent = live.chp
        if rest is not None:
            self._merge_rest(rest, now)
        if last_time is not None:
            self._last_time = last_time
            self._stale_before = last_time
            present = now // 1000 - self.delay
            if last_time > present:
                # A time ahead of us silences no true one that follows.
                self._stale_before = present
        if numbers.price is None or not self.is_heard:
            return self._unknown(now)
        if not (has_time or is_news):
            return []
        observed = self._observe(now, known_time or 0, last_time if has_time else None, has_price)
        if has_time and has_price and not self.held:
            self._unclaimed = None
            return [self._tick(observed)]
        observed.numbers, observed.said = copy(numbers), self._said.copy()
        return self._pair(observed)

    def completed(self, now: int) -> list[wire.Tick]:
        """A snapshot is complete. The first one makes the symbol heard, and is the baseline of what follows.

        Where it told no price, the first that comes does.
        """
        self._is_complete = True
        if self.is_heard or self._numbers.price is None:
            return []
        self.is_heard = True
        return self._baseline(now)

    def _unknown(self, now: int) -> list[wire.Tick]:
        """A message came while no price is known, or before the snapshot was complete."""
        if self.is_heard:
            self.is_heard = False
            return self.flush()
        return self.completed(now) if self._is_complete else []

    def rebase(self, now: int) -> list[wire.Tick]:
        """What was held, and the present state as a baseline: something before it may have been lost."""
        return [*self.flush(), *(self._baseline(now) if self.is_heard else ())]

    def expire(self, now: int) -> list[wire.Tick]:
        """The ticks of observations that have been held long enough."""
        due = [held for held in self.held if now - held.received_at >= HOLD_MS]
        self.held = self.held[len(due) :]
        if due and not due[-1].has_price and due[-1].numbers.cumulative_volume is not None:
            self._unclaimed = due[-1]
        return [self._tick(held) for held in due]

    def flush(self) -> list[wire.Tick]:
        """The ticks of all that is held."""
        held, self.held = self.held, []
        return [self._tick(each) for each in held]

    def deafen(self) -> list[wire.Tick]:
        """The symbol is not heard any more: what was held, and then nothing is known until the next snapshot."""
        ticks = self.flush()
        self._forget()
        return ticks

    def quote(self) -> MadeQuote:
        """The merged latest state."""
        exchange, symbol = self.identity
        numbers, last = self._numbers, self._last_time
        return MadeQuote(
            exchange,
            symbol,
            numbers.price,
            numbers.cumulative_volume,
            numbers.bid,
            numbers.ask,
            numbers.bid_size,
            numbers.ask_size,
            numbers.change,
            numbers.change_percent,
            numbers.day_open,
            numbers.day_high,
            numbers.day_low,
            numbers.previous_close,
            self._day if self._day >= 0 else None,
            self.phase,
            self.delay,
            self._texts.get("currency"),
            self._texts.get("description"),
            None if last is None else last * 1000,
            self.quote_at,
            self.last_sequence,
        )

    def _is_of_known_day(self, rest: Rest | None) -> bool:
        """Snapshots can go back in time (protocol §4.3): an older last time is no news unless it is of a newer day."""
        return rest is None or rest.open_day is None or rest.open_day <= self._day

    def _merge_rest(self, rest: Rest, now: int) -> None:
        if rest.delay is not None:
            self.delay = rest.delay
        if rest.session is not None:
            self.phase = rest.session
        for name, value in rest.figures.items():
            setattr(self._numbers, name, value)
            self._said[name] = self._turn
        self._texts.update(rest.texts)
        if rest.open_day is not None:
            self._open_day = rest.open_day
            present = trading_day(rest.open_day, now - self.delay * 1000)
            if present == rest.open_day and present > self._day:
                self._begin_day(present, self._turn)

    def _begin_day(self, day: int, turn: int) -> None:
        """What belongs to a day is void until it has been said again; the first day known began before we came."""
        self._day, previous = day, self._day
        if previous < 0:
            return
        self._day_began = turn
        for name in DAY_FIELDS:
            if self._said[name] < turn:
                setattr(self._numbers, name, None)

    def _observe(self, now: int, floor: int, last_time: int | None, has_price: bool) -> _Held:
        """An observation of the present state, which it shares: one that is held needs copies."""
        return _Held(
            self._numbers,
            self._said,
            self._turn,
            floor,
            last_time,
            has_price,
            self._day,
            self._open_day,
            self.phase,
            self.delay,
            now,
            self._sequencer.next(now),
        )

    def _pair(self, new: _Held) -> list[wire.Tick]:
        """Bring a price and its time together, whichever came first."""
        waiting = self.held
        unclaimed, self._unclaimed = self._unclaimed, None
        if new.last_time is None:
            if unclaimed is not None and new.received_at - unclaimed.received_at <= CLAIM_MS:
                new.last_time = unclaimed.last_time
                return [self._tick(new)]
            if waiting and not waiting[-1].has_price:
                self.held = []
                new.last_time, new.turn = waiting[-1].last_time, waiting[-1].turn
                return [self._tick(new)]
            waiting.append(new)
            return [self._tick(waiting.pop(0))] if len(waiting) > MOST_HELD else []
        self.held = []
        if new.has_price:
            return [*self._before(waiting, new.last_time), self._tick(new)]
        if waiting and waiting[-1].has_price:
            last = waiting.pop()
            last.last_time = new.last_time
            return [*self._before(waiting, new.last_time), self._tick(last)]
        self.held = [new]
        return self._before(waiting, new.last_time)

    def _before(self, waiting: list[_Held], next_time: int) -> list[wire.Tick]:
        return [self._tick(held, next_time) for held in waiting]

    def _baseline(self, now: int) -> list[wire.Tick]:
        if self._numbers.price is None:
            return []
        return [self._tick(self._observe(now, self._last_time or 0, self._last_time, True), is_baseline=True)]

    def _tick(self, held: _Held, next_time: int | None = None, *, is_baseline: bool = False) -> wire.Tick:
        if held.last_time is not None:
            event_time = held.last_time * 1000
        else:
            event_time = max(held.floor * 1000, held.received_at - held.delay * 1000)
            if next_time is not None:
                event_time = max(held.floor * 1000, min(event_time, next_time * 1000))
        day = trading_day(held.open_day, event_time)
        if day > self._day:
            self._begin_day(day, held.turn)
        numbers = held.numbers
        if day == self._day != held.day:
            for name in DAY_FIELDS:
                if held.said[name] < self._day_began:
                    setattr(numbers, name, None)
        volume = numbers.cumulative_volume
        is_baseline = is_baseline or (not held.has_price and volume is not None)
        if day > self._told_day:
            # Without a time of its own nothing says that the first of a day is a trade and not the roll itself.
            is_baseline = is_baseline or held.last_time is None
            self._told_day, self._told_volume = day, volume
        elif day == self._told_day and volume is not None:
            is_baseline = is_baseline or (self._told_volume is not None and volume < self._told_volume)
            self._told_volume = volume
        self.last_tick_time, self.last_tick_at, self.last_sequence = event_time, held.received_at, held.sequence
        assert numbers.price is not None
        exchange, symbol = self.identity
        return MadeTick(
            exchange,
            symbol,
            numbers.price,
            numbers.cumulative_volume,
            numbers.bid,
            numbers.ask,
            numbers.bid_size,
            numbers.ask_size,
            numbers.day_open,
            numbers.day_high,
            numbers.day_low,
            numbers.previous_close,
            day,
            held.session,
            held.delay,
            event_time,
            held.last_time is None,
            held.received_at,
            held.sequence,
            is_baseline,
        )
