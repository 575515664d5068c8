"""Chooses everything for history-sync: settings, stores, provider, workers, probes, and the request subscription."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from chassis import logs
from chassis import mongo as mongodb
from chassis import redis as cache
from chassis.clock import now_ms
from chassis.kafka.batches import Consuming, subscribe
from chassis.kafka.broker import build_broker, publisher, start, watch
from chassis.kafka.errors import KAFKA
from chassis.kafka.topics import ensure_topics
from chassis.probes import Heartbeat, ProbeServer, Readiness, keep_beating
from chassis.process import Program
from chassis.process import run as run_process
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts import topics
from contracts.documents import INDEXES, OHLCV
from contracts.history import HistoryEvent
from contracts.topics import partition_of
from history_sync.jobs import JobStore
from history_sync.requests import Requests
from history_sync.settings import HistorySettings
from history_sync.store import BarStore
from history_sync.tvdatafeed import TvDatafeedProvider
from history_sync.worker import Worker

PROGRAM = Program(
    command="python -m history_sync",
    distribution="history-sync",
    about="Fetches price history from TradingView on request and stores it where nothing better is known.",
)
NAME = "history-sync"
TOPICS = (topics.HISTORY_REQUESTS, topics.HISTORY_REQUESTS.dead, topics.HISTORY_EVENTS)
_EVENT_PARTITIONS = topics.HISTORY_EVENTS.partitions or 1

_log = logs.get("history_sync")


def run(argv: Sequence[str] | None = None) -> int:
    """history-sync from its first line to its exit code."""
    return run_process(PROGRAM, HistorySettings, work, argv)


async def work(settings: HistorySettings, stop: Stop, resources: AsyncExitStack) -> None:
    """Build everything and work until told to stop."""
    ready, alive = Readiness((KAFKA, mongodb.MONGODB)), Heartbeat()
    probes = resources.enter_context(ProbeServer(settings.http_host, settings.http_port, ready, alive))
    _log.info("probes listen", host=settings.http_host, port=probes.port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_beating(alive, stop))
        with suppress(Stopped):
            await _sync(settings, ready, stop, resources, tasks)


async def _sync(
    settings: HistorySettings, ready: Readiness, stop: Stop, resources: AsyncExitStack, tasks: asyncio.TaskGroup
) -> None:
    mongo = mongodb.client(settings, NAME)
    resources.push_async_callback(mongo.close)
    redis = cache.client(settings, NAME)
    resources.push_async_callback(redis.aclose)
    db = mongodb.database(mongo, settings)
    jobs = JobStore(db, settings.history_replica)
    await mongodb.wait_for_mongo(mongo, ready, stop)
    await persistently(lambda: mongodb.ensure_indexes(db, INDEXES), ready, stop)
    await ensure_topics(settings.kafka_bootstrap_servers, TOPICS, settings.kafka_partitions, ready, stop)

    token = settings.tradingview_auth_token
    provider = TvDatafeedProvider(
        settings.tradingview_url, token.get_secret_value() if token else None, settings.fetch_deadline_s, now_ms
    )
    resources.callback(provider.close)
    broker = build_broker(settings, NAME)
    resources.push_async_callback(broker.stop)
    publish = publisher(broker)

    async def tell(event: HistoryEvent) -> None:
        key = str(event.series).encode()
        partition = partition_of(key, _EVENT_PARTITIONS)
        await publish(topics.HISTORY_EVENTS.name, event.encode(), key=key, partition=partition)

    news = [asyncio.Event() for _ in range(settings.history_workers)]

    def wake() -> None:
        for event in news:
            event.set()

    requests = Requests(jobs, tell, wake, now_ms)
    subscribe(broker, [topics.HISTORY_REQUESTS.name], NAME, requests.handle, Consuming(publish, ready, stop))
    await start(broker, ready, stop)
    tasks.create_task(watch(broker, ready, stop))
    bars = BarStore(db[OHLCV], redis)
    for event in news:
        worker = Worker(jobs=jobs, provider=provider, bars=bars, tell=tell, now_ms=now_ms, ready=ready, stop=stop)
        tasks.create_task(_until_stopped(worker, event))
    await stop.wait()


async def _until_stopped(worker: Worker, news: asyncio.Event) -> None:
    with suppress(Stopped):
        await worker.run(news)
