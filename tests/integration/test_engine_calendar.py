"""The running engine at boundaries of the calendar: which bars close there, of all 13 intervals, and their labels."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from candlewick_local.parts import RealParts
from contracts import topics, wire
from contracts.intervals import DAY, HOUR, MINUTE
from contracts.topics import MARK_KEY
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import Entry
from tests.support.oracle import fold_topic
from tests.support.processes import until
from tests.support.records import key, mark, tick
from tests.support.storm import names_in
from tests.support.topics import read_all, write


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Case(NamedTuple):
    """Ticks `(instant, trading day)`, the instant of a boundary, and the labels of the bars that are closed by then."""

    name: str
    ticks: list[tuple[str, str]]
    boundary: str
    closed: dict[str, str]


LATE_EVENING = {
    "1m": "23:59", "3m": "23:57", "5m": "23:55", "15m": "23:45", "30m": "23:30", "45m": "23:15", "1h": "23:00",
    "2h": "22:00", "3h": "21:00", "4h": "20:00",
}  # fmt: skip


def evening_of(day: str, **longer: str) -> dict[str, str]:
    return {interval: f"{day}T{time}" for interval, time in LATE_EVENING.items()} | {
        {"d": "1d", "w": "1w", "M": "1M"}[name]: label for name, label in longer.items()
    }


CASES = [
    Case(
        "a leap day ends February, and no week",
        [("2024-02-29T23:59:10", "2024-02-29"), ("2024-03-01T00:00:10", "2024-03-01")],
        "2024-03-01",
        evening_of("2024-02-29", d="2024-02-29", M="2024-02-01"),
    ),
    Case(
        "a year ends with its last month, and no week",
        [("2025-12-31T23:59:10", "2025-12-31"), ("2026-01-01T00:00:10", "2026-01-01")],
        "2026-01-01",
        evening_of("2025-12-31", d="2025-12-31", M="2025-12-01"),
    ),
    Case(
        "clocks go forward on a Sunday; a week ends with it, aligned as ever",
        [("2026-03-08T06:59:30", "2026-03-08"), ("2026-03-08T07:00:30", "2026-03-08"),
         ("2026-03-08T23:59:10", "2026-03-08"), ("2026-03-09T00:00:10", "2026-03-09")],
        "2026-03-09",
        evening_of("2026-03-08", d="2026-03-08", w="2026-03-02"),
    ),
    Case(
        "a future's Sunday evening belongs to Monday, its week and its month",
        [("2026-05-31T23:59:10", "2026-06-01"), ("2026-06-01T10:00:10", "2026-06-01")],
        "2026-06-01",
        evening_of("2026-05-31"),
    ),
]  # fmt: skip


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[Aggregator]:
    with aggregator(local_parts, database, tmp_path) as running:
        yield running


def test_boundaries_of_the_calendar(system: Aggregator) -> None:
    """Each case has a partition, and so a clock, of its own."""
    assert len(CASES) == PARTITIONS
    names = [names_in(partition)[0] for partition in range(PARTITIONS)]
    entries = []
    for partition, (case, name) in enumerate(zip(CASES, names, strict=True)):
        first = utc(case.ticks[0][0])
        log: list[tuple[bytes, wire.Tick | wire.Mark]] = [
            (MARK_KEY, mark(first - MINUTE, (name, "heard", first - HOUR)))
        ]
        for number, (at, day) in enumerate(case.ticks, 1):
            log.append((key(name), tick(utc(at), 100.0 + number, symbol=name, trading_day=utc(day))))
        boundary = utc(case.boundary)
        log.sort(key=lambda entry: entry[1].through if isinstance(entry[1], wire.Mark) else entry[1].event_time)
        before = [entry for entry in log if isinstance(entry[1], wire.Mark) or entry[1].event_time < boundary]
        after = [entry for entry in log if entry not in before]
        whole = [*before, (MARK_KEY, mark(boundary + 2_500)), *after]
        entries += [Entry(partition, name, wire.encode(record)) for name, record in whole]
    write(system.kafka, topics.TICKS.name, entries)
    engine = system.engine().wait_ready()
    wanted = fold_topic(system.kafka, PARTITIONS).published()
    until(lambda: system.published() == wanted, "what is published is the fold", process=engine)

    bars = [wire.decode_bar(m.value() or b"") for m in read_all(system.kafka, topics.BARS.name) if m.key() is not None]
    for case, name in zip(CASES, names, strict=True):
        boundary = utc(case.boundary)
        closed = {
            bar.interval: bar.open_time
            for bar in bars
            if f"{bar.exchange}:{bar.symbol}" == name and bar.close_time == boundary
        }
        assert closed == {interval: utc(label) for interval, label in case.closed.items()}, case.name

    # Days and weeks that were open at these boundaries close at their own.
    ends = [mark(utc(case.boundary) + 8 * DAY) for case in CASES]
    more = [Entry(partition, MARK_KEY, wire.encode(end)) for partition, end in enumerate(ends)]
    write(system.kafka, topics.TICKS.name, more)
    wanted = fold_topic(system.kafka, PARTITIONS).published()
    until(lambda: system.published() == wanted, "all is closed", within_s=60, process=engine)
    bars = [wire.decode_bar(m.value() or b"") for m in read_all(system.kafka, topics.BARS.name) if m.key() is not None]
    longer = {(bar.symbol, bar.interval, bar.open_time, bar.tick_count) for bar in bars if bar.interval[-1] in "dwM"}
    symbols = [name.split(":")[1] for name in names]
    assert longer == {
        (symbols[0], "1d", utc("2024-02-29"), 1), (symbols[0], "1d", utc("2024-03-01"), 1),
        (symbols[0], "1w", utc("2024-02-26"), 2), (symbols[0], "1M", utc("2024-02-01"), 1),
        (symbols[1], "1d", utc("2025-12-31"), 1), (symbols[1], "1d", utc("2026-01-01"), 1),
        (symbols[1], "1w", utc("2025-12-29"), 2), (symbols[1], "1M", utc("2025-12-01"), 1),
        (symbols[2], "1d", utc("2026-03-08"), 3), (symbols[2], "1d", utc("2026-03-09"), 1),
        (symbols[2], "1w", utc("2026-03-02"), 3), (symbols[2], "1w", utc("2026-03-09"), 1),
        (symbols[3], "1d", utc("2026-06-01"), 2), (symbols[3], "1w", utc("2026-06-01"), 2),
    }  # fmt: skip
    two_hours = [(b.open_time, b.tick_count) for b in bars if b.symbol == symbols[2] and b.interval == "2h"]
    assert (utc("2026-03-08T06:00"), 2) in two_hours, "no bar is longer or shorter where clocks go forward"
