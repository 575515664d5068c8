"""Whatever comes over the socket, session and feed raise nothing but bad data; `tests/chaos` does so for longer."""

import pytest

from tests.support.fuzz import Victim


@pytest.mark.parametrize("seed", range(4))
def test_no_frame_brings_the_feed_down(seed: int) -> None:
    victim = Victim(seed)
    for _ in range(3_000):
        victim.step()
    assert victim.feed.ticks > 100
    assert victim.dead_letters > 100
    assert victim.sessions > 1
