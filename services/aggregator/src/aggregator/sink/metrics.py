"""The metrics of the sink."""

from prometheus_client import Counter, Histogram

BARS = Counter(
    "sink_bars_total", "Bars read: written, outranked (a better one was stored), doubled, provider_final", ("fate",)
)
BATCH = Histogram(
    "sink_batch_bars",
    "Bars stored at once",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000),
)
MONGODB = Histogram("sink_mongodb_seconds", "How long MongoDB took for a batch of bars")
REDIS = Histogram("sink_redis_seconds", "How long Redis took for a batch", ("what",))
STALE = Counter("sink_stale_series_total", "Series whose cached answers could not be dropped at once")
FORMING = Counter("sink_forming_total", "Forming records read: sent to Redis, conflated, expired or lost", ("fate",))
