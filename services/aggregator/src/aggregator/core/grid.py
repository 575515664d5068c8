"""A calendar as the fold uses it: the minute of an observation, the longer bars of a minute, and when they end.

Thousands of symbols share one calendar, so its answers are cached for all of them; a cache that is full is emptied.
Sessions begin and end on whole minutes, so whether an instant is inside one is the same for its minute.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aggregator.core.longer import Chain, Labels
from contracts.calendar import Calendar
from contracts.intervals import DAY, MINUTE, Interval

_MOST_CACHED = 20_000


class Place(NamedTuple):
    """Where an observation belongs: its minute `[open_time, close_time)` and its trading day.

    `open_time` is None for an observation outside sessions, which is in no bar; `close_time` is then the end of its
    minute of the clock. The last minute of a session is longer where a closing auction extends it. `opening` is the
    last opening of a trading day at or before it, of the trading day `opened_day`, `closed_at` when the trading day
    before that closed.
    """

    open_time: int | None
    close_time: int
    day: int
    opening: int
    opened_day: int
    closed_at: int
    is_session: bool


class CalendarGrid:
    """The grid of one calendar for the levels of a chain."""

    def __init__(self, calendar: Calendar, chain: Chain, grace_ms: int) -> None:
        self.calendar = calendar
        self._chain = chain
        self._grace_ms = max(0, grace_ms - 1)
        """An auction print comes less than the grace period after the close; the calendar's bound is inclusive."""
        self._inside: dict[int, Place | None] = {}
        """The place of each minute of the clock; None for those outside sessions."""
        self._labels: dict[int, Labels] = {}
        self._labels_of_day: dict[int, Labels] = {}
        self._days: dict[int, int] = {}
        self._spans: dict[tuple[int, int], tuple[int, int]] = {}
        self._final_at: dict[tuple[int, int], int] = {}
        self._ending: dict[int, tuple[int, ...]] = {}

    def place(self, event_time: int, *, is_estimated: bool) -> Place:
        """The minute and the trading day of an observation.

        Outside sessions, a time of the venue's own that lies less than the grace period after a close belongs to the
        minute that opens at the close: a closing auction. Anything else outside makes no bar.
        """
        minute = event_time - event_time % MINUTE
        inside = self._inside
        found = inside.get(minute)
        if found is not None:
            return found
        if minute not in inside:
            if len(inside) >= _MOST_CACHED:
                inside.clear()
            found = inside[minute] = self._session_place(minute)
            if found is not None:
                return found
        calendar, grace_ms = self.calendar, self._grace_ms
        opening, opened_day, closed_at = calendar.opening_before(minute)
        if not is_estimated:
            opened, closed = calendar.bar(Interval.M1, event_time, grace_ms)
            if opened <= event_time:
                day = calendar.trading_day(event_time, grace_ms)
                return Place(opened, closed, day, opening, opened_day, closed_at, is_session=False)
        day = calendar.trading_day(event_time)
        return Place(None, minute + MINUTE, day, opening, opened_day, closed_at, is_session=False)

    def _session_place(self, minute: int) -> Place | None:
        calendar = self.calendar
        if not calendar.is_open(minute):
            return None
        opened, closed = calendar.bar(Interval.M1, minute)
        return Place(opened, closed, calendar.trading_day(minute), *calendar.opening_before(minute), is_session=True)

    def is_session(self, minute: int) -> bool:
        """Whether a minute lies inside a session."""
        return self._inside.get(minute) is not None or self.calendar.is_open(minute)

    def labels(self, open_time: int) -> Labels:
        """The labels of the longer bars that a minute, or an intraday bar that opens then, belongs to."""
        found = self._labels.get(open_time)
        if found is None:
            if len(self._labels) >= _MOST_CACHED:
                self._labels.clear()
            bar, grace_ms = self.calendar.bar, self._grace_ms
            found = self._labels[open_time] = tuple(
                [bar(level.interval, open_time, grace_ms)[0] for level in self._chain.longer]
            )
        return found

    def labels_of_day(self, trading_day: int) -> Labels:
        """The labels of the bars that a whole trading day belongs to: 1d and longer; of others it is 0."""
        found = self._labels_of_day.get(trading_day)
        if found is None:
            if len(self._labels_of_day) >= _MOST_CACHED:
                self._labels_of_day.clear()
            period = self.calendar.period
            found = self._labels_of_day[trading_day] = tuple(
                [0 if level.is_intraday else period(level.interval, trading_day)[0] for level in self._chain.longer]
            )
        return found

    def day_of(self, open_time: int) -> int:
        """The trading day of an intraday bar."""
        found = self._days.get(open_time)
        if found is None:
            if len(self._days) >= _MOST_CACHED:
                self._days.clear()
            found = self._days[open_time] = self.calendar.trading_day(open_time, self._grace_ms)
        return found

    def span(self, place: int, label: int) -> tuple[int, int]:
        """When a longer bar begins and ends: of 1d and longer the opening of the first session and the last close."""
        found = self._spans.get((place, label))
        if found is None:
            if len(self._spans) >= _MOST_CACHED:
                self._spans.clear()
            level = self._chain.longer[place]
            close = self.calendar.close_of(level.interval, label)
            begin = label if level.is_intraday else self.calendar.first_open(level.interval, label)
            found = self._spans[place, label] = (begin, close)
        return found

    def close_of(self, place: int, label: int) -> int:
        """When a longer bar closes."""
        return self.span(place, label)[1]

    def final_at(self, place: int, label: int) -> int:
        """The instant from which on no minute belongs to a longer bar any more; the grace period is not counted in.

        A closing auction has the minute after the close. A bar that ends with a session's close is kept until the next
        opening: until then an announced early close may be taken back, and the bar goes on.
        """
        found = self._final_at.get((place, label))
        if found is None:
            if len(self._final_at) >= _MOST_CACHED:
                self._final_at.clear()
            found = self._final_at[place, label] = self._find_final(self.span(place, label)[1])
        return found

    def _find_final(self, close: int) -> int:
        if self.calendar.is_always:
            return close
        after = close + MINUTE
        return after if self.calendar.is_open(close) else max(after, self.calendar.next_open(close) or after)

    def finishing_at(self, limit: int) -> Sequence[int]:
        """The places of the longer levels of which a bar becomes final when everything up to this instant is final."""
        if self.calendar.is_always:
            return self.ending_at(limit)
        if self.calendar.is_open(limit) and not self.calendar.is_open(limit - MINUTE):
            return self._chain.places
        return self.ending_at(limit - MINUTE)

    def ending_at(self, boundary: int) -> tuple[int, ...]:
        """The places of the longer levels of which a bar closes at a minute boundary."""
        found = self._ending.get(boundary)
        if found is None:
            if len(self._ending) >= 256:
                self._ending.clear()
            found = self._ending[boundary] = self._find_ending(boundary)
        return found

    def _find_ending(self, boundary: int) -> tuple[int, ...]:
        longer, calendar = self._chain.longer, self.calendar
        if calendar.is_always and boundary % DAY:
            return tuple([place for place, level in enumerate(longer) if level.step and boundary % level.step == 0])
        last = calendar.last_traded(boundary)
        if last is None:
            return ()
        instants = [last]
        if 0 <= boundary - MINUTE - (last + 1) <= self._grace_ms:
            instants.append(boundary - MINUTE)
        return tuple(
            [
                place
                for place, level in enumerate(longer)
                if any(calendar.bar(level.interval, instant, self._grace_ms)[1] == boundary for instant in instants)
            ]
        )
