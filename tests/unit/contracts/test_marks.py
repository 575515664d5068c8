"""The fold from marks to unheard stretches."""

from contracts.marks import Hearing
from tests.support.records import mark

A = "SIM:A"
DAY = 86_400_000


def hearing(*marks: object) -> Hearing:
    folded = Hearing()
    for one in marks:
        folded.apply(one, one.through)  # type: ignore[arg-type, attr-defined]
    return folded


def test_a_run_begins_deaf_and_hears_from_the_first_snapshot() -> None:
    folded = hearing(mark(1_000), mark(2_000, (A, "heard", 1_500)), mark(9_000))
    assert folded.unheard(A, 0, 9_000) == [(0, 1_500)]
    assert folded.unheard("SIM:B", 0, 10) == [(0, 10)]


def test_hearing_ends_at_the_last_through_so_a_killed_process_needs_to_say_nothing() -> None:
    folded = hearing(mark(2_000, (A, "heard", 1_000)), mark(5_000), mark(60_000, run=0))
    assert folded.clock == 60_000
    assert folded.unheard(A, 1_000, 60_000) == [(5_000, 60_000)]


def test_deafness_may_be_back_dated() -> None:
    folded = hearing(mark(0, (A, "heard", 0)), mark(30_000), mark(30_250, (A, "deaf", 12_000)))
    assert folded.unheard(A, 0, 30_250) == [(12_000, 30_250)]
    folded.apply(mark(40_000, (A, "heard", 35_000)), 40_000)
    assert folded.unheard(A, 0, 40_000) == [(12_000, 35_000)]


def test_a_symbol_is_heard_while_any_run_hears_it() -> None:
    folded = hearing(
        mark(0, (A, "heard", 0), run=1), mark(1_000, run=1), mark(1_100, run=2),
        mark(2_000, (A, "heard", 1_800), run=2), mark(3_000, run=1), mark(9_000, run=2),
    )  # fmt: skip
    assert folded.unheard(A, 0, 9_000) == []
    assert folded.unheard(A, 0, 9_500) == [(9_000, 9_500)]


def test_every_symbol_of_a_run_can_go_deaf_and_hear_again_at_once() -> None:
    folded = hearing(
        mark(0, (A, "heard", 0), ("SIM:B", "heard", 0), run=1),
        mark(0, ("SIM:C", "heard", 0), run=2),
        mark(5_000, ("*", "deaf", 3_000), ("*", "heard", 4_500), run=1),
        mark(6_000, run=2),
    )
    assert folded.unheard(A, 0, 5_000) == folded.unheard("SIM:B", 0, 5_000) == [(3_000, 4_500)]
    assert folded.unheard("SIM:C", 0, 5_000) == []


def test_a_symbol_that_left_is_not_wanted_until_it_is_heard_again() -> None:
    folded = hearing(mark(0, (A, "heard", 0)), mark(5_000, (A, "left", 4_000)))
    assert not folded.is_wanted(A)
    folded.apply(mark(9_000, ("*", "heard", 8_000)), 9_000)
    assert not folded.is_wanted(A), "all that are heard again does not bring back what left"
    folded.apply(mark(9_500, (A, "heard", 9_200)), 9_500)
    assert folded.is_wanted(A)
    assert folded.unheard(A, 0, 9_500) == [(4_000, 9_200)]


def test_the_engines_own_marks_move_the_clock_and_hear_nothing() -> None:
    folded = hearing(mark(7_000, (A, "heard", 0), run=0))
    assert folded.clock == 7_000
    assert folded.unheard(A, 0, 7_000) == [(0, 7_000)]


def test_an_unheard_stretch_costs_a_delayed_symbol_older_event_time() -> None:
    folded = hearing(mark(0, (A, "heard", 0)), mark(1_000_000, (A, "deaf", 950_000)),
                     mark(1_100_000, (A, "heard", 1_010_000)), mark(2_000_000))  # fmt: skip
    cost = {
        minute: folded.gap_ms(A, minute, minute + 60_000, delay_ms=900_000, lateness_ms=2_000)
        for minute in (0, 60_000, 120_000)
    }
    assert cost == {0: 12_000, 60_000: 50_000, 120_000: 0}, "[950, 1010) s of listening is [48, 110) s of its market"


def test_what_is_forgotten_changes_no_later_answer() -> None:
    folded = hearing(
        mark(0, (A, "heard", 0), ("SIM:B", "heard", 0)),
        mark(DAY, ("SIM:B", "deaf", 1_000)),
        mark(2 * DAY, (A, "deaf", DAY), (A, "heard", DAY + 5_000)),
    )
    folded.forget(DAY)
    assert folded.unheard(A, DAY, 2 * DAY) == [(DAY, DAY + 5_000)]
    assert list(folded.symbols) == [A]
