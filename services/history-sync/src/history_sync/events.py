"""What history-sync tells of its work, on `history.events`: at least once, `accepted` before the end. Touches Kafka."""

import asyncio
from collections.abc import Sequence

from chassis.kafka.broker import Publish
from contracts.history import HistoryEvent
from contracts.topics import Topic, partition_of

_AT_ONCE = 100


class Events:
    """Publishes events in the partition of their series, so that those of a series keep their order."""

    def __init__(self, publish: Publish, topic: Topic) -> None:
        if topic.partitions is None:
            raise ValueError(f"the partitions of {topic.name} are fixed")
        self._publish = publish
        self._topic = topic.name
        self._partitions = topic.partitions

    async def tell(self, events: Sequence[HistoryEvent]) -> None:
        """Return when all are safe; `Unavailable` if Kafka is away, and some may have been told."""
        for start in range(0, len(events), _AT_ONCE):
            outcomes = await asyncio.gather(*map(self._tell, events[start : start + _AT_ONCE]), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome

    async def _tell(self, event: HistoryEvent) -> None:
        key = str(event.series).encode()
        await self._publish(self._topic, event.encode(), key=key, partition=partition_of(key, self._partitions))
