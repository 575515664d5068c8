"""What a replay compares: the last bars of a range, as the fold has them and as they were published."""

from collections.abc import Iterable
from typing import NamedTuple

from contracts import wire
from contracts.bars import Origin

Label = tuple[str, str, int]
"""Symbol, interval, open time."""

COMPARED = (
    "open", "high", "low", "close", "volume", "tick_count", "first_tick_time", "last_tick_time", "gap_ms",
)  # fmt: skip


class Range(NamedTuple):
    """`[start, end)` in milliseconds: bars that lie wholly inside are compared."""

    start: int
    end: int

    def holds(self, bar: wire.Bar) -> bool:
        """Whether a bar lies wholly inside."""
        return self.start <= bar.open_time and bar.close_time <= self.end


class Difference(NamedTuple):
    """A bar that is not the same; None: there is none."""

    label: Label
    published: wire.Bar | None
    folded: wire.Bar | None

    def __str__(self) -> str:
        symbol, interval, open_time = self.label
        where = f"{symbol} {interval} {open_time}"
        if self.published is None:
            return f"{where}: not published"
        if self.folded is None:
            return f"{where}: published, but the log has no tick of it"
        told = [
            f"{name} {getattr(self.published, name)} is {getattr(self.folded, name)} by the log"
            for name in COMPARED
            if getattr(self.published, name) != getattr(self.folded, name)
        ]
        return f"{where}: {', '.join(told)}"


class Compared(NamedTuple):
    """How many bars there were, what differs, and how many are `provider_final` (`replaced`): no difference."""

    bars: int
    differences: list[Difference]
    replaced: int


def label_of(bar: wire.Bar) -> Label:
    """The label of a bar."""
    return (f"{bar.exchange}:{bar.symbol}", bar.interval, bar.open_time)


def last_bars(bars: Iterable[wire.Bar]) -> dict[Label, wire.Bar]:
    """The bar that wins for each label: a `provider_final` one, else the one of the highest revision."""
    found: dict[Label, wire.Bar] = {}
    for bar in bars:
        label = label_of(bar)
        before = found.get(label)
        if before is None or _strength(before) <= _strength(bar):
            found[label] = bar
    return found


def compare(published: dict[Label, wire.Bar], folded: dict[Label, wire.Bar]) -> Compared:
    """Compare what was published with the fold, by symbol, interval and time."""
    differences = []
    replaced = 0
    for label in sorted(published.keys() | folded.keys()):
        was, now = published.get(label), folded.get(label)
        if was is not None and was.origin == Origin.PROVIDER_FINAL.value:
            replaced += 1
        elif was is None or now is None or any(getattr(was, name) != getattr(now, name) for name in COMPARED):
            differences.append(Difference(label, was, now))
    return Compared(len(published.keys() | folded.keys()), differences, replaced)


def _strength(bar: wire.Bar) -> tuple[bool, int]:
    return (bar.origin == Origin.PROVIDER_FINAL.value, bar.revision)
