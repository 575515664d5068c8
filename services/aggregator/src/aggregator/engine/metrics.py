"""What the engine tells an operator about its work."""

from prometheus_client import Counter, Gauge, Histogram

TICKS = Counter("engine_ticks_total", "Ticks taken from the log")
MARKS = Counter("engine_marks_total", "Marks taken from the log")
BARS = Counter("engine_bars_total", "Bars issued", ("interval",))
REVISIONS = Counter("engine_revisions_total", "Bars issued again because a tick of theirs came late")
LATE = Counter("engine_late_ticks_total", "Ticks that came too late to correct their bar")
GAPS = Counter("engine_gaps_total", "Unheard stretches of a symbol that were told when they had ended")
DEAD = Counter("engine_dead_records_total", "Records put aside", ("kind",))
PARTITIONS = Gauge("engine_partitions", "Partitions of the log that this engine owns")
LAG = Gauge("engine_position_lag_records", "Records of the log that are not taken yet", ("partition",))
OPEN_MINUTES = Gauge("engine_open_minutes", "Minutes that are open", ("partition",))
CLOSE_LATENCY = Histogram(
    "engine_close_latency_seconds",
    "From the end of a minute (and of its feed's delay) to its bars acknowledged, while caught up",
    buckets=(0.5, 1, 2, 2.1, 2.2, 2.3, 2.4, 2.5, 2.75, 3, 4, 5, 7.5, 10, 15, 30, 60),
)
COMMIT = Histogram("engine_commit_seconds", "How long what was issued took to be acknowledged")
FORMING = Counter("engine_forming_total", "Forming records sent; ticks beyond their number were conflated")
FORMING_LOST = Counter("engine_forming_lost_total", "Forming records given up")
OWN_MARKS = Counter("engine_own_marks_total", "Marks that the engine wrote because nobody else did")


def forget(partition: int) -> None:
    """Drop the gauges of a partition that somebody else owns now."""
    LAG.remove(str(partition))
    OPEN_MINUTES.remove(str(partition))
