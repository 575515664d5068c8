"""What holds for every log, however odd: sound prices, merged bars, and that what was said to be complete is."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import pytest

from aggregator.core.emission import Issue, Kind
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.calendar import Calendar
from contracts.intervals import MINUTE, Interval
from tests.support.folds import all_bars, completes_of, restarted
from tests.support.tick_logs import Log, drawn_log

LOGS = [
    pytest.param(seed, kind, id=f"{kind or 'plain'} {seed}")
    for seed in range(6) for kind in ("", "is_sparse", "is_odd")
]  # fmt: skip
ALWAYS_SAID = ("late_tick", "volume", "gap", "calendar", "auction")


@cache
def log_of(seed: int, kind: str) -> Log:
    if kind == "is_sparse":
        return drawn_log(seed, minutes=240, is_sparse=True)
    return drawn_log(seed, is_odd=kind == "is_odd")


@cache
def folded(seed: int, kind: str) -> list[Issue]:
    fold = PartitionFold(Rules())
    fold.feed(log_of(seed, kind))
    return fold.take()


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_batches_restarts_and_forming_bars_change_nothing(seed: int, kind: str) -> None:
    log, whole = log_of(seed, kind), folded(seed, kind)
    for batch, every in ((1, 7), (13, 1), (100, 2)):
        fold, changelog, found = PartitionFold(Rules()), dict[bytes, bytes](), list[Issue]()
        for number, begin in enumerate(range(0, len(log), batch), 1):
            taken = log[begin : begin + batch]
            fold.feed(taken)
            found += fold.take()
            if number % every == 0:
                list(fold.forming())
                fold = restarted(fold, changelog, begin + len(taken))
        assert found == whole


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_prices_volumes_and_times_of_every_bar_are_sound(seed: int, kind: str) -> None:
    bars = all_bars(folded(seed, kind))
    assert len(bars) > 20
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume is None or bar.volume >= 0
        assert bar.tick_count > 0
        assert bar.open_time < bar.close_time
        assert bar.first_tick_time is not None
        assert bar.last_tick_time is not None
        assert bar.first_tick_time <= bar.last_tick_time
        assert bar.gap_ms >= 0
        assert (bar.reason in ALWAYS_SAID) if bar.revision else (bar.reason is None)


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_revisions_of_every_bar_count_up_from_zero(seed: int, kind: str) -> None:
    revisions: dict[tuple[str, str, int], int] = {}
    for bar in all_bars(folded(seed, kind)):
        label = (bar.symbol, bar.interval, bar.open_time)
        assert bar.revision == revisions.get(label, -1) + 1
        revisions[label] = bar.revision


def last_values(bars: Iterable[wire.Bar]) -> dict[tuple[str, str, int], wire.Bar]:
    return {(bar.symbol, bar.interval, bar.open_time): bar for bar in bars}


@pytest.mark.parametrize(("seed", "kind"), [log for log in LOGS if "is_odd" not in log.values])
def test_every_longer_bar_is_the_merge_of_its_minutes_by_the_calendar(seed: int, kind: str) -> None:
    log, rules = log_of(seed, kind), Rules()
    calendars = {
        record.symbol: Calendar.parse(record.timezone, record.session, record.holidays, record.corrections)
        for _, record, _ in log if isinstance(record, wire.Calendar)
    }  # fmt: skip
    last = last_values(all_bars(folded(seed, kind)))
    groups: dict[tuple[str, str, int], list[wire.Bar]] = defaultdict(list)
    spans: dict[tuple[str, str, int], tuple[int, int]] = {}
    for (symbol, interval, open_time), bar in sorted(last.items()):
        if interval == "1m":
            for longer in list(Interval)[1:]:
                span = calendars[symbol].bar(longer, open_time, rules.grace_ms - 1)
                groups[symbol, longer.value, span[0]].append(bar)
                spans[symbol, longer.value, span[0]] = span
    longer_bars = {label: bar for label, bar in last.items() if label[1] != "1m"}
    assert len(longer_bars) > 20
    for label, bar in longer_bars.items():
        parts = groups[label]
        assert (bar.open, bar.close) == (parts[0].open, parts[-1].close), label
        assert (bar.high, bar.low) == (max(part.high for part in parts), min(part.low for part in parts))
        assert bar.tick_count == sum(part.tick_count for part in parts)
        volumes = [part.volume for part in parts if part.volume is not None]
        assert bar.volume == (pytest.approx(sum(volumes), rel=1e-12) if volumes else None)
        assert (bar.open_time, bar.close_time) == spans[label]
    end = min(record.closed_through for record in completes_of(folded(seed, kind)[-2:]))
    assert {label for label, (_, close) in spans.items() if close <= end} <= set(longer_bars)


def arrivals(log: Log) -> dict[str, list[tuple[int, int]]]:
    """Of each symbol the event times of its ticks, with the log's clock when each was appended."""
    clock = 0
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for _, record, timestamp in log:
        if isinstance(record, wire.Mark):
            clock = max(clock, min(record.watermark, timestamp))
        elif isinstance(record, wire.Tick) and not record.is_baseline:
            found[record.symbol].append((record.event_time, clock))
    return found


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_what_was_said_to_be_complete_and_final_is(seed: int, kind: str) -> None:
    """`closed_through` and `final_through` never move back.

    By the one no bar closes that is emitted later for the first time, unless all its ticks were late. By the other none
    closes that a tick, a counter, coverage or an auction changes later.
    """
    came, close_delay_ms = arrivals(log_of(seed, kind)), Rules().close_delay_ms
    closed: dict[int, int] = {}
    final: dict[int, int] = {}
    counted: dict[int, int] = defaultdict(int)
    for issue in folded(seed, kind):
        record = issue.record
        if isinstance(record, wire.BarsComplete):
            assert record.closed_through >= closed.get(record.delay, record.closed_through)
            assert record.final_through >= final.get(record.delay, record.final_through)
            assert record.final_through < record.closed_through
            assert record.count == counted.pop(record.delay, 0)
            closed[record.delay], final[record.delay] = record.closed_through, record.final_through
        elif isinstance(record, wire.Bar):
            counted[record.delay] += 1
            if record.reason != "calendar":
                assert record.close_time > final.get(record.delay, record.close_time - 1), record
            if record.revision == 0 and record.close_time <= closed.get(record.delay, record.close_time - 1):
                assert record.first_tick_time is not None
                assert record.last_tick_time is not None
                closed_at = record.close_time + record.delay * 1_000 + close_delay_ms
                ticks = [
                    clock for at, clock in came[record.symbol] if record.first_tick_time <= at <= record.last_tick_time
                ]
                assert min(ticks) >= closed_at, record
    assert closed
    assert not counted, "the last bars are followed by a record that counts them"


@pytest.mark.parametrize(("seed", "kind"), LOGS)
def test_every_tick_is_in_a_bar_late_dead_or_outside_sessions(seed: int, kind: str) -> None:
    log = log_of(seed, kind)
    issues = folded(seed, kind)
    ticks = sum(isinstance(record, wire.Tick) and not record.is_baseline for _, record, _ in log)
    in_bars = sum(bar.tick_count for label, bar in last_values(all_bars(issues)).items() if label[1] == "1m")
    aside = sum(issue.kind in {Kind.LATE, Kind.DEAD} for issue in issues)
    assert 0 < in_bars + aside <= ticks
    always = [record for _, record, _ in log if isinstance(record, wire.Tick) and record.symbol == "A"]
    of_a = sum(bar.tick_count for label, bar in last_values(all_bars(issues)).items() if label[:2] == ("A", "1m"))
    aside_of_a = sum(issue.kind in {Kind.LATE, Kind.DEAD} and issue.key == b"SIM:A" for issue in issues)
    dead_baselines = [
        issue for issue in issues if issue.kind is Kind.DEAD and getattr(issue.source, "is_baseline", False)
    ]
    aside_of_a -= sum(issue.key == b"SIM:A" for issue in dead_baselines)
    assert of_a + aside_of_a == sum(not one.is_baseline for one in always), "SIM:A trades round the clock"


@pytest.mark.parametrize("seed", range(6))
def test_logs_of_hours_keep_what_they_hold_bounded(seed: int) -> None:
    fold = PartitionFold(Rules())
    fold.feed(drawn_log(seed, minutes=180, is_sparse=True))
    for symbol in fold._symbols.values():
        minutes = [*symbol.minutes, *symbol.retained]
        assert max(minutes, default=0) - min(minutes, default=0) <= 6 * MINUTE
        assert max(map(len, symbol.emitted)) <= 2
        assert max(map(len, symbol.roll_up.final)) <= 2
        assert len(symbol.follower.others) <= 4
