"""One minute of one symbol: its prices in any order of arrival, and its volume."""

import itertools

import pytest

from aggregator.core.counter import Move
from aggregator.core.minute import Minute, Seen, order
from contracts import wire
from contracts.intervals import MINUTE
from tests.support.folds import NOON
from tests.support.records import T0, tick

TICKS = [
    tick(NOON + 1_000, 10.0, 1.0),
    tick(NOON + 2_000, 12.0, 2.0),
    tick(NOON + 2_900, 9.0, 3.0, sequence=1),
    tick(NOON + 40_000, 11.0, 4.0),
]


def minute_of(*ticks: wire.Tick) -> Minute:
    minute = Minute(NOON, NOON + MINUTE, T0)
    for one in ticks:
        minute.take(one)
    return minute


def never(_move: Move) -> bool:
    return False


@pytest.mark.parametrize("ticks", list(itertools.permutations(TICKS)))
def test_any_order_of_arrival_gives_the_same_prices(ticks: tuple[wire.Tick, ...]) -> None:
    values = minute_of(*ticks).values(never)
    assert values is not None
    assert (values.open, values.high, values.low, values.close) == (10.0, 12.0, 9.0, 11.0)
    assert (values.tick_count, values.first_tick_time, values.last_tick_time) == (4, NOON + 1_000, NOON + 40_000)


def test_within_a_second_the_sequence_decides_then_the_price() -> None:
    assert order(tick(NOON + 999, 5.0, sequence=1)) < order(tick(NOON, 4.0, sequence=2))
    assert order(tick(NOON, 4.0, sequence=2)) < order(tick(NOON, 5.0, sequence=2))
    assert order(Seen(NOON, 2, 4.0)) == order(tick(NOON + 1, 4.0, sequence=2))


def test_a_minute_without_a_tick_has_no_bar() -> None:
    minute = minute_of()
    minute.volume = 10
    assert minute.values(never) is None


def test_what_is_kept_of_its_ticks_gives_the_same_bar() -> None:
    minute = minute_of(*TICKS)
    before = minute.values(never)
    minute.keep_seen()
    assert minute.values(never) == before
    minute.take(tick(NOON + 50_000, 13.0))
    after = minute.values(never)
    assert after is not None
    assert (after.close, after.high, after.last_tick_time) == (13.0, 13.0, NOON + 50_000)


def test_extremes_of_the_day_widen_it() -> None:
    minute = minute_of(*TICKS)
    minute.widen(20.0, None)
    minute.widen(None, 3.0)
    minute.widen(15.0, 5.0)
    values = minute.values(never)
    assert values is not None
    assert (values.high, values.low, values.open, values.close) == (20.0, 3.0, 10.0, 11.0)


def test_its_volume_is_what_was_counted_and_what_was_covered_before_a_baseline() -> None:
    minute = minute_of(*TICKS)
    minute.volume = 100
    minute.moves = [Move(NOON, NOON + 5, 7, 7), Move(NOON, NOON + 6, 50, 50)]
    values = minute.values(lambda move: move.traded == 7)
    assert values is not None
    assert values.volume == 107


def test_without_a_counter_it_has_no_volume() -> None:
    minute = minute_of(tick(NOON, 1.0), tick(NOON + 1, 2.0))
    values = minute.values(never)
    assert values is not None
    assert values.volume is None
    minute.take(tick(NOON + 2, 2.0, 5.0))
    values = minute.values(never)
    assert values is not None
    assert values.volume == 0
