"""What tests of the aggregator share: empty topics of its own, and its processes on the session's real parts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aggregator.engine.clients import GROUP
from candlewick_local.parts import RealParts
from contracts import topics, wire
from tests.support.processes import Process, Processes
from tests.support.topics import Written, by_partition, forget_group, made_anew, read_all

PARTITIONS = 4
_ROOT = Path(__file__).parents[2]
TOPICS = (
    *(topics.TICKS, topics.TICKS.dead, topics.BARS, topics.BARS.dead),
    *(topics.FORMING, topics.FORMING.dead, topics.TICKS_LATE, topics.FEED, topics.ROLLUP),
)


@dataclass(frozen=True)
class Aggregator:
    """The aggregator's topics, empty at first, and the means to start its processes."""

    parts: RealParts
    database: str
    processes: Processes

    @property
    def kafka(self) -> str:
        return self.parts.kafka

    def engine(self, instance: str = "engine-1", *, silence_ms: int = 600_000, partitions: int = PARTITIONS) -> Process:
        """Start an engine; it leaves silence alone unless told."""
        return self.start(
            ["aggregator", "engine"], instance, SILENCE_MS=str(silence_ms), KAFKA_PARTITIONS=str(partitions)
        )

    def start(self, command: Sequence[str], instance: str, **settings: str) -> Process:
        """Start an engine with settings of its own, or a program that stands in for one."""
        return self.processes.start(
            command,
            **{"ENGINE_INSTANCE_ID": instance, "SILENCE_MS": "600000", "LOG_LEVEL": "DEBUG", "PYTHONPATH": str(_ROOT)}
            | settings,
        )

    def sink(self, *, batch_records: int = 2_000) -> Process:
        """Start a sink on this test's database."""
        return self.processes.start(
            ["aggregator", "sink"],
            MONGODB_URL=self.parts.mongo,
            MONGODB_DATABASE=self.database,
            REDIS_URL=self.parts.redis,
            SINK_BATCH_RECORDS=str(batch_records),
        )

    def published(self) -> dict[int, list[Written]]:
        """What `market.bars` holds, by partition."""
        return {number: [] for number in range(PARTITIONS)} | by_partition(read_all(self.kafka, topics.BARS.name))

    def bars(self) -> list[wire.Bar]:
        """The bars that `market.bars` holds, as the headers say which records those are."""
        records = [record for of in self.published().values() for record in of]
        return [wire.decode_bar(record.value or b"") for record in records if ("kind", b"bar") in record.headers]


@contextmanager
def aggregator(parts: RealParts, database: str, folder: Path) -> Iterator[Aggregator]:
    """Empty topics, and processes that end with the block."""
    made_anew(parts.kafka, TOPICS, PARTITIONS)
    forget_group(parts.kafka, GROUP)
    settings = {"KAFKA_BOOTSTRAP_SERVERS": parts.kafka, "KAFKA_PARTITIONS": str(PARTITIONS)}
    with Processes(folder, settings).open() as processes:
        yield Aggregator(parts, database, processes)
