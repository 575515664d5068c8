"""The top of the model: what a whole trading day was, from a hash of (seed, symbol, day) alone.

The close is value noise over many octaves (periods of 1 to 4,096 days), which looks like a random walk and yet can be
asked for any day without the days before it. A day opens near the close of the trading day before. A continuous future
adds to it what its front contract is dearer or cheaper by, so that prices jump where it goes over to the next one.

A day may be cut: an early close that is announced while it trades. The day is then drawn as if it were whole, and what
would have traded after the close is left away, so that what has traded stays as it was.
"""

from functools import lru_cache
from math import exp, sqrt

from tradingview_simulator.model.calendars import Calendar, Session, day_date, day_number
from tradingview_simulator.model.draws import SPAN, draw, unit
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.nodes import Node

OCTAVES = 13
MOST_PER_SECOND = 0.97
FEWEST_TRADES = 4
AUCTION_S = 5
"""A closing auction prints within so many seconds of the close."""
ROLL_DATE = 20
"""The first trading day from this day of the month on is the first of the next contract."""


class Days:
    """The trading days of one instrument, under a calendar that may be corrected."""

    def __init__(self, seed: int, instrument: Instrument) -> None:
        self._key = f"{seed}|{instrument.name}"
        self._instrument = instrument
        self.calendar = instrument.calendar
        self._drawn_as: dict[int, Session] = {}
        self._ends: dict[int, int] = {}
        self.first = self.next_session(day_number(instrument.listed)).day
        self.node = lru_cache(maxsize=16_384)(self._node)
        self._lattice = lru_cache(maxsize=16_384)(self._draw_lattice)

    def correct(self, calendar: Calendar, today: int) -> None:
        """Go on under another calendar: days that have begun (`today` is the last) are drawn as before, cut at most."""
        drawn, ends = self.session(today), calendar.session(today)
        if drawn is not None and ends is not None and drawn != ends:
            self._drawn_as.setdefault(today, drawn)
            self._ends[today] = ends.end
        self.calendar = calendar
        self.node.cache_clear()

    def end(self, day: int) -> int | None:
        """Where a day was cut: nothing trades from that instant (s) on. None for whole days."""
        return self._ends.get(day)

    def session(self, day: int) -> Session | None:
        """The session of a day number, None on a day without one or before the listing."""
        return self.calendar.session(day) if day >= self.first else None

    def next_session(self, day: int) -> Session:
        """The first session of `day` or after it."""
        return self.calendar.next_session(day)

    def previous(self, day: int) -> int:
        """The trading day before `day`, also where that is before the listing."""
        return self.calendar.previous(day)

    def day_at(self, at_s: int) -> int:
        """The newest trading day whose session began no later than `at_s`, also where that is before the listing."""
        return self.calendar.day_at(at_s)

    def stretches(self, day: int) -> list[tuple[int, int]]:
        """The [start, end) in which a day is drawn: its segments, and its closing auction where it has one."""
        session = self._drawn_as.get(day) or self.calendar.session(day)
        assert session is not None
        found = [(segment.start, segment.end) for segment in session.segments]
        return [*found, (session.end, session.end + AUCTION_S)] if self.has_auction(day) else found

    def has_auction(self, day: int) -> bool:
        """Whether a closing auction prints on that day: on about half of them."""
        return self._instrument.has_auction and draw(f"{self._key}|auction|{day}", 1)[0] < SPAN // 2

    def close(self, day: int) -> int:
        """The close of a whole day, in ticks."""
        return max(10, self._path(day) + self._premium(self._contract(day)))

    def _path(self, day: int) -> int:
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

    def _contract(self, day: int) -> int:
        """The number of the contract that a day trades; always 0 where there is but one."""
        if not self._instrument.rolls:
            return 0
        date = day_date(day)
        return 12 * date.year + date.month + (date.day >= ROLL_DATE)

    def _premium(self, contract: int) -> int:
        """What a contract is dearer by, in ticks: dearer and cheaper in turn, by 1 to 3%."""
        if not contract:
            return 0
        share = 0.01 + 0.02 * unit(draw(f"{self._key}|contract|{contract}", 1)[0])
        return round(self._instrument.base_price * (share if contract % 2 else -share))

    def is_roll(self, day: int) -> bool:
        """Whether a contract has its first day as the front one."""
        return self._contract(day) != self._contract(self.previous(day))

    def _liveliness(self, day: int) -> float:
        """How a contract fares: little trades on the last day before the next one, and much on its first."""
        if not self._instrument.rolls:
            return 1
        if self.is_roll(self.next_session(day + 1).day):
            return 0.3
        return 1.5 if self.is_roll(day) else 1

    def _node(self, day: int) -> Node | None:
        """A day as it was drawn, whole."""
        if self.session(day) is None:
            return None
        instrument = self._instrument
        gap, up, down, busy, size, heavy = map(unit, draw(f"{self._key}|day|{day}", 6))
        before = max(10, self._path(self.previous(day)) + self._premium(self._contract(day)))
        close = self.close(day)
        overnight = 0.02 if self.calendar.is_always_open else 0.4
        opened = max(5, before + round(before * instrument.volatility * overnight * (gap - 0.5)))
        reach = instrument.volatility * 0.6
        high = max(opened, close) + round(before * reach * up)
        low = max(1, min(opened, close) - round(before * reach * down))
        stretches = self.stretches(day)
        auction = self.has_auction(day)
        seconds = sum(end - start for start, end in stretches) - AUCTION_S * auction
        count = round(seconds * min(MOST_PER_SECOND, instrument.trades_per_second * (0.9 + 0.2 * busy)))
        count = max(FEWEST_TRADES, count) + auction
        volume = 0
        if instrument.has_volume:
            median = instrument.day_volume * self._liveliness(day)
            volume = max(count, round(median * exp(1.2 * (size + heavy - 1))))
        return Node(stretches[0][0], stretches[-1][1], opened, high, low, close, volume, count)
