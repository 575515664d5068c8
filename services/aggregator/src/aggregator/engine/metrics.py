"""The metrics of the engine."""

from prometheus_client import Counter, Gauge, Histogram

TICKS = Counter("engine_ticks_total", "Ticks taken from the log")
MARKS = Counter("engine_marks_total", "Marks taken from the log")
BARS = Counter("engine_bars_total", "Bars emitted", ("interval",))
REVISIONS = Counter("engine_revisions_total", "Bars emitted again because their values, gap_ms or close_time changed")
LATE = Counter("engine_late_ticks_total", "Ticks that came after the grace period of their bar")
FALLS = Counter("engine_counter_falls_total", "Falls of a cumulative volume: new days, corrections and older updates")
GAPS = Counter("engine_gaps_total", "Gap events emitted: uncovered stretches of a symbol that ended")
DEAD = Counter("engine_dead_records_total", "Records put aside", ("kind",))
PARTITIONS = Gauge("engine_partitions", "Partitions of the log that this engine owns")
LAG = Gauge("engine_position_lag_records", "Records of the log that are not taken yet", ("partition",))
COMMITTED_LAG = Gauge(
    "engine_committed_lag_records", "Records of the log beyond the position that was committed last", ("partition",)
)
OPEN_MINUTES = Gauge("engine_open_minutes", "Minutes that are open", ("partition",))
CLOSE_LATENCY = Histogram(
    "engine_close_latency_seconds",
    "From the end of a minute (and of its feed's delay) to its bars acknowledged, while caught up",
    buckets=(0.5, 1, 2, 2.1, 2.2, 2.3, 2.4, 2.5, 2.75, 3, 4, 5, 7.5, 10, 15, 30, 60),
)
TICK_AGE = Histogram(
    "engine_tick_age_seconds",
    "received_at - event_time of some of the ticks, less their feed's delay: what CLOSE_DELAY_MS has to cover",
    buckets=(0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 30, 60),
)
OVER_LATENESS = Gauge("engine_ticks_over_lateness_ratio", "Share of these ticks that came later than CLOSE_DELAY_MS")
COMMIT = Histogram(
    "engine_transaction_seconds",
    "From the last record put to the transaction committed",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
ABORTS = Counter("engine_aborts_total", "Transactions aborted; what they held was done again", ("cause",))
SAVED = Counter("engine_state_records_total", "Records of the state put into transactions")
RESTORE = Histogram(
    "engine_restore_seconds",
    "From the assignment of a partition, or an abort, to its state being whole",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60),
)
RESTORING = Gauge("engine_restoring_partitions", "Owned partitions whose state is still being read")
FORMING = Counter("engine_forming_total", "Forming records sent; ticks beyond their number were conflated")
FORMING_LOST = Counter("engine_forming_lost_total", "Forming records given up")
OWN_MARKS = Counter("engine_own_marks_total", "Marks that the engine wrote because nobody else did")


def forget(partition: int) -> None:
    """Drop the gauges of a partition that somebody else owns now."""
    for gauge in (LAG, COMMITTED_LAG, OPEN_MINUTES):
        gauge.remove(str(partition))
