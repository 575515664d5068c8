"""Reading a Kafka topic from its beginning without a group: desired state, and streams that every replica reads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis.kafka.closing import closed
from chassis.kafka.errors import KAFKA, kafka_errors
from chassis.record import Record
from chassis.stop import Stop
from contracts.errors import Unavailable

_POLL_MS = 200
_START_WITHIN_S = 30.0
_CLOSE_WITHIN_S = 2.0


class TopicReader:
    """Partitions of one topic, read by nobody else's leave: no group, no commits, committed transactions only.

    Open it as a context (raises `Unavailable` if Kafka is away), read `to_end` once, then `follow`.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: Sequence[int], *, max_records: int = 1000) -> None:
        self._topic = topic
        self._partitions = [TopicPartition(topic, partition) for partition in partitions]
        self._max_records = max_records
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap.split(","),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=20_000,
        )

    async def __aenter__(self) -> Self:
        with kafka_errors():
            try:
                async with asyncio.timeout(_START_WITHIN_S):
                    await self._consumer.start()
                    self._consumer.assign(self._partitions)
                    await self._consumer.seek_to_beginning(*self._partitions)
            except BaseException:
                await closed(self._consumer.stop(), _CLOSE_WITHIN_S)
                raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await closed(self._consumer.stop(), _CLOSE_WITHIN_S)

    async def to_end(self, *, within_s: float = 60.0) -> AsyncIterator[list[Record]]:
        """Batches of records up to the end as it is at the call; `Unavailable` if that is not reached in time."""
        with kafka_errors():
            async with asyncio.timeout(within_s):
                ends = await self._consumer.end_offsets(self._partitions)
        deadline = asyncio.get_running_loop().time() + within_s
        while await self._is_behind(ends):
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(KAFKA, f"the end of {self._topic} was not reached within {within_s} s")
            for batch in await self._poll():
                yield batch

    async def follow(self, stop: Stop) -> AsyncIterator[list[Record]]:
        """Batches of records from where reading stands, as they come, until the process shall end."""
        while not stop.is_set:
            for batch in await self._poll():
                yield batch

    async def _poll(self) -> list[list[Record]]:
        with kafka_errors():
            return list((await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=self._max_records)).values())

    async def _is_behind(self, ends: dict[TopicPartition, int]) -> bool:
        for partition, end in ends.items():
            with kafka_errors():
                async with asyncio.timeout(_START_WITHIN_S):
                    position = await self._consumer.position(partition)
            if position < end:
                return True
        return False


async def read_to_end(
    bootstrap: str, topic: str, partitions: Sequence[int], *, within_s: float = 60.0
) -> dict[bytes, Record]:
    """The last record of each key of a compacted topic, without tombstones; `Unavailable` if Kafka is away."""
    last: dict[bytes, Record] = {}
    async with TopicReader(bootstrap, topic, partitions) as reader:
        async for batch in reader.to_end(within_s=within_s):
            for record in batch:
                if record.key is None:
                    continue
                if record.value is None:
                    last.pop(record.key, None)
                else:
                    last[record.key] = record
    return last
