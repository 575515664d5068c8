"""What crosses the modules of the fold: ticks that are put aside, ticks before the first mark, the short way."""

import pytest

from aggregator.core.emission import Kind
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.folds import COVERED, NOON, all_bars, bars_of, begun, dead_of, entries, fold_of, listed, put, start
from tests.support.records import key, mark, tick


def test_a_tick_from_the_future_is_dead_and_says_by_how_much() -> None:
    fold = begun(listed(), mark(NOON, COVERED))
    fold.tick(key(), tick(NOON + 61_001, 1.0), NOON + 1_000)
    fold.tick(key(), tick(NOON + 61_000, 1.0), NOON + 1_000)
    issues = fold.take()
    assert [(one.cause, one.kind) for one in dead_of(issues)] == [("event_time is 60001 ms in the future", "future")]
    assert fold.open_minutes == 1


def test_a_tick_is_held_against_the_clock_where_its_own_timestamp_is_behind_it() -> None:
    fold = begun(listed(), mark(NOON + 30_000, COVERED))
    for at in (NOON + 58_500, NOON + 59_000, NOON + 90_001):
        fold.tick(key(), tick(at, 1.0), NOON - 2_000)
    issues = fold.take()
    assert [one.cause for one in dead_of(issues)] == ["event_time is 60001 ms in the future"]
    (minute,) = bars_of(put(fold, mark(NOON + MINUTE + 2_000)))
    assert minute.tick_count == 2


def test_before_the_first_mark_an_old_tick_is_late() -> None:
    fold = begun(listed())
    fold.tick(key(), tick(NOON - 2 * DAY, 1.0), NOON)
    assert [issue.kind for issue in fold.take()] == [Kind.LATE]
    assert all_bars(put(fold, mark(NOON + HOUR))) == []


def test_before_the_first_mark_a_tick_of_the_last_hour_counts() -> None:
    fold = begun(listed())
    fold.tick(key(), tick(NOON - 59 * MINUTE, 1.0), NOON)
    assert fold.take() == []
    assert [bar.open_time for bar in bars_of(put(fold, mark(NOON)))] == [NOON - 59 * MINUTE]


def test_a_tick_that_is_too_late_for_any_bar_does_not_begin_its_symbol() -> None:
    old = tick(NOON - 2 * HOUR, 9.0, 100.0, received_at=NOON)
    ticks = [tick(NOON + 1_000, 10.0, 150.0), tick(NOON + 2_000, 10.0, 151.0)]
    issues = fold_of(old, *ticks, mark(NOON + 3_000, COVERED), mark(NOON + 2 * MINUTE))
    assert [issue.kind for issue in issues][:1] == [Kind.LATE]
    assert [bar.volume for bar in bars_of(issues)] == [1.0], "what was traded between the two is no bar's"


def test_open_and_close_follow_the_event_time_in_seconds_and_then_the_sequence() -> None:
    at = NOON + 10_000
    ticks = [tick(at + 900, 3.0, sequence=30), tick(at + 100, 4.0, sequence=40), tick(at - 1, 1.0, sequence=50),
             tick(at + 999, 2.0, sequence=20)]  # fmt: skip
    (bar,) = bars_of(fold_of(*start(None), *ticks, mark(NOON + 2 * MINUTE)))
    assert (bar.open, bar.close, bar.high, bar.low) == (1.0, 4.0, 4.0, 1.0)
    assert (bar.first_tick_time, bar.last_tick_time) == (at - 1, at + 999)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_ticks_of_the_short_way_and_of_the_long_way_give_the_same_bars(batch: int) -> None:
    """Calling `tick` for each leaves nothing to the short way that a batch would not leave to it."""
    ticks = [
        tick(NOON + n * 700, 10.0 + n % 5, 11.0 + n * 0.5, day_high=14.0 + n // 9, day_low=9.0) for n in range(200)
    ]
    ticks[50] = tick(NOON + 50 * 700, 99.0, 12.0)
    ticks[120] = tick(NOON + 120 * 700 - 65_000, 5.0, 71.0, received_at=NOON + 120 * 700)
    log = entries(*start(), *ticks, mark(NOON + HOUR))
    whole, parts = begun(listed()), begun(listed())
    whole.feed(log)
    for place in range(0, len(log), batch):
        parts.feed(log[place : place + batch])
    assert parts.take() == whole.take()


def test_symbols_do_not_touch_each_other() -> None:
    one = [tick(NOON + n * 5_000, 10.0 + n, 11.0 + n) for n in range(30)]
    other = [tick(NOON + n * 5_000 + 7, 90.0 - n, 500.0 + n * n, symbol="SIM:B") for n in range(30)]
    both = [record for pair in zip(one, other, strict=True) for record in pair]
    alone = all_bars(fold_of(*start(), *one, mark(NOON + HOUR)))
    together = all_bars(fold_of(*start(), *both, mark(NOON + HOUR)))
    assert [bar for bar in together if bar.symbol == "A"] == alone
    assert len(together) == 2 * len(alone)


def test_open_minutes_are_counted_over_all_symbols() -> None:
    fold = begun(mark(NOON), tick(NOON + 1_000, 1.0), tick(NOON + MINUTE, 1.0), tick(NOON + 1_000, 1.0, symbol="SIM:B"))
    assert fold.open_minutes == 3
    put(fold, mark(NOON + MINUTE + 2_000))
    assert fold.open_minutes == 1


def test_a_fold_without_a_record_has_nothing() -> None:
    fold = PartitionFold(Rules())
    assert (fold.take(), fold.clock, fold.open_minutes, list(fold.forming())) == ([], 0, 0, [])
    assert [name for name, _ in fold.save(0)] == [b"!"]
