"""What the fold may be told: lateness, skew, age, and the intervals it builds."""

from dataclasses import dataclass

from contracts.intervals import HOUR, MINUTE, Interval


@dataclass(frozen=True, slots=True)
class Rules:
    """Part of what decides the records: the same log under the same rules gives the same records.

    `lateness_ms`: how long a bar waits for stragglers after its close. `horizon_ms`: for how long after that a late
    tick may still change it, in whole minutes. `max_skew_ms`: how far a tick's event time may lie past its own record's
    timestamp, or past the clock where that is later. `max_age_ms`: how old a tick may be while no mark has told the
    time yet. `partitions`: how many the log has (0: it does not matter), for a symbol's place follows from it.
    """

    lateness_ms: int = 2_000
    horizon_ms: int = 5 * MINUTE
    max_skew_ms: int = MINUTE
    max_age_ms: int = HOUR
    intervals: tuple[Interval, ...] = tuple(Interval)
    partitions: int = 0

    def __post_init__(self) -> None:
        if self.horizon_ms < 0 or self.horizon_ms % MINUTE:
            raise ValueError("the horizon is a number of whole minutes")
        if self.intervals[:1] != (Interval.M1,) or list(self.intervals) != [i for i in Interval if i in self.intervals]:
            raise ValueError("intervals go from 1m upwards, each once, and 1m is always among them")
