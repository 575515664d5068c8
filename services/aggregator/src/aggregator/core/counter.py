"""What was traded, from a cumulative volume: increments between observations, and when the counter begins anew.

TradingView sends the cumulative volume of a trading day (protocol §4.5). It does not begin anew at the opening itself:
the old total is shown for a while after the new day has opened, and the reset comes later, in a message of its own. It
is also corrected within a day, and a single wrong value comes now and then. So time alone never begins a *segment* of
the counter; a value does:

* A value below the last one is a fall and begins a segment. The next value confirms it if it is below the old level
  too; if it is not, the low value was an older update, and the fall is taken back. A fall across the opening of a
  trading day that comes with another opening price of the day needs no confirmation.
* A glitch is no fall: if the last value is above both its neighbours of one trading day, and the value now is not below
  the one before it, the last value was wrong (or a trade that was cancelled), and its increment is taken back.
* A rise begins a segment if another opening price of the day shows that the day is new or, where the opening price is
  not known, if a trading day opened after a closed stretch.

A segment counts from zero if a trading day has opened since the previous value was first observed, or less than 60 s
before that; otherwise it counts from its first value. When the old total is repeated in the new day, for example with
the price of its first trade, it still is a value of the old day. Increments belong to the minute of the observation
that shows them, and their sum is conserved. `docs/adr/0010-volume-by-increments.md` has the reasons.

Observations are followed in the order of one *epoch* of the log. While two epochs overlap (a partition is handed over)
the earlier one counts until its coverage ends; then the next one goes on from the level reached, so that nothing counts
twice. What the counter moved up to a baseline is a `Move`: the marks decide whether it is volume of a bar (the symbol
was covered meanwhile) or of a gap.
"""

from typing import Protocol

import msgspec

from contracts.bars import volume_units

ROLL_LAG_MS = 60_000
"""How long after the opening of a trading day a new value may still be one of the day before.

An assumption: no recording holds a reset, so nobody has seen how late one can be (protocol §4.5).
"""

CATCH_UP_MS = 60_000
"""At a hand-over one epoch is behind the other by at most this much event time. An assumption, not observed."""


class Move(msgspec.Struct, gc=False, array_like=True):
    """What the counter moved between an observation received at `before` and a baseline received at `received` (1e-8).

    `traded` is the volume of a bar if the symbol was covered between the two, `lost` the gap volume if it was not
    (None: not known, since a trading day opened meanwhile or the counter fell). `is_covered`: which of the two; None
    while the marks have not decided. `is_announced`: it is part of a gap event that was emitted.
    """

    before: int
    received: int
    traded: int
    lost: int | None
    is_covered: bool | None = None
    is_announced: bool = False


Count = tuple[int | None, int]
"""A minute (its open time) and what was traded in it, in 1e-8; negative: taken back. None: outside sessions."""


class Fall(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A fall that is not decided yet: the counter as it was before the fall."""

    level: int
    last: float
    last_day: int
    last_open: float | None
    event_time: int
    segment_at: int
    closes: int
    """The close of the minute in which the fall was observed."""
    counted: int
    """What the new segment counted, to be taken back with the fall."""
    catches_up_until: int | None = None
    """As the counter's, before the fall."""


class Observed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An observation of the counter, with its place in the symbol's calendar. Times are milliseconds.

    `minute` is None outside sessions, and for a baseline; `closes` is the end of the minute in any case. `opening` is
    the last opening of a trading day at or before it, of the trading day `opened_day`; `closed_at` is when the trading
    day before that closed. Minutes that close by `final_until` are final.
    """

    value: float
    event_time: int
    received_at: int
    day_open: float | None
    minute: int | None
    closes: int
    day: int
    opening: int
    opened_day: int
    closed_at: int
    final_until: int
    is_inside: bool
    """Whether it was made inside a session, or in the grace period of a closing auction."""


class Minutes(Protocol):
    """The minute of an observation."""

    @property
    def open_time(self) -> int | None: ...
    @property
    def close_time(self) -> int: ...
    @property
    def day(self) -> int: ...


class Observation(Protocol):
    """What the counter reads of a tick beside its value."""

    @property
    def event_time(self) -> int: ...
    @property
    def received_at(self) -> int: ...
    @property
    def day_open(self) -> float | None: ...


class Run(Protocol):
    """Observations of one minute in which the counter only rose: its newest two values, and the minute."""

    @property
    def counter(self) -> float: ...
    @property
    def counter_before(self) -> float: ...
    @property
    def open_time(self) -> int: ...
    @property
    def close_time(self) -> int: ...
    @property
    def day(self) -> int: ...


class Counter(msgspec.Struct, gc=False, array_like=True):
    """The counter of one symbol. Values are as the provider sends them; `level` is what has been counted, in 1e-8.

    `last` and `before` are the newest two distinct values of the epoch that is followed, with the trading days in which
    they were first observed; `event_time` is when `last` was first observed (to the minute), `received_at` is of the
    newest observation.
    """

    level: int
    last: float
    last_day: int
    last_open: float | None
    event_time: int
    received_at: int
    segment_at: int
    before: float | None = None
    before_day: int = 0
    before_level: int | None = 0
    """The level that stood with `before`; None: its own value."""
    before_time: int = 0
    """When `before` was first observed, to the minute."""
    counted_in: int | None = None
    """The minute in which the last increment counted; it closes at `counted_until`."""
    counted_until: int = 0
    fall: Fall | None = None
    has_joined: bool = False
    """Another epoch is followed since the newest observation, so the level may be below `last`."""
    catches_up_until: int | None = None
    """Up to this event time, values below the level were counted in another epoch already."""

    @classmethod
    def first(cls, now: Observed) -> "Counter":
        """At the first observation: what was traded before it is no bar's volume."""
        return cls(
            volume_units(now.value),
            now.value,
            now.day,
            now.day_open,
            now.event_time,
            now.received_at,
            now.event_time,
        )

    def rose(self, run: Run) -> int:
        """The counter rose through observations of one minute; returns what that counts in the minute (1e-8)."""
        value, before, day, level = run.counter, run.counter_before, run.day, self.level
        units = volume_units(value)
        if before == self.last:
            self.before_day, self.before_time = self.last_day, self.event_time
        else:
            self.before_day, self.before_time = day, run.open_time
        self.before, self.before_level = before, level if before == self.last else None
        self.last, self.last_day = value, day
        self.counted_in, self.counted_until = run.open_time, run.close_time
        if units <= level:
            return 0
        self.level = units
        return units - level

    def rise(self, value: float, place: Minutes, tick: Observation) -> int:
        """The next observation, if it is no fall and begins no segment; returns what it counts (1e-8)."""
        counted = 0
        if value != self.last:
            units, level = volume_units(value), self.level
            self.before, self.before_day, self.before_level = self.last, self.last_day, level
            self.before_time = self.event_time
            self.last, self.last_day = value, place.day
            if units > level:
                self.level = units
                counted = units - level
            self.counted_in, self.counted_until = place.open_time, place.close_time
            if tick.day_open is not None:
                self.last_open = tick.day_open
            self.event_time = tick.event_time
        self.received_at = max(self.received_at, tick.received_at)
        return counted

    def observe(self, now: Observed) -> list[Count]:
        """The next observation of the epoch that is no baseline; returns what it counts and takes back."""
        counts: list[Count] = []
        if self.catches_up_until is not None:
            self._catch_up(now, self.catches_up_until)
        if now.value != self.last:
            self._decide_fall(now, counts)
        is_news = self.has_joined or now.value != self.last
        if now.value > self.last or (self.has_joined and now.value == self.last):
            counts.append(self._segment(now) if self._begins_day(now) else self._rise(now))
        elif now.value < self.last and self._is_glitch(now):
            counts.append(self._take_back_glitch())
            is_news = now.value != self.last
            if now.value > self.last:
                counts.append(self._rise(now))
        elif now.value < self.last:
            before = (self.level, self.last, self.last_day, self.last_open, self.event_time, self.segment_at)
            is_new_day = self.event_time < now.opening and self._shows_other_open(now)
            catches_up_until = self.catches_up_until
            segment = self._segment(now)
            counts.append(segment)
            self.fall = None if is_new_day else Fall(*before, now.closes, segment[1], catches_up_until)
        self._note(now, is_news=is_news)
        return counts

    def move(self, now: Observed) -> Move:
        """A baseline; returns what the counter moved since the newest observation.

        A baseline that rises begins no segment, since after a gap it is not known of which day its total is. What is
        traded outside sessions is in no bar. An undecided fall stands.
        """
        level, before = self.level, self.received_at
        is_lost_known = self.event_time >= now.opening and now.value >= self.last
        self.fall = None
        if now.value < self.last:
            _, traded = self._segment(now)
        else:
            is_new_day = now.value > self.last and self._begins_day(now)
            whole = self._counts_from_zero(now)
            _, traded = self._rise(now)
            if is_new_day:
                traded, is_lost_known = (volume_units(now.value) if whole else 0), False
        lost = max(0, volume_units(now.value) - level) if is_lost_known else None
        self.before = None
        self._note(now, is_news=True)
        return Move(before, now.received_at, traded if now.is_inside else 0, lost)

    def may_only_rise(self, closed_at: int) -> bool:
        """Whether no rise in this trading day can begin a segment, and no decision waits for the next value."""
        if self.fall is not None or self.has_joined or self.catches_up_until is not None:
            return False
        return self.segment_at >= closed_at or self.last_open is None

    def join(self, value: float, day: int) -> None:
        """Go on with another epoch, whose newest value this is; nothing counts until its values pass the level."""
        self.last, self.last_day = value, day
        self.before = self.fall = None
        self.has_joined = True
        self.catches_up_until = max(self.event_time + CATCH_UP_MS, self.catches_up_until or 0)

    def _catch_up(self, now: Observed, until: int) -> None:
        """The epoch is behind until its values pass the level; if they still do not at `until`, the counter fell."""
        if volume_units(now.value) >= self.level:
            self.catches_up_until = None
        elif now.event_time > until:
            self.catches_up_until = None
            self.level = volume_units(self.last)

    def _take_back_glitch(self) -> Count:
        assert self.before is not None
        level = volume_units(self.before) if self.before_level is None else self.before_level
        taken_back = (self.counted_in, level - self.level)
        self.level, self.last, self.last_day = level, self.before, self.before_day
        self.event_time = self.before_time
        self.before = None
        return taken_back

    def _note(self, now: Observed, *, is_news: bool) -> None:
        if is_news:
            self.event_time = now.event_time
        self.received_at = max(self.received_at, now.received_at)
        self.has_joined = False

    def _decide_fall(self, now: Observed, counts: list[Count]) -> None:
        """Confirm an undecided fall, or take it back; once its minute is final, the fall stands."""
        fall, self.fall = self.fall, None
        if fall is None or fall.closes <= now.final_until or now.value < fall.last:
            return
        counts.append((self.counted_in, -fall.counted))
        self.level, self.segment_at, self.event_time = fall.level, fall.segment_at, fall.event_time
        self.last, self.last_day, self.last_open = fall.last, fall.last_day, fall.last_open
        self.before, self.catches_up_until = None, fall.catches_up_until

    def _is_glitch(self, now: Observed) -> bool:
        """Whether the last value is above both its neighbours of one trading day, and can still be taken back."""
        if self.before is None or not self.before_day == self.last_day == now.day:
            return False
        is_final = self.counted_until <= now.final_until
        return self.before <= now.value and not is_final

    def _begins_day(self, now: Observed) -> bool:
        """Whether a rise begins a new segment: the day is new, and no segment has begun since the day before closed.

        Where the opening price of the day is known, it decides: the old total may grow after the opening, and is then
        shown with the old opening price. Where it is not known, a closed stretch before the opening decides.
        """
        if self.segment_at >= now.closed_at:
            return False
        if now.day_open is not None and self.last_open is not None:
            return now.day_open != self.last_open
        return self.event_time < now.opening and now.closed_at < now.opening

    def _shows_other_open(self, now: Observed) -> bool:
        return now.day_open is not None and self.last_open is not None and now.day_open != self.last_open

    def _rise(self, now: Observed) -> Count:
        units = volume_units(now.value)
        counted = max(0, units - self.level)
        self.before, self.before_day, self.before_level = self.last, self.last_day, self.level
        self.before_time = self.event_time
        self.level = max(self.level, units)
        return self._counted(now, counted)

    def _segment(self, now: Observed) -> Count:
        units = volume_units(now.value)
        counted = units if self._counts_from_zero(now) else 0
        self.before = self.catches_up_until = None
        self.level = units
        self.segment_at = now.event_time
        return self._counted(now, counted)

    def _counts_from_zero(self, now: Observed) -> bool:
        """Whether a segment that begins now counts from zero: its first value is all of the new trading day."""
        return self.event_time < now.opening + ROLL_LAG_MS and self.segment_at < now.opening

    def _counted(self, now: Observed, units: int) -> Count:
        self.last, self.last_day = now.value, now.day
        if now.day_open is not None:
            self.last_open = now.day_open
        self.counted_in, self.counted_until = now.minute, now.closes
        return now.minute, units
