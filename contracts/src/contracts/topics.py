"""Every Kafka topic: its name, its partitions, its configuration; and the one function that places a symbol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DEFAULT_PARTITIONS = 24
MARK_KEY = b"!"
"""The key of a `FeedMark`, and of a `BarsComplete`; consumers of ticks and bars skip keys that begin with it."""
CONTROL_KEY = b"feed"

_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it must be: `partitions` None means the count that all symbol-keyed topics share for ever."""

    name: str
    partitions: int | None
    config: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def dead(self) -> "Topic":
        """Where records of this topic go that could not be read; a person reads them."""
        return Topic(f"{self.name}.dead", 1, _config(days=30))


def _config(*, days: int | None = None, compacted: bool = False, **extra: str) -> Mapping[str, str]:
    config = {"cleanup.policy": "compact" if compacted else "delete"}
    if days is not None:
        config["retention.ms"] = str(days * _DAY_MS)
    config |= {name.replace("_", "."): value for name, value in extra.items()}
    return MappingProxyType(config)


TICKS = Topic(
    "market.ticks.v1",
    None,
    _config(days=7, message_timestamp_type="LogAppendTime", compression_type="lz4"),
)
BARS = Topic("market.bars.v1", None, _config(days=7))
FORMING = Topic(
    "market.forming.v1", None, _config(compacted=True, segment_ms="600000", min_cleanable_dirty_ratio="0.1")
)
TICKS_LATE = Topic("market.ticks.late.v1", None, _config(days=30))
LARGEST_STATE = 8 * 1024 * 1024
"""Bytes of a record of the engine's state, at most."""
ROLLUP = Topic(
    "market.rollup.v1",
    None,
    _config(
        compacted=True,
        segment_bytes=str(32 * 1024 * 1024),
        min_cleanable_dirty_ratio="0.1",
        max_message_bytes=str(LARGEST_STATE),
    ),
)
SUBSCRIPTIONS = Topic("market.subscriptions.v1", None, _config(compacted=True))
SYMBOLS = Topic("market.symbols.v1", None, _config(compacted=True))
CONTROL = Topic("market.control.v1", 1, _config(compacted=True))
STATUS = Topic("market.status.v1", None, _config(compacted=True))
FEED = Topic("market.feed.v1", 1, _config(days=30))
HISTORY_REQUESTS = Topic("history.requests.v1", 4, _config(days=7))
HISTORY_EVENTS = Topic("history.events.v1", 4, _config(days=7))

TOPICS = (
    TICKS, BARS, FORMING, TICKS_LATE, ROLLUP, SYMBOLS, SUBSCRIPTIONS, CONTROL, STATUS, FEED, HISTORY_REQUESTS,
    HISTORY_EVENTS,
)  # fmt: skip
ALL_TOPICS = TOPICS + tuple(topic.dead for topic in TOPICS)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key: Kafka's murmur2 (as its Java client computes it) modulo the count."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, with the seed of Kafka's clients; unsigned."""
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * 0x5BD1E995 & 0xFFFFFFFF
        k ^= k >> 24
        h = h * 0x5BD1E995 & 0xFFFFFFFF ^ k * 0x5BD1E995 & 0xFFFFFFFF
    tail = length & 3
    if tail:
        h ^= int.from_bytes(data[whole:], "little")
        h = h * 0x5BD1E995 & 0xFFFFFFFF
    h ^= h >> 13
    h = h * 0x5BD1E995 & 0xFFFFFFFF
    return h ^ h >> 15
