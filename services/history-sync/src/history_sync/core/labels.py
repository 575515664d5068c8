"""The `open_time` and the trading day of a provider's bar, by the symbol's calendar.

An intraday bar keeps the provider's instant; a daily, weekly or monthly one is stamped with the opening
of its first session and gets the label of that trading day. Where the calendar has no such opening, the bar is off the
grid: it is stored all the same, and counted.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from contracts.calendar import Calendar
from contracts.calendar.zones import zone
from contracts.intervals import DAY, HOUR, Interval, day_ms

_OWN_SESSION_MS = 12 * HOUR
"""A stamp this long before the next known opening is of a session that the calendar does not know."""
_EARLY_MS = 4 * DAY
"""A week or month may open this long before its first date: a weekend and a holiday may be between."""
_NOON = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """`[open_time, close_time)` of a bar, its trading day, and whether the calendar has a bar that opens there."""

    open_time: int
    close_time: int
    trading_day: int
    is_on_grid: bool


def place(calendar: Calendar, interval: Interval, stamped_ms: int) -> Place:
    """The place of a bar that the provider stamped with this instant; `BadData` outside the years of calendars."""
    open_time, close_time, is_on_grid = calendar.label_of_provider(interval, stamped_ms)
    if interval.is_intraday:
        return Place(open_time, close_time, trading_day(calendar, stamped_ms), is_on_grid)
    if is_on_grid:
        return Place(open_time, close_time, open_time, True)
    if interval is Interval.D1:
        open_time = trading_day(calendar, stamped_ms)
        close_time = max(calendar.close_of(interval, open_time), stamped_ms + 1)
        return Place(open_time, close_time, open_time, False)
    # The first bar of a history begins where the symbol was listed, on any day of its week or month.
    *_, opens_a_day = calendar.label_of_provider(Interval.D1, stamped_ms)
    return Place(open_time, close_time, open_time, opens_a_day)


def early(calendar: Calendar, interval: Interval, stamped_ms: int, before: Place) -> Place | None:
    """The place of a second bar with the label of `before`: the next week or month, if it opens shortly before that.

    A month may open with a session that the calendar has on the last day of the month before, such as a holiday's
    trading that belongs to the next trading day.
    """
    if interval not in {Interval.W1, Interval.MO1}:
        return None
    open_time, close_time, _ = calendar.label_of_provider(interval, before.close_time)
    if not 0 < open_time - stamped_ms <= _EARLY_MS:
        return None
    return Place(open_time, close_time, open_time, False)


def trading_day(calendar: Calendar, stamped_ms: int) -> int:
    """Midnight UTC of the trading day to which a bar that opens here belongs.

    Outside sessions that is the day of the next segment, if it opens within 12 hours. If not, there was a session that
    the calendar does not know (a Saturday of 1950, a special session): its day is the date at the exchange, or the next
    date, if it is after noon and sessions of the symbol open on the evening before.
    """
    found = calendar.trading_day(stamped_ms)
    if calendar.is_open(stamped_ms) or calendar.is_open(stamped_ms - 1):
        return found  # the auction that ends a session opens a bar at its close
    following = calendar.next_open(stamped_ms)
    if following is None or following - stamped_ms < _OWN_SESSION_MS:
        return found
    local = _local(calendar, stamped_ms)
    opens_before = day_ms(_local(calendar, following).date()) < found
    return day_ms(local.date()) + (DAY if opens_before and local.hour >= _NOON else 0)


def _local(calendar: Calendar, instant_ms: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(zone(calendar.timezone))
