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
from tests.support.records import calendar, key, mark, tick
from tests.support.storm import names_in
from tests.support.topics import write


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Case(NamedTuple):
    """The instants of ticks, that of a boundary, and the labels of the bars that are closed by then."""

    name: str
    session: str
    timezone: str
    ticks: list[str]
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
        "24x7", "Etc/UTC",
        ["2024-02-29T23:59:10", "2024-03-01T00:00:10"],
        "2024-03-01",
        evening_of("2024-02-29", d="2024-02-29", M="2024-02-01"),
    ),
    Case(
        "a year ends with its last month, and no week",
        "24x7", "Etc/UTC",
        ["2025-12-31T23:59:10", "2026-01-01T00:00:10"],
        "2026-01-01",
        evening_of("2025-12-31", d="2025-12-31", M="2025-12-01"),
    ),
    Case(
        "a session cuts every bar at its close, and Friday's ends the week; clocks go forward before the next one",
        "0930-1600", "America/New_York",
        ["2026-03-06T20:59:10", "2026-03-09T13:30:10"],
        "2026-03-06T21:00",
        {
            "1m": "2026-03-06T20:59", "3m": "2026-03-06T20:57", "5m": "2026-03-06T20:55", "15m": "2026-03-06T20:45",
            "30m": "2026-03-06T20:30", "45m": "2026-03-06T20:30", "1h": "2026-03-06T20:30", "2h": "2026-03-06T20:30",
            "3h": "2026-03-06T20:30", "4h": "2026-03-06T18:30", "1d": "2026-03-06", "1w": "2026-03-02",
        },
    ),
    Case(
        "a future's Sunday evening belongs to Monday, its week and its month; bars are counted from its opening",
        "1700-1600", "America/Chicago",
        ["2026-05-31T23:59:10", "2026-06-01T10:00:10"],
        "2026-06-01",
        {
            "1m": "2026-05-31T23:59", "3m": "2026-05-31T23:57", "5m": "2026-05-31T23:55", "15m": "2026-05-31T23:45",
            "30m": "2026-05-31T23:30", "1h": "2026-05-31T23:00", "2h": "2026-05-31T22:00",
        },
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
        first, boundary = utc(case.ticks[0]), utc(case.boundary)
        ticks = [tick(utc(at), 100.0 + number, symbol=name) for number, at in enumerate(case.ticks, 1)]
        log: list[tuple[bytes, wire.Tick | wire.Mark | wire.Calendar]] = [
            (MARK_KEY, mark(first - MINUTE, (name, "covered", first - HOUR))),
            calendar(name, case.session, case.timezone),
            *((key(name), one) for one in ticks if one.event_time < boundary),
            (MARK_KEY, mark(boundary + 2_500)),
            *((key(name), one) for one in ticks if one.event_time > boundary),
        ]
        entries += [Entry(partition, name, wire.encode(record)) for name, record in log]
    write(system.kafka, topics.TICKS.name, entries)
    engine = system.engine().wait_ready()
    wanted = fold_topic(system.kafka, PARTITIONS).published()
    until(lambda: system.published() == wanted, "what is published is the fold", process=engine)

    bars = system.bars()
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
    bars = system.bars()
    longer = {(bar.symbol, bar.interval, bar.open_time, bar.tick_count) for bar in bars if bar.interval[-1] in "dwM"}
    symbols = [name.split(":")[1] for name in names]
    assert longer == {
        (symbols[0], "1d", utc("2024-02-29"), 1), (symbols[0], "1d", utc("2024-03-01"), 1),
        (symbols[0], "1w", utc("2024-02-26"), 2), (symbols[0], "1M", utc("2024-02-01"), 1),
        (symbols[1], "1d", utc("2025-12-31"), 1), (symbols[1], "1d", utc("2026-01-01"), 1),
        (symbols[1], "1w", utc("2025-12-29"), 2), (symbols[1], "1M", utc("2025-12-01"), 1),
        (symbols[2], "1d", utc("2026-03-06"), 1), (symbols[2], "1d", utc("2026-03-09"), 1),
        (symbols[2], "1w", utc("2026-03-02"), 1), (symbols[2], "1w", utc("2026-03-09"), 1),
        (symbols[3], "1d", utc("2026-06-01"), 2), (symbols[3], "1w", utc("2026-06-01"), 2),
    }  # fmt: skip
    monday = next(b for b in bars if b.symbol == symbols[2] and b.interval == "4h" and b.open_time > utc("2026-03-09"))
    assert (monday.open_time, monday.close_time) == (utc("2026-03-09T13:30"), utc("2026-03-09T17:30")), "summer time"
    evening = next(b for b in bars if b.symbol == symbols[3] and b.interval == "4h")
    assert (evening.open_time, evening.trading_day) == (utc("2026-05-31T22:00"), utc("2026-06-01"))
