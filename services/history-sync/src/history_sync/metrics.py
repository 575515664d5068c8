"""The metrics of history-sync."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("history_requests_total", "Requests read: accepted, repeated", ("fate",))
QUEUE = Gauge("history_queue_jobs", "Jobs that wait or are worked on, at all replicas together", ("status",))
RUNNING = Gauge("history_jobs_running", "Jobs that are worked on here")
JOBS = Counter(
    "history_jobs_total",
    "What became of jobs here: completed, error, retried, given_back, lost (to another worker)",
    ("fate",),
)
FETCH = Histogram(
    "history_fetch_seconds", "How long the provider took", buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45, 90)
)
BARS = Counter(
    "history_bars_total",
    "Bars that came from the provider: written, outranked (a better one was stored), forming (not stored)",
    ("fate",),
)
REJECTED = Counter("history_rows_rejected_total", "Rows of the provider that are no bars", ("cause",))
OFF_GRID = Counter(
    "history_bars_off_grid_total", "Stored bars that open where the symbol's trading calendar has no bar"
)
RETRIES = Counter("history_retries_total", "Fetches that failed for a while, by cause", ("cause",))
STALE = Counter("history_stale_series_total", "Series whose cached answers could not be dropped at once")
