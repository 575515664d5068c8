"""What holds for every log: order within a minute and batch splits do not matter, and a naive program agrees."""

import random
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.emission import Issue, Kind
from contracts import wire
from contracts.bars import volume_of, volume_units
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CASES, Case
from tests.support.drawn_counters import drawn_case
from tests.support.markets import ALWAYS
from tests.support.naive_calendar import NaiveCalendar
from tests.support.oracle import committed_with_crashes, disagreements, encoded, issues_of
from tests.support.records import T0, calendar, key, mark, tick
from tests.support.tick_logs import Log, drawn_log

MONTH_END = T0 + 31 * DAY
SYMBOLS = ("SIM:A", "SIM:B", "SIM:C")
ALWAYS_OPEN = NaiveCalendar(ALWAYS)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Minutes of ticks of three symbols round the clock, covered throughout, with marks; symbol C has no volume."""
    rnd = random.Random(draw(st.integers(0, 1 << 32)))
    minutes = draw(st.integers(1, 20))
    start = MONTH_END - draw(st.integers(0, 25)) * MINUTE
    cumulative = dict.fromkeys(SYMBOLS, 1_000_000.0)
    day = start - 900 - (start - 900) % DAY
    log: Log = [(b"!", mark(start - 1_000), start - 1_000)]
    for name in SYMBOLS:
        calendar_key, record = calendar(name, has_volume=name != "SIM:C", at=start - 1_000)
        log.append((calendar_key, record, start))
        volume = None if name == "SIM:C" else cumulative[name]
        log.append((key(name), tick(start - 900, 1.0, volume, symbol=name, is_baseline=True), start))
    log.append((b"!", mark(start, *((name, "covered", start - DAY) for name in SYMBOLS)), start))
    at = start
    while at < start + minutes * MINUTE:
        at += rnd.randrange(1, 9_000)
        name = rnd.choice(SYMBOLS)
        if at - at % DAY != day:
            day, cumulative = at - at % DAY, dict.fromkeys(SYMBOLS, 0.0)
        cumulative[name] = volume_of(volume_units(cumulative[name]) + rnd.randrange(0, 5_000_000_000))
        price = rnd.randrange(1, 100_000) / 100
        volume = None if name == "SIM:C" else cumulative[name]
        log.append((key(name), tick(at, price, volume, symbol=name), at + 60))
        if rnd.random() < 0.4:
            log.append((b"!", mark(at + 50), at + 60))
    for gap in (2_000, 3 * MINUTE, 5 * HOUR):
        log.append((b"!", mark(at + MINUTE + gap), at + MINUTE + gap))
    return log


@given(logs(), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_any_batch_split_gives_the_same_records_byte_for_byte(log: Log, batch: int) -> None:
    assert encoded(issues_of(log, batch)) == encoded(issues_of(log))


@given(logs(), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_any_transaction_boundary_and_any_crash_point_give_the_same_records(log: Log, seed: int) -> None:
    assert encoded(committed_with_crashes(log, seed)) == encoded(issues_of(log))


@given(st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_crashes_change_no_record_of_any_log(seed: int) -> None:
    log = drawn_log(seed)
    assert encoded(committed_with_crashes(log, seed)) == encoded(issues_of(log))


@given(logs(), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_any_order_between_two_marks_gives_the_same_bars(log: Log, seed: int) -> None:
    """Of prices: counters are followed in the order of the log."""
    rnd = random.Random(seed)
    in_order: Log = []
    shuffled: Log = []
    stretch: Log = []
    for entry in log:
        if isinstance(entry[1], wire.Tick) and not entry[1].is_baseline:
            stretch.append((entry[0], msgspec.structs.replace(entry[1], cumulative_volume=None), entry[2]))
            continue
        appended = [(record_key, record, entry[2]) for record_key, record, _ in stretch]
        in_order += [*appended, entry]
        shuffled += [*rnd.sample(appended, len(appended)), entry]
        stretch = []
    assert encoded(issues_of(shuffled)) == encoded(issues_of(in_order))


@given(logs())
@settings(max_examples=60, deadline=None)
def test_a_naive_program_gives_the_same_bars(log: Log) -> None:
    """Read all, sort, group: it shares only the grid round the clock and the units with the fold."""
    issues = issues_of(log)
    assert [issue for issue in issues if issue.kind in {Kind.LATE, Kind.DEAD}] == []
    found = {}
    for issue in issues:
        if isinstance(issue.record, wire.Bar):
            bar = issue.record
            label = (f"{bar.exchange}:{bar.symbol}", bar.interval, bar.open_time)
            assert label not in found
            found[label] = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.tick_count, bar.first_tick_time,
                            bar.last_tick_time, bar.gap_ms)  # fmt: skip
    end = log[-1][2] - 2_000
    groups: dict[tuple[str, str, int], list[wire.Tick]] = defaultdict(list)
    closes: dict[tuple[str, int], int] = {}
    steps: dict[int, int] = {}
    counters: dict[str, tuple[int, int]] = {}
    observed = [record for _, record, _ in log if isinstance(record, wire.Tick)]
    for one in sorted(observed, key=lambda t: (t.event_time // 1000, t.sequence, t.price)):
        name = f"{one.exchange}:{one.symbol}"
        if one.cumulative_volume is not None:
            day, reached = counters.get(name, (one.trading_day, 0))
            reached = reached if day == one.trading_day else 0
            steps[id(one)] = volume_units(one.cumulative_volume) - reached
            counters[name] = (one.trading_day, volume_units(one.cumulative_volume))
        if not one.is_baseline:
            for interval in Interval:
                opened, closed = ALWAYS_OPEN.bar(interval, one.event_time, one.trading_day)
                groups[name, interval.value, opened].append(one)
                closes[interval.value, opened] = closed
    expected = {
        label: (
            ticks[0].price, max(t.price for t in ticks), min(t.price for t in ticks), ticks[-1].price,
            None if label[0] == "SIM:C" else volume_of(sum(steps[id(t)] for t in ticks)), len(ticks),
            min(t.event_time for t in ticks), max(t.event_time for t in ticks), found[label][8],
        )
        for label, ticks in groups.items() if closes[label[1:]] <= end
    }  # fmt: skip
    assert found == expected


@given(st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_the_fold_and_the_naive_program_agree_on_any_log(seed: int) -> None:
    log = drawn_log(seed)
    assert disagreements(log, issues_of(log)) == []


@given(st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
def test_they_agree_on_hours_in_which_little_is_traded_and_much_is_uncovered_crashes_and_all(seed: int) -> None:
    log = drawn_log(seed, minutes=4 * 60, is_sparse=True)
    issues = issues_of(log)
    assert disagreements(log, issues) == []
    assert encoded(committed_with_crashes(log, seed)) == encoded(issues)


@pytest.mark.parametrize("is_copied", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_they_agree_on_odd_logs_crashes_and_all(seed: int, is_copied: bool) -> None:
    """Copied: appended again long afterwards, so that no tick is from the future and the first ones are late.

    Marks that run ahead then count in full: a bar is final before what they vouch for is over, and keeps its gap.
    """
    log = drawn_log(seed, is_odd=True)
    if is_copied:
        log = [(name, record, T0 + 400 * DAY) for name, record, _ in log]
    issues = issues_of(log)
    assert disagreements(log, issues, has_gaps=not is_copied) == []
    assert encoded(committed_with_crashes(log, seed)) == encoded(issues)


@pytest.mark.parametrize("seed", range(10))
def test_they_agree_on_odd_logs_of_hours_in_which_little_is_traded(seed: int) -> None:
    log = drawn_log(seed, minutes=120, is_sparse=True, is_odd=True)
    issues = issues_of(log)
    assert disagreements(log, issues) == []
    assert encoded(committed_with_crashes(log, seed)) == encoded(issues)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_fold_gives_the_known_volumes_and_extremes(case: Case) -> None:
    assert case.differences(last_values(issues_of(case.log))) == []


@given(st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_the_fold_gives_what_each_minute_traded(seed: int) -> None:
    case = drawn_case(seed)
    assert case.differences(last_values(issues_of(case.log))) == []


def last_values(issues: list[Issue]) -> dict[tuple[str, int], wire.Bar]:
    """The last bar of each interval and open time, of a log of one symbol."""
    bars = [issue.record for issue in issues if isinstance(issue.record, wire.Bar)]
    return {(bar.interval, bar.open_time): bar for bar in bars}
