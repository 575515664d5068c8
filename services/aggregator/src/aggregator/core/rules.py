"""The rules of a fold: close delay, grace period, skew, age, and the intervals that it builds."""

from dataclasses import dataclass

from contracts.intervals import HOUR, MINUTE, Interval


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a fold: the same log under the same rules gives the same records.

    `close_delay_ms`: how long a bar waits after its close for ticks that are on their way. `grace_ms`: for how long
    after that a late tick may still change it, in whole minutes. `max_skew_ms`: how far a tick's event time may lie
    past its own record's timestamp, or past the clock where that is later. `max_age_ms`: how old a tick may be before
    the first mark. `partitions`: how many the log has (0: not checked), since a symbol's partition follows from it.
    """

    close_delay_ms: int = 2_000
    grace_ms: int = 5 * MINUTE
    max_skew_ms: int = MINUTE
    max_age_ms: int = HOUR
    intervals: tuple[Interval, ...] = tuple(Interval)
    partitions: int = 0

    def __post_init__(self) -> None:
        if self.grace_ms < 0 or self.grace_ms % MINUTE:
            raise ValueError("the grace period is a number of whole minutes")
        if self.intervals[:1] != (Interval.M1,) or list(self.intervals) != [i for i in Interval if i in self.intervals]:
            raise ValueError("intervals go from 1m upwards, each once, and 1m is always among them")
