"""The state of a fold as records: what cannot be gone on from is refused, and intervals come and go."""

import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.core import snapshot
from aggregator.core.emission import Issue
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.calendar import Calendar
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.folds import NOON, all_bars, begun, gaps_of, listed, put, restarted
from tests.support.records import T0, key, mark, tick
from tests.support.tick_logs import Log, Record, drawn_log

NAME = "SIM:A"
OWN = b"?!%"
"""With what the keys begin of records that are not of a symbol's bars."""


def records_of(fold: PartitionFold, position: int = 7) -> dict[bytes, bytes]:
    return {name: value for name, value in fold.save(position) if value is not None}


def restored(records: Mapping[bytes, bytes | None]) -> PartitionFold:
    return PartitionFold.restored(Rules(), {name: value for name, value in records.items() if value is not None})[0]


def as_gone_on_from(records: dict[bytes, bytes]) -> dict[bytes, Any]:
    """A symbol in which nothing happens is not saved again: its floor is at least what its class has passed."""
    header = snapshot.decode_header(records[b"!"])
    found: dict[bytes, Any] = {}
    for name, value in records.items():
        if name[:1] in OWN:
            found[name] = msgspec.msgpack.decode(value, strict=False)
            continue
        decode = msgspec.json.decode if value.startswith(b"[") else msgspec.msgpack.decode
        saved = decode(value, type=snapshot.SavedSymbol)
        floor = max(saved.floor, header.next.get(saved.delay_ms, 0) - MINUTE)
        found[name] = msgspec.structs.replace(saved, floor=floor)
    return found


def covered_fold(rules: Rules | None = None) -> PartitionFold:
    return begun(
        mark(NOON - 30_000),
        tick(NOON - 20_000, 9.0, 10.0, is_baseline=True),
        mark(NOON - 19_000, (NAME, "covered", NOON - 20_000)),
        tick(NOON + 1_000, 10.0, 11.0),
        rules=rules,
    )


def test_a_state_is_gone_on_from_at_its_position() -> None:
    fold, position = PartitionFold.restored(Rules(), records_of(covered_fold(), position=42))
    assert (position, fold.open_minutes, fold.clock) == (42, 1, NOON - 19_000)
    issues = put(fold, tick(NOON + 2_000, 12.0, 13.5), mark(NOON + 10 * MINUTE))
    assert {bar.volume for bar in all_bars(issues)} == {3.5}
    assert {bar.high for bar in all_bars(issues)} == {12.0}


def test_only_what_has_changed_is_saved_again() -> None:
    fold = covered_fold()
    assert set(records_of(fold)) == {b"SIM:A", b"?SIM:A", b"%SIM:A", b"!"}
    assert set(records_of(fold)) == {b"!"}
    put(fold, tick(NOON + 2_000, 12.0, 12.0))
    assert set(records_of(fold)) == {b"SIM:A", b"!"}
    put(fold, mark(NOON + 1_500, (NAME, "uncovered", NOON + 1_500)))
    assert set(records_of(fold)) == {b"?SIM:A", b"!"}


def test_a_symbol_that_nobody_wants_is_forgotten_once_nothing_of_it_is_open() -> None:
    fold = covered_fold()
    records = records_of(fold)
    put(fold, mark(NOON + MINUTE, (NAME, "released", NOON + 30_000)), mark(T0 + 20 * DAY))
    assert b"SIM:A" not in {name for name, value in fold.save(8) if value is None}, "its month is open"
    put(fold, mark(T0 + 100 * DAY))
    gone = {name for name, value in fold.save(9) if value is None}
    assert gone == {b"SIM:A", b"?SIM:A", b"%SIM:A"} <= set(records)
    put(fold, listed(at=T0 + 100 * DAY), tick(T0 + 100 * DAY + 1_000, 10.0, 11.0))
    assert b"SIM:A" in records_of(fold), "it may come back"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({b"!": None}, "no header"),
        ({b"!": b"\xc0"}, "header of the state cannot be read"),
        ({b"SIM:A": b"\x90"}, "state of SIM:A cannot be read"),
        ({b"?SIM:A": b"\x90"}, "coverage of a symbol cannot be read"),
        ({b"%SIM:A": b"\x90"}, "calendar of a symbol cannot be read"),
        ({b"%SIM:A": None}, "the state of SIM:A names no calendar"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused_with_what_to_do(change: dict[bytes, bytes | None], why: str) -> None:
    records = records_of(covered_fold()) | change
    with pytest.raises(snapshot.StateError, match=why) as refused:
        restored(records)
    assert "delete the topic market.rollup.v1" in str(refused.value)


def test_a_state_of_another_format_is_refused() -> None:
    records = records_of(covered_fold())
    header = snapshot.decode_header(records[b"!"])
    values = [getattr(header, name) for name in header.__struct_fields__]
    records[b"!"] = snapshot.encode([snapshot.FORMAT - 1, *values[1:]])
    with pytest.raises(
        snapshot.StateError, match=f"of format {snapshot.FORMAT - 1}, this engine's is {snapshot.FORMAT}"
    ):
        PartitionFold.restored(Rules(), records)


def bars_of_calm(issues: list[Issue]) -> list[wire.Bar]:
    """The bars of symbols that keep their delay. Of the others, longer bars decide when a gap is looked at again."""
    return [bar for bar in all_bars(issues) if bar.symbol != "E"]


def first_session(log: Log, bar: wire.Bar) -> int:
    """When a bar of a log begins: a day may open before the midnight of its label."""
    records = [record for _, record, _ in log if isinstance(record, wire.Calendar) and record.symbol == bar.symbol]
    of = records[-1]
    interval = Interval(bar.interval)
    if interval.is_intraday:
        return bar.open_time
    return Calendar.parse(of.timezone, of.session, of.holidays, of.corrections).first_open(interval, bar.open_time)


def some_intervals(rnd: random.Random) -> tuple[Interval, ...]:
    longer = [*Interval][1:]
    out = rnd.sample(longer, rnd.randint(1, len(longer)))
    return tuple(interval for interval in Interval if interval not in out)


@given(st.integers(0, 1 << 32), st.booleans())
@example(3, True)
@example(399_204_782, False)
@settings(max_examples=25, deadline=None)
def test_what_was_saved_bit_by_bit_is_what_is_saved_at_once(seed: int, is_odd: bool) -> None:
    rnd, log = random.Random(seed), drawn_log(seed, is_odd=is_odd)
    log = log[: rnd.randrange(1, len(log) + 1)]
    often, once = PartitionFold(Rules()), PartitionFold(Rules())
    records: dict[bytes, bytes | None] = {}
    position = 0
    while position < len(log):
        taken = log[position : position + rnd.randrange(1, 40)]
        often.feed(taken)
        position += len(taken)
        records |= dict(often.save(position))
    once.feed(log)
    kept = {name: value for name, value in records.items() if value is not None}
    assert as_gone_on_from(kept) == as_gone_on_from(records_of(once, position))


def test_the_volume_of_a_gap_is_saved_again_once_it_was_announced() -> None:
    often, once, closed = covered_fold(), covered_fold(), NOON + MINUTE + 2_000
    records = {}
    for fold in (often, once):
        put(fold, mark(closed), mark(closed + 3_000, (NAME, "uncovered", closed + 1_000)))
        put(fold, tick(NOON + 59_000, 10.0, 20.0, received_at=closed + 6_000, is_baseline=True))
        put(fold, mark(closed + 6_900, (NAME, "covered", closed + 6_800)), mark(closed + 8_100))
        if fold is often:
            records = records_of(fold)
        (gap,) = gaps_of(put(fold, mark(closed + 9_000)))
        assert gap.gap_volume == 9.0
    assert records | records_of(often) == records_of(once)


@given(st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_an_interval_that_is_taken_out_changes_nothing_for_the_others(seed: int) -> None:
    rnd, log = random.Random(seed), drawn_log(seed)
    cut, fewer = rnd.randrange(len(log)), Rules(intervals=some_intervals(rnd))
    all_built, only_fewer = PartitionFold(Rules()), PartitionFold(fewer)
    all_built.feed(log[:cut])
    only_fewer.feed(log[:cut])
    only_fewer.take()
    records = records_of(all_built)
    fold, _ = PartitionFold.restored(fewer, records)
    if cut:
        again = records_of(fold)
        assert set(again) >= {name for name in records if name[:1] not in OWN}, "no state is left behind"
    fold.feed(log[cut:])
    only_fewer.feed(log[cut:])
    assert bars_of_calm(fold.take()) == bars_of_calm(only_fewer.take())


@given(st.integers(0, 1 << 32))
@example(99_198_959)
@settings(max_examples=25, deadline=None)
def test_an_interval_that_is_added_begins_with_its_first_whole_bar(seed: int) -> None:
    rnd, log = random.Random(seed), drawn_log(seed)
    cut, fewer = rnd.randrange(len(log)), Rules(intervals=some_intervals(rnd))
    all_built, only_fewer = PartitionFold(Rules()), PartitionFold(fewer)
    all_built.feed(log[:cut])
    all_built.take()
    only_fewer.feed(log[:cut])
    records: dict[bytes, bytes | None] = {**records_of(only_fewer)}
    fold = restored(records)
    added_at = fold.clock
    again = rnd.randrange(cut, len(log) + 1)
    fold.feed(log[cut:again])
    added = bars_of_calm(fold.take())
    fold = restored(records | dict(fold.save(again)))
    fold.feed(log[again:])
    added += bars_of_calm(fold.take())
    all_built.feed(log[cut:])

    def is_expected(bar: wire.Bar) -> bool:
        return Interval(bar.interval) in fewer.intervals or first_session(log, bar) >= added_at

    assert all(map(is_expected, added))
    assert added == list(filter(is_expected, bars_of_calm(all_built.take())))


def test_coverage_of_long_ago_is_forgotten_in_the_state_too() -> None:
    fold = covered_fold()
    assert records_of(fold)[b"?SIM:A"]
    put(fold, mark(NOON + HOUR, (NAME, "uncovered", NOON + HOUR)), mark(NOON + HOUR, (NAME, "released", NOON + HOUR)))
    put(fold, mark(T0 + 60 * DAY))
    assert dict(fold.save(9))[b"?SIM:A"] is None


def test_a_volume_of_more_than_64_bits_is_saved_and_gone_on_from() -> None:
    log: list[Record] = [
        mark(NOON - 30_000), tick(NOON - 20_000, 9.0, 4e17, is_baseline=True),
        mark(NOON - 19_000, (NAME, "covered", NOON - 20_000)), tick(NOON + 1_000, 9.0, 5e17), mark(NOON + 3 * MINUTE),
        tick(NOON + 4 * MINUTE, 9.0, 1e18),
    ]  # fmt: skip
    fold, whole = begun(*log), begun(*log)
    assert fold.take() == whole.take()
    records = records_of(fold)
    assert records[key(NAME)].startswith(b"[")
    gone_on = restored(records)
    issues = put(gone_on, mark(NOON + 2 * HOUR))
    assert issues == put(whole, mark(NOON + 2 * HOUR))
    assert max(bar.volume or 0 for bar in all_bars(issues)) == 6e17


def test_the_state_of_another_number_of_partitions_is_refused() -> None:
    records = records_of(covered_fold(Rules(partitions=24)))
    PartitionFold.restored(Rules(partitions=24), records)
    with pytest.raises(snapshot.StateError, match=r"of a log of 24 partitions, and 48 are meant now.*make it 24 again"):
        PartitionFold.restored(Rules(partitions=48), records)


def test_a_current_minute_is_saved_with_what_its_newest_tick_shows() -> None:
    ticks = [tick(NOON + second * 1_000, 10.0, 11.0 + second, day_high=20.0 + second) for second in range(2, 9)]
    first = tick(NOON - 1_000, 10.0, 10.5, day_high=20.0, is_baseline=True)
    whole, fold, changelog = begun(mark(NOON), first), begun(mark(NOON), first), dict[bytes, bytes]()
    for position, one in enumerate(ticks):
        put(whole, one)
        put(fold, one)
        fold = restarted(fold, changelog, position)
    issues = put(fold, mark(NOON + HOUR))
    assert issues == put(whole, mark(NOON + HOUR))
    assert all_bars(issues)[0].high == 28.0


def test_a_symbol_that_was_never_covered_is_forgotten_with_a_restart_and_without() -> None:
    records: list[Record] = [mark(NOON, ("SIM:A", "uncovered", NOON)), tick(NOON, 10.0), mark(NOON + 45 * DAY)]
    fold = begun(*records[:2])
    for one in (fold, restarted(fold, {}, 3)):
        put(one, records[2])
        assert not one.has_calendar(key())
