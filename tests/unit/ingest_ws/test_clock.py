"""The feed's instant, its order of observations, and whether the process was away."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_ws.core.clock import EpochNumbers, FeedClock, Presence, Sequencer


@given(st.lists(st.integers(0, 10**13), min_size=1))
def test_the_feeds_instant_never_goes_back(readings: list[int]) -> None:
    clock = FeedClock()
    read = [clock.read(each) for each in readings]
    assert read == sorted(read)


def test_a_clock_that_is_wrong_by_more_than_travel_explains_is_corrected() -> None:
    clock = FeedClock()
    clock.greeted(100_000, 107_300)
    clock.greeted(200_000, 207_100)
    assert clock.offset_ms == 7_100
    assert clock.read(300_000) == 292_900


@pytest.mark.parametrize("wrong", [240_000, -240_000])
def test_one_wrong_greeting_among_good_ones_moves_no_clock(wrong: int) -> None:
    for good in (1, 2, 7):
        clock = FeedClock()
        for at in range(good):
            clock.greeted(1_000_000 + at, 1_000_050 + at)
        assert clock.greeted(2_000_000 + wrong, 2_000_000)
        assert clock.offset_ms == 0
        assert clock.read(3_000_000) == 3_000_000


def test_a_difference_that_travel_explains_is_not_corrected() -> None:
    clock = FeedClock()
    clock.greeted(100_000, 100_900)
    assert clock.read(200_000) == 200_000


def test_time_goes_on_while_a_correction_or_a_step_back_is_made_up_for() -> None:
    clock = FeedClock()
    clock.read(1_000_000)
    clock.greeted(800_000, 1_000_000)
    corrected = [clock.read(1_000_000 + step) for step in range(250, 420_001, 250)]
    assert all(later > earlier for earlier, later in pairwise(corrected[::2])), "marks and deadlines go on"
    assert corrected[-1] == 1_220_000, "it is right in the end"
    before = clock.read(1_430_000)
    assert clock.read(1_425_000) >= before
    assert clock.read(1_425_500) > before


def test_a_greeting_from_another_century_corrects_nothing() -> None:
    clock = FeedClock()
    assert not clock.greeted(10**14, 1_000_000)
    assert clock.read(1_000_000) == 1_000_000


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_sequences_rise_and_lie_at_or_after_their_instant(instants: list[int]) -> None:
    sequencer = Sequencer()
    issued = [sequencer.next(each) for each in instants]
    assert issued == sorted(set(issued))
    assert all(sequence >= each * 4096 for sequence, each in zip(issued, instants, strict=True))
    assert Sequencer().next(5) == 5 * 4096


def test_epochs_of_replicas_that_begin_in_one_millisecond_differ() -> None:
    one, other = EpochNumbers(1), EpochNumbers(2)
    epochs = [one.next(1_000), one.next(1_000), other.next(1_000), other.next(999)]
    assert len(set(epochs)) == 4
    assert epochs[0] < epochs[1]
    assert 0 < max(epochs) < 2**53


def test_a_process_that_did_not_run_for_more_than_a_second_was_away() -> None:
    presence = Presence(0)
    assert [presence.seen(now) for now in (250, 1_250, 2_251, 2_500)] == [None, None, 1_250, None]
