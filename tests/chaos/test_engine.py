"""The aggregator in full storms: SEED (one, or `1-10`) and SECONDS come from the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from candlewick_local.parts import RealParts
from tests.support.aggregator import Aggregator, aggregator
from tests.support.storm import Storm

SECONDS = float(os.environ.get("SECONDS", "120"))
FAST = 60.0
"""Minutes, hours, a day, a month and a year pass; every second seed runs as fast as time does."""


def seeds() -> list[int]:
    first, _, last = os.environ.get("SEED", "1-10").partition("-")
    return list(range(int(first), int(last or first) + 1))


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


@pytest.mark.parametrize("seed", seeds())
def test_whatever_happens_every_bar_is_the_fold_of_the_log(
    system: Aggregator, local_parts: RealParts, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    storm = Storm(system, local_parts, seed, SECONDS, FAST if seed % 2 else 1.0)
    storm.rage()
    folded = storm.verdict()
    with capsys.disabled():
        print(f"\n{storm.summary()}; {len(folded.bars)} bars, {len(folded.late)} late ticks")
    assert folded.bars
    assert len(storm.sessions) >= 3
