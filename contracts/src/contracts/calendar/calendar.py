"""What a trading calendar answers about instants, bars and trading days.

Intraday bars open at `anchor + k * step` of the group of segments that holds them, and are cut by the group's
opening and last close. Steps are elapsed time: a change of clocks inside a session does not move the grid (no
observed series has one there). `1d`, `1w` and `1M` are labelled by midnight UTC of the trading day, of the first
day of its week and of its month, and close with the last session of their period.

`bar`, `trading_day` and `is_open`, which are asked for every minute, cost one look-up of the cached view of the
instant's UTC day, one bisection and a few additions; a calendar that is always open needs arithmetic only.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from contracts.calendar.days import ChangedDays, Span, TradingDays
from contracts.calendar.session import Schedule, parse, weekday
from contracts.calendar.zones import zone
from contracts.errors import BadData
from contracts.intervals import DAY, MINUTE, Interval

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_STEPS: dict[str, int] = {interval.value: interval.step_ms for interval in Interval if interval.step_ms is not None}
_WEEK, _MONTH = Interval.W1.value, Interval.MO1.value
_MOST_CACHED = 4096


class Segment(NamedTuple):
    """One stretch of trading: `[open_ms, close_ms)`, with a closing auction; its bars are counted from `anchor_ms`."""

    open_ms: int
    close_ms: int
    anchor_ms: int


class Calendar:
    """The trading calendar of a symbol. Equal strings give the same object: compare calendars with `is`.

    A trading day is named by its midnight UTC in milliseconds; methods that take one round down to it. Instants
    outside the years 4 to 9995 raise `BadData` (`invalid_time`).
    """

    def __init__(self, timezone: str, session: str, holidays: str, corrections: str) -> None:
        """Use `parse`, which gives one object for equal strings."""
        schedule = parse(session, holidays, corrections)
        self.timezone, self.session, self.holidays, self.corrections = timezone, session, holidays, corrections
        place = zone(timezone)
        self._days = TradingDays(schedule, place)
        self._first_weekday = schedule.first_weekday
        offset = place.utcoffset(None)
        #: Never closed, in UTC, without any exception: intraday bars are on whole steps since 1970.
        self.is_always = offset is not None and not offset and _never_closes(schedule)
        self._periods: dict[int, dict[str, tuple[int, int]]] = {}

    @staticmethod
    def parse(timezone: str, session: str, holidays: str = "", corrections: str = "") -> "Calendar":
        """The calendar of TradingView's strings; the same object for equal strings, while it is among the last 16,384.

        `timezone`: an IANA name; `session`: such as `0930-1600` or `24x7`; `holidays`: `20250101,20250120`;
        `corrections`: `0930-1300:20250703;dayoff:20250109`. `BadData` (`invalid_calendar`) says what is wrong.
        """
        return _parsed(timezone, session, holidays, corrections)

    def __repr__(self) -> str:
        return f"Calendar({self.timezone!r}, {self.session!r})"

    def bar(self, interval: Interval, instant_ms: int, grace_ms: int = 0) -> tuple[int, int]:
        """`(open_ms, close_ms)` of the bar that an observation with a time of its own belongs to.

        Inside a session: the bar that holds it. At or within `grace_ms` after a close: the bar that opens at the
        close if the grid has one there (a closing auction; it lasts one minute, at most to the next opening), else
        the last bar before the close. Otherwise outside: the first bar of the next segment; `BadData`
        (`no_session`) if none follows within 400 days. `grace_ms` is at most a day.
        """
        step = _STEPS.get(interval._value_)
        if self.is_always:
            if step is not None:
                opening = instant_ms - instant_ms % step
                return opening, opening + step
            return self._period(interval._value_, instant_ms // DAY)
        view = self._days.views.get(instant_ms // DAY) or self._days.view(instant_ms // DAY)
        index = bisect_right(view.opens, instant_ms) - 1
        if index >= 0:
            span = view.spans[index]
            if instant_ms < span.close:
                if step is None:
                    return self._period(interval._value_, span.day // DAY)
                return _bar(span, step, instant_ms)
            if instant_ms - span.close <= grace_ms:
                if step is None:
                    return self._period(interval._value_, span.day // DAY)
                return _after_close(view.spans, index, step)
        if index + 1 == len(view.spans):
            raise BadData("no session follows this time within 400 days", kind="no_session")
        following = view.spans[index + 1]
        if step is None:
            return self._period(interval._value_, following.day // DAY)
        return _bar(following, step, following.open)

    def trading_day(self, instant_ms: int, grace_ms: int = 0) -> int:
        """Midnight UTC of the trading day that owns an instant, by the rule of `bar` outside sessions."""
        return self.bar(Interval.D1, instant_ms, grace_ms)[0]

    def segments(self, trading_day_ms: int) -> tuple[Segment, ...]:
        """The segments of a trading day in order of time; empty if it has no session."""
        return tuple(Segment(span.open, span.close, span.anchor) for span in self._days.spans(trading_day_ms // DAY))

    def close_of(self, interval: Interval, open_ms: int) -> int:
        """When the bar with this label closes.

        A bar whose intraday label is off the grid lasts one full step. A longer bar whose period has no session closes
        at the midnight UTC that ends the period.
        """
        step = _STEPS.get(interval._value_)
        if step is None:
            return self._period(interval._value_, open_ms // DAY)[1]
        opening, close = self._bar_or_none(interval, open_ms)
        return close if opening == open_ms else open_ms + step

    def period(self, interval: Interval, trading_day_ms: int) -> tuple[int, int]:
        """`(open_ms, close_ms)` of the `1d`, `1w` or `1M` bar that a trading day belongs to."""
        return self._period(interval._value_, trading_day_ms // DAY)

    def first_open(self, interval: Interval, open_ms: int) -> int:
        """When the first session of the `1d`, `1w` or `1M` bar with this label opens; the label if it has none."""
        first = next(self._traded(interval._value_, open_ms // DAY), None)
        return open_ms if first is None else first[0].open

    def last_traded(self, instant_ms: int) -> int | None:
        """The last millisecond before an instant that is inside a session; None if there is none within 400 days."""
        before = instant_ms - 1
        view = self._days.view(before // DAY)
        index = bisect_right(view.opens, before) - 1
        return None if index < 0 else min(before, view.spans[index].close - 1)

    def opening_before(self, instant_ms: int) -> tuple[int, int, int]:
        """The last opening of a trading day at or before an instant, that day, and the close of the day before it.

        Where there is none within 400 days: the instant itself, its UTC day, and the instant again.
        """
        view = self._days.view(instant_ms // DAY)
        index = bisect_right(view.opens, instant_ms) - 1
        if index < 0:
            return instant_ms, instant_ms - instant_ms % DAY, instant_ms
        day = view.spans[index].day
        opening = self._days.spans(day // DAY)[0].open
        closed = self.last_traded(opening)
        return opening, day, opening if closed is None else closed + 1

    def changed_to(self, other: "Calendar", at_ms: int) -> "Calendar":
        """This calendar up to an instant, and another one from then on.

        Trading days that open after the instant follow the other calendar. Of the trading day that is open at the
        instant, or was open last, only closes move: its openings and its grid stay, so that bars keep their labels.
        """
        view = self._days.view(at_ms // DAY)
        index = bisect_right(view.opens, at_ms) - 1
        changed = Calendar(other.timezone, other.session, other.holidays, other.corrections)
        if index >= 0:
            changed._days = ChangedDays(self._days, changed._days, view.spans[index].day // DAY, at_ms)
            changed.is_always = False
        return changed

    def label_of_provider(self, interval: Interval, stamp_ms: int) -> tuple[int, int, bool]:
        """`(open_ms, close_ms, on_grid)` of a bar that the provider stamps with its opening instant.

        Intraday bars keep the provider's instant; `on_grid` says whether one of ours opens there. `1d`, `1w` and
        `1M` are stamped with the opening of the first segment of their (first) trading day and get our label; a
        stamp outside sessions belongs to the next segment, and `on_grid` says whether it is that opening.
        """
        step = _STEPS.get(interval._value_)
        if step is not None:
            opening, close = self._bar_or_none(interval, stamp_ms)
            on_grid = opening == stamp_ms
            return stamp_ms, close if on_grid else stamp_ms + step, on_grid
        view = self._days.view(stamp_ms // DAY)
        index = bisect_right(view.opens, stamp_ms) - 1
        if index < 0 or stamp_ms >= view.spans[index].close:
            index += 1
        if index >= len(view.spans):
            return *self._period(interval._value_, stamp_ms // DAY), False
        label, close = self._period(interval._value_, view.spans[index].day // DAY)
        first = next(self._traded(interval._value_, label // DAY))
        return label, close, stamp_ms == first[0].open

    def bars(self, interval: Interval, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """`(open_ms, close_ms)` of the bars to expect with an opening in `[start_ms, end_ms)`, in order, lazily.

        Only of sessions: no closing auctions, and no bar that lies in a break altogether.
        """
        step = _STEPS.get(interval._value_)
        if step is None:
            yield from self._periods_between(interval._value_, start_ms, end_ms)
        elif self.is_always:
            for opening in range(start_ms + -start_ms % step, end_ms, step):
                yield opening, opening + step
        else:
            last = start_ms - 1
            for span in self._spans_between(start_ms, end_ms + step):
                opening, close = _bar(span, step, max(span.open, min(start_ms, span.close - 1)))
                while opening < end_ms and opening < min(span.close, span.grid_end):
                    if opening > last:
                        yield opening, close
                        last = opening
                    if close >= span.grid_end:
                        break
                    opening, close = _bar(span, step, close)

    def is_open(self, instant_ms: int) -> bool:
        """Whether the instant is inside a segment."""
        if self.is_always:
            return True
        view = self._days.views.get(instant_ms // DAY) or self._days.view(instant_ms // DAY)
        index = bisect_right(view.opens, instant_ms) - 1
        return index >= 0 and instant_ms < view.spans[index].close

    def next_open(self, instant_ms: int) -> int | None:
        """The first opening of a segment after an instant; None if there is none within 400 days.

        Sessions that follow each other without a pause, as of `24x7`, have one at each of their beginnings.
        """
        view = self._days.view(instant_ms // DAY)
        index = bisect_right(view.opens, instant_ms)
        return view.opens[index] if index < len(view.opens) else None

    def session_ms(self, start_ms: int, end_ms: int) -> int:
        """How many milliseconds of `[start_ms, end_ms)` are inside sessions. Its cost grows with the days between."""
        if self.is_always:
            return max(end_ms - start_ms, 0)
        total = 0
        for span in self._spans_between(start_ms, end_ms):
            total += max(min(span.close, end_ms) - max(span.open, start_ms), 0)
        return total

    def _bar_or_none(self, interval: Interval, instant_ms: int) -> tuple[int | None, int]:
        try:
            return self.bar(interval, instant_ms)
        except BadData:
            return None, instant_ms

    def _spans_between(self, start_ms: int, end_ms: int) -> Iterator[Span]:
        """The spans that overlap a range, in order, one trading day at a time."""
        if start_ms >= end_ms:
            return
        self._days.view(start_ms // DAY)
        self._days.view((end_ms - 1) // DAY)
        for day in range(start_ms // DAY - 2, end_ms // DAY + self._days.lead + 1):
            for span in self._days.spans(day):
                if span.open >= end_ms:
                    return
                if span.close > start_ms:
                    yield span

    def _periods_between(self, interval: str, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        day = self._period_days(interval, start_ms // DAY)[0]
        while day * DAY < end_ms:
            begins, ends = self._period_days(interval, day)
            if begins * DAY >= start_ms and next(self._traded(interval, begins), None) is not None:
                yield self._period(interval, begins)
            day = ends

    def _period(self, interval: str, day: int) -> tuple[int, int]:
        """Label and close of the day, week or month in which a trading day lies."""
        known = self._periods.get(day)
        if known is None:
            if len(self._periods) >= _MOST_CACHED:
                self._periods = {}
            known = self._periods[day] = {}
        found = known.get(interval)
        if found is None:
            begins, ends = self._period_days(interval, day)
            close = ends * DAY
            if not self.is_always:
                traded = (self._days.spans(last) for last in range(ends - 1, begins - 1, -1))
                close = next((max(spans[-1].close, begins * DAY + MINUTE) for spans in traded if spans), close)
            found = known[interval] = (begins * DAY, close)
        return found

    def _traded(self, interval: str, day: int) -> Iterator[tuple[Span, ...]]:
        """The spans of each day with a session, of the period in which a trading day lies."""
        return (spans for one in range(*self._period_days(interval, day)) if (spans := self._days.spans(one)))

    def _period_days(self, interval: str, day: int) -> tuple[int, int]:
        """First day, and the first day after, of the day, week or month in which a day lies."""
        if interval == _WEEK:
            begins = day - (weekday(day) - self._first_weekday) % 7
            return begins, begins + 7
        if interval == _MONTH:
            try:
                first = date.fromordinal(_EPOCH_ORDINAL + day).replace(day=1)
                after = (first + timedelta(days=31)).replace(day=1)
            except (ValueError, OverflowError):
                raise BadData("a time outside the years that a calendar covers", kind="invalid_time") from None
            return first.toordinal() - _EPOCH_ORDINAL, after.toordinal() - _EPOCH_ORDINAL
        return day, day + 1


def _bar(span: Span, step: int, instant: int) -> tuple[int, int]:
    """The bar of a group's grid that holds an instant inside the group; an auction extension is in its last bar."""
    if instant >= span.grid_end:
        instant = span.grid_end - 1
    opening = instant - (instant - span.anchor) % step
    close = opening + step
    return max(opening, span.first), close if close < span.grid_end else span.last


def _after_close(spans: tuple[Span, ...], index: int, step: int) -> tuple[int, int]:
    """The bar of a print shortly after the close of a segment."""
    span = spans[index]
    close = span.close
    if (close - span.anchor) % step == 0:
        following = spans[index + 1].open if index + 1 < len(spans) else close + MINUTE
        if close < span.grid_end:
            opening, ends = _bar(span, step, close)
            # A bar that lies in a break altogether holds nothing but the auction.
            return opening, ends if following < ends else min(close + MINUTE, following)
        if span.last == span.grid_end:
            return close, min(close + MINUTE, following)
    return _bar(span, step, close - 1)


def _never_closes(schedule: Schedule) -> bool:
    whole_days = all(
        len(day) == 1 and (day[0].open, day[0].close, day[0].anchor) == (0, 24 * 60, None)
        for week in schedule.weeks
        for day in week.days
    )
    return whole_days and not schedule.holidays and not schedule.corrections


@lru_cache(maxsize=16_384)
def _parsed(timezone: str, session: str, holidays: str, corrections: str) -> Calendar:
    return Calendar(timezone, session, holidays, corrections)


ALWAYS = Calendar.parse("Etc/UTC", "24x7")
"""The calendar of a market that never closes; symbols whose metadata name no calendar have it."""
