"""Bars: which of two wins, and how bars merge."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.bars import Bar, BarState, Origin, merge, rank, volume_of, volume_units, winner
from contracts.documents import bar_of, ohlcv_document
from contracts.intervals import MINUTE, Interval

PRICES = st.integers(1, 10**9).map(lambda n: n / 100)
VOLUMES = st.none() | st.integers(0, 10**15).map(volume_of)


@st.composite
def bars(draw: st.DrawFn, open_time: int = 0) -> Bar:
    four = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    opened, closed = draw(st.permutations(four[1:3]))
    origin = draw(st.sampled_from(Origin))
    return Bar(
        exchange="SIM", symbol="A", interval=Interval.M1, open_time=open_time, close_time=open_time + MINUTE,
        open=opened, high=four[3], low=four[0], close=closed, volume=draw(VOLUMES),
        tick_count=draw(st.integers(0, 3)), origin=origin, revision=draw(st.integers(0, 2)),
        gap_ms=draw(st.sampled_from([0, 500])), reason=draw(st.sampled_from([None, "late_tick"])),
    )  # fmt: skip


@given(bars(), bars(), bars())
def test_the_winning_rule_is_total_commutative_and_associative(a: Bar, b: Bar, c: Bar) -> None:
    assert winner(a, b) == winner(b, a)
    assert winner(winner(a, b), c) == winner(a, winner(b, c))
    assert winner(a, a) == a
    assert (rank(a) == rank(b)) == (a == b), "different bars never tie"


@given(st.lists(bars(), min_size=1, max_size=5))
def test_any_order_of_arrival_and_any_repetition_leaves_the_same_winner(arrivals: list[Bar]) -> None:
    winners = set()
    for order in itertools.islice(itertools.permutations(arrivals + arrivals[:1]), 24):
        stored = order[0]
        for bar in order[1:]:
            stored = winner(stored, bar)
        winners.add(stored)
    assert len(winners) == 1


def one(**changes: object) -> Bar:
    fields: dict[str, object] = {
        "exchange": "SIM", "symbol": "A", "interval": Interval.M1, "open_time": 0, "close_time": MINUTE,
        "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.5, "volume": 1.0, "origin": Origin.TICKS,
    }  # fmt: skip
    return Bar.model_validate(fields | changes)


def test_origin_beats_revision_and_revision_beats_values() -> None:
    backfill = one(origin=Origin.BACKFILL, revision=1_766_031_047_438)
    ticks, revised = one(), one(revision=1, high=2.5, tick_count=1)
    settled = one(origin=Origin.SETTLED, revision=1_766_031_047_438)
    assert winner(backfill, ticks) is ticks
    assert winner(revised, one(tick_count=99, high=9.0)) is revised
    assert winner(settled, one(revision=7)) is settled
    assert winner(one(gap_ms=10, tick_count=9), one()) == one(), "who heard more knows better"


def test_a_bar_says_whether_it_replaced_another() -> None:
    assert one().state is BarState.CLOSED
    assert one(origin=Origin.BACKFILL, revision=5).state is BarState.CLOSED
    assert one(revision=1).state is BarState.REVISED
    assert one(origin=Origin.SETTLED).state is BarState.REVISED


@pytest.mark.parametrize(
    "wrong",
    [
        {"high": 2.1}, {"low": 2.2}, {"open_time": 1}, {"close_time": MINUTE + 1}, {"volume": -1.0},
        {"open": float("nan")}, {"volume": float("inf")}, {"exchange": "sim"}, {"symbol": "A/B"}, {"unknown": 1},
        {"tick_count": "1"}, {"reason": "x" * 200}, {"revision": -1},
    ],
)  # fmt: skip
def test_what_is_no_bar_cannot_be_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        one(**wrong)


def test_a_bar_never_changes() -> None:
    with pytest.raises(ValidationError):
        one().high = 5.0  # type: ignore[misc]


@given(st.lists(st.integers(0, 59), min_size=1, max_size=30, unique=True), st.integers(0, 1 << 30))
def test_merging_is_the_same_in_any_order_and_in_any_grouping(minutes: list[int], seed: int) -> None:
    rnd = random.Random(seed)
    parts = [
        one(open_time=m * MINUTE, close_time=(m + 1) * MINUTE, open=10.0 + m, high=20.0 + m, low=1.0 + m,
            close=9.0 + m, volume=m / 7, tick_count=m, first_tick_time=m * MINUTE, last_tick_time=m * MINUTE + 9)
        for m in minutes
    ]  # fmt: skip
    whole = merge(Interval.H1, 0, parts)
    shuffled = rnd.sample(parts, len(parts))
    assert merge(Interval.H1, 0, shuffled) == whole
    quarters = [
        merge(Interval.M15, q * 15 * MINUTE, group)
        for q in range(4)
        if (group := [p for p in parts if p.open_time // (15 * MINUTE) == q])
    ]
    assert merge(Interval.H1, 0, quarters) == whole
    assert volume_units(whole.volume or 0) == sum(volume_units(p.volume or 0) for p in parts)


def test_nothing_cannot_be_merged_and_missing_volume_is_not_zero() -> None:
    with pytest.raises(ValueError, match="nothing"):
        merge(Interval.H1, 0, [])
    assert merge(Interval.H1, 0, [one(volume=None)]).volume is None
    assert merge(Interval.H1, 0, [one(volume=None), one(open_time=MINUTE, close_time=2 * MINUTE)]).volume == 1.0


@given(bars())
def test_a_stored_bar_is_read_back_as_it_was(bar: Bar) -> None:
    document = ohlcv_document(bar)
    assert bar_of(document) == bar
    assert document["_id"] == "SIM:A|1m|0"
    assert tuple(document["rank"].values()) == rank(bar)
