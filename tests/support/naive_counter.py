"""The second oracle's own reading of a counter: which minute each unit of a day's volume belongs to.

It takes the followed observations of one symbol in log order and keeps the state before each doubtful one, so that it
can go back when the next value shows a spike or an older update, unless the minute in question was final by then.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from contracts.intervals import MINUTE
from tests.support.naive_calendar import NaiveCalendar

_RESET_MS = MINUTE
"""For less than this after an opening a counter may still go on with the total of the day before."""

_BEHIND_MS = MINUTE
"""A feed is never further behind another one, in event time."""


class Reading(NamedTuple):
    """A followed observation of a counter, in units of 1e-8.

    `place` is its place in the log. `minute` is the one that its increment belongs to, None for a baseline and outside
    sessions. From the place `settles` on what it counted stands.
    `is_inside`: it was made inside a session.
    """

    place: int
    epoch: int
    units: int
    event_time: int
    received_at: int
    day: int
    day_open: float | None
    minute: int | None
    is_baseline: bool
    delay: int
    settles: float
    is_inside: bool


class Move(NamedTuple):
    """What a counter moved up to a baseline, known at a place in the log: volume if it was covered meanwhile."""

    before: int
    received: int
    place: int
    units: int


class State(NamedTuple):
    """A counter as it stands.

    `last` is the reading that first showed the newest value, `newest` the one that showed it last, and `before` that of
    the value before it. `counted` is what `last` added, `level_before` and `segment_before` are what it met.
    """

    level: int
    last: Reading
    newest: Reading
    before: Reading | None = None
    segment_at: int | None = None
    counted: int = 0
    level_before: int = 0
    segment_before: int | None = None
    catches_up_until: int | None = None
    """Up to this event time, values below the level are what another feed has counted already."""


class Counter:
    """The increments of one symbol by minute, and the moves of its baselines."""

    def __init__(self, calendar: NaiveCalendar) -> None:
        self.volumes: dict[int, int] = defaultdict(int)
        self.moves: list[Move] = []
        self._calendar = calendar
        self._state: State | None = None
        self._undecided: tuple[State, State] | None = None
        """The states before and after a fall that the next value decides."""
        self._received = 0

    def observe(self, reading: Reading) -> None:
        """The next observation of the epoch that counts."""
        if self._state is None:
            self._state = State(reading.units, reading, reading, segment_at=reading.event_time)
        elif reading.delay < self._state.newest.delay:
            self._begin_stretch(self._state, reading, None)
        elif reading.is_baseline and reading.delay > self._state.newest.delay:
            last = self._state.last._replace(units=reading.units)
            state = self._state._replace(last=last, catches_up_until=_behind_until(self._state))
            self._begin_stretch(state, reading, reading.place)
        elif reading.is_baseline:
            self._begin_stretch(self._state, reading, reading.place)
        elif reading.delay > self._state.newest.delay:
            last = self._state.last._replace(units=reading.units)
            self._join(self._state._replace(last=last), reading)
        else:
            self._follow(self._state, reading)
        self._received = reading.received_at

    def take_over(self, remembered: Sequence[Reading], reading: Reading, ended: float) -> None:
        """Another epoch counts from here on; `remembered` is what it showed before, `ended` when the old one did."""
        self._undecided = None
        first = next((one for one in remembered if one.is_baseline), None)
        if first is not None and self._state is not None and ended < first.received_at:
            self._begin_stretch(self._state, first, reading.place)
        if remembered and self._state is not None:
            # Only the value is remembered: the last observation is still that of the old epoch, or the baseline.
            last = self._state.last._replace(units=remembered[-1].units)
            self._state = State(
                self._state.level, last, self._state.newest, segment_at=self._state.segment_at,
                catches_up_until=_behind_until(self._state),
            )  # fmt: skip
            if reading.units == last.units and not reading.is_baseline:
                self._join(self._state, reading)
        elif self._state is not None and not reading.is_baseline:
            # An epoch that begins without a baseline: its first observation is one.
            self._begin_stretch(self._state, reading, reading.place)
        self.observe(reading)

    def _begin_stretch(self, state: State, baseline: Reading, place: int | None) -> None:
        falls = baseline.units < state.last.units
        if falls or (baseline.units > state.last.units and self._is_new_day(state, baseline)):
            after = self._segment(state, baseline)
        else:
            after = self._risen(state, baseline)
        if place is not None:
            units = after.counted if baseline.is_inside else 0
            self.moves.append(Move(self._received, baseline.received_at, place, units))
        self._undecided = None
        segment_at = after.segment_at if falls else state.segment_at
        self._state = State(
            after.level, baseline, baseline, segment_at=segment_at, catches_up_until=after.catches_up_until
        )

    def _join(self, state: State, reading: Reading) -> None:
        """What follows was counted before, up to the level: the delay rose, or another epoch is behind."""
        self._undecided = None
        state = _caught_up(state._replace(catches_up_until=_behind_until(state)), reading)
        is_new_day = self._is_new_day(state, reading)
        after = self._segment(state, reading) if is_new_day else self._risen(state, reading)
        if reading.minute is not None:
            self.volumes[reading.minute] += after.counted
        self._state = State(
            after.level, reading, reading, segment_at=after.segment_at, catches_up_until=after.catches_up_until
        )

    def _follow(self, state: State, reading: Reading) -> None:
        """An ordinary observation."""
        state = self._state = _caught_up(state, reading)
        if reading.units == state.last.units:
            self._state = state._replace(newest=reading)
            return
        undecided, self._undecided = self._undecided, None
        if undecided is not None:
            before_fall, fallen = undecided
            if reading.units >= before_fall.last.units and reading.place < fallen.last.settles:
                self._take_back(fallen)
                state = self._state = before_fall
                if reading.units == state.last.units:
                    self._state = state._replace(newest=reading)
                    return
        if reading.units < state.last.units and self._was_spike(state, reading):
            assert state.before is not None
            self._take_back(state)
            state = State(state.level_before, state.before, state.before, segment_at=state.segment_before)
            if reading.units == state.last.units:
                self._state = state._replace(newest=reading)
                return
        if reading.units < state.last.units or self._is_new_day(state, reading):
            after = self._segment(state, reading)
        else:
            after = self._risen(state, reading)
        if reading.units < state.last.units and not self._is_sure_reset(state, reading):
            self._undecided = (state, after)
        if reading.minute is not None:
            self.volumes[reading.minute] += after.counted
        self._state = after

    def _was_spike(self, state: State, reading: Reading) -> bool:
        before, last = state.before, state.last
        return (
            before is not None
            and before.day == last.day == reading.day
            and before.units <= reading.units
            and reading.place < last.settles
        )

    def _take_back(self, state: State) -> None:
        if state.last.minute is not None:
            self.volumes[state.last.minute] -= state.counted

    def _risen(self, state: State, reading: Reading) -> State:
        level = max(state.level, reading.units)
        counted = level - state.level
        return State(
            level, reading, reading, state.last, state.segment_at, counted, state.level, state.segment_at,
            state.catches_up_until,
        )  # fmt: skip

    def _segment(self, state: State, reading: Reading) -> State:
        level = reading.units
        counted = level if self._is_from_zero(state, reading) else 0
        return State(level, reading, reading, state.last, reading.event_time, counted, state.level, state.segment_at)

    def _is_new_day(self, state: State, reading: Reading) -> bool:
        """Whether a higher value is a new day's: with another day's open, or after a closed stretch."""
        opening = self._calendar.last_opening(reading.event_time)
        closed = self._calendar.close_before(opening)
        if not _is_before(state.segment_at, closed):
            return False
        if state.last.day_open is not None and reading.day_open is not None:
            return state.last.day_open != reading.day_open
        return state.last.event_time < opening and closed < opening

    def _is_sure_reset(self, state: State, reading: Reading) -> bool:
        """Whether a fall needs no other value to be a new day's."""
        opens = self._calendar.openings(state.last.event_time, reading.event_time)
        return bool(opens) and _is_other_day(state.last, reading)

    def _is_from_zero(self, state: State, reading: Reading) -> bool:
        """Whether a trading day opened just before a segment that begins now, and no other one began in it."""
        earlier = state.last.event_time
        openings = self._calendar.openings(earlier, reading.event_time)
        openings += self._calendar.openings(earlier - _RESET_MS, earlier)
        return any(_is_before(state.segment_at, opening) for opening in openings)


def _behind_until(state: State) -> int:
    return max(state.last.event_time + _BEHIND_MS, state.catches_up_until or 0)


def _caught_up(state: State, reading: Reading) -> State:
    """A feed behind another one is that until it reaches the level, or its time is past it: then its counter fell."""
    if state.catches_up_until is None:
        return state
    if reading.units >= state.level:
        return state._replace(catches_up_until=None)
    if reading.event_time > state.catches_up_until:
        return state._replace(level=state.last.units, catches_up_until=None)
    return state


def _is_before(segment_at: int | None, instant: int) -> bool:
    return segment_at is None or segment_at < instant


def _is_other_day(one: Reading, other: Reading) -> bool:
    return one.day_open is not None and other.day_open is not None and one.day_open != other.day_open
