"""What history-sync tells an operator about its work."""

from prometheus_client import Counter, Gauge, Histogram

JOBS = Counter("history_jobs_total", "Jobs that ended here: completed, error, given_back, lost", ("fate",))
RUNNING = Gauge("history_jobs_running", "Jobs that are worked on here")
FETCH = Histogram(
    "history_fetch_seconds", "How long the provider took for an answer", buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
)
FETCHED = Counter("history_bars_fetched_total", "Closed bars that came from the provider")
WRITTEN = Counter("history_bars_written_total", "Bars that won against what was stored")
REJECTED = Counter("history_rows_rejected_total", "Rows of the provider that are no bars")
RETRIES = Counter("history_retries_total", "Fetches that are tried again, by cause", ("cause",))
REQUESTS = Counter("history_requests_total", "Requests read: accepted, repeated", ("fate",))
