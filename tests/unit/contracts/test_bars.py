"""Bars: which of two wins, and how bars merge."""

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.bars import (
    VOLUME_SCALE,
    Bar,
    BarsComplete,
    BarState,
    Origin,
    merge,
    rank,
    volume_of,
    volume_units,
    winner,
)
from contracts.base import MAX_MS, MIN_MS
from contracts.documents import bar_of, ohlcv_document
from contracts.intervals import DAY, HOUR, MINUTE, Interval

PRICES = st.integers(1, 10**9).map(lambda n: n / 100)
VOLUMES = st.none() | st.integers(0, 10**15).map(volume_of)


@st.composite
def bars(draw: st.DrawFn, open_time: int = 0) -> Bar:
    four = sorted(draw(st.lists(PRICES, min_size=4, max_size=4)))
    opened, closed = draw(st.permutations(four[1:3]))
    origin = draw(st.sampled_from(Origin))
    return Bar(
        exchange="SIM", symbol="A", interval=Interval.M1, open_time=open_time, close_time=open_time + MINUTE,
        trading_day=draw(st.sampled_from([0, DAY])), delay=draw(st.sampled_from([0, 900])),
        open=opened, high=four[3], low=four[0], close=closed, volume=draw(VOLUMES),
        tick_count=draw(st.integers(0, 3)), origin=origin, revision=draw(st.integers(0, 2)),
        first_tick_time=draw(st.sampled_from([None, -1, 5])), gap_ms=draw(st.sampled_from([0, 500])),
        reason=draw(st.sampled_from([None, "late_tick"])),
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
        "trading_day": 0, "open": 2.0, "high": 3.0, "low": 1.0, "close": 2.5, "volume": 1.0, "origin": Origin.TICKS,
    }  # fmt: skip
    return Bar.model_validate(fields | changes)


def test_origin_beats_revision_and_revision_beats_values() -> None:
    backfill = one(origin=Origin.BACKFILL, revision=1_766_031_047_438)
    ticks, revised = one(), one(revision=1, high=2.5, tick_count=1)
    provider_final = one(origin=Origin.PROVIDER_FINAL, revision=1_766_031_047_438)
    assert winner(backfill, ticks) is ticks
    assert winner(revised, one(tick_count=99, high=9.0)) is revised
    assert winner(provider_final, one(revision=1_766_031_047_439)) is provider_final
    assert winner(one(gap_ms=10, tick_count=9), one()) == one(), "the one that was covered longer wins"


def test_a_bar_says_whether_it_replaced_another() -> None:
    assert one().state is BarState.CLOSED
    assert one(origin=Origin.BACKFILL, revision=5).state is BarState.CLOSED
    assert one(revision=1).state is BarState.REVISED
    assert one(origin=Origin.PROVIDER_FINAL).state is BarState.REVISED


@pytest.mark.parametrize(
    "wrong",
    [
        {"high": 2.1}, {"low": 2.2}, {"close": 3.1}, {"volume": -1.0}, {"open": float("nan")}, {"high": 1.1e15},
        {"volume": float("inf")}, {"volume": 1.1e20}, {"exchange": "sim"}, {"symbol": "A:B"}, {"unknown": 1},
        {"tick_count": "1"}, {"reason": "x" * 200}, {"revision": -1}, {"delay": 86_401}, {"gap_ms": -1},
        {"close_time": 0}, {"close_time": -MINUTE}, {"trading_day": 1}, {"trading_day": HOUR}, {"trading_day": None},
        {"open_time": MIN_MS - MINUTE}, {"close_time": MAX_MS + 1}, {"interval": "7m"}, {"origin": "settled"},
    ],
)  # fmt: skip
def test_what_is_no_bar_cannot_be_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        one(**wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"open_time": 555 * MINUTE, "close_time": 556 * MINUTE},
        {"interval": Interval.H1, "open_time": 225 * MINUTE, "close_time": 285 * MINUTE},
        {"interval": Interval.H1, "open_time": 20 * HOUR + 30 * MINUTE, "close_time": 21 * HOUR},
        {"open_time": -MINUTE, "close_time": 0, "trading_day": -DAY, "first_tick_time": -5, "last_tick_time": -1},
        {"open_time": 23 * HOUR, "close_time": 23 * HOUR + MINUTE, "trading_day": DAY},
        {"volume": 1e20, "low": -1e15, "high": 1e15},
    ],
    ids=["a minute", "an hour of Mumbai", "cut by the close", "before 1970", "a night session", "the bounds"],
)
def test_an_intraday_bar_lies_where_its_calendar_puts_it(right: dict[str, object]) -> None:
    assert Bar.decode(one(**right).encode()) == one(**right)


@pytest.mark.parametrize("interval", [Interval.D1, Interval.W1, Interval.MO1])
def test_a_daily_or_longer_bar_is_labelled_midnight_utc_of_its_trading_day(interval: Interval) -> None:
    def bar(label: int, close_time: int, trading_day: int) -> Bar:
        return one(interval=interval, open_time=label, close_time=close_time, trading_day=trading_day)

    assert bar(-DAY, 0, -DAY).trading_day == -DAY
    for wrong in [(HOUR, DAY, HOUR), (HOUR, DAY, 0), (0, DAY, DAY), (DAY, 2 * DAY, 0)]:
        with pytest.raises(ValidationError):
            bar(*wrong)


def test_a_trading_day_may_close_before_midnight_utc_begins_it() -> None:
    early = one(interval=Interval.D1, open_time=DAY, close_time=DAY - 2 * HOUR, trading_day=DAY)
    assert early.close_time < early.open_time, "a session of a far eastern zone ends on the date before in UTC"


def test_a_bar_never_changes() -> None:
    with pytest.raises(ValidationError):
        one().high = 5.0  # type: ignore[misc]


@given(st.lists(st.integers(0, 59), min_size=1, max_size=30, unique=True), st.integers(0, 1 << 30))
def test_merging_is_the_same_in_any_order_and_in_any_grouping(minutes: list[int], seed: int) -> None:
    rnd = random.Random(seed)
    parts = [
        one(open_time=m * MINUTE, close_time=(m + 1) * MINUTE, open=10.0 + m, high=20.0 + m, low=1.0 + m,
            close=9.0 + m, volume=m / 7, tick_count=m, gap_ms=m, first_tick_time=m * MINUTE,
            last_tick_time=m * MINUTE + 9)
        for m in minutes
    ]  # fmt: skip
    whole = merge(Interval.H1, 0, HOUR, 0, parts)
    shuffled = rnd.sample(parts, len(parts))
    assert merge(Interval.H1, 0, HOUR, 0, shuffled) == whole
    quarters = [
        merge(Interval.M15, q * 15 * MINUTE, (q + 1) * 15 * MINUTE, 0, group)
        for q in range(4)
        if (group := [p for p in parts if p.open_time // (15 * MINUTE) == q])
    ]
    assert merge(Interval.H1, 0, HOUR, 0, quarters) == whole
    assert volume_units(whole.volume or 0) == sum(volume_units(p.volume or 0) for p in parts)
    assert whole.gap_ms == sum(minutes)


def test_a_merged_bar_has_the_times_it_is_given() -> None:
    day = merge(Interval.D1, DAY, DAY + 7 * HOUR, DAY, [one(trading_day=DAY)])
    assert (day.open_time, day.close_time, day.trading_day) == (DAY, DAY + 7 * HOUR, DAY)


def test_nothing_cannot_be_merged_and_missing_volume_is_not_zero() -> None:
    with pytest.raises(ValueError, match="nothing"):
        merge(Interval.H1, 0, HOUR, 0, [])
    without, second = one(volume=None), one(open_time=MINUTE, close_time=2 * MINUTE)
    assert merge(Interval.H1, 0, HOUR, 0, [without]).volume is None
    assert merge(Interval.H1, 0, HOUR, 0, [without, second]).volume == 1.0


def test_a_counter_of_a_trillion_loses_no_unit() -> None:
    levels = [volume_units(1e12 + moved) for moved in (0, 1, 3, 6)]
    increments = [after - before for before, after in itertools.pairwise(levels)]
    assert [volume_of(units) for units in increments] == [1.0, 2.0, 3.0]
    assert volume_of(sum(increments)) == 6.0


@given(st.integers(0, 10**18), st.integers(0, 10**18))
def test_whole_units_are_exact_up_to_the_largest_volume(one_level: int, other: int) -> None:
    assert volume_units(float(one_level)) == int(float(one_level)) * VOLUME_SCALE
    difference = volume_units(float(other)) - volume_units(float(one_level))
    assert difference == (int(float(other)) - int(float(one_level))) * VOLUME_SCALE


@given(st.floats(0, 1e18))
@example(1e12 + 0.5)
@example(0.1 + 0.2)
@example(0.000000005)
@example(900_000_000.73)
@example(123_456_789.12345678)
def test_a_volume_is_converted_to_the_unit_nearest_to_its_decimal(volume: float) -> None:
    written = Fraction(repr(volume)) if volume < 2**53 else Fraction(volume)
    assert abs(volume_units(volume) - written * VOLUME_SCALE) <= Fraction("0.50000001")


@given(st.integers(0, 2**26 * VOLUME_SCALE - 1))
def test_every_unit_of_a_volume_below_67_million_comes_back_as_it_was(units: int) -> None:
    assert volume_units(volume_of(units)) == units


@pytest.mark.parametrize("wrong", [{"count": -1}, {"delay": -1}, {"closed_through": MAX_MS + 1}, {"kind": "bar"}])
def test_what_completes_no_bars_cannot_be_made(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"delay": 0, "closed_through": MINUTE, "final_through": -4 * MINUTE, "count": 0}
    BarsComplete.model_validate(fields)
    with pytest.raises(ValidationError):
        BarsComplete.model_validate(fields | wrong)


@given(bars())
def test_a_stored_bar_is_read_back_as_it_was(bar: Bar) -> None:
    document = ohlcv_document(bar)
    assert bar_of(document) == bar
    assert document["_id"] == "SIM:A|1m|0"
    assert tuple(document["rank"].values()) == rank(bar)
