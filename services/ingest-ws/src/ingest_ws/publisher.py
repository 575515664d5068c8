"""Ticks, calendars and marks to `market.ticks`. Touches Kafka, through aiokafka's producer of whole batches.

Each owned partition has a task that takes a batch of the feed, sends it and waits for all in-sync replicas to have it:
so one batch of a partition is under way at a time, and while Kafka is slow the next batch grows. The producer is
idempotent: within its life a batch is tried again until it is in the log once. While Kafka is away that has no end, on
purpose: the feed holds what comes meanwhile within its bounds, and its marks do not vouch for what found no room. A
batch that fails all the same costs the producer its sequence: another one takes its place.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient

from chassis import logs
from chassis.kafka.closing import closed
from chassis.kafka.errors import kafka_errors
from chassis.probes import Readiness
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.errors import Unavailable
from contracts.topics import Topic
from ingest_ws import metrics
from ingest_ws.core.feed import Feed
from ingest_ws.core.partition import GRID_MS, Batch

LARGEST_BATCH = 1_000_000
"""Bytes before compression; a broker takes 1,048,588 by default (`message.max.bytes`)."""
FLUSH_WITHIN_S = 5.0
GATHER_S = 0.005
"""How long a tick waits at most for others. A request costs as much as hundreds of ticks, and one is under way."""
FOR_EVER_S = 10.0**9
_RETRY_S = 0.5
_UPDATE_EVERY_S = 0.2
_CLOSE_WITHIN_S = 2.0
_RETIRE_WITHIN_S = 30.0

_log = logs.get("ingest_ws.publisher")


def _pace_updates(client: AIOKafkaClient) -> None:
    """While a partition has no leader the sender asks for metadata without a pause: 1,300 times a second, measured."""
    update, loop = client._metadata_update, asyncio.get_running_loop()
    updated_at = -_UPDATE_EVERY_S

    async def update_paced(*arguments: object) -> object:
        nonlocal updated_at
        await asyncio.sleep(updated_at + _UPDATE_EVERY_S - loop.time())
        updated_at = loop.time()
        return await update(*arguments)

    client._metadata_update = update_paced


class TickPublisher:
    """`own` says which partitions to write; `wake` that the feed has ticks; `run` works until the process shall end."""

    def __init__(self, bootstrap: str, client_id: str, topic: Topic, feed: Feed, present: Callable[[], int]) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._topic = topic.name
        self._feed = feed
        self._present = present
        self._producer: AIOKafkaProducer | None = None
        self._pumps: dict[int, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._is_closing = False
        self._replacing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self, ready: Readiness, stop: Stop) -> None:
        """Connect; waits while Kafka is away."""
        self._producer = await persistently(self._connect, ready, stop)

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap.split(","),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=LARGEST_BATCH,
            request_timeout_ms=20_000,
        )
        # A batch that waits for its partition to have a leader again would be given up after the request's timeout, and
        # its sequence with it. No public setting parts the two.
        producer._message_accumulator._batch_ttl = FOR_EVER_S
        _pace_updates(producer.client)
        with kafka_errors():
            try:
                async with asyncio.timeout(30):
                    await producer.start()
            except BaseException:
                await producer.stop()
                raise
        return producer

    def own(self, partitions: frozenset[int]) -> None:
        """Write these partitions from now on: the feed owns them already, and still owns those that go."""
        for partition in self._pumps.keys() - partitions:
            self._pumps.pop(partition)[0].cancel()
        for partition in partitions - self._pumps.keys():
            news = asyncio.Event()
            self._pumps[partition] = (asyncio.create_task(self._pump(partition, news)), news)
        metrics.PARTITIONS.set(len(partitions))

    def wake(self) -> None:
        """The feed may have ticks to send."""
        for partition in self._feed.take_touched():
            if partition in self._pumps:
                self._pumps[partition][1].set()

    async def run(self, stop: Stop) -> None:
        """Have every partition marked on the grid, until the process shall end; raises what one of its tasks raised."""
        while not await stop.sleep((GRID_MS - self._present() % GRID_MS) / 1000):
            for task, _ in self._pumps.values():
                if task.done():
                    await task
            self._wake_all()
            metrics.WAITING.set(self._feed.waiting_ticks)
            metrics.BUFFER.set(self._feed.room.used)
            metrics.LOST.set(self._feed.lost_ticks)

    async def close(self) -> None:
        """Send what is left and a last mark of each partition, within a few seconds; then disconnect."""
        if self._producer is None:
            return
        self._is_closing = True
        self._wake_all()
        tasks = [task for task, _ in self._pumps.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FLUSH_WITHIN_S)
            if late:
                _log.warning("Kafka did not take everything in time", ticks=self._feed.waiting_ticks)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in self._retiring:
            task.cancel()
        await closed(self._producer.stop(), _CLOSE_WITHIN_S)

    async def _pump(self, partition: int, news: asyncio.Event) -> None:
        while True:
            await news.wait()
            await self._gather()
            news.clear()
            is_last = self._is_closing
            now = self._present()
            while (batch := self._feed.take(partition, now)) is not None:
                await self._deliver(partition, batch)
                await self._gather()
                now = self._present()
            if is_last:
                if (batch := self._feed.take(partition, now, is_last=True)) is not None:
                    await self._deliver(partition, batch)
                return

    def _wake_all(self) -> None:
        for _, news in self._pumps.values():
            news.set()

    async def _gather(self) -> None:
        """Wait for the next turn of a short grid: what has come by then goes in one request for all partitions."""
        clock = asyncio.get_running_loop().time()
        await asyncio.sleep(GATHER_S - clock % GATHER_S)

    async def _replace(self, failed: AIOKafkaProducer) -> None:
        """Have another producer take the place of one that has lost its sequence; waits while Kafka is away."""
        async with self._replacing:
            while self._producer is failed:
                await asyncio.sleep(_RETRY_S)
                with suppress(Unavailable):
                    self._producer = await self._connect()
                    metrics.PRODUCERS.inc()
                    self._retire(failed)

    def _retire(self, producer: AIOKafkaProducer) -> None:
        """Batches of other partitions may be under way with it."""

        task = asyncio.create_task(closed(producer.stop(), _RETIRE_WITHIN_S))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _deliver(self, partition: int, batch: Batch) -> None:
        producer = self._producer
        assert producer is not None
        try:
            await self._send(producer, partition, batch)
        except Unavailable as error:
            _log.warning("a batch is lost, its partition is uncovered for it", partition=partition, cause=error.cause)
            self._feed.delivery_failed(partition)
            await self._replace(producer)
            return
        self._feed.acknowledged(partition)
        ticks = batch.ticks
        metrics.TICKS.inc(len(ticks))
        now = self._present()
        for put_at, count in Counter([entry.put_at for entry in ticks]).items():
            metrics.LATENCY.observe((now - put_at) / 1000, count)

    async def _send(self, producer: AIOKafkaProducer, partition: int, batch: Batch) -> None:
        builder = producer.create_batch()
        for key, value in batch.records():
            if builder.append(key=key, value=value, timestamp=None) is None:
                raise AssertionError(f"a batch of {len(batch.entries)} records is larger than {LARGEST_BATCH} bytes")
        with kafka_errors():
            sent = await producer.send_batch(builder, self._topic, partition=partition)
            # Who stops waiting must not cancel what the producer itself waits for.
            await asyncio.shield(sent)
