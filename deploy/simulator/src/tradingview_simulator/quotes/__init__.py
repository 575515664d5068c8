"""Quote sessions: the latest state of symbols, sent as snapshots and partial updates (protocol §4)."""
