"""Commands as records on Kafka: what the feed shall do, and requests for history, each in its explicit partition."""

import asyncio
from collections.abc import Callable, Sequence

from chassis.kafka.broker import Publish
from chassis.kafka.errors import KAFKA
from contracts.errors import Unavailable
from contracts.feed import FeedControl, Subscription
from contracts.history import SyncRequest
from contracts.symbols import SymbolId
from contracts.topics import CONTROL, CONTROL_KEY, HISTORY_REQUESTS, SUBSCRIPTIONS, Topic, partition_of

PUBLISH_WITHIN_S = 10.0


class KafkaCommands:
    """Publishes commands; a call returns when all in-sync replicas have its records.

    Every command may be repeated without harm. `Unavailable` before the broker was ever reached means that nothing
    was sent; after `PUBLISH_WITHIN_S`, that the command may still be carried out.
    """

    def __init__(self, publish: Publish, partitions: int, now_ms: Callable[[], int]) -> None:
        self._publish = publish
        self._partitions = partitions
        self._now_ms = now_ms
        self.is_connected = False

    async def sync(self, request: SyncRequest) -> None:
        """Put a request for history on its topic; requests of one id lie in one partition, in order."""
        await self._send(HISTORY_REQUESTS, request.request_id.encode(), request.encode())

    async def run_feed(self, running: bool) -> None:
        """Have the feed run or stop."""
        await self._send(CONTROL, CONTROL_KEY, FeedControl(running=running, requested_at=self._now_ms()).encode())

    async def subscribe(self, identities: Sequence[SymbolId]) -> None:
        """Have the symbols wanted."""
        now = self._now_ms()
        await self._send_all(
            [
                (one.key, Subscription(exchange=one.exchange, symbol=one.symbol, wanted_at=now).encode())
                for one in identities
            ]
        )

    async def unsubscribe(self, identities: Sequence[SymbolId]) -> None:
        """Have the symbols wanted no longer."""
        await self._send_all([(one.key, None) for one in identities])

    async def _send_all(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """All are sent together; if one fails, some of the others may be on the topic."""
        outcomes = await asyncio.gather(
            *(self._send(SUBSCRIPTIONS, key, value) for key, value in records), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _send(self, topic: Topic, key: bytes, value: bytes | None) -> None:
        if not self.is_connected:
            raise Unavailable(KAFKA, "not reached since the start")
        count = topic.partitions or self._partitions
        await self._publish(topic.name, value, key=key, partition=partition_of(key, count))
