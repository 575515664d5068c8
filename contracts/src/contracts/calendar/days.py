"""Trading days in time: the spans of each trading day, and the spans around each day of UTC.

Spans never overlap and stand in the order of their trading days: where two trading days claim the same time,
it belongs to the earlier one. All conversion between exchange time and UTC happens here and is cached.
"""

from bisect import bisect_right
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from contracts.calendar.session import DaySpec, Schedule, SegmentSpec, weekday
from contracts.errors import BadData
from contracts.intervals import DAY, MINUTE

SEARCH_DAYS = 400
"""How many days are looked through for the session that follows an instant."""

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FIRST_DAY = date(3, 1, 1).toordinal() - _EPOCH_ORDINAL
_LAST_DAY = date(9996, 12, 31).toordinal() - _EPOCH_ORDINAL
_HOLIDAYS_IN_A_ROW = 31
_MOST_CACHED = 1024


class Span(NamedTuple):
    """A segment of a trading day and the grid that it belongs to, in milliseconds of UTC.

    A group is the segments that share an anchor. `first` is its opening, `grid_end` its last close without an
    auction extension (no bar of the grid opens there or later), `last` its last close with it.
    """

    open: int
    close: int
    anchor: int
    first: int
    grid_end: int
    last: int
    day: int


class View(NamedTuple):
    """The spans around one day of UTC: those of the day before it, of the day, and the first one after it.

    `opens` holds the openings for `bisect`. The first span after the day is missing if nothing opens within
    `SEARCH_DAYS`.
    """

    opens: tuple[int, ...]
    spans: tuple[Span, ...]


class _Placed(NamedTuple):
    """A segment in time, before overlaps with other days are cut off."""

    open: int
    grid_end: int
    close: int
    anchor: int | None
    new_group: bool


class TradingDays:
    """The spans of one schedule in one time zone. Days are counted from 1 January 1970, UTC."""

    def __init__(self, schedule: Schedule, zone: ZoneInfo) -> None:
        self._schedule = schedule
        self._zone = zone
        specs = [day for week in schedule.weeks for day in week.days] + list(schedule.corrections.values())
        #: How many days before its trading day a span may open.
        self.lead = 2 + _HOLIDAYS_IN_A_ROW + max(-day[0].open // (24 * 60) for day in specs if day)
        self._placed: dict[int, tuple[_Placed, ...]] = {}
        self._spans: dict[int, tuple[Span, ...]] = {}
        self.views: dict[int, View] = {}

    def spans(self, day: int) -> tuple[Span, ...]:
        """The spans of a trading day, in order of time; empty if it has no session."""
        found = self._spans.get(day)
        if found is None:
            if not _FIRST_DAY <= day <= _LAST_DAY:
                raise BadData("a time outside the years that a calendar covers", kind="invalid_time")
            if len(self._spans) >= _MOST_CACHED:
                self._spans = {}
            found = self._spans[day] = self._in_order(day)
        return found

    def opened(self, day: int) -> tuple[Span, ...]:
        """The spans of a trading day as they were when it opened."""
        return self.spans(day)

    def view(self, utc_day: int) -> View:
        """The spans around a day of UTC. `BadData` (`invalid_time`) outside the years 4 to 9995."""
        found = self.views.get(utc_day)
        if found is None:
            if len(self.views) >= _MOST_CACHED:
                self.views = {}
            found = self.views[utc_day] = self._around(utc_day)
        return found

    def _around(self, utc_day: int) -> View:
        if not _FIRST_DAY + SEARCH_DAYS <= utc_day <= _LAST_DAY - SEARCH_DAYS:
            raise BadData("a time outside the years that a calendar covers", kind="invalid_time")
        begins, ends = utc_day * DAY, (utc_day + 1) * DAY
        found: list[Span] = []
        for day in range(utc_day - 3, utc_day + SEARCH_DAYS):
            found += self.spans(day)
            if found and found[-1].open >= ends:
                break
        opens = [span.open for span in found]
        start = max(bisect_right(opens, begins) - 1, 0)
        stop = next((index + 1 for index, opening in enumerate(opens) if opening >= ends), len(opens))
        return View(tuple(opens[start:stop]), tuple(found[start:stop]))

    def _in_order(self, day: int) -> tuple[Span, ...]:
        placed = self._of_day(day)
        if not placed:
            return ()
        earliest = placed[0].open // DAY - 3
        closes = [span.close for earlier in range(earliest, day) for span in self._of_day(earlier)]
        floor = max(closes, default=placed[0].open)
        groups: list[list[_Placed]] = []
        for index, segment in enumerate(placed):
            opening = max(segment.open, floor)
            after = placed[index + 1].open if index + 1 < len(placed) else segment.close
            close = max(segment.grid_end, min(segment.close, after))
            if opening >= segment.grid_end:
                continue
            floor = close
            anchor = segment.open if segment.anchor is None else segment.anchor
            kept = segment._replace(open=opening, close=close, anchor=anchor)
            if segment.new_group or not groups:
                groups.append([kept])
            else:
                groups[-1].append(kept)
        return tuple(
            Span(one.open, one.close, _anchor(group), group[0].open, group[-1].grid_end, group[-1].close, day * DAY)
            for group in groups
            for one in group
        )

    def _of_day(self, day: int) -> tuple[_Placed, ...]:
        found = self._placed.get(day)
        if found is None:
            if len(self._placed) >= _MOST_CACHED:
                self._placed = {}
            spec = self._schedule.spec(day)
            found = tuple(self._place(day - self._moved(day, spec, one), one) for one in spec)
            self._placed[day] = found
        return found

    def _place(self, day: int, spec: SegmentSpec) -> _Placed:
        return _Placed(
            self._instant(day, spec.open),
            self._instant(day, spec.close),
            self._instant(day, spec.extended),
            None if spec.anchor is None else self._instant(day, spec.anchor),
            spec.new_group,
        )

    def _moved(self, day: int, spec: DaySpec, segment: SegmentSpec) -> int:
        """How many days earlier than its `F<n>` says a night session opens, because of holidays.

        A night session opens on the evening of the previous *trading* day. It differs from the evening opening of a
        market that opens on Sundays in two ways: `F<n>` names the weekday that traded last, and another segment of the
        same day follows. Corrections name their days exactly, so they are taken as they are.
        """
        schedule = self._schedule
        if (
            not segment.lead
            or segment is spec[-1]
            or day in schedule.corrections
            or schedule.week(day).gaps[weekday(day)] != segment.lead
        ):
            return 0
        evening = day - segment.lead
        for earlier in range(day - 1, evening - _HOLIDAYS_IN_A_ROW, -1):
            if schedule.spec(earlier):
                return evening - earlier
        return 0

    def _instant(self, day: int, minute: int) -> int:
        """The instant at which the exchange's clock shows this minute, counted from the midnight of a day.

        A time that a change of clocks skips is read with the offset before the change, one that occurs twice is
        its first occurrence.
        """
        days, rest = divmod(minute, 24 * 60)
        local = datetime.fromordinal(_EPOCH_ORDINAL + day + days).replace(
            hour=rest // 60, minute=rest % 60, tzinfo=self._zone
        )
        offset = local.utcoffset()
        assert offset is not None
        return (day + days) * DAY + rest * MINUTE - (offset.days * 86_400 + offset.seconds) * 1000


class ChangedDays(TradingDays):
    """The days of one schedule up to a trading day that is open, and those of another from the next one on.

    Of the open day, the openings and the grid are the old ones and the closes the new ones.
    """

    def __init__(self, old: TradingDays, new: TradingDays, open_day: int, at_ms: int) -> None:
        super().__init__(new._schedule, new._zone)
        self.lead = max(old.lead, new.lead)
        self._old = old
        self._new = new
        self._open_day = open_day
        self._at_ms = at_ms

    def spans(self, day: int) -> tuple[Span, ...]:
        """The spans of a trading day, in order of time; empty if it has no session."""
        if day < self._open_day:
            return self._old.spans(day)
        if day == self._open_day:
            found = self._spans.get(day)
            if found is None:
                found = self._spans[day] = self._with_new_closes()
            return found
        after = self.spans(self._open_day)[-1].close
        # What lies before belongs to the open day, with its bars: the first bar of a group that is cut opens there.
        return tuple(
            span._replace(open=max(span.open, after), first=max(span.first, after))
            for span in self._new.spans(day)
            if span.close > after
        )

    def opened(self, day: int) -> tuple[Span, ...]:
        """The spans of a trading day as they were when it opened."""
        return self._old.opened(day) if day <= self._open_day else self.spans(day)

    def _with_new_closes(self) -> tuple[Span, ...]:
        # An early close that is taken back brings back the sessions after it, so the closes of another change go.
        old, new = self._old.opened(self._open_day), self._new.spans(self._open_day)
        # The time before the change stays inside the session: it may have been traded in.
        ends_at = min(self._old.spans(self._open_day)[-1].close, self._at_ms - self._at_ms % MINUTE + MINUTE)
        if new:
            ends_at = max(ends_at, new[-1].close)
        kept = [span for index, span in enumerate(old) if span.open < ends_at or not index]
        closes = []
        for index, span in enumerate(kept):
            close = new[index].close if len(new) == len(old) else min(span.close, ends_at)
            if index + 1 == len(kept):
                close = ends_at
            limit = kept[index + 1].open if index + 1 < len(kept) else close
            closes.append(max(span.open + MINUTE, min(close, limit)))
        changed = []
        for span, close in zip(kept, closes, strict=True):
            group = [end for one, end in zip(kept, closes, strict=True) if one.first == span.first]
            moved = span.last != group[-1]
            changed.append(span._replace(close=close, last=group[-1], grid_end=group[-1] if moved else span.grid_end))
        return tuple(changed)


def _anchor(group: list[_Placed]) -> int:
    anchor = group[0].anchor
    assert anchor is not None
    return anchor
