"""Chooses everything for a sink: settings, stores, probes, and the two subscriptions of its FastStream broker."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from aggregator.settings import SinkSettings
from aggregator.sink.bars import BarStore
from aggregator.sink.cached_series import CachedSeries
from aggregator.sink.forming import FormingStore
from chassis import logs
from chassis import mongo as mongodb
from chassis import redis as cache
from chassis.kafka.batches import Consuming, subscribe
from chassis.kafka.broker import build_broker, close, publisher, start, watch
from chassis.kafka.errors import KAFKA
from chassis.kafka.topics import ensure_topics
from chassis.probes import Heartbeat, ProbeServer, Readiness, keep_beating
from chassis.process import Program
from chassis.process import run as run_process
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts import topics
from contracts.documents import BARS_VERSION, INDEXES, OHLCV

PROGRAM = Program(
    command="python -m aggregator sink",
    distribution="aggregator",
    about="Stores the bars of market.bars in MongoDB and the forming bars of market.forming in Redis.",
)
NAME = "aggregator-sink"
BARS_GROUP = NAME
FORMING_GROUP = "aggregator-sink-forming"
TOPICS = (topics.BARS, topics.BARS.dead, topics.FORMING, topics.FORMING.dead)

_log = logs.get("aggregator.sink")


def run(argv: Sequence[str] | None = None) -> int:
    """A sink from its first line to its exit code."""
    return run_process(PROGRAM, SinkSettings, work, argv)


async def work(settings: SinkSettings, stop: Stop, resources: AsyncExitStack) -> None:
    """Build a sink and have it work until it is told to stop."""
    ready, alive = Readiness((KAFKA, mongodb.MONGODB)), Heartbeat()
    probes = resources.enter_context(ProbeServer(settings.http_host, settings.http_port, ready, alive))
    _log.info("probes listen", host=settings.http_host, port=probes.port)
    beating = asyncio.create_task(keep_beating(alive, stop))
    resources.callback(beating.cancel)
    with suppress(Stopped):
        await _store(settings, ready, stop, resources)


async def _store(settings: SinkSettings, ready: Readiness, stop: Stop, resources: AsyncExitStack) -> None:
    mongo = mongodb.client(settings, NAME)
    resources.push_async_callback(mongo.close)
    redis = cache.client(settings, NAME)
    resources.push_async_callback(redis.aclose)
    db = mongodb.database(mongo, settings)
    await mongodb.wait_for_mongo(mongo, ready, stop)
    await persistently(lambda: mongodb.prepare(db, BARS_VERSION, INDEXES), ready, stop)
    await ensure_topics(settings.kafka_bootstrap_servers, TOPICS, settings.kafka_partitions, ready, stop)

    cached, forming = CachedSeries(redis), FormingStore(redis)
    bars = BarStore(db[OHLCV], cached)
    broker = build_broker(settings, NAME)
    resources.push_async_callback(close, broker)
    consuming = Consuming(publisher(broker), ready, stop)
    most = settings.sink_batch_records
    subscribe(broker, [topics.BARS.name], BARS_GROUP, bars.handle, consuming, max_records=most)
    subscribe(broker, [topics.FORMING.name], FORMING_GROUP, forming.handle, consuming)
    await start(broker, ready, stop)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(broker, ready, stop))
        tasks.create_task(cached.keep_trying(stop))
