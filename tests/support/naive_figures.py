"""The second oracle's own reading of the day's figures: extremes between two observations, as prices of a minute."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from contracts.intervals import MINUTE


class Figures(NamedTuple):
    """A followed observation's day figures; `minute` is None for a baseline and outside sessions."""

    place: int
    event_time: int
    day: int
    minute: int | None
    day_open: float | None
    day_high: float | None
    day_low: float | None
    is_baseline: bool
    delay: int


class Extremes:
    """Prices that only the figures of a symbol's observations show, by minute."""

    def __init__(self, prices: Sequence[tuple[int, int, float]]) -> None:
        """`prices`: the place in the log, the trading day and the price of each observation inside sessions."""
        self.found: dict[int, list[float]] = defaultdict(list)
        self._prices = prices
        self._shown: list[tuple[int, float]] = []
        """Extremes found so far, with their trading day."""
        self._newest: Figures | None = None
        self._stale_high: float | None = None
        self._stale_low: float | None = None
        self._quiet_until = 0
        """The end of the minute in which the opening price changed."""
        self._has_earlier_day = False
        """Whether the stretch began in an earlier trading day."""

    def take_over(self, remembered: Sequence[Figures], figures: Figures) -> None:
        """Another epoch's figures are followed, from the newest of those that it showed before."""
        self._begin(remembered[-1] if remembered else figures)
        self.observe(figures)

    def observe(self, figures: Figures) -> None:
        """The next observation of the epoch that counts; nothing of a day that is over."""
        before = self._newest
        if before is None or figures.is_baseline or figures.delay < before.delay:
            self._begin(figures)
            return
        if figures.day < before.day:
            return
        self._newest = figures
        if figures.day > before.day:
            self._stale_high, self._stale_low = before.day_high, before.day_low
            self._has_earlier_day = True
        elif not self._has_earlier_day and figures.day_open != before.day_open:
            self._quiet_until = figures.event_time - figures.event_time % MINUTE + MINUTE
        if figures.event_time < self._quiet_until:
            return
        same_day = figures.day == before.day
        high, low = figures.day_high, figures.day_low
        if high is not None and high != self._stale_high:
            is_shown = self._stale_high is not None or (
                same_day and before.day_high is not None and high > before.day_high
            )
            self._stale_high = None
            if is_shown:
                self._show(figures, high)
        if low is not None and low != self._stale_low:
            falls = same_day and before.day_low is not None and low < before.day_low
            is_shown = self._stale_low is not None or falls
            self._stale_low = None
            if is_shown:
                self._show(figures, low)

    def _begin(self, figures: Figures) -> None:
        self._newest = figures
        self._stale_high = self._stale_low = None
        self._has_earlier_day = False
        self._quiet_until = 0

    def _show(self, figures: Figures, price: float) -> None:
        """A price of the minute if it is beyond all that was seen of the trading day."""
        seen = [one for place, day, one in self._prices if place <= figures.place and day == figures.day]
        seen += [one for day, one in self._shown if day == figures.day]
        if figures.minute is not None and not (seen and min(seen) <= price <= max(seen)):
            self.found[figures.minute].append(price)
            self._shown.append((figures.day, price))
