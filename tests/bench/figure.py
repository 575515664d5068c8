"""One measured figure: its spread, what it is compared with, and whether its bound holds."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`median`, `min` and `max` in `unit`; `ratio` is median over `baseline`, measured in the same run.

    `bound` is what the median (or, with `is_ratio_bound`, the ratio) must reach (`at_least`) or stay under.
    """

    name: str
    samples: Sequence[float]
    unit: str
    bound: float
    baseline: float | None = None
    baseline_name: str | None = None
    at_least: bool = True
    is_ratio_bound: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        return None if not self.baseline else self.median / self.baseline

    @property
    def holds(self) -> bool:
        value = self.ratio if self.is_ratio_bound else self.median
        assert value is not None, "a bound on a ratio needs a baseline"
        return value >= self.bound if self.at_least else value <= self.bound

    def as_dict(self) -> dict[str, object]:
        """The line of `.local/bench.jsonl`."""
        return {
            "name": self.name,
            "median": self.median,
            "min": min(self.samples),
            "max": max(self.samples),
            "unit": self.unit,
            "baseline": self.baseline,
            "baseline_name": self.baseline_name,
            "ratio": self.ratio,
            "bound": self.bound,
            "bound_on": "ratio" if self.is_ratio_bound else "median",
            "at_least": self.at_least,
            "holds": self.holds,
        }


Bench = Callable[[], Figure]
"""A bench takes nothing and gives one figure; it lives in `bench_<part>.py` and is listed in its `BENCHES`."""
