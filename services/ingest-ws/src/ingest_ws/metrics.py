"""The metrics of ingest-ws."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Distribution(Collector):
    """A histogram that takes many observations of one value at once: ticks come by the hundred."""

    def __init__(self, name: str, about: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._about = about
        self._bounds = (*bounds, float("inf"))
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        REGISTRY.register(self)

    def observe(self, value: float, count: int) -> None:
        """The value was seen so many times."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._sum += value * count

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What Prometheus reads."""
        buckets, below = [], 0
        for bound, count in zip(self._bounds, self._counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), float(below)))
        yield HistogramMetricFamily(self._name, self._about, buckets=buckets, sum_value=self._sum)


CONNECTED = Gauge("ingest_connections", "Connections to TradingView that are open")
RECONNECTS = Counter("ingest_reconnects_total", "Connections that ended or did not come about", ("cause",))
FRAMES = Counter("ingest_frames_total", "WebSocket frames received")
BYTES = Counter("ingest_received_characters_total", "Characters of WebSocket frames received")
LAST_PACKET = Gauge("ingest_last_packet_seconds", "When the last frame came, seconds since the epoch")
SYMBOLS = Gauge("ingest_symbols", "Symbols served, by status", ("state",))
PARTITIONS = Gauge("ingest_partitions", "Partitions of market.ticks that this replica writes")
TICKS = Counter("ingest_ticks_total", "Ticks acknowledged by Kafka")
LOST = Gauge("ingest_ticks_lost", "Ticks since the start that are not in the log; their time is uncovered by the marks")
WAITING = Gauge("ingest_buffer_ticks", "Ticks that wait for Kafka")
BUFFER = Gauge("ingest_buffer_bytes", "Bytes of ticks that wait for Kafka or for its acknowledgement")
PRODUCERS = Counter("ingest_producers_replaced_total", "Producers that had lost their sequence after a failed batch")
LATENCY = Distribution(
    "ingest_tick_seconds",
    "From the frame (or the end of the hold) that completed a tick to its acknowledgement by Kafka",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
DEAD = Counter("ingest_dead_letters_total", "Frames and updates put aside because they make no sense", ("kind",))
DROPPED = Counter("ingest_reports_dropped_total", "Reports that found no room while Kafka was away", ("topic",))
UNCOVERED = Counter(
    "ingest_uncovered_seconds_total", "Time in which a wanted symbol was uncovered, summed over symbols"
)
DAY_DIFFERENCES = Counter(
    "ingest_trading_day_differences_total",
    "Times that the provider named another trading day than the calendar of the symbol does",
)
AWAY = Counter("ingest_away_seconds_total", "Time in which this process did not run, which is uncovered")
QUOTES = Counter("ingest_quotes_total", "Quotes written to Redis")
