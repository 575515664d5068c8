"""Chooses everything for ingest-ws: settings, clients, the feed, and the tasks that work on it."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any
from zlib import crc32

from chassis import logs
from chassis import redis as cache
from chassis.clock import now_ms
from chassis.kafka.broker import build_broker, close, publisher, start, watch
from chassis.kafka.errors import KAFKA
from chassis.kafka.topics import ensure_topics
from chassis.probes import Heartbeat, ProbeServer, Readiness
from chassis.process import Program
from chassis.process import run as run_process
from chassis.settings import SecretSource
from chassis.stop import Stop, Stopped
from contracts.symbols import SymbolId
from ingest_ws import metrics
from ingest_ws.control import ControlReader
from ingest_ws.core.clock import FeedClock
from ingest_ws.core.feed import Feed
from ingest_ws.core.status import Statuses
from ingest_ws.provider import TRADINGVIEW, Provider
from ingest_ws.publisher import TickPublisher
from ingest_ws.quotes_cache import QuotesCache
from ingest_ws.reports import Reports, Topics
from ingest_ws.settings import IngestSettings
from ingest_ws.subscriptions import SUBSCRIPTIONS, SubscriptionReader
from ingest_ws.tokens import Tokens

PROGRAM = Program(
    command="python -m ingest_ws",
    distribution="ingest-ws",
    about=(
        "Reads the quotes of the wanted symbols from TradingView and writes them to market.ticks, "
        "with their trading calendars and with marks that say what was covered."
    ),
)
NAME = "ingest-ws"
_STATUS_EVERY_S = 1.0
_CLOSE_WITHIN_S = 2.0
_LET_GO_WITHIN_S = 1.0

_log = logs.get("ingest_ws.app")


def run(argv: Sequence[str] | None = None) -> int:
    """ingest-ws from its first line to its exit code."""
    return run_process(PROGRAM, IngestSettings, work, argv)


async def work(
    settings: IngestSettings, stop: Stop, resources: AsyncExitStack, *, topics: Topics | None = None
) -> None:
    """Build ingest-ws and have it work until it is told to stop."""
    ready, alive = Readiness((KAFKA, SUBSCRIPTIONS, TRADINGVIEW)), Heartbeat()
    probes = resources.enter_context(ProbeServer(settings.http_host, settings.http_port, ready, alive))
    _log.info("probes listen", host=settings.http_host, port=probes.port)
    beating = asyncio.create_task(_beat(alive, stop))
    resources.callback(beating.cancel)
    await Service(settings, topics or Topics(), ready).run(stop, resources)


class Service:
    """The parts of one process and how they meet."""

    def __init__(self, settings: IngestSettings, topics: Topics, ready: Readiness) -> None:
        self._settings = settings
        self._topics = topics
        self._ready = ready
        bootstrap, partitions, replica = (
            settings.kafka_bootstrap_servers,
            settings.kafka_partitions,
            settings.ingest_replica,
        )
        self._broker = build_broker(settings, NAME)
        publish = publisher(self._broker)
        clock = FeedClock()
        self._feed = Feed(
            partitions, crc32(replica.encode()), settings.ingest_buffer_mb * 1024 * 1024, clock.read(now_ms())
        )
        self._redis = cache.client(settings, NAME)
        self._quotes = QuotesCache(self._redis, self._feed)
        self._statuses = Statuses(replica)
        self._reports = Reports(publish, topics, partitions, replica)
        self._ticks = TickPublisher(bootstrap, NAME, topics.ticks, self._feed, self._present)
        self._provider = Provider(
            settings.tradingview_url,
            Tokens(
                SecretSource(settings, "tradingview_auth_token"),
                SecretSource(settings, "tradingview_cookies"),
                settings.tradingview_http_url,
                now_ms,
            ),
            settings.ingest_connection_symbols,
            feed=self._feed,
            clock=clock,
            reports=self._reports,
            wake=self._ticks.wake,
        )
        self._control = ControlReader(bootstrap, topics.control.name, publish, self._provider.set_running)
        self._subscriptions = SubscriptionReader(
            bootstrap,
            topics.subscriptions.name,
            settings.ingest_group,
            client_id=replica,
            publish=publish,
            act=self._act,
        )

    async def run(self, stop: Stop, resources: AsyncExitStack) -> None:
        """1. parts that answer, 2. control, so that a stopped feed stays so, 3. the rest. At the end, in this order:
        the group is left and the others take over, the sockets, the last ticks and marks, the last reports, the
        clients."""
        resources.push_async_callback(self._redis.aclose)
        resources.push_async_callback(close, self._broker, _CLOSE_WITHIN_S)
        settings, ready = self._settings, self._ready
        bootstrap = settings.kafka_bootstrap_servers
        await ensure_topics(bootstrap, self._topics.all, settings.kafka_partitions, ready, stop)
        await start(self._broker, ready, stop)
        await self._ticks.start(ready, stop)
        known, ending = asyncio.Event(), Stop()
        async with asyncio.TaskGroup() as tasks:

            def begin(work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
                return tasks.create_task(_until_stopped(work))

            begin(_or_let_go(watch(self._broker, ready, ending), ending))
            begin(_or_let_go(self._reports.run(ready, ending), ending))
            begin(_or_let_go(self._control.run(ready, ending, known.set), ending))
            begin(self._ticks.run(ending))
            begin(self._quotes.run(ending))
            begin(self._report(ending))
            stopped = begin(stop.wait())
            knowing = begin(known.wait())
            await asyncio.wait({knowing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            knowing.cancel()
            if not stop.is_set:
                begin(self._provider.run(ready, ending))
                await self._subscriptions_until_handed_over(stop)
            ending.request(stop.reason)
        await self._close()

    async def _subscriptions_until_handed_over(self, stop: Stop) -> None:
        """Follow the desired state; then leave the group and go on until those who take over cover our symbols."""
        await _until_stopped(self._subscriptions.run(self._ready, stop))
        is_alone = len(self._feed.assigned) == self._settings.kafka_partitions
        if self._feed.owned and not is_alone:
            seconds = self._feed.hand_over_ms / 1000
            _log.info("going on until others cover our symbols", seconds=seconds)
            await asyncio.sleep(seconds)

    async def _close(self) -> None:
        self._feed.close(self._provider.present())
        await self._ticks.close()
        for status in self._statuses.ended(list(self._feed.symbols)):
            self._reports.status_ended(status)
        await self._reports.flush()

    def _present(self) -> int:
        return self._provider.present()

    def _act(self, owned: frozenset[int], wanted: dict[int, list[SymbolId]], *, is_anew: bool) -> None:
        """Bring the feed to what is owned and wanted; the connection follows by itself."""
        now = self._provider.present()
        self._end_statuses(self._feed.assign(owned, now, is_anew=is_anew))
        self._ticks.own(self._feed.owned)
        for partition, symbols in wanted.items():
            _, left = self._feed.want(partition, symbols, now)
            self._end_statuses(left)
            self._quotes.forget(left)

    def _end_statuses(self, names: Sequence[str]) -> None:
        for status in self._statuses.ended(names):
            self._reports.status_ended(status)

    async def _report(self, stop: Stop) -> None:
        """Publish statuses and descriptions as they change."""
        clock = asyncio.get_running_loop().time
        reported_at, differences = clock(), 0
        while not await stop.sleep(_STATUS_EVERY_S):
            now, symbols = self._provider.now(), list(self._feed.symbols.values())
            for status in self._statuses.due(symbols, self._provider.line_states(now), now):
                self._reports.status(status)
            for info in self._feed.take_descriptions(now):
                self._reports.symbol(info)
            for state, count in self._statuses.counts.items():
                metrics.SYMBOLS.labels(state.value).set(count)
            passed, reported_at = clock() - reported_at, clock()
            metrics.UNCOVERED.inc(passed * sum(1 for served in symbols if not served.feed.is_covered))
            differences, before = self._feed.day_differences, differences
            metrics.DAY_DIFFERENCES.inc(differences - before)


async def _until_stopped(work: Coroutine[Any, Any, object]) -> None:
    with suppress(Stopped):
        await work


async def _or_let_go(work: Coroutine[Any, Any, None], stop: Stop) -> None:
    """Do work that may be waiting for an answer of Kafka when the process shall end: then it is given up."""
    task, stopped = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({task}, timeout=_LET_GO_WITHIN_S)
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def _beat(alive: Heartbeat, stop: Stop) -> None:
    """Beat while the event loop turns."""
    while not await stop.sleep(1.0):
        alive.beat()
