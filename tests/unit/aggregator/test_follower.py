"""Which observations are followed: baselines and what moved before them, gaps, epochs that hand over or are killed."""

import msgspec
import pytest

from aggregator.core.counter import Move, Observed
from aggregator.core.follower import Follower
from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.folds import NOON, bars_of, fold_of, gaps_of, start
from tests.support.records import T0, mark, tick


def test_a_baseline_is_no_tick_and_what_moved_uncovered_before_it_is_no_volume() -> None:
    issues = fold_of(
        *start(cumulative=100.0),
        mark(NOON - 5_000, ("SIM:A", "uncovered", NOON - 10_000)),
        tick(NOON + 1_000, 50.0, 107.0, is_baseline=True),
        mark(NOON + 1_050, ("SIM:A", "covered", NOON + 1_050)),
        tick(NOON + 2_000, 10.0, 109.0),
        mark(NOON + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.open, bar.high, bar.volume, bar.tick_count) == (10.0, 10.0, 2.0, 1)
    assert [gap.gap_volume for gap in gaps_of(issues)] == [7.0]


def test_what_moved_before_a_baseline_while_an_epoch_covered_it_is_volume() -> None:
    """An owner that takes over begins with a baseline, while the one before still covers: nothing was lost."""
    issues = fold_of(
        *start(cumulative=100.0),
        tick(NOON + 1_000, 50.0, 107.0, is_baseline=True),
        mark(NOON + 1_100, ("SIM:A", "covered", NOON + 1_050), epoch=2),
        tick(NOON + 2_000, 10.0, 109.0),
        mark(NOON + 2 * MINUTE),
    )
    (bar,) = bars_of(issues)
    assert (bar.open, bar.high, bar.volume, bar.tick_count) == (10.0, 10.0, 9.0, 1)
    assert gaps_of(issues) == []


def test_what_moved_while_an_epoch_was_silent_is_volume_if_it_covered_that_time_after_all() -> None:
    issues = fold_of(
        *start(),
        tick(NOON + 1_000, 10.0, 11.0),
        mark(NOON + 2_000),
        tick(NOON + 58_000, 10.0, 15.0, is_baseline=True, received_at=NOON + 59_000),
        tick(NOON + 59_500, 10.0, 15.0),
        mark(NOON + 62_500, ("SIM:A", "covered", NOON + 62_400), epoch=2),
        mark(NOON + 62_600),
        mark(NOON + 65_000, epoch=2),
        mark(NOON + 10 * MINUTE, epoch=2),
    )
    assert gaps_of(issues) == []
    assert [(bar.revision, bar.volume, bar.reason) for bar in bars_of(issues)] == [
        (0, 1.0, None), (1, 5.0, "volume"),
    ]  # fmt: skip


def test_the_volume_of_a_gap_is_no_bars() -> None:
    issues = fold_of(
        *start(cumulative=100.0),
        tick(NOON + 1_000, 10.0, 101.0),
        mark(NOON + 10_000, ("SIM:A", "uncovered", NOON + 5_000)),
        tick(NOON + MINUTE + 1_000, 10.0, 151.0, is_baseline=True),
        mark(NOON + MINUTE + 1_050, ("SIM:A", "covered", NOON + MINUTE + 1_050)),
        tick(NOON + 2 * MINUTE + 1_000, 10.0, 153.0),
        mark(NOON + 3 * MINUTE + 5_000),
    )
    assert [bar.volume for bar in bars_of(issues)] == [1.0, 2.0]
    assert [(gap.start, gap.end, gap.gap_volume) for gap in gaps_of(issues)] == [
        (NOON + 5_000, NOON + MINUTE + 1_050, 50.0)
    ]


def test_what_was_covered_before_a_baseline_belongs_to_the_minute_of_the_next_ordinary_tick() -> None:
    issues = fold_of(
        *start(cumulative=100.0),
        tick(NOON + 1_000, 10.0, 101.0),
        tick(NOON + 40_000, 10.0, 151.0, is_baseline=True),
        mark(NOON + MINUTE),
        tick(NOON + 2 * MINUTE + 1_000, 10.0, 153.0),
        mark(NOON + 3 * MINUTE + 5_000),
    )
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(NOON, 1.0), (NOON + 2 * MINUTE, 52.0)]


def test_a_day_that_began_uncovered_gives_its_first_volume_to_no_bar() -> None:
    day = T0 + DAY
    issues = fold_of(
        mark(day - HOUR),
        tick(day - 30_000, 10.0, 900.0, is_baseline=True),
        mark(day - 29_000, ("SIM:A", "covered", day - 30_000)),
        mark(day - 20_000, ("SIM:A", "uncovered", day - 25_000)),
        tick(day + 5_000, 11.0, 70.0, is_baseline=True),
        mark(day + 6_000, ("SIM:A", "covered", day + 5_000)),
        tick(day + 9_000, 11.0, 71.0),
        mark(day + 2 * MINUTE),
    )
    assert [(bar.open_time, bar.volume, bar.gap_ms) for bar in bars_of(issues)] == [(day, 1.0, 5_000)]
    assert [gap.gap_volume for gap in gaps_of(issues)] == [None], "a day opened in the gap: what moved is unknown"


@pytest.mark.parametrize("traded_at", [5_000, -HOUR], ids=["in an open minute", "in a closed minute"])
def test_a_day_that_began_while_no_epoch_covered_gives_its_first_volume_to_no_bar(traded_at: int) -> None:
    """A process that was killed says nothing: its coverage ended at its last mark."""
    day = T0 + DAY
    back = day + 2 * HOUR
    issues = fold_of(
        mark(day - HOUR),
        tick(day - 30_000, 10.0, 900.0, is_baseline=True),
        mark(day - 29_000, ("SIM:A", "covered", day - 30_000)),
        mark(back, epoch=2),
        tick(back + traded_at, 11.0, 70.0, is_baseline=True, received_at=back + 5_000, epoch=2),
        mark(back + 6_000, ("SIM:A", "covered", back + 5_000), epoch=2),
        tick(back + 9_000, 11.0, 71.0, epoch=2),
        mark(back + 2 * MINUTE, epoch=2),
    )
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(back, 1.0)]


def quiet(begin: int, end: int) -> list[wire.Mark]:
    """Nothing but marks, one a second."""
    return [mark(at) for at in range(begin, end, 1_000)]


def test_what_moved_in_a_gap_is_on_one_event_however_often_the_feed_is_lost_afterwards() -> None:
    records: list[wire.Tick | wire.Mark] = [*start(100.0), tick(NOON + 1_000, 9.0, 100.0)]
    at = NOON + 2 * MINUTE
    records += quiet(NOON + 2_000, at)
    for _ in range(4):
        records += [mark(at, ("SIM:A", "uncovered", at - 1)), *quiet(at + 250, at + 10_000)]
        at += 10_000
        records += [tick(at, 9.0, 150.0, is_baseline=True), mark(at + 51, ("SIM:A", "covered", at + 50))]
        records += quiet(at + 1_000, at + 10 * MINUTE)
        at += 10 * MINUTE
    at += MINUTE - at % MINUTE
    records += [tick(at, 9.0, 150.0), tick(at + 2_000, 9.0, 1_150.0), *quiet(at + 3_000, at + 2 * MINUTE)]
    issues = fold_of(*records)
    assert [gap.gap_volume for gap in gaps_of(issues)] == [50.0, 0.0, 0.0, 0.0]
    assert bars_of(issues)[-1].volume == 1_000.0


@pytest.mark.parametrize("after_the_boundary", [0, 500, 1_500, 2_500, 30_000])
def test_a_gap_has_its_volume_whenever_in_a_minute_it_ends(after_the_boundary: int) -> None:
    ends = NOON + 40 * MINUTE + after_the_boundary
    traded = tick(NOON + 2 * MINUTE, 9.5, 900.0, is_baseline=True, received_at=ends, sequence=ends * 4096)
    issues = fold_of(
        *start(100.0), tick(NOON + 500, 9.0, 101.0), *quiet(NOON + 1_000, NOON + 30_000),
        mark(NOON + 31_000, ("SIM:A", "uncovered", NOON + 30_000)), *quiet(NOON + 32_000, ends),
        traded, mark(ends + 1, ("SIM:A", "covered", ends)), *quiet(ends + 250, ends + 10 * MINUTE),
    )  # fmt: skip
    assert [(gap.start, gap.end, gap.gap_volume) for gap in gaps_of(issues)] == [(NOON + 30_000, ends, 799.0)]


def test_a_counter_that_fell_in_a_gap_leaves_its_volume_unknown() -> None:
    issues = fold_of(
        *start(cumulative=100.0), mark(NOON, ("SIM:A", "uncovered", NOON)),
        tick(NOON + 9_000, 10.0, 90.0, is_baseline=True), mark(NOON + 9_100, ("SIM:A", "covered", NOON + 9_100)),
        tick(NOON + 10_000, 10.0, 92.0), mark(NOON + 2 * MINUTE),
    )  # fmt: skip
    assert [gap.gap_volume for gap in gaps_of(issues)] == [None]
    assert [bar.volume for bar in bars_of(issues)] == [2.0]


def test_a_tick_written_twice_and_one_of_an_older_sequence_are_prices_only() -> None:
    at = NOON + 1_000
    newest = tick(at, 10.0, 15.0)
    older = tick(at, 11.0, 12.0, sequence=newest.sequence - 1)
    (bar,) = bars_of(fold_of(*start(), newest, newest, older, mark(NOON + 2 * MINUTE)))
    assert (bar.volume, bar.tick_count, bar.high) == (5.0, 3, 11.0)


def test_two_epochs_that_overlap_count_nothing_twice_and_their_prices_both_count() -> None:
    both = [
        tick(NOON + second * 1_000, 10.0 + epoch, 100.0 + second, epoch=epoch,
             received_at=NOON + second * 1_000 + epoch, is_baseline=epoch == 2 and second == 1)
        for second in range(1, 10) for epoch in (1, 2)
    ]  # fmt: skip
    issues = fold_of(
        *start(100.0), mark(NOON, ("SIM:A", "covered", NOON), epoch=2), *both, mark(NOON + 9_010),
        mark(NOON + 9_020, ("*", "uncovered", NOON + 9_020)),
        tick(NOON + 11_000, 12.0, 111.0, epoch=2), mark(NOON + 3 * MINUTE, epoch=2),
    )  # fmt: skip
    (bar,) = bars_of(issues)
    assert (bar.volume, bar.high, bar.tick_count) == (11.0, 12.0, 18)
    assert gaps_of(issues) == []


def test_a_fall_that_is_taken_back_while_a_second_feed_catches_up_costs_no_later_volume() -> None:
    """The counter fell at the hand-over, so the second feed is below the level; an older update comes as well."""
    over = NOON + 10_000
    issues = fold_of(
        *start(500.0), tick(NOON + 9_000, 10.0, 510.0), mark(NOON + 9_050),
        tick(over - 900, 10.0, 300.0, epoch=2, is_baseline=True, received_at=over - 800),
        mark(over - 700, ("SIM:A", "covered", over - 800), epoch=2),
        mark(over, ("*", "uncovered", over)), tick(over + 2_000, 10.0, 290.0, epoch=2),
        tick(over + 3_000, 10.0, 302.0, epoch=2), tick(NOON + 2 * MINUTE, 10.0, 320.0, epoch=2),
        tick(NOON + 2 * MINUTE + 1_000, 10.0, 330.0, epoch=2), mark(NOON + 4 * MINUTE, epoch=2),
    )  # fmt: skip
    assert [bar.volume for bar in bars_of(issues)] == [10.0, 28.0]


def test_an_owner_whose_clock_is_behind_is_followed_though_its_epoch_has_a_lower_number() -> None:
    over = NOON + 30_000
    issues = fold_of(
        mark(NOON - 1_000, ("SIM:A", "covered", NOON - 1_000), epoch=20),
        *(tick(at, 10.0, 100.0 + (at - NOON) / 1_000, epoch=20) for at in range(NOON, over, 1_000)),
        mark(over, ("SIM:A", "uncovered", over), epoch=20),
        tick(over - 50, 10.0, 129.0, epoch=10, is_baseline=True, received_at=over),
        mark(over + 10, ("SIM:A", "covered", over - 50), epoch=10),
        *(one for at in range(over, NOON + 3 * MINUTE, 1_000)
          for one in (tick(at + 100, 10.0, 100.0 + (at - NOON) / 1_000, epoch=10), mark(at + 200, epoch=10))),
        tick(NOON + 3 * MINUTE, 10.0, 900.0, epoch=20),
        mark(NOON + 5 * MINUTE, epoch=10),
    )  # fmt: skip
    assert [bar.volume for bar in bars_of(issues) if not bar.revision] == [59.0, 60.0, 60.0, 0.0]
    assert gaps_of(issues) == []


def test_an_observation_of_an_earlier_epoch_than_the_followed_one_moves_no_counter() -> None:
    issues = fold_of(
        *start(100.0), mark(NOON, ("*", "uncovered", NOON)),
        tick(NOON + 1_000, 10.0, 110.0, epoch=2, is_baseline=True),
        mark(NOON + 1_100, ("SIM:A", "covered", NOON), epoch=2),
        tick(NOON + 2_000, 10.0, 111.0, epoch=2), tick(NOON + 3_000, 10.0, 500.0),
        tick(NOON + 4_000, 10.0, 112.0, epoch=2),
        mark(NOON + 2 * MINUTE, epoch=2),
    )  # fmt: skip
    (bar,) = bars_of(issues)
    assert (bar.volume, bar.tick_count) == (12.0, 3)


def test_the_volume_between_a_killed_epoch_and_the_next_baseline_is_on_the_gap() -> None:
    again = NOON + 15_000
    issues = fold_of(
        *start(100.0), tick(NOON - 1_000, 5.0, 101.0), mark(NOON), mark(NOON + 12_000, epoch=2),
        tick(again, 5.0, 120.0, is_baseline=True, received_at=again, epoch=2),
        mark(again, ("SIM:A", "covered", again), epoch=2),
        tick(again + 1_000, 5.0, 121.0, epoch=2), mark(NOON + 2 * MINUTE, epoch=2),
    )  # fmt: skip
    assert [(gap.start, gap.end, gap.gap_volume) for gap in gaps_of(issues)] == [(NOON, again, 19.0)]
    assert [bar.volume for bar in bars_of(issues)] == [1.0, 1.0]


class Marks:
    """How far an epoch covers."""

    def __init__(self, reached: int, *, is_over: bool = False) -> None:
        self.answer = (reached, is_over)

    def reach(self, _symbol: str, _epoch: int) -> tuple[int, bool]:
        return self.answer


def seen(one: wire.Tick) -> Observed:
    minute, day = one.event_time - one.event_time % MINUTE, one.event_time - one.event_time % DAY
    return Observed(one.cumulative_volume or 0.0, one.event_time, one.received_at, None, minute, minute + MINUTE, day,
                    day, day, day, 0, True)  # fmt: skip


def followed(follower: Follower, one: wire.Tick, marks: Marks) -> float:
    counts, _ = follower.observe("SIM:A", one, seen(one), marks)
    return sum(units for _, units in counts) / 10**8


def test_a_later_epoch_is_followed_once_the_one_before_has_been_silent_for_a_second() -> None:
    first = tick(NOON, 1.0, 10.0)
    later = tick(NOON + 5_000, 1.0, 12.0, epoch=2)
    follower = Follower.first(first, T0)
    followed(follower, first, Marks(NOON))
    followed(follower, later, Marks(later.received_at - 1_000))
    assert follower.epoch == 1
    followed(follower, msgspec.structs.replace(later, sequence=later.sequence + 1), Marks(later.received_at - 1_001))
    assert follower.epoch == 2


def test_a_later_epoch_is_followed_at_once_when_the_one_before_has_said_that_it_is_over() -> None:
    first, later = tick(NOON, 1.0, 10.0), tick(NOON + 5_000, 1.0, 12.0, epoch=2, is_baseline=True)
    follower = Follower.first(first, T0)
    followed(follower, first, Marks(NOON))
    followed(follower, later, Marks(later.received_at, is_over=True))
    assert follower.epoch == 2
    assert follower.moves == [Move(first.received_at, later.received_at, 2 * 10**8, 2 * 10**8)]


def test_of_epochs_that_wait_only_so_many_are_remembered() -> None:
    first = tick(NOON, 1.0, 10.0)
    follower = Follower.first(first, T0)
    followed(follower, first, Marks(NOON))
    for epoch in range(2, 20):
        followed(follower, tick(NOON + epoch, 1.0, 12.0, epoch=epoch), Marks(NOON + HOUR))
    assert sorted(follower.others) == [16, 17, 18, 19]
