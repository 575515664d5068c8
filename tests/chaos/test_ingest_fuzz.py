"""Ten minutes of frames that no server should send: nothing is raised, and memory does not grow."""

import os
import resource
import time

from tests.support.fuzz import Victim

SECONDS = float(os.environ.get("CHAOS_FUZZ_SECONDS", "600"))
GROWTH_MB = 16


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_ten_minutes_of_random_and_mutated_frames_end_well() -> None:
    began = time.monotonic()
    victim, frames, settled = Victim(int(began)), 0, 0.0
    while (passed := time.monotonic() - began) < SECONDS:
        for _ in range(1_000):
            victim.step()
        frames += 1_000
        if not settled and passed > SECONDS / 10:
            settled = resident_mb()
    print(f"{frames} frames, {victim.feed.ticks} ticks, {victim.dead_letters} dead letters, {victim.sessions} sessions")
    print(f"peak memory {settled:.0f} MB after a tenth of the time, {resident_mb():.0f} MB at the end")
    assert resident_mb() - settled < GROWTH_MB
