"""The aggregator in a short storm, and one that must be seen: positions that are not part of the transaction."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from candlewick_local.parts import RealParts
from contracts import topics
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import calm_log, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import until
from tests.support.storm import FAULTS_AT_LEAST, Storm
from tests.support.topics import write

FAST = 60.0


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def test_whatever_happens_every_bar_is_the_fold_of_the_log(system: Aggregator, local_parts: RealParts) -> None:
    storm = Storm(system, local_parts, seed=1, seconds=30, speed=FAST)
    storm.rage()
    folded = storm.verdict()
    assert folded.bars
    assert storm.happened.total() >= FAULTS_AT_LEAST, storm.summary()
    assert len(storm.sessions) >= 3, storm.summary()


def test_positions_that_are_committed_outside_the_transaction_are_seen(system: Aggregator) -> None:
    """It dies between the two: what it had taken is in no state, and whoever comes next refuses to go on."""
    log = calm_log(symbols_named("outside", 20), minutes=30, ticks_a_minute=12)
    write(system.kafka, topics.TICKS.name, log.entries)
    broken = system.start(["tests.support.broken_engine", "engine"], "engine-1")
    until(lambda: broken.exit_code is not None, "it died between position and transaction")
    assert sum(map(len, system.published().values())) == 0, "it died at its first commit"
    assert fold_topic(system.kafka, PARTITIONS).bars
    successor = system.engine("engine-1")
    until(lambda: successor.exit_code is not None, "its successor refuses", process=None)
    assert successor.exit_code == 2
    assert "there is no state, but the group aggregator-engine is at offset" in successor.log
