"""The top of the model: what a whole trading day was, from a hash of (seed, symbol, day) alone.

The close is value noise over many octaves (periods of 1 to 4,096 days), which looks like a random walk and yet can be
asked for any day without the days before it. A day opens near the close of the trading day before.
"""

from functools import lru_cache
from math import exp, sqrt

from tradingview_simulator.model.calendars import Session, day_number
from tradingview_simulator.model.draws import draw, unit
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.nodes import Node

OCTAVES = 13
MOST_PER_SECOND = 0.97
FEWEST_TRADES = 4
LONGEST_CLOSURE_DAYS = 14


class Days:
    """The trading days of one instrument."""

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._key = f"{seed}|{instrument.name}"
        self._instrument = instrument
        self.first = self.next_session(day_number(instrument.listed)).day
        self.node = lru_cache(maxsize=16_384)(self._node)
        self._lattice = lru_cache(maxsize=16_384)(self._draw_lattice)

    def session(self, day: int) -> Session | None:
        """The session of a day number, None on a day without one or before the listing."""
        return self._instrument.calendar.session(day) if day >= self.first else None

    def next_session(self, day: int) -> Session:
        """The first session of `day` or after it."""
        for candidate in range(day, day + LONGEST_CLOSURE_DAYS):
            session = self._instrument.calendar.session(candidate)
            if session is not None:
                return session
        raise AssertionError(f"{self._instrument.name} is closed for {LONGEST_CLOSURE_DAYS} days from day {day}")

    def previous(self, day: int) -> int:
        """The trading day before `day`, also where that is before the listing."""
        for candidate in range(day - 1, day - LONGEST_CLOSURE_DAYS, -1):
            if self._instrument.calendar.session(candidate) is not None:
                return candidate
        raise AssertionError(f"{self._instrument.name} is closed for {LONGEST_CLOSURE_DAYS} days before day {day}")

    def close(self, day: int) -> int:
        """The close of a day, in ticks."""
        instrument = self._instrument
        height = 0.0
        for octave in range(OCTAVES):
            cell, within = divmod(day, 1 << octave)
            share = within / (1 << octave)
            share = share * share * (3 - 2 * share)
            before, after = self._lattice(octave, cell), self._lattice(octave, cell + 1)
            height += sqrt(1 << octave) * (before + (after - before) * share)
        return max(10, round(instrument.base_price * exp(0.5 * instrument.volatility * height)))

    def _draw_lattice(self, octave: int, cell: int) -> float:
        return 2 * unit(draw(f"{self._key}|noise|{octave}|{cell}", 1)[0]) - 1

    def _node(self, day: int) -> Node | None:
        session = self.session(day)
        if session is None:
            return None
        instrument = self._instrument
        gap, up, down, busy, size, heavy = map(unit, draw(f"{self._key}|day|{day}", 6))
        before, close = self.close(self.previous(day)), self.close(day)
        overnight = 0.02 if instrument.calendar.spec == "24x7" else 0.4
        opened = max(5, before + round(before * instrument.volatility * overnight * (gap - 0.5)))
        reach = instrument.volatility * 0.6
        high = max(opened, close) + round(before * reach * up)
        low = max(1, min(opened, close) - round(before * reach * down))
        seconds = session.end - session.start
        count = round(seconds * min(MOST_PER_SECOND, instrument.trades_per_second * (0.9 + 0.2 * busy)))
        count = max(FEWEST_TRADES, count)
        volume = (
            max(count, round(instrument.day_volume * exp(1.2 * (size + heavy - 1)))) if instrument.has_volume else 0
        )
        return Node(session.start, session.end, opened, high, low, close, volume, count)
