"""Delays between tries."""

from itertools import islice
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chassis.backoff import delays


@given(st.integers(), st.floats(0.01, 5), st.floats(5, 100))
def test_delays_double_up_to_the_longest_and_lose_at_most_half_to_chance(
    seed: int, first_s: float, longest_s: float
) -> None:
    ceilings = [min(first_s * 2**n, longest_s) for n in range(20)]
    for delay, ceiling in zip(delays(first_s, longest_s, Random(seed)), ceilings, strict=False):
        assert ceiling / 2 <= delay <= ceiling


def test_two_processes_do_not_come_back_in_step() -> None:
    assert list(islice(delays(1, 60, Random(1)), 5)) != list(islice(delays(1, 60, Random(2)), 5))
