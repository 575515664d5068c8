"""One symbol of the feed: quote messages in, ticks out.

Which updates are ticks: a change of price or of cumulative volume, and of the last time where there is no volume. All
else changes only the quote. A tick carries what the provider showed last; the engine decides to which trading day its
volume and figures belong.

Which time a tick has: most messages carry no `lp_time`, and it may come before or after its price (protocol §4.3). So
a price without a time, or a time without a price, is held up to `HOLD_MS` for the other. A price whose time does not
come gets `max(lp_time before it, received_at - delay)`, no later than the next `lp_time`, and is marked estimated. A
time whose price does not come is a trade at the same price where there is no volume, unless that price is of an earlier
session: then it makes no tick. Where there is a volume, a trade would have moved it: the time alone makes no tick. A
price that comes soon after the hold still has that time.

Before and after the market the volume moves without the price: such an update gets the time of the extended-hours trade
(`rtc_time`), marked estimated, so that it is not taken for a closing auction. A baseline whose last trade was one
before the market gets that time too: its counter is that of the coming day, and the last price's time is of the day
before. A volume without a price and without a time, in a session that follows a closed stretch and had no price yet, is
a baseline: the last price is of an earlier session.

Live updates may be older than the one before: the engine puts them in order. Snapshots that go back in time are
ignored.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from msgspec import UNSET

from contracts import wire
from contracts.errors import BadData
from contracts.intervals import DAY
from contracts.symbols import SymbolId
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.description import Description
from ingest_ws.core.fields import AHEAD_MS, Rest, ahead, read
from ingest_ws.core.made import MadeQuote, MadeTick
from ingest_ws.core.observation import Numbers, Observation
from tradingview.live import LiveFields

HOLD_MS = 250
CLAIM_MS = 1_000
"""How long a time that came without a price may be given to one; its own tick, if any, is made after `HOLD_MS`."""
MOST_HELD = 16
DAY_TOLERANCE_MS = 60_000
"""This close to an opening the provider's trading day and the calendar's may differ without being counted."""


class SymbolFeed:
    """`is_covered`: its snapshot is complete and its connection lives. Methods return the ticks that they make.

    `epoch` is that of the log which the ticks go to; its owner keeps it up to date. `lp_time` and what comes from it
    (`last_time`, `floor`) are epoch seconds; all other instants are milliseconds.
    """

    # fmt: off
    __slots__ = (
        "_closes", "_day", "_extended_time", "_floor", "_is_complete", "_last_time", "_numbers", "_opened",
        "_priced_at", "_sequencer", "_unclaimed", "day_differences", "delay", "description", "epoch", "fault", "held",
        "identity", "is_covered", "last_sequence", "last_tick_at", "last_tick_time", "phase", "quote_at",
        "stale_snapshots",
    )
    # fmt: on

    def __init__(self, identity: SymbolId, sequencer: Sequencer, epoch: int = 0) -> None:
        self.identity = identity
        self.epoch = epoch
        self.description = Description()
        self.last_tick_time: int | None = None
        self.last_tick_at: int | None = None
        self.last_sequence = 0
        self.stale_snapshots = 0
        self.day_differences = 0
        """How often the provider named another trading day than the calendar does."""
        self._sequencer = sequencer
        self._forget()

    def _forget(self) -> None:
        self.is_covered = self._is_complete = False
        self.fault: BadData | None = None
        self.phase: wire.Phase = "unknown"
        self.delay = 0
        self.quote_at = 0
        self.description.forget()
        self._numbers = Numbers()
        self._extended_time: int | None = None
        self._last_time: int | None = None
        self._floor = 0
        """The greatest last time, epoch seconds, below which no time is estimated."""
        self._priced_at = 0
        """The event time of the last price that the provider sent, milliseconds."""
        self._forget_session()
        self.held: list[Observation] = []
        """Observations whose ticks are not made yet."""
        self._unclaimed: Observation | None = None

    @property
    def held_since(self) -> int | None:
        """When the oldest observation came whose tick is not made yet."""
        return self.held[0].received_at if self.held else None

    def changed(self, fields: LiveFields | Mapping[str, Any], now: int) -> list[wire.Tick]:
        """A message about the symbol came at `now`. What in it makes no sense is `fault`, and has no value."""
        rest: Rest | None = None
        if isinstance(fields, LiveFields):
            live = fields
        else:
            live, rest, self.fault = read(fields)
        last_time = live.lp_time
        if last_time is UNSET:
            last_time = None
        elif last_time is not None:
            if last_time * 1000 > now + AHEAD_MS:
                self.fault = ahead(last_time, now)
                last_time = None
            elif rest is not None and rest.is_snapshot and self._goes_back(last_time, rest, now):
                self.stale_snapshots += 1
                live = LiveFields(bid=live.bid, ask=live.ask, bid_size=live.bid_size, ask_size=live.ask_size)
                rest.figures.clear()
                last_time = None
        price, volume = live.lp, live.volume
        floor, numbers = self._floor, self._numbers
        has_time = last_time is not None and last_time != self._last_time
        has_price = is_news = is_reset = False
        self.quote_at = now
        if price is not UNSET:
            has_price, is_news = True, price is not None and price != numbers.price
            numbers.price = price
        if volume is not UNSET:
            has_price = True
            if volume is not None and volume != numbers.cumulative_volume:
                is_news = True
                is_reset = volume == 0 and numbers.cumulative_volume is not None
            numbers.cumulative_volume = volume
            if volume is not None and self._is_complete and not self.description.has_volume:
                self._describe()
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
            # A time ahead of us is no floor for the true ones that follow.
            if last_time >= self._floor or self._floor > now // 1000 - self.delay:
                self._floor = last_time
        if numbers.price is None or not self.is_covered:
            return self._unknown(now)
        if not (has_time or is_news):
            if price is not UNSET and (rest is None or not rest.is_snapshot):
                # The price of the session before was sent again: what moves the volume next is a trade at it.
                self._priced_at = max(self._priced_at, now - self.delay * 1000)
            return []
        if last_time is not None and has_price and not self.held:
            self._unclaimed = None
            return [self._tick(self._observe(now, floor, last_time, is_reset=is_reset))]
        observed = self._observe(now, floor, last_time, has_price=has_price, is_reset=is_reset)
        observed.numbers = copy(numbers)
        observed.says_price = price is not UNSET
        if rest is not None and last_time is None and price is UNSET:
            extended_time = rest.extended_time
            if extended_time is not UNSET and extended_time is not None and extended_time <= now + AHEAD_MS:
                observed.extended_time = extended_time
                return [*self.flush(), self._tick(observed)]
        return self._pair(observed)

    def completed(self, now: int) -> list[wire.Tick]:
        """A snapshot is complete. The first one makes the symbol covered, and is the baseline of what follows.

        Where it named no price, the first that comes does.
        """
        if not self._is_complete:
            self._is_complete = True
            self._describe()
        if self.is_covered or self._numbers.price is None:
            return []
        self.is_covered = True
        self._priced_at = (self._last_time or 0) * 1000
        return self._baseline(now)

    def _unknown(self, now: int) -> list[wire.Tick]:
        """A message came while no price is known, or before the snapshot was complete."""
        if self.is_covered:
            self.is_covered = False
            return self.flush()
        return self.completed(now) if self._is_complete else []

    def rebase(self, now: int) -> list[wire.Tick]:
        """What was held, and the present state as a baseline: something before it may have been lost."""
        return [*self.flush(), *(self._baseline(now) if self.is_covered else ())]

    def expire(self, now: int) -> list[wire.Tick]:
        """The ticks of observations that have been held long enough."""
        due = [held for held in self.held if now - held.received_at >= HOLD_MS]
        self.held = self.held[len(due) :]
        ticks = self._ticks(due)
        if due and not due[-1].has_price and not ticks:
            self._unclaimed = due[-1]
        return ticks

    def flush(self) -> list[wire.Tick]:
        """The ticks of all that is held."""
        held, self.held = self.held, []
        return self._ticks(held)

    def uncover(self) -> list[wire.Tick]:
        """The symbol is covered no more: what was held, and then nothing is known until the next snapshot."""
        ticks = self.flush()
        self._forget()
        return ticks

    def quote(self) -> MadeQuote:
        """The merged latest state, as the provider shows it; its trading day is that of the last time."""
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
            numbers.extended_price,
            self._extended_time,
            None if last is None else self._trading_day(last * 1000),
            self.phase,
            self.delay,
            self.description.text("currency"),
            self.description.text("description"),
            None if last is None else last * 1000,
            self.quote_at,
            self.last_sequence,
        )

    def _goes_back(self, last_time: int, rest: Rest, now: int) -> bool:
        """Whether a time (epoch seconds) lies before the last one of the same delay, and that one not ahead of us."""
        is_same_delay = rest.delay is None or rest.delay == self.delay
        return self.is_covered and is_same_delay and last_time < self._floor <= now // 1000 - self.delay

    def _merge_rest(self, rest: Rest, now: int) -> None:
        if rest.delay is not None and rest.delay != self.delay:
            self.delay = rest.delay
            if self.is_covered:
                # The times of the other delay are no bound for those of this one.
                self._floor = 0
        if rest.session is not None:
            self.phase = rest.session
        for name, value in rest.figures.items():
            setattr(self._numbers, name, value)
        if rest.extended_time is not UNSET:
            self._extended_time = rest.extended_time
        self.description.merge(rest)
        if self._is_complete and not self.description.is_current:
            self._describe()
        if rest.trading_day is not None and self._is_complete:
            present = now - self.delay * 1000
            near = {self._trading_day(at) for at in (present - DAY_TOLERANCE_MS, present, present + DAY_TOLERANCE_MS)}
            self.day_differences += rest.trading_day not in near

    def _describe(self) -> None:
        """The snapshot is complete, or metadata of the symbol have changed since."""
        description = self.description
        calendar = description.calendar
        has_volume = self._numbers.cumulative_volume is not None
        description.complete(has_volume=has_volume or (self.is_covered and description.has_volume))
        if description.calendar is not calendar:
            self._forget_session()

    def _forget_session(self) -> None:
        self._opened = self._closes = self._day = 0

    def _trading_day(self, event_time: int) -> int:
        """The trading day of an event by the calendar; the UTC date where no session follows within 400 days.

        The session of the last one is remembered: `[_opened, _closes)` of the trading day `_day`.
        """
        if self._opened <= event_time < self._closes:
            return self._day
        calendar = self.description.calendar
        try:
            day = calendar.trading_day(event_time)
            for segment in calendar.segments(day):
                if segment.open_ms <= event_time < segment.close_ms:
                    self._opened, self._closes, self._day = segment.open_ms, segment.close_ms, day
        except BadData:
            return event_time - event_time % DAY
        return day

    def _observe(
        self, now: int, floor: int, last_time: int | None, *, has_price: bool = True, is_reset: bool = False
    ) -> Observation:
        """An observation of the present state, which it shares: one that is held needs a copy."""
        return Observation(
            self._numbers,
            floor,
            last_time,
            has_price,
            is_reset,
            self.phase,
            self.delay,
            now,
            self._sequencer.next(now),
        )

    def _pair(self, new: Observation) -> list[wire.Tick]:
        """Bring a price and its time together, whichever came first."""
        waiting = self.held
        unclaimed, self._unclaimed = self._unclaimed, None
        if new.last_time is None:
            if unclaimed is not None and new.received_at - unclaimed.received_at <= CLAIM_MS:
                new.last_time = unclaimed.last_time
                return [self._tick(new)]
            if waiting and not waiting[-1].has_price:
                self.held = []
                new.last_time = waiting[-1].last_time
                return [self._tick(new)]
            waiting.append(new)
            return [self._tick(waiting.pop(0))] if len(waiting) > MOST_HELD else []
        self.held = []
        if new.has_price:
            return [*self._ticks(waiting, new.last_time), self._tick(new)]
        if waiting and waiting[-1].has_price:
            last = waiting.pop()
            last.last_time = new.last_time
            return [*self._ticks(waiting, new.last_time), self._tick(last)]
        self.held = [new]
        return self._ticks(waiting, new.last_time)

    def _ticks(self, observed: Iterable[Observation], next_time: int | None = None) -> list[wire.Tick]:
        return [self._tick(held, next_time) for held in observed if held.has_price or self._is_same_price(held)]

    def _is_same_price(self, held: Observation) -> bool:
        """Whether a time that came alone is of a trade at the price before it, which must be of the same session."""
        if held.numbers.cumulative_volume is not None or held.last_time is None:
            return False
        event_time = held.last_time * 1000
        self._trading_day(event_time)
        return self._opened <= self._priced_at and self._opened <= event_time < self._closes

    def _is_price_old(self, event_time: int) -> bool:
        """Whether an instant is in a session that follows a closed stretch and has had no price yet."""
        self._trading_day(event_time)
        if self._priced_at >= self._opened or not self._opened <= event_time < self._closes:
            return False
        return not self.description.calendar.is_open(self._opened - 1)

    def _estimate(self, held: Observation, next_time: int | None) -> int:
        """The event time of an observation without a time of its own, milliseconds."""
        if held.extended_time is not None:
            return held.extended_time
        floor = held.floor * 1000
        estimate = max(floor, held.received_at - held.delay * 1000)
        return estimate if next_time is None else max(floor, min(estimate, next_time * 1000))

    def _baseline(self, now: int) -> list[wire.Tick]:
        if self._numbers.price is None:
            return []
        observed = self._observe(now, self._floor, self._last_time)
        if self._is_before_market(self._extended_time, now):
            observed.last_time, observed.extended_time = None, self._extended_time
        return [self._tick(observed, is_baseline=True)]

    def _is_before_market(self, extended_time: int | None, now: int) -> bool:
        """Whether the last extended-hours trade is newer than the last price, and of the day to come.

        It is where the next session is nearer than the one before.
        """
        if extended_time is None or not (self._last_time or 0) * 1000 < extended_time <= now + AHEAD_MS:
            return False
        calendar = self.description.calendar
        try:
            closed, opens = calendar.last_traded(extended_time), calendar.next_open(extended_time)
        except BadData:
            return False
        return closed is not None and opens is not None and opens - extended_time < extended_time - closed

    def _tick(self, held: Observation, next_time: int | None = None, *, is_baseline: bool = False) -> wire.Tick:
        is_estimated = held.last_time is None
        if held.last_time is not None:
            event_time = held.last_time * 1000
        else:
            event_time = self._estimate(held, next_time)
            is_baseline = is_baseline or held.is_reset or (not held.says_price and self._is_price_old(event_time))
        self.last_tick_time, self.last_tick_at, self.last_sequence = event_time, held.received_at, held.sequence
        if held.has_price and not is_baseline:
            self._priced_at = event_time
        numbers = held.numbers
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
            self._day if self._opened <= event_time < self._closes else self._trading_day(event_time),
            held.session,
            held.delay,
            event_time,
            is_estimated,
            held.received_at,
            held.sequence,
            is_baseline,
            self.epoch,
        )
