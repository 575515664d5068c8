"""Bars of a series as the protocol writes them (protocol §5.2, §5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from tradingview_simulator.model.bars import Bar, Resolution, bars, close_time, is_first, values_of
from tradingview_simulator.model.tape import Tape

NODE = "simulator-charts-1-series-1"


@dataclass
class Series:
    """One series of a chart session: what it shows, and how far back it has been served."""

    tape: Tape
    resolution: Resolution
    turnaround: str
    oldest: Bar | None = None
    served: int = 0
    before: int = 0

    def newest(self, until_ms: int, count: int) -> list[Bar]:
        """The newest `count` bars of what had traded by `until_ms`."""
        found = bars(self.tape, self.resolution, until_ms, count)
        self.served, self.before = len(found), 0
        self.oldest = found[0] if found else None
        return found

    def older(self, count: int) -> list[Bar]:
        """Up to `count` bars before the oldest one served."""
        if self.oldest is None:
            return []
        found = bars(self.tape, self.resolution, self.oldest.time * 1_000 - 1, count)
        self.served += len(found)
        self.before += len(found)
        self.oldest = found[0] if found else self.oldest
        return found

    def data_completed(self, asked: int, given: int, most: int) -> str | None:
        """`end` where history begins, `limit` where the plan's window does, None where there is more."""
        if given < asked and (self.oldest is None or is_first(self.tape, self.oldest)):
            return "end"
        return "limit" if self.served >= most else None


def timescale_update(series_id: str, series: Series, found: Sequence[Bar], first_index: int) -> tuple[object, object]:
    """The two objects of `timescale_update` behind the session's name; bars are numbered from `first_index`."""
    instrument = series.tape.instrument
    update = {
        series_id: {
            "node": NODE,
            "s": [{"i": first_index + at, "v": values_of(instrument, bar)} for at, bar in enumerate(found)],
            "ns": {"d": "", "indexes": []},
            "t": series.turnaround,
            "lbs": {"bar_close_time": close_time(series.tape, series.resolution, found[-1])},
        }
    }
    scale = {
        "index": first_index,
        "zoffset": -first_index,
        "changes": [float(bar.time) for bar in found],
        "marks": [],
        "index_diff": [],
    }
    return update, scale
