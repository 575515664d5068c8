"""The oracle of the feed: whatever the simulator sent stands in the log, or the log says that it was not heard.

A change is an update whose price, cumulative volume or last time is another than before it on its connection. It stands
in the log as a tick with its price and volume, or conflated into a later one of the next 250 ms. A last time that comes
up to 250 ms after its price is that tick's event time.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from contracts import wire
from tests.support.ingest import Log, journal

CONFLATED_MS = 250
TRAVEL_MS = 1_500
"""What may lie between sending and receiving on a busy machine."""
SKEW_MS = 50
"""What two readings of one clock may differ by."""

Stretch = tuple[int, int]


class Change(NamedTuple):
    """What a symbol stood at after an update, and when that was sent."""

    sent_at: int
    price: float | None
    volume: float | None
    last_time: int | None
    """Where it alone has changed, epoch seconds."""


def changes(entries: Iterable[dict[str, Any]]) -> dict[int, list[Change]]:
    """The changes of one symbol by connection. What a fault made up is none."""
    states: dict[int, dict[str, Any]] = defaultdict(dict)
    found: dict[int, list[Change]] = defaultdict(list)
    for entry in entries:
        if entry["fault"] in {"past", "duplicate"}:
            continue
        state = states[entry["connection"]]
        before = [state.get(name) for name in ("lp", "volume", "lp_time")]
        state |= entry["fields"]
        after = [state.get(name) for name in ("lp", "volume", "lp_time")]
        if not entry["snapshot"] and not entry["fault"] and before != after:
            last_time = after[2] if before[:2] == after[:2] else None
            found[entry["connection"]].append(Change(entry["sent_at_ms"], after[0], after[1], last_time))
    return found


def unheard(heard: Sequence[Stretch], start: int, end: int) -> bool:
    """Whether any instant of `[start, end]` lies outside what was heard."""
    return not any(a <= start and end <= b for a, b in heard)


def missing(entries: Iterable[dict[str, Any]], ticks: Sequence[wire.Tick], heard: Sequence[Stretch]) -> list[Change]:
    """The changes of a symbol that neither stand in the log nor lie in an unheard stretch."""
    seen: dict[tuple[float | None, float | None], list[wire.Tick]] = defaultdict(list)
    for tick in ticks:
        seen[tick.price, tick.cumulative_volume].append(tick)
    lost = []
    for series in changes(entries).values():
        stands = [any(_holds(tick, change) for tick in seen[change.price, change.volume]) for change in series]
        for index, change in enumerate(series):
            if stands[index] or unheard(heard, change.sent_at - SKEW_MS, change.sent_at + TRAVEL_MS):
                continue
            later = zip(series[index + 1 :], stands[index + 1 :], strict=True)
            if not any(is_there and after.sent_at - change.sent_at <= CONFLATED_MS for after, is_there in later):
                lost.append(change)
    return lost


def _holds(tick: wire.Tick, change: Change) -> bool:
    after_ms = tick.received_at - change.sent_at
    if change.last_time is not None and tick.event_time // 1000 == change.last_time:
        return -SKEW_MS - CONFLATED_MS <= after_ms <= TRAVEL_MS
    return change.last_time is None and -SKEW_MS <= after_ms <= TRAVEL_MS


def unexplained(heard: Sequence[Stretch], windows: Sequence[Stretch]) -> list[Stretch]:
    """The unheard stretches, between the first and the last instant heard, that lie in no window."""
    gaps = [(end, start) for (_, end), (start, _) in pairwise(heard)]
    return [(a, b) for a, b in gaps if not any(start <= a and b <= end for start, end in windows)]


async def verify(http_url: str, log: Log, names: Iterable[str], windows: Sequence[Stretch]) -> dict[str, list[Stretch]]:
    """Hold the log against the journal; the heard stretches of each symbol. Unheard may be what lies in a window."""
    found = {}
    for name in names:
        entries, ticks, heard = await journal(http_url, name), log.ticks_of(name), log.heard(name, 0, 2**53)
        assert sum(map(len, changes(entries).values())) > 2, (name, len(entries))
        assert missing(entries, ticks, heard) == [], (name, heard)
        assert unexplained(heard, windows) == [], (name, heard, windows)
        found[name] = heard
    return found
