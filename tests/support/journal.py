"""The oracle of the feed: whatever the simulator sent stands in the log, or the log says that it was not covered.

A change is an update whose price or cumulative volume is another than before it on its connection; where there is no
volume, also one whose last time is. It stands in the log as a tick with its price and volume. A last time that comes
alone may also be the event time of the price that came before it or comes after it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from contracts import wire
from tests.support.ingest import Log, journal
from tradingview.quote_fields import NO_VALUE

TRAVEL_MS = 1_500
"""What may lie between sending and receiving on a busy machine."""
HELD_MS = 1_500
"""How long a price may have waited for its time, which is 250 ms where the machine is not busy."""
LONGEST_TRAVEL_MS = 30_000
"""How long it travels at most where nothing was cut off: a busy machine lets processes wait."""
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

    @property
    def earliest(self) -> int:
        """When its tick was received at the earliest."""
        return self.sent_at - (SKEW_MS if self.last_time is None else HELD_MS)


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
            if last_time is not None and after[1] not in {None, NO_VALUE}:
                continue
            found[entry["connection"]].append(Change(entry["sent_at_ms"], after[0], after[1], last_time))
    return found


def is_uncovered(covered: Sequence[Stretch], start: int, end: int) -> bool:
    """Whether any instant of `[start, end]` lies outside what was covered."""
    return not any(a <= start and end <= b for a, b in covered)


def missing(entries: Iterable[dict[str, Any]], ticks: Sequence[wire.Tick], covered: Sequence[Stretch]) -> list[Change]:
    """The changes of a symbol that neither stand in the log nor lie in an uncovered stretch."""
    valued: dict[tuple[float | None, float | None], list[wire.Tick]] = defaultdict(list)
    timed: dict[int, list[wire.Tick]] = defaultdict(list)
    for tick in ticks:
        valued[tick.price, tick.cumulative_volume].append(tick)
        timed[tick.event_time // 1000].append(tick)
    return [
        change
        for series in changes(entries).values()
        for change in series
        if not is_uncovered(covered, change.sent_at - SKEW_MS, change.sent_at + TRAVEL_MS)
        and not any(
            change.earliest <= tick.received_at <= change.sent_at + LONGEST_TRAVEL_MS
            for tick in (valued[change[1:3]] if change.last_time is None else timed[change.last_time])
        )
    ]


def unexplained(covered: Sequence[Stretch], windows: Sequence[Stretch]) -> list[Stretch]:
    """The uncovered stretches, between the first and the last instant covered, that lie in no window."""
    gaps = [(end, start) for (_, end), (start, _) in pairwise(covered)]
    return [(a, b) for a, b in gaps if not any(start <= a and b <= end for start, end in windows)]


def _around(change: Change, entries: Iterable[dict[str, Any]], ticks: Sequence[wire.Tick]) -> str:
    """What was sent and what stands in the log within two seconds of a change."""
    sent = [entry for entry in entries if abs(entry["sent_at_ms"] - change.sent_at) <= 2_000]
    stands = [tick for tick in ticks if abs(tick.received_at - change.sent_at) <= 2_000]
    return f"sent {sent}; in the log {stands}"


async def verify(http_url: str, log: Log, names: Iterable[str], windows: Sequence[Stretch]) -> dict[str, list[Stretch]]:
    """Hold the log against the journal; the covered stretches of each symbol. Windows may be uncovered."""
    found = {}
    for name in names:
        entries, ticks, covered = await journal(http_url, name), log.ticks_of(name), log.covered(name, 0, 2**53)
        assert sum(map(len, changes(entries).values())) > 2, (name, len(entries))
        lost, gaps = missing(entries, ticks, covered), unexplained(covered, windows)
        assert not lost, (
            f"{name} lost {lost[:5]} of {len(lost)}, covered in {covered}; {_around(lost[0], entries, ticks)}"
        )
        assert not gaps, f"{name} was uncovered in {gaps}, which lie in none of {windows}"
        found[name] = covered
    return found
