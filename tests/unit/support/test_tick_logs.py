"""Drawn logs hold what they are drawn for: without it, agreement on them would prove nothing."""

from collections import Counter
from itertools import pairwise

import pytest

from contracts import wire
from contracts.marks import Coverage
from tests.support.naive_calendar import NaiveCalendar, Schedule
from tests.support.tick_logs import Log, drawn_log

SEEDS = range(16)


def happenings(log: Log) -> Counter[str]:
    """What a log holds, by how often."""
    found: Counter[str] = Counter()
    calendars: dict[str, NaiveCalendar] = {}
    coverage = Coverage()
    newest: dict[str, wire.Tick] = {}
    for _, record, timestamp in log:
        if isinstance(record, wire.Mark):
            coverage.apply(record, timestamp)
            found["a mark of an epoch that is leaving"] += record.epoch < max(coverage.watermarks)
            continue
        name = f"{record.exchange}:{record.symbol}"
        if isinstance(record, wire.Calendar):
            schedule = Schedule(record.timezone, record.session, record.holidays, record.corrections)
            found["a calendar again"] += name in calendars
            calendars.setdefault(name, NaiveCalendar(schedule)).change(schedule, record.at)
            continue
        if name not in calendars:
            found["a tick without a calendar"] += 1
            continue
        place = calendars[name].place(record.event_time, is_own_time=not record.event_time_estimated, grace_ms=300_000)
        inside = calendars[name].open_segment(record.event_time) is not None
        found["inside"] += inside
        found["an auction's print"] += place.minute is not None and not inside
        found["outside"] += place.minute is None
        found["an estimated time"] += record.event_time_estimated
        before = newest.get(name)
        newest[name] = record
        if before is None or record.cumulative_volume is None or before.cumulative_volume is None:
            continue
        found["a second epoch"] += record.epoch != before.epoch
        found["a straggler"] += record.sequence < before.sequence
        opened = calendars[name].openings(before.event_time, record.event_time)
        found["a fall over an opening"] += bool(opened) and record.cumulative_volume < before.cumulative_volume
        found["the old total over an opening"] += bool(opened) and record.cumulative_volume == before.cumulative_volume
        found["a fall within a day"] += not opened and record.cumulative_volume < before.cumulative_volume
        found["a delay falls"] += record.delay < before.delay
    return found


@pytest.mark.parametrize("is_odd", [False, True])
def test_drawn_logs_hold_everything_that_may_happen(is_odd: bool) -> None:
    found: Counter[str] = Counter()
    for seed in SEEDS:
        found += happenings(drawn_log(seed, is_odd=is_odd))
    seldom = {"a tick without a calendar": is_odd}
    for what in (
        "a mark of an epoch that is leaving", "a calendar again", "inside", "an auction's print", "outside",
        "an estimated time", "a second epoch", "a straggler", "a fall over an opening", "the old total over an opening",
        "a fall within a day", "a delay falls",
    ):  # fmt: skip
        assert found[what] > 0, what
    for what, is_there in seldom.items():
        assert (found[what] > 0) == is_there, what


@pytest.mark.parametrize("seed", SEEDS)
def test_a_drawn_log_is_the_same_again_and_its_times_rise(seed: int) -> None:
    log = drawn_log(seed, is_odd=True)
    assert log == drawn_log(seed, is_odd=True)
    assert all(one[2] <= other[2] for one, other in pairwise(log))
    for _, record, _ in log:
        decode = {wire.Tick: wire.decode_tick, wire.Mark: wire.decode_mark, wire.Calendar: wire.decode_calendar}
        assert decode[type(record)](wire.encode(record)) == record
