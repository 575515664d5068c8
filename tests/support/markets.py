"""Drawn markets: what a provider tells of one symbol at any time, with counters as untidy as TradingView's may be.

A trading day's counter goes on with yesterday's total for a while after the opening; its reset comes in a message of
its own. The day's open, high and low are yesterday's for a moment too. Volume moves before and after the session, an
auction prints shortly after a close, and an extreme between two trades shows in the day's figures only.
"""

import random
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.bars import volume_of
from contracts.intervals import DAY, MINUTE
from tests.support.naive_calendar import NaiveCalendar, Schedule, Segment

SECOND = 1_000
_AUCTION_MS = 10 * MINUTE
"""For so long after a close trades are drawn as an auction's, a few of them beyond the grace period."""
_EXTENDED_MS = 90 * MINUTE
_ZONES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Sao_Paulo", "America/Los_Angeles",
    "America/Anchorage", "Pacific/Honolulu", "Europe/London", "Europe/Berlin", "Europe/Athens", "Asia/Dubai",
    "Asia/Kolkata", "Asia/Hong_Kong", "Asia/Tokyo", "Asia/Taipei", "Asia/Bangkok", "Australia/Sydney",
    "Pacific/Auckland",
)  # fmt: skip

ALWAYS = Schedule("Etc/UTC", "24x7")
_STOCK = ("0930-1600",)
_WITH_BREAK = ("0900-1130,1230-1530", "0930-1200U1300-1600")
_NIGHT = (
    "1500F1-0500S0845-1345:3456|1500F3-0500F2S0845-1345:2",
    "1700-1600",
    "1700-1700:23456",
    "1900-1900:3456|1700F-1900:2",
)


class Told(NamedTuple):
    """What the provider tells from an instant on; `event_time` None: it names no time."""

    at: int
    event_time: int | None
    price: float
    counter: float | None
    day_open: float
    day_high: float
    day_low: float


class Kind(NamedTuple):
    """What kind of market a symbol is: its session strings, and how it behaves."""

    sessions: Sequence[str]
    has_volume: bool = True
    has_extended: bool = False
    """Whether volume moves before and after the session."""


CRYPTO = Kind(("24x7",))
STOCK = Kind(_STOCK, has_extended=True)
INDEX = Kind((*_STOCK, *_WITH_BREAK), has_volume=False)
STOCK_WITH_BREAK = Kind(_WITH_BREAK)
NIGHT_FUTURE = Kind(_NIGHT)


def drawn_schedule(kind: Kind, rnd: random.Random, start: int, end: int) -> Schedule:
    """A calendar of a kind, in a zone where something opens or closes between two instants if that can be."""
    if kind.sessions == ("24x7",):
        return ALWAYS
    candidates = [Schedule(zone, session) for zone in _ZONES for session in kind.sessions]
    rnd.shuffle(candidates)
    wanted = rnd.choice((("open",), ("close",), ("open", "close")))
    fitting = (one for one in candidates if _edges(NaiveCalendar(one), start, end, wanted))
    schedule = next(fitting, candidates[0])
    if kind is STOCK and rnd.random() < 0.4:
        return _with_half_day(schedule, rnd, start, end)
    return schedule


def _edges(calendar: NaiveCalendar, start: int, end: int, wanted: Sequence[str]) -> bool:
    """Whether a segment opens or closes strictly between two instants, as wanted."""
    return any(start < getattr(one, what) < end for one in _segments(calendar, start, end) for what in wanted)


def _with_half_day(schedule: Schedule, rnd: random.Random, start: int, end: int) -> Schedule:
    """The same with a day on which it closes at 13:00, if the zone can be one where that is between two instants."""
    for zone in rnd.sample(_ZONES, len(_ZONES)):
        for day in range(start - start % DAY - DAY, end + DAY, DAY):
            text = Schedule(zone, schedule.session, corrections=f"0930-1300:{day_text(day)}")
            halved = [one for one in NaiveCalendar(text).segments(day) if start < one.close < end]
            if halved and NaiveCalendar(Schedule(zone, schedule.session)).segments(day):
                return text
    return schedule


def day_text(day: int) -> str:
    """`20260131` of a trading day."""
    return datetime.fromtimestamp(day // 1000, UTC).strftime("%Y%m%d")


def local_time(timezone: str, instant: int) -> str:
    """`0930`: what clocks in a zone show at an instant."""
    return datetime.fromtimestamp(instant // 1000, ZoneInfo(timezone)).strftime("%H%M")


def _segments(calendar: NaiveCalendar, start: int, end: int) -> list[Segment]:
    days = range(start - start % DAY - 6 * DAY, end + 6 * DAY, DAY)
    return [one for day in days for one in calendar.segments(day) if one.close > start - DAY and one.open < end + DAY]


class Market:
    """The truth of one symbol in some stretches of time, and what a provider tells of it."""

    def __init__(
        self, name: str, kind: Kind, schedule: Schedule, rnd: random.Random, stretches: Sequence[tuple[int, int]], *,
        delay_s: int = 0, corrections: float = 0.0,
    ) -> None:  # fmt: skip
        """`corrections`: how often a trade is followed by a fall of the counter within its day."""
        self.name = name
        self.kind = kind
        self.schedule = schedule
        self.calendar = NaiveCalendar(schedule)
        self.delay_s = delay_s
        self._rnd = rnd
        self._corrections = corrections
        self._is_illiquid = rnd.random() < 0.2
        self._told: list[Told] = []
        self._price = rnd.randrange(1_000, 100_000)
        self._units = self._shown_units = rnd.randrange(10**10)
        self._figures = self._shown_figures = (self._price, self._price, self._price)
        self._day = 0
        self._resets_at = self._figures_at = 0
        for start, end in stretches:
            self._trade(start, end)
        self._instants = [one.at for one in self._told]

    def told(self, received_at: int, lag_ms: int = 0) -> Told:
        """What the provider tells by an instant, to somebody who hears of it so much later than others."""
        place = bisect_right(self._instants, received_at - self.delay_s * SECOND - 50 - lag_ms) - 1
        return self._told[max(0, place)]

    def may_move(self, at: int) -> bool:
        """Whether it is open, or was open shortly before."""
        return any(self.calendar.open_segment(at - ago) is not None for ago in (0, MINUTE, _AUCTION_MS))

    def may_begin_anew(self, received_at: int) -> bool:
        """Whether the reset of its counter may be told about now."""
        times = {received_at - delay_s * SECOND for delay_s in (self.delay_s, 0, 900)}
        return any(self.calendar.openings(at - 4 * MINUTE, at + MINUTE) for at in times)

    def _trade(self, start: int, end: int) -> None:
        rnd, segments = self._rnd, _segments(self.calendar, start, end)
        at = start
        while at < end:
            inside = next((one for one in segments if one.open <= at < one.close), None)
            since_close = min((at - one.close for one in segments if one.close <= at), default=DAY)
            until_open = min((one.open - at for one in segments if one.open > at), default=DAY)
            step = rnd.randrange(5_000, 60_000) if self._is_illiquid else rnd.randrange(100, 6_000)
            if inside is not None:
                self._begin(inside)
                self._inside(at)
            elif since_close < _AUCTION_MS and rnd.random() < 0.05:
                self._inside(at)
            elif self.kind.has_extended and min(since_close, until_open) < _EXTENDED_MS:
                self._extended(at)
            elif min(since_close, until_open) > _AUCTION_MS and not self._told:
                self._tell(at, at)
                step = MINUTE
            at += step

    def _begin(self, segment: Segment) -> None:
        """A trading day begins with its first trade; what is shown of it follows a little later."""
        if segment.day == self._day:
            return
        if self._day:
            opened = self.calendar.opening(segment.day)
            self._units = 0
            self._resets_at = opened + self._rnd.choice((0, 50, 1_000, 5_000, 20_000, 45_000))
            self._figures_at = opened + self._rnd.choice((0, 50, 1_000, 5_000, 20_000))
            self._figures = (self._price, self._price, self._price)
        self._day = segment.day

    def _inside(self, at: int) -> None:
        rnd = self._rnd
        price = self._price = max(1, self._price + rnd.randrange(-300, 301))
        traded = rnd.randrange(5 * 10**8)
        self._units += traded
        opened, high, low = self._figures
        # An extreme between two observations shows in the day's figures only.
        high = max(high, price + (rnd.randrange(200) if rnd.random() < 0.1 else 0))
        low = min(low, max(1, price - (rnd.randrange(200) if rnd.random() < 0.1 else 0)))
        self._figures = (opened, high, low)
        is_untidy = at < self._resets_at + MINUTE
        event_time = None if rnd.random() < (0.3 if is_untidy else 0.02) else at
        if at >= self._figures_at:
            self._shown_figures = self._figures
        if at < self._resets_at:
            # The old total goes on, and now and then it still grows.
            self._shown_units += traded if rnd.random() < 0.3 else 0
            self._tell(at, event_time)
            return
        if self._told and volume_of(self._shown_units) == self._told[-1].counter and self._units < self._shown_units:
            last = self._told[-1]
            if rnd.random() < 0.5:
                # The reset has a message of its own, which names the price and the time of the last one.
                self._told.append(last._replace(at=at - 40, counter=self._counter(self._units - traded)))
        self._shown_units = self._units
        self._tell(at, event_time)
        if self._corrections and rnd.random() < self._corrections:
            self._units = self._shown_units = rnd.randrange(self._units // 2, self._units + 1)

    def _extended(self, at: int) -> None:
        rnd = self._rnd
        if rnd.random() < 0.3:
            traded = rnd.randrange(10**8)
            self._units += traded
            self._shown_units += traded
            self._tell(at, at if rnd.random() < 0.5 else None)

    def _counter(self, units: int) -> float | None:
        return volume_of(units) if self.kind.has_volume else None

    def _tell(self, at: int, event_time: int | None) -> None:
        opened, high, low = self._shown_figures
        counter = self._counter(self._shown_units)
        self._told.append(Told(at, event_time, self._price / 100, counter, opened / 100, high / 100, low / 100))
