"""The examples of docs/consuming.md, run as it says: each prints the bars that are on the topic, or of one interval."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from candlewick_local.parts import RealParts
from contracts import topics, wire
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import calm_log, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import until
from tests.support.topics import write

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def test_every_example_prints_every_bar(system: Aggregator) -> None:
    write(system.kafka, topics.TICKS.name, calm_log(symbols_named("example", 4), minutes=3).entries)
    engine = system.engine().wait_ready()
    folded = fold_topic(system.kafka, PARTITIONS)
    count = sum(map(len, folded.published().values()))
    until(lambda: sum(map(len, system.published().values())) == count, "all is published", process=engine)
    wanted = sorted(line_of(bar) for bar in folded.bars)
    minutes = sorted(line_of(bar) for bar in folded.bars if bar.interval == "1m")
    assert 0 < len(minutes) < len(wanted)
    for example in [*EXAMPLES, "bars_faststream.py"]:
        ran = run_example(example, system.kafka, str(len(wanted)))
        assert sorted(ran.stdout.splitlines()) == wanted, example
    for example in EXAMPLES:
        ran = run_example(example, system.kafka, str(len(minutes)), "1m")
        assert sorted(ran.stdout.splitlines()) == minutes, example
    printed = run_example("bars_confluent.py", system.kafka, str(len(wanted))).stderr
    closes = {bar.close_time for bar in folded.bars if bar.interval == "1m"}
    assert f"delay 0 s: bars that close at or before {min(closes)} are complete" in printed


def run_example(example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"examples/{example}", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, f"{example}: {ran.stderr[-2000:]}"
    return ran


def test_the_page_names_every_example() -> None:
    page = (ROOT / "docs" / "consuming.md").read_text()
    assert EXAMPLES == ["bars_aiokafka.py", "bars_confluent.py", "bars_faststream.py"]
    assert all(f"examples/{example} " in page for example in EXAMPLES)


def line_of(bar: wire.Bar) -> str:
    return f"{bar.exchange} {bar.symbol} {bar.interval} {bar.open_time} {bar.close} {bar.revision}"
