"""The fold from marks to uncovered stretches."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.marks import Coverage, Stretch, lost_time
from tests.support.records import mark

A = "SIM:A"
DAY = 86_400_000


def coverage(*marks: object) -> Coverage:
    folded = Coverage()
    for one in marks:
        folded.apply(one, one.watermark)  # type: ignore[arg-type, attr-defined]
    return folded


def instants(stretches: list[Stretch]) -> set[int]:
    return {at for start, end in stretches for at in range(start, end)}


def test_an_epoch_covers_nothing_at_first_and_a_symbol_from_its_first_snapshot() -> None:
    folded = coverage(mark(1_000), mark(2_000, (A, "covered", 1_500)), mark(9_000))
    assert folded.uncovered(A, 0, 9_000) == [(0, 1_500)]
    assert folded.uncovered("SIM:B", 0, 10) == [(0, 10)]


def test_coverage_ends_at_the_last_watermark_so_a_killed_process_needs_to_say_nothing() -> None:
    folded = coverage(mark(2_000, (A, "covered", 1_000)), mark(5_000), mark(60_000, epoch=0))
    assert folded.clock == 60_000
    assert folded.uncovered(A, 1_000, 60_000) == [(5_000, 60_000)]


def test_a_symbol_may_be_uncovered_from_an_instant_in_the_past_on() -> None:
    folded = coverage(mark(0, (A, "covered", 0)), mark(30_000), mark(30_250, (A, "uncovered", 12_000)))
    assert folded.uncovered(A, 0, 30_250) == [(12_000, 30_250)]
    folded.apply(mark(40_000, (A, "covered", 35_000)), 40_000)
    assert folded.uncovered(A, 0, 40_000) == [(12_000, 35_000)]


def test_a_symbol_is_covered_while_any_epoch_covers_it() -> None:
    folded = coverage(
        mark(0, (A, "covered", 0), epoch=1), mark(1_000, epoch=1), mark(1_100, epoch=2),
        mark(2_000, (A, "covered", 1_800), epoch=2), mark(3_000, epoch=1), mark(9_000, epoch=2),
    )  # fmt: skip
    assert folded.uncovered(A, 0, 9_000) == []
    assert folded.uncovered(A, 0, 9_500) == [(9_000, 9_500)]
    assert [folded.reach(A, epoch) for epoch in (1, 2, 9)] == [(3_000, False), (9_000, False), (0, True)]
    folded.apply(mark(9_500, (A, "uncovered", 2_500), epoch=1), 9_500)
    assert folded.reach(A, 1) == (2_500, True), "an epoch that has said where its coverage ends"


def test_every_symbol_of_an_epoch_can_be_uncovered_and_covered_again_at_once() -> None:
    folded = coverage(
        mark(0, (A, "covered", 0), ("SIM:B", "covered", 0), epoch=1),
        mark(0, ("SIM:C", "covered", 0), epoch=2),
        mark(5_000, ("*", "uncovered", 3_000), ("*", "covered", 4_500), epoch=1),
        mark(6_000, epoch=2),
    )
    assert folded.uncovered(A, 0, 5_000) == folded.uncovered("SIM:B", 0, 5_000) == [(3_000, 4_500)]
    assert folded.uncovered("SIM:C", 0, 5_000) == []


def test_a_released_symbol_is_not_wanted_until_it_is_covered_again() -> None:
    folded = coverage(mark(0, (A, "covered", 0)), mark(5_000, (A, "released", 4_000)))
    assert not folded.is_wanted(A)
    folded.apply(mark(9_000, ("*", "covered", 8_000)), 9_000)
    assert not folded.is_wanted(A), "covering all again does not bring back what was released"
    folded.apply(mark(9_500, (A, "covered", 9_200)), 9_500)
    assert folded.is_wanted(A)
    assert folded.uncovered(A, 0, 9_500) == [(4_000, 9_200)]


def test_the_engines_own_marks_move_the_clock_and_cover_nothing() -> None:
    folded = coverage(mark(7_000, (A, "covered", 0), epoch=0))
    assert folded.clock == 7_000
    assert folded.uncovered(A, 0, 7_000) == [(0, 7_000)]


def test_a_watermark_ahead_of_its_append_time_vouches_for_nothing_beyond_it() -> None:
    folded = coverage(mark(0, (A, "covered", 0)))
    assert folded.apply(mark(300_000 + 10_000), 10_000) == 10_000
    assert dict(folded.watermarks) == {1: 10_000}
    assert folded.uncovered(A, 0, 310_000) == [(10_000, 310_000)]
    assert folded.reach(A, 1) == (10_000, False)
    folded.apply(mark(20_000, (A, "covered", 320_000)), 20_000)
    assert folded.uncovered(A, 0, 310_000) == [(20_000, 310_000)], "neither does a change that lies ahead of it"


def test_a_watermark_that_goes_back_takes_nothing_back() -> None:
    folded = coverage(mark(0, (A, "covered", 0)), mark(9_000), mark(4_000))
    assert folded.clock == 9_000
    assert folded.uncovered(A, 0, 9_000) == []


def test_an_uncovered_stretch_costs_a_delayed_symbol_older_event_time() -> None:
    folded = coverage(mark(0, (A, "covered", 0)), mark(1_000_000, (A, "uncovered", 950_000)),
                     mark(1_100_000, (A, "covered", 1_010_000)), mark(2_000_000))  # fmt: skip
    cost = {
        minute: sum(
            end - start
            for start, end in lost_time(
                folded.uncovered(A, minute, minute + 3_600_000), minute, minute + 60_000, 900_000, 2_000
            )
        )
        for minute in (0, 60_000, 120_000)
    }
    assert cost == {0: 12_000, 60_000: 50_000, 120_000: 0}, "[950, 1010) s of receive time is [48, 110) s of event time"


@pytest.mark.parametrize(
    ("uncovered", "lost"),
    [
        ([], []),
        ([(0, 100)], []),
        ([(0, 101)], [(0, 1)]),
        ([(110, 120)], [(8, 20)]),
        ([(110, 120), (121, 130)], [(8, 30)]),
        ([(110, 120), (140, 150)], [(8, 20), (38, 50)]),
        ([(161, 300)], [(59, 60)]),
        ([(162, 300)], []),
        ([(0, 300)], [(0, 60)]),
    ],
)
def test_time_is_lost_once_however_the_stretches_lie(uncovered: list[Stretch], lost: list[Stretch]) -> None:
    found = lost_time(uncovered, 0, 60, delay_ms=100, close_delay_ms=2)
    assert instants(found) == instants(lost)


@given(
    st.lists(st.integers(-40, 200), min_size=0, max_size=8, unique=True).map(sorted),
    st.integers(-20, 20), st.integers(1, 60), st.integers(0, 90), st.integers(0, 30),
)  # fmt: skip
def test_lost_time_is_what_any_uncovered_instant_costs(
    edges: list[int], open_time: int, length: int, delay: int, close_delay: int
) -> None:
    uncovered = list(itertools.pairwise(edges))[::2]
    close_time = open_time + length
    lost = lost_time(uncovered, open_time, close_time, delay, close_delay)
    assert all(a < b for a, b in lost)
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(lost)), "in order and disjoint"
    costs = {at for a, b in uncovered for at in range(a - delay - close_delay, b - delay)}
    assert instants(lost) == {at for at in costs if open_time <= at < close_time}


def test_what_is_forgotten_changes_no_later_answer() -> None:
    folded = coverage(
        mark(0, (A, "covered", 0), ("SIM:B", "covered", 0)),
        mark(DAY, ("SIM:B", "uncovered", 1_000)),
        mark(2 * DAY, (A, "uncovered", DAY), (A, "covered", DAY + 5_000)),
    )
    folded.forget(DAY)
    assert folded.uncovered(A, DAY, 2 * DAY) == [(DAY, DAY + 5_000)]
    assert list(folded.symbols) == [A]


def test_a_symbol_that_was_released_without_having_been_covered_is_forgotten_too() -> None:
    folded = coverage(mark(0, (A, "released", 0)), mark(DAY))
    assert folded.forget(DAY) == [A]
    assert list(folded.symbols) == []
    assert folded.forget(DAY) == []


def test_a_symbol_that_was_uncovered_without_having_been_covered_is_not_wanted_and_is_forgotten() -> None:
    folded = coverage(mark(0, (A, "uncovered", 0)), mark(DAY))
    assert not folded.is_wanted(A)
    assert folded.forget(DAY) == [A]
    assert list(folded.symbols) == []


def test_what_is_restored_answers_as_before() -> None:
    folded = coverage(
        mark(0, (A, "covered", 0), ("SIM:B", "covered", 0)),
        mark(9_000, (A, "uncovered", 4_000), ("SIM:B", "released", 5_000)),
    )  # fmt: skip
    again = Coverage()
    again.restore(
        folded.clock, folded.watermarks, {name: folded.pieces(name) for name in folded.symbols},
        [name for name in folded.symbols if folded.is_released(name)],
    )  # fmt: skip
    for one in (folded, again):
        one.apply(mark(20_000, (A, "covered", 10_000), ("*", "covered", 11_000)), 20_000)
    assert [again.uncovered(name, 0, 20_000) for name in (A, "SIM:B")] == [[(4_000, 10_000)], [(5_000, 20_000)]]
    assert [folded.uncovered(name, 0, 20_000) for name in (A, "SIM:B")] == [[(4_000, 10_000)], [(5_000, 20_000)]]
    assert (again.is_wanted(A), again.is_wanted("SIM:B"), again.clock) == (True, False, 20_000)
