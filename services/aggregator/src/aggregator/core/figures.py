"""Extremes that no observation shows as a price: the day's high and low moved between two of them.

Quotes are coalesced (protocol §4.5), so a price between two observations shows only as a moved `day_high` or `day_low`.
It is a price of the minute of the observation that shows it, if it lies beyond everything observed of that trading day
before: a price and the figure that it moves may come in two messages.

Figures are compared along a *stretch*: observations of one epoch without a baseline between them. After a trading day
has opened they may still be yesterday's, so a figure is ignored until it differs from the last one of the day before.
When it first differs, the day has been observed from its opening on, so the figure is a price of that minute.
"""

from typing import Protocol

import msgspec

from contracts.intervals import MINUTE

Extremes = tuple[float | None, float | None]
"""A high and a low that are prices of a minute."""
NONE: Extremes = (None, None)
LOWEST, HIGHEST = -1e300, 1e300
"""Beyond every price, and finite, since JSON has no infinity."""
Newest = tuple[float | None, float | None, float | None]
"""The opening price, high and low of the day that an observation shows."""


class Shown(Protocol):
    """An observation's figures of the day."""

    @property
    def event_time(self) -> int: ...
    @property
    def delay(self) -> int: ...
    @property
    def day_open(self) -> float | None: ...
    @property
    def day_high(self) -> float | None: ...
    @property
    def day_low(self) -> float | None: ...


class Figures(msgspec.Struct, gc=False, array_like=True):
    """What the newest observation showed, and the extremes `top` and `bottom` of the prices of its `day`.

    `day` is the trading day that opened last: after the market, figures are still those of that day.

    `stale_high` and `stale_low`: the figure is that of the day before, as far as is known. `from_opening`: the stretch
    began before the day did. `quiet_until`: up to this event time figures show nothing, because the opening price
    changed in the same minute.
    """

    day: int
    open: float | None
    high: float | None
    low: float | None
    top: float
    bottom: float
    delay: int
    from_opening: bool = False
    stale_high: bool = False
    stale_low: bool = False
    quiet_until: int = 0

    @classmethod
    def first(cls, tick: Shown, day: int) -> "Figures":
        """At the first observation."""
        return cls(day, tick.day_open, tick.day_high, tick.day_low, LOWEST, HIGHEST, tick.delay)

    def priced(self, day: int, high: float, low: float) -> None:
        """Prices of a trading day were observed."""
        if day == self.day:
            self.top = max(self.top, high)
            self.bottom = min(self.bottom, low)

    def resume(self, day: int, newest: "Newest", delay: int) -> None:
        """Go on with another epoch, in a new stretch that begins with what its newest observation showed."""
        self.delay, self.quiet_until = delay, 0
        self.from_opening = self.stale_high = self.stale_low = day < self.day
        if day > self.day:
            self.day, self.top, self.bottom = day, LOWEST, HIGHEST
        self.open, self.high, self.low = newest

    def rebase(self, tick: Shown, day: int) -> None:
        """A new stretch begins with this observation: nothing is known of what moved before it."""
        if day != self.day:
            self.day, self.top, self.bottom = day, LOWEST, HIGHEST
        self.from_opening = self.stale_high = self.stale_low = False
        self.quiet_until = 0
        self.delay = tick.delay
        self._note(tick)

    def see(self, tick: Shown, day: int) -> Extremes:
        """The next observation of the stretch: the extremes that it shows. A fall of the delay begins a new stretch."""
        if tick.delay != self.delay:
            if tick.delay < self.delay:
                self.rebase(tick, day)
                return NONE
            self.delay = tick.delay
        if day == self.day:
            if tick.day_high == self.high and tick.day_low == self.low and tick.day_open == self.open:
                return NONE
        elif day < self.day:
            return NONE
        if day > self.day:
            self._begin_day(day)
        elif not self.from_opening and tick.day_open != self.open and None not in {tick.day_open, self.open}:
            self.quiet_until = tick.event_time - tick.event_time % MINUTE + MINUTE
        if tick.event_time < self.quiet_until:
            self._note(tick)
            return NONE
        high, low = self._high(tick.day_high), self._low(tick.day_low)
        self._note(tick)
        return NONE if high is None is low else (high, low)

    def _begin_day(self, day: int) -> None:
        self.day, self.top, self.bottom = day, LOWEST, HIGHEST
        self.from_opening = True
        self.stale_high = self.stale_low = True

    def _high(self, figure: float | None) -> float | None:
        if figure is None:
            return None
        if self.stale_high:
            if figure == self.high:
                return None
            self.stale_high = False
        elif self.high is None or figure <= self.high:
            return None
        return figure if figure > self.top else None

    def _low(self, figure: float | None) -> float | None:
        if figure is None:
            return None
        if self.stale_low:
            if figure == self.low:
                return None
            self.stale_low = False
        elif self.low is None or figure >= self.low:
            return None
        return figure if figure < self.bottom else None

    def _note(self, tick: Shown) -> None:
        if tick.day_open is not None:
            self.open = tick.day_open
        if tick.day_high is not None:
            self.high = tick.day_high
        if tick.day_low is not None:
            self.low = tick.day_low
