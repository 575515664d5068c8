"""The state of a fold as records: what cannot be gone on from is refused, and intervals come and go."""

import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.core import saved
from aggregator.core.fold import Issue, PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.records import T0, key, mark, tick
from tests.support.tick_logs import drawn_log

NAME = "SIM:A"


def records_of(fold: PartitionFold, position: int = 7) -> dict[bytes, bytes]:
    return {name: value for name, value in fold.save(position) if value is not None}


def restored(records: Mapping[bytes, bytes | None]) -> PartitionFold:
    return PartitionFold.restored(Rules(), {name: value for name, value in records.items() if value is not None})[0]


def as_gone_on_from(records: dict[bytes, bytes]) -> dict[bytes, Any]:
    """A symbol in which nothing happens is not saved again: its floor is at least what its class has passed."""
    passed = saved.decode_header(records[b"!"]).next
    found: dict[bytes, Any] = {}
    for name, value in records.items():
        found[name] = msgspec.msgpack.decode(value, strict=False)
        if name[:1] not in b"?!":
            delay_ms, floor = found[name][:2]
            found[name][1] = max(floor, passed.get(delay_ms, 0) - MINUTE)
    return found


def heard_fold() -> PartitionFold:
    fold = PartitionFold(Rules())
    fold.mark(mark(T0 - 30_000), T0 - 30_000)
    fold.tick(key(NAME), tick(T0 - 20_000, 9.0, 10.0, is_baseline=True), T0)
    fold.mark(mark(T0 - 19_000, (NAME, "heard", T0 - 20_000)), T0 - 19_000)
    fold.tick(key(NAME), tick(T0 + 1_000, 10.0, 11.0), T0 + 1_000)
    return fold


def test_a_state_is_gone_on_from_at_its_position() -> None:
    fold, position = PartitionFold.restored(Rules(), records_of(heard_fold(), position=42))
    assert (position, fold.open_minutes, fold.clock) == (42, 2, T0 - 19_000)
    fold.mark(mark(T0 + 10 * MINUTE), T0 + 10 * MINUTE)
    assert {issue.record.volume for issue in fold.take() if isinstance(issue.record, wire.Bar)} == {11.0}


def test_only_what_has_changed_is_saved_again() -> None:
    fold = heard_fold()
    assert set(records_of(fold)) == {b"SIM:A", b"?SIM:A", b"!"}
    assert set(records_of(fold)) == {b"!"}
    fold.tick(key(NAME), tick(T0 + 2_000, 12.0, 12.0), T0 + 2_000)
    assert set(records_of(fold)) == {b"SIM:A", b"!"}
    fold.mark(mark(T0 + 1_500, (NAME, "deaf", T0 + 1_500)), T0 + 1_500)
    assert set(records_of(fold)) == {b"?SIM:A", b"!"}


def test_a_symbol_that_nobody_wants_is_forgotten_once_nothing_of_it_is_open() -> None:
    fold = heard_fold()
    records = records_of(fold)
    fold.mark(mark(T0 + MINUTE, (NAME, "left", T0 + 30_000)), T0 + MINUTE)
    fold.mark(mark(T0 + 20 * DAY), T0 + 20 * DAY)
    assert b"SIM:A" not in {name for name, value in fold.save(8) if value is None}, "its month is open"
    fold.mark(mark(T0 + 100 * DAY), T0 + 100 * DAY)
    assert {name for name, value in fold.save(9) if value is None} >= {b"SIM:A", b"?SIM:A"} <= set(records)
    fold.tick(key(NAME), tick(T0 + 100 * DAY + 1_000, 10.0, 11.0), T0 + 100 * DAY + 1_000)
    assert b"SIM:A" in records_of(fold), "it may come back"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({b"!": None}, "no header"),
        ({b"!": b"\xc0"}, "header of the state cannot be read"),
        ({b"SIM:A": b"\x90"}, "state of SIM:A cannot be read"),
        ({b"?SIM:A": b"\x90"}, "what was heard of a symbol cannot be read"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused_with_what_to_do(change: dict[bytes, bytes | None], why: str) -> None:
    records = records_of(heard_fold()) | change
    with pytest.raises(saved.StateError, match=why) as refused:
        PartitionFold.restored(Rules(), {name: value for name, value in records.items() if value is not None})
    assert "delete the topic market.rollup.v1" in str(refused.value)


def test_a_state_of_another_format_is_refused() -> None:
    records = records_of(heard_fold())
    header = saved.decode_header(records[b"!"])
    values = [getattr(header, name) for name in header.__struct_fields__]
    records[b"!"] = saved.encode([saved.FORMAT + 1, *values[1:]])
    with pytest.raises(saved.StateError, match=f"of format {saved.FORMAT + 1}, this engine's is {saved.FORMAT}"):
        PartitionFold.restored(Rules(), records)


def encoded(issues: list[Issue]) -> list[tuple[bytes | None, bytes]]:
    return [(issue.key, wire.encode(issue.record)) for issue in issues]


def some_intervals(rnd: random.Random) -> tuple[Interval, ...]:
    longer = [*Interval][1:]
    out = rnd.sample(longer, rnd.randint(1, len(longer)))
    return tuple(interval for interval in Interval if interval not in out)


@given(st.integers(0, 1 << 32))
@example(164_019)
@settings(max_examples=40, deadline=None)
def test_what_was_saved_bit_by_bit_is_what_is_saved_at_once(seed: int) -> None:
    rnd, log = random.Random(seed), drawn_log(seed)
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


def test_a_residual_is_saved_again_once_it_was_told() -> None:
    often, once, closed = heard_fold(), heard_fold(), T0 + MINUTE + 2_000
    records = {}
    for fold in (often, once):
        fold.mark(mark(closed), closed)
        fold.mark(mark(closed + 3_000, (NAME, "deaf", closed + 1_000)), closed + 3_000)
        missed = tick(T0 + 59_000, 10.0, 20.0, received_at=closed + 6_000, is_baseline=True)
        fold.tick(key(NAME), missed, closed + 6_000)
        fold.mark(mark(closed + 6_900, (NAME, "heard", closed + 6_800)), closed + 6_900)
        fold.mark(mark(closed + 8_100), closed + 8_100)
        if fold is often:
            records = records_of(fold)
        fold.take()
        fold.mark(mark(closed + 9_000), closed + 9_000)
        (gap,) = [issue.record for issue in fold.take() if isinstance(issue.record, wire.GapEvent)]
        assert gap.residual_volume == 9.0
    assert records | records_of(often) == records_of(once)


@given(st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
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
        assert set(again) >= {name for name in records if name[:1] not in b"?!"}, "no state is left behind"
    fold.feed(log[cut:])
    only_fewer.feed(log[cut:])
    assert encoded(fold.take()) == encoded(only_fewer.take())


@given(st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
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
    added = fold.take()
    fold = restored(records | dict(fold.save(again)))
    fold.feed(log[again:])
    added += fold.take()
    all_built.feed(log[cut:])

    def bars(issues: list[Issue]) -> list[bytes]:
        found = [issue.record for issue in issues if isinstance(issue.record, wire.Bar)]
        return [
            wire.encode(bar) for bar in found if Interval(bar.interval) in fewer.intervals or bar.open_time >= added_at
        ]

    assert bars(added) == bars(all_built.take())
    assert all(
        Interval(issue.record.interval) in fewer.intervals or issue.record.open_time >= added_at
        for issue in added
        if isinstance(issue.record, wire.Bar)
    )


def test_what_was_heard_long_ago_is_forgotten_in_the_state_too() -> None:
    fold = heard_fold()
    assert records_of(fold)[b"?SIM:A"]
    fold.mark(mark(T0 + HOUR, (NAME, "deaf", T0 + HOUR)), T0 + HOUR)
    fold.mark(mark(T0 + HOUR, (NAME, "left", T0 + HOUR)), T0 + HOUR)
    fold.mark(mark(T0 + 60 * DAY), T0 + 60 * DAY)
    assert dict(fold.save(9))[b"?SIM:A"] is None


def test_a_volume_of_more_than_64_bits_is_saved_and_gone_on_from() -> None:
    fold, whole = PartitionFold(Rules()), PartitionFold(Rules())
    for one in (fold, whole):
        one.mark(mark(T0 - 30_000), T0 - 30_000)
        one.tick(key(NAME), tick(T0 - 20_000, 9.0, 4e17, is_baseline=True), T0)
        one.mark(mark(T0 - 19_000, (NAME, "heard", T0 - 20_000)), T0 - 19_000)
        one.tick(key(NAME), tick(T0 + 1_000, 9.0, 5e17), T0 + 1_000)
        one.mark(mark(T0 + 3 * MINUTE), T0 + 3 * MINUTE)
        one.tick(key(NAME), tick(T0 + 4 * MINUTE, 9.0, 1e18), T0 + 4 * MINUTE)
    assert fold.take() == whole.take()
    records = records_of(fold)
    assert records[key(NAME)].startswith(b"[")
    gone_on, _ = PartitionFold.restored(Rules(), records)
    for one in (gone_on, whole):
        one.mark(mark(T0 + 2 * HOUR), T0 + 2 * HOUR)
    issues = gone_on.take()
    assert issues == whole.take()
    assert max(i.record.volume or 0 for i in issues if isinstance(i.record, wire.Bar)) == 1e18


def test_the_state_of_another_number_of_partitions_is_refused() -> None:
    fold = PartitionFold(Rules(partitions=24))
    fold.tick(key(NAME), tick(T0, 9.0, 1.0), T0)
    records = records_of(fold)
    PartitionFold.restored(Rules(partitions=24), records)
    with pytest.raises(saved.StateError, match=r"of a log of 24 partitions, and 48 are meant now.*make it 24 again"):
        PartitionFold.restored(Rules(partitions=48), records)
