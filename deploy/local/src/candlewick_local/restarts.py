"""When a child that died is started again. Pure: times are seconds of any one clock."""

from dataclasses import dataclass

FIRST_S = 0.5
LONGEST_S = 15.0
STABLE_S = 60.0
"""Up for this long, and the next death counts as the first."""


@dataclass(slots=True)
class Restarts:
    """The history of one child that a decision needs."""

    next_delay_s: float = FIRST_S

    def delay(self, lived_s: float) -> float:
        """How long to wait before the next start of a child that lived this long; doubles from death to death."""
        if lived_s >= STABLE_S:
            self.next_delay_s = FIRST_S
        delay = self.next_delay_s
        self.next_delay_s = min(delay * 2, LONGEST_S)
        return delay
