"""Chooses everything for history-sync: settings, stores, provider, workers, probes, and the request subscription."""

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from chassis import logs
from chassis import mongo as mongodb
from chassis import redis as cache
from chassis.clock import now_ms
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
from contracts.topics import Topic
from history_sync.cached_series import CachedSeries
from history_sync.events import Events
from history_sync.housekeeping import Housekeeping, Teller
from history_sync.jobs import Queue
from history_sync.requests import Requests
from history_sync.settings import HistorySettings
from history_sync.tvdatafeed import TvDatafeedProvider
from history_sync.worker import Limits, Workers

PROGRAM = Program(
    command="python -m history_sync",
    distribution="history-sync",
    about="Fetches price history from TradingView on request and stores it where nothing better is known.",
)
NAME = "history-sync"
TELL_WITHIN_S = 10.0
"""How long an event may take until it is safe; while Kafka is away, events of ended jobs are published later."""
_REQUESTS_AT_ONCE = 50

_log = logs.get("history_sync.app")


@dataclass(frozen=True, slots=True)
class Topics:
    """Where requests come from and where the events of their jobs go."""

    requests: Topic = topics.HISTORY_REQUESTS
    events: Topic = topics.HISTORY_EVENTS


def run(argv: Sequence[str] | None = None) -> int:
    """history-sync from its first line to its exit code, in UTC: tvDatafeed tells bars in the process's local time."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    return run_process(PROGRAM, HistorySettings, work, argv)


async def work(
    settings: HistorySettings, stop: Stop, resources: AsyncExitStack, *, topics: Topics | None = None
) -> None:
    """Build history-sync and have it work until it is told to stop."""
    ready, alive = Readiness((KAFKA, mongodb.MONGODB)), Heartbeat()
    token = settings.tradingview_auth_token.get_secret_value()
    provider = TvDatafeedProvider(settings.tradingview_url, token, now_ms)
    probes = resources.enter_context(ProbeServer(settings.http_host, settings.http_port, ready, alive))
    _log.info("probes listen", host=settings.http_host, port=probes.port)
    beating = asyncio.create_task(keep_beating(alive, stop))
    resources.callback(beating.cancel)
    with suppress(Stopped):
        await _sync(settings, provider, topics or Topics(), ready, stop, resources)


async def _sync(  # noqa: PLR0917 - what the process is made of
    settings: HistorySettings,
    provider: TvDatafeedProvider,
    topics: Topics,
    ready: Readiness,
    stop: Stop,
    resources: AsyncExitStack,
) -> None:
    mongo = mongodb.client(settings, NAME)
    resources.push_async_callback(mongo.close)
    redis = cache.client(settings, NAME)
    resources.push_async_callback(redis.aclose)
    db = mongodb.database(mongo, settings)
    await mongodb.wait_for_mongo(mongo, ready, stop)
    await persistently(lambda: mongodb.prepare(db, BARS_VERSION, INDEXES), ready, stop)
    wanted = (topics.requests, topics.requests.dead, topics.events)
    await ensure_topics(settings.kafka_bootstrap_servers, wanted, settings.kafka_partitions, ready, stop)

    broker = build_broker(settings, NAME)
    resources.push_async_callback(close, broker)
    pool = ThreadPoolExecutor(settings.history_workers, thread_name_prefix="fetch")
    resources.callback(pool.shutdown, wait=False, cancel_futures=True)
    limits = Limits(
        settings.history_workers, settings.fetch_deadline_s, settings.history_attempts, settings.history_lease_s
    )
    queue = Queue(mongo, db, settings.history_replica, limits.lease_s)
    events = Events(publisher(broker, TELL_WITHIN_S), topics.events)
    teller = Teller(queue, events, now_ms)
    cached = CachedSeries(redis)
    workers = Workers(
        queue=queue,
        provider=provider,
        pool=pool,
        bars=db[OHLCV],
        cached=cached,
        teller=teller,
        limits=limits,
        now_ms=now_ms,
        ready=ready,
        stop=stop,
    )
    keeper = Housekeeping(queue, teller, lease_s=limits.lease_s, attempts=limits.attempts, now_ms=now_ms)
    requests = Requests(queue, events, workers.news.set, now_ms)
    consuming = Consuming(publisher(broker), ready, stop)
    subscribe(broker, [topics.requests.name], NAME, requests.handle, consuming, max_records=_REQUESTS_AT_ONCE)
    await start(broker, ready, stop)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch(broker, ready, stop))
        tasks.create_task(cached.keep_trying(stop))
        tasks.create_task(keeper.run(ready, stop, workers.news.set))
        tasks.create_task(workers.run())
