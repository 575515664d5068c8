"""Workers: take jobs from the queue, have the provider fetch, store the bars, end the job; in this order.

A death at any point repeats work and loses nothing: the job's lease ends, and another worker takes it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pymongo.asynchronous.collection import AsyncCollection

from chassis import logs
from chassis.mongo import Document
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts.errors import Unavailable
from history_sync import metrics
from history_sync.cached_series import CachedSeries
from history_sync.core.failures import Retry, after_unavailable
from history_sync.core.outcome import Outcome, completed, failed
from history_sync.fetching import Found, fetch
from history_sync.housekeeping import Teller
from history_sync.jobs import Lease, Queue
from history_sync.provider import Call, Provider, ProviderUnavailable, Refused
from history_sync.store import write

T = TypeVar("T")
TRADINGVIEW = "TradingView"
"""How the provider is called as a condition of readiness: it does not hold after a fetch that it did not answer."""
LOOK_EVERY_S = 1.0
FORGIVEN_AFTER_S = 60.0
"""A provider that failed and was not asked since is not held against this process for longer."""
FINISH_WITHIN_S = 8.0
"""How long a fetch may go on once the process shall end."""
_GIVE_BACK_WITHIN_S = 3.0

_log = logs.get("history_sync.worker")


@dataclass(frozen=True, slots=True)
class Limits:
    """workers: fetches at once; fetch_s: of each; attempts: of a job; lease_s: how long a silent worker holds a job."""

    workers: int
    fetch_s: float
    attempts: int
    lease_s: float


class Workers:
    """All workers of this process; `news` is set when there may be a job."""

    def __init__(
        self,
        *,
        queue: Queue,
        provider: Provider,
        pool: Executor,
        bars: AsyncCollection[Document],
        cached: CachedSeries,
        teller: Teller,
        limits: Limits,
        now_ms: Callable[[], int],
        ready: Readiness,
        stop: Stop,
    ) -> None:
        self.news = asyncio.Event()
        self._queue = queue
        self._provider = provider
        self._pool = pool
        self._bars = bars
        self._cached = cached
        self._teller = teller
        self._limits = limits
        self._now_ms = now_ms
        self._ready = ready
        self._stop = stop
        self._running: set[asyncio.Task[None]] = set()
        self._letting_go: set[str] = set()
        self._give_up = asyncio.Event()
        self._failed_at: float | None = None

    async def run(self) -> None:
        """Work until the process shall end; then let fetches finish, and give the jobs of the others back."""
        async with asyncio.TaskGroup() as tasks:
            with suppress(Stopped):
                await self._take_jobs(tasks)
            if self._running:
                await asyncio.wait(self._running, timeout=FINISH_WITHIN_S)
            self._give_up.set()

    async def _take_jobs(self, tasks: asyncio.TaskGroup) -> None:
        while not self._stop.is_set:
            self.news.clear()
            lease = None
            if len(self._running) < self._limits.workers:
                lease = await self._wait(lambda: self._queue.lease(self._now_ms()))
            if lease is None:
                self._forgive()
                await self._look_again()
                continue
            task = tasks.create_task(self._hold(lease), name=f"job {lease.job.job_id}")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self.news.set()

    async def _look_again(self) -> None:
        """Wait for news, for the end, or for the time at which other replicas may have left a job."""
        waits = {asyncio.create_task(self.news.wait()), asyncio.create_task(self._stop.wait())}
        await asyncio.wait(waits, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _hold(self, lease: Lease) -> None:
        """Work on a job while its lease is renewed; cut the fetch short when it is lost or the time is up."""
        call = Call(self._limits.fetch_s)
        work = asyncio.create_task(self._work(lease, call))
        renewal = asyncio.create_task(self._renew(lease))
        ending = asyncio.create_task(self._give_up.wait())
        try:
            with metrics.RUNNING.track_inprogress():
                await asyncio.wait({work, renewal, ending}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                with suppress(Stopped):
                    work.result()
            elif renewal.done():
                renewal.result()
                self._lost(lease)
            else:
                await self._give_back(lease)
        finally:
            call.cut()
            self._letting_go.discard(lease.token)
            for task in (work, renewal, ending):
                task.cancel()
            await asyncio.gather(work, renewal, ending, return_exceptions=True)

    async def _renew(self, lease: Lease) -> None:
        """Return when the lease is another's; a worker that is letting go of it finds that out by itself."""
        while True:
            await asyncio.sleep(self._limits.lease_s / 3)
            with suppress(Unavailable):
                if not await self._queue.renew(lease) and lease.token not in self._letting_go:
                    return

    async def _give_back(self, lease: Lease) -> None:
        try:
            async with asyncio.timeout(_GIVE_BACK_WITHIN_S):
                if not await self._queue.give_back(lease, self._now_ms()):
                    return
        except (Unavailable, TimeoutError) as error:
            _log.warning("a job waits for its lease to end", job=lease.job.job_id, cause=str(error))
        else:
            metrics.JOBS.labels("given_back").inc()
            _log.info("job given back", job=lease.job.job_id)

    async def _work(self, lease: Lease, call: Call) -> None:
        try:
            found = await fetch(self._provider, self._pool, lease.job, lease.series, call)
        except Refused as refused:
            self._answered()
            await self._finish(lease, failed(refused.error, refused.tally))
        except ProviderUnavailable as away:
            await self._try_later(lease, away)
        else:
            self._answered()
            await self._finish(lease, await self._store(lease, found))

    async def _store(self, lease: Lease, found: Found) -> Outcome:
        """1. MongoDB, 2. Redis: who waits for the job then reads what it brought."""
        done = await self._wait(lambda: write(self._bars, found.documents))
        await self._cached.drop(lease.series)
        metrics.BARS.labels("written").inc(done.written)
        metrics.BARS.labels("outranked").inc(done.outranked)
        return completed(found.bars, done.written, found.tally)

    async def _try_later(self, lease: Lease, away: ProviderUnavailable) -> None:
        self._failed_at = asyncio.get_running_loop().time()
        self._ready.set(TRADINGVIEW, False, str(away))
        metrics.RETRIES.labels(away.cause).inc()
        verdict = after_unavailable(lease.attempts, self._limits.attempts, str(away), away.at_least_ms)
        if not isinstance(verdict, Retry):
            await self._finish(lease, failed(verdict))
            return
        self._letting_go.add(lease.token)
        _log.warning("trying later", job=lease.job.job_id, cause=str(away), in_ms=verdict.wait_ms)
        if await self._wait(lambda: self._queue.postpone(lease, verdict.wait_ms, self._now_ms())):
            metrics.JOBS.labels("retried").inc()
        else:
            self._lost(lease)

    async def _finish(self, lease: Lease, outcome: Outcome) -> None:
        job = lease.job.job_id
        self._letting_go.add(lease.token)
        if not await self._wait(lambda: self._queue.finish(lease, outcome, self._now_ms())):
            self._lost(lease)
            return
        metrics.JOBS.labels(outcome.status.value).inc()
        said = {name: value for name, value in outcome.figures().items() if value is not None}
        _log.info("job ended", job=job, series=str(lease.series), status=outcome.status.value, **said)
        await self._teller.tell_of(job)

    def _lost(self, lease: Lease) -> None:
        metrics.JOBS.labels("lost").inc()
        _log.warning("another worker has the job", job=lease.job.job_id)

    def _answered(self) -> None:
        self._failed_at = None
        self._ready.set(TRADINGVIEW, True)

    def _forgive(self) -> None:
        if self._failed_at is not None and asyncio.get_running_loop().time() > self._failed_at + FORGIVEN_AFTER_S:
            self._answered()

    async def _wait(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await persistently(attempt, self._ready, self._stop)
