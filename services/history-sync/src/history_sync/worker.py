"""A worker: leases a job, has the provider fetch, stores the bars, tells the outcome, ends the job; in this order."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from chassis import logs
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts.errors import Unavailable
from contracts.history import HistoryEvent, HistoryEventType, SyncStatus
from contracts.jobs import SeriesStatus
from history_sync import metrics
from history_sync.core.retries import ProviderUnavailable, SeriesRefused, asked_bars, wait_before
from history_sync.core.rows import bars_of, closed_until
from history_sync.jobs import RENEW_EVERY_S, JobStore, Lease
from history_sync.provider import Fetched, Provider
from history_sync.store import BarStore

T = TypeVar("T")
LOOK_EVERY_S = 1.0

_log = logs.get("history_sync.worker")


class LeaseLost(Exception):  # noqa: N818 - another worker has the job
    """The lease was not renewed in time; whatever this worker has done is harmless."""


class Worker:
    """Works on one job at a time until the process shall end. A death at any point repeats work and loses nothing."""

    def __init__(
        self,
        *,
        jobs: JobStore,
        provider: Provider,
        bars: BarStore,
        tell: Callable[[HistoryEvent], Awaitable[None]],
        now_ms: Callable[[], int],
        ready: Readiness,
        stop: Stop,
    ) -> None:
        self._jobs = jobs
        self._provider = provider
        self._bars = bars
        self._tell = tell
        self._now_ms = now_ms
        self._ready = ready
        self._stop = stop

    async def run(self, news: asyncio.Event) -> None:
        """Take one job after the other; while there is none, look again at news or every second."""
        while not self._stop.is_set:
            news.clear()
            lease = await self._wait(lambda: self._jobs.lease(self._now_ms()))
            if lease is not None:
                await self._hold(lease)
                continue
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await news.wait()
            except TimeoutError:
                continue

    async def _hold(self, lease: Lease) -> None:
        """Work on a leased job while its lease is renewed; give it back when the process shall end."""
        work = asyncio.create_task(self._work(lease))
        renewal = asyncio.create_task(self._renew(lease))
        ending = asyncio.create_task(self._stop.wait())
        try:
            with metrics.RUNNING.track_inprogress():
                await asyncio.wait({work, renewal, ending}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                try:
                    work.result()
                except LeaseLost:
                    metrics.JOBS.labels("lost").inc()
                    _log.warning("another worker has ended the job", job=lease.job.job_id)
            elif renewal.done():
                renewal.result()
                metrics.JOBS.labels("lost").inc()
                _log.warning("another worker has the job", job=lease.job.job_id)
            else:
                await self._give_back(lease, work)
        finally:
            for task in (work, renewal, ending):
                task.cancel()
            await asyncio.gather(work, renewal, ending, return_exceptions=True)

    async def _give_back(self, lease: Lease, work: asyncio.Task[None]) -> None:
        work.cancel()
        try:
            await self._jobs.give_back(lease)
        except Unavailable as error:
            _log.warning("a job waits for its lease to end", job=lease.job.job_id, cause=error.cause)
        metrics.JOBS.labels("given_back").inc()

    async def _renew(self, lease: Lease) -> None:
        """Return when the lease is another's."""
        while not await self._stop.sleep(RENEW_EVERY_S):
            if not await self._wait(lambda: self._jobs.renew(lease, self._now_ms())):
                return
        await asyncio.Event().wait()

    async def _work(self, lease: Lease) -> None:
        job, series = lease.job, lease.series
        await self._wait(partial(self._jobs.tell, self._status(lease, SyncStatus.SYNCING)))
        try:
            answer = await self._fetch(lease)
        except SeriesRefused as refused:
            await self._end(lease, SyncStatus.ERROR, error_code=refused.code, error_detail=refused.detail)
            return
        except ProviderUnavailable as away:
            await self._end(lease, SyncStatus.ERROR, error_code=away.code, error_detail=away.detail)
            return
        until = closed_until(answer.complete_at, answer.delay_ms)
        shaped = bars_of(series, answer.rows, revision=answer.complete_at, closed_until=until)
        if shaped.rejected:
            examples = [str(example) for example in shaped.examples]
            _log.warning(
                "rows are no bars", job=job.job_id, series=str(series), causes=shaped.rejected, such_as=examples
            )
        metrics.REJECTED.inc(sum(shaped.rejected.values()))
        bars = shaped.bars[-job.bars :]
        if not bars:
            await self._end(
                lease,
                SyncStatus.ERROR,
                error_code="no_data",
                error_detail=f"{len(answer.rows)} rows came, {shaped.forming} still forming, none a closed bar",
            )
            return
        written = await self._wait(lambda: self._bars.store(series, bars))
        metrics.FETCHED.inc(len(bars))
        metrics.WRITTEN.inc(written)
        await self._end(
            lease,
            SyncStatus.COMPLETED,
            bars_fetched=len(bars),
            bars_written=written,
            first_open_time=bars[0].open_time,
            last_open_time=bars[-1].open_time,
        )

    async def _fetch(self, lease: Lease) -> Fetched:
        attempt = 1
        while True:
            try:
                with metrics.FETCH.time():
                    return await self._provider.fetch(lease.series, asked_bars(lease.job.bars))
            except ProviderUnavailable as error:
                attempt += 1
                pause = wait_before(attempt)
                if pause is None:
                    raise
                metrics.RETRIES.labels(error.code).inc()
                _log.warning("trying again", job=lease.job.job_id, cause=error.code, detail=error.detail, in_s=pause)
                if await self._stop.sleep(pause):
                    raise Stopped from None

    async def _end(self, lease: Lease, status: SyncStatus, **outcome: Any) -> None:
        """1. the event, 2. the status of the series, 3. the job: who waits for the job finds everything told."""
        now = self._now_ms()
        kind = HistoryEventType.COMPLETED if status is SyncStatus.COMPLETED else HistoryEventType.ERROR
        event = HistoryEvent(
            type=kind,
            request_id=lease.job.request_id,
            job_id=lease.job.job_id,
            series=lease.series,
            at=now,
            **outcome,
        )
        await self._wait(lambda: self._tell(event))
        await self._wait(partial(self._jobs.tell, self._status(lease, status, **outcome)))
        fields = {"status": status.value, **{name: event.model_dump()[name] for name in outcome}}
        if not await self._wait(lambda: self._jobs.finish(lease, fields, now)):
            raise LeaseLost(lease.job.job_id)
        metrics.JOBS.labels(status.value).inc()
        _log.info("job ended", job=lease.job.job_id, series=str(lease.series), status=status.value, **outcome)

    def _status(self, lease: Lease, status: SyncStatus, **outcome: Any) -> SeriesStatus:
        return SeriesStatus(
            exchange=lease.series.exchange,
            symbol=lease.series.symbol,
            interval=lease.series.interval,
            status=status,
            job_id=lease.job.job_id,
            updated_at=self._now_ms(),
            **outcome,
        )

    async def _wait(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await persistently(attempt, self._ready, self._stop)
