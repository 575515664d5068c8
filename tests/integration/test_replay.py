"""A replay on real Kafka: it finds what is not the fold of the log, and issues it when it is told to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from candlewick_local.parts import RealParts
from contracts import topics, wire
from contracts.bars import Origin
from contracts.headers import bar_headers
from contracts.intervals import MINUTE
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import Entry, calm_log, entry_of, symbols_named
from tests.support.oracle import fold_topic
from tests.support.processes import until
from tests.support.records import T0, key, tick
from tests.support.topics import write

MINUTES = 30


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        log = calm_log(symbols_named("replayed", 6), minutes=MINUTES)
        lost = wire.encode(tick(T0 + 2 * MINUTE, 5.0, symbol="SIM:MISPLACED"))
        elsewhere = (topics.partition_of(b"SIM:MISPLACED", PARTITIONS) + 1) % PARTITIONS
        log.entries.insert(len(log.entries) // 10, Entry(elsewhere, b"SIM:MISPLACED", lost))
        write(running.kafka, topics.TICKS.name, log.entries)
        engine = running.engine().wait_ready()
        wanted = sum(map(len, fold_topic(running.kafka, PARTITIONS).published().values()))
        until(lambda: sum(map(len, running.published().values())) == wanted, "all is published", process=engine)
        yield running


def replay(system: Aggregator, *more: str, start: int = T0, end: int = T0 + MINUTES * MINUTE) -> tuple[int, list[str]]:
    """The exit code and the report."""
    ran = replaying(system, start, end, *more)
    lines = ran.stdout.splitlines()
    return ran.returncode, [line for line in lines if not line.startswith("{")] + ran.stderr.splitlines()


def replaying(system: Aggregator, start: int, end: int, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aggregator", "replay", "--from", told(start), "--to", told(end), *more]
    environment = {"PATH": os.environ["PATH"], "KAFKA_BOOTSTRAP_SERVERS": system.kafka}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def told(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


def publish(system: Aggregator, bar: wire.Bar) -> None:
    write(system.kafka, topics.BARS.name, [entry_of(bar, PARTITIONS)])


def test_a_wrong_bar_is_told_and_put_right_and_a_settled_one_stands(system: Aggregator) -> None:
    assert replay(system) == (0, []), "what the engine published is the fold"
    right = next(bar for bar in system.bars() if bar.interval == "5m")
    wrong = msgspec.structs.replace(right, close=right.close + 1, revision=1)
    publish(system, wrong)
    told_of = f"{right.exchange}:{right.symbol} 5m {right.open_time}: close {wrong.close} is {right.close} by the log"
    assert replay(system) == (3, [told_of])
    assert replay(system, start=right.close_time) == (0, []), "it lies outside"
    assert replay(system, "--publish") == (3, [told_of])
    revised = max(system.bars(), key=lambda bar: bar.revision)
    assert (revised.close, revised.reason, revised.origin) == (right.close, "replay", "ticks")
    assert revised.revision > 1_700_000_000_000
    (written,) = [record for of in system.published().values() for record in of if b'"replay"' in (record.value or b"")]
    assert written.headers == bar_headers("5m", revised.revision)
    assert (written.key, written.timestamp) == (key(f"{right.exchange}:{right.symbol}"), right.close_time - 1)
    assert replay(system) == (0, [])
    publish(system, msgspec.structs.replace(wrong, origin=Origin.PROVIDER_FINAL.value, revision=5))
    assert replay(system, "--publish") == (0, []), "the provider's word stands"


def test_what_is_no_bar_is_passed_over_and_counted(system: Aggregator) -> None:
    bar = system.bars()[0]
    elsewhere = msgspec.structs.replace(bar, close=bar.close + 1, revision=1)
    write(
        system.kafka, topics.BARS.name, [Entry(0, b"SIM:POISON", b"{"), Entry(0, b"SIM:OTHER", wire.encode(elsewhere))]
    )
    ran = replaying(system, T0, T0 + MINUTES * MINUTE)
    assert (ran.returncode, ran.stderr) == (0, "")
    (warning,) = [json.loads(line) for line in ran.stdout.splitlines() if "passed over" in line]
    assert (warning["level"], warning["records"]) == ("warning", 2)


def test_what_may_still_be_corrected_is_left_out_and_what_is_not_in_the_log_is_told(system: Aggregator) -> None:
    last = max((bar for bar in system.bars() if bar.interval == "1m"), key=lambda bar: bar.open_time)
    publish(system, msgspec.structs.replace(last, close=last.close + 1, revision=1))
    assert replay(system, "--publish") == (0, [])
    publish(system, msgspec.structs.replace(system.bars()[0], symbol="NEVER"))
    code, report = replay(system)
    assert (code, len(report)) == (3, 1)
    assert report[0].endswith("published, but the log has no tick of it")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "--from TIME and --to TIME are needed"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "--from must be before --to"),
        (["--from", "yesterday", "--to", "2026-01-01"], "'yesterday' is no time: write 2026-11-23T00:00Z"),
        (["--from"], "argument --from: expected one argument"),
        (["--form", "2026-01-01", "--to", "2026-01-02"], "unknown argument '--form'"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(arguments: list[str], why: str) -> None:
    command = [sys.executable, "-m", "aggregator", "replay", *arguments]
    ran = subprocess.run(command, env={}, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 2
    assert why in ran.stderr


def test_a_range_without_a_bar_to_compare_is_not_taken_for_one_that_is_right(system: Aggregator) -> None:
    ran = replaying(system, T0 + MINUTES * MINUTE, T0 + (MINUTES + 1) * MINUTE)
    assert ran.returncode == 4
    assert "nothing was compared" in ran.stdout


def test_a_replay_where_no_kafka_answers_says_so() -> None:
    command = [sys.executable, "-m", "aggregator", "replay", "--from", "2026-01-01", "--to", "1767312000000"]
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "is KAFKA_BOOTSTRAP_SERVERS right?" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "%3|" not in ran.stderr


def test_help_tells_what_it_does_and_its_settings() -> None:
    command = [sys.executable, "-m", "aggregator", "replay", "--help"]
    ran = subprocess.run(command, env={}, capture_output=True, text=True, timeout=30, check=True)
    assert "exit code 3" in ran.stdout
    assert "CLOSE_DELAY_MS" in ran.stdout
    assert json.dumps(ran.stderr) == '""'
