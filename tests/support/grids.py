"""Observed series of opening instants: the project's own condensed ones, and the folder of full ones beside it."""

import json
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from contracts.calendar import Calendar
from contracts.intervals import DAY, Interval
from tests.support.recordings import VARIABLE, recordings_file

CONDENSED = Path(__file__).parents[1] / "fixtures" / "grids.json"


class Series(NamedTuple):
    """The bars of one symbol and interval: when they opened (`instant`), or which trading date they have (`date`)."""

    symbol: str
    interval: Interval
    timezone: str
    session: str | None
    stamps: str
    times_ms: tuple[int, ...]
    holidays: str = ""
    corrections: str = ""

    @property
    def name(self) -> str:
        return f"{self.symbol} {self.interval}"


def explains(calendar: Calendar, series: Series, stamp: int) -> bool:
    """Whether the calendar has a bar with this stamp.

    An `instant` is the opening of a bar; a `date` is the first trading day of a day, week or month.
    """
    if series.stamps != "date":
        return calendar.label_of_provider(series.interval, stamp)[2]
    label = calendar.bar(series.interval, calendar.segments(stamp)[0].open_ms)[0] if calendar.segments(stamp) else None
    return label is not None and not any(calendar.segments(day) for day in range(label, stamp, DAY))


def condensed() -> list[Series]:
    """The series of the project's own file: a first instant in seconds, and the steps from each to the next."""
    rows: list[dict[str, Any]] = json.loads(CONDENSED.read_text("utf-8"))["series"]
    return [
        Series(
            row["symbol"],
            Interval(row["interval"]),
            row["timezone"],
            row["session"],
            row["stamps"],
            tuple(minute * 60_000 for minute in accumulate(row["minutes"])),
            row.get("holidays", ""),
            row.get("corrections", ""),
        )
        for row in rows
    ]


def grids_file() -> Path:
    """Where the full series are expected."""
    return recordings_file().with_name("grids.jsonl")


def sessions_file() -> Path:
    """Where the session records are expected."""
    return recordings_file().with_name("sessions.jsonl")


def absence() -> str | None:
    """One line that says that the full series are not here, and what follows from that; None if they are."""
    missing = [str(path) for path in (grids_file(), sessions_file()) if not path.is_file()]
    if not missing:
        return None
    return f"grids: no {' and no '.join(missing)}, so their tests are not collected ({VARIABLE} names the folder)"


def full() -> Iterator[Series]:
    """All series of the folder, in the order of the file."""
    for line in grids_file().read_text("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        yield Series(
            row["symbol"],
            Interval(row["interval"]),
            row["timezone"],
            row["session"],
            "date" if row["stamps"] == "date" else "instant",
            tuple(second * 1000 for second in row["times"]),
        )


class Record(NamedTuple):
    """The metadata of one symbol that a calendar is made of, of its regular session."""

    symbol: str
    timezone: str
    session: str
    holidays: str
    corrections: str


def records() -> list[Record]:
    """The session records of the folder, in the order of the file."""
    found = []
    for line in sessions_file().read_text("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        parts: list[dict[str, str]] = row.get("subsessions", [])
        regular = next((part for part in parts if part["id"] == "regular"), {})
        found.append(
            Record(
                row["symbol"],
                row["timezone"].split()[0],
                regular.get("session") or row["session"],
                row.get("session_holidays", ""),
                row.get("corrections") or regular.get("session-correction", ""),
            )
        )
    return found
