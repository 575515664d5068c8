"""What a process that died left undone: silent workers' jobs go back, events of ended jobs are published."""

from collections.abc import Callable

from chassis import logs
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts.errors import Unavailable
from history_sync import metrics
from history_sync.core.outcome import ended_event
from history_sync.events import Events
from history_sync.jobs import Queue

LONGEST_PAUSE_S = 5.0
TELLING_MS = 10_000
"""How long the worker that ended a job has to publish its event, before others do."""
_AT_ONCE = 100

_log = logs.get("history_sync.housekeeping")


class Teller:
    """Publishes the ends of jobs: at once by who ended them, else in a while by anybody."""

    def __init__(self, queue: Queue, events: Events, now_ms: Callable[[], int]) -> None:
        self._queue = queue
        self._events = events
        self._now_ms = now_ms

    async def tell_of(self, job_id: str) -> None:
        """Tell of one job that ended; if Kafka or MongoDB is away, `tell_overdue` will."""
        try:
            job = await self._queue.ended(job_id)
            if job is not None:
                await self._events.tell([ended_event(job)])
                await self._queue.told(job_id)
        except Unavailable as error:
            _log.warning("the end of a job is published later", job=job_id, part=error.what, cause=error.cause)

    async def tell_overdue(self) -> None:
        """Tell of the jobs whose worker has not; `Unavailable` if Kafka or MongoDB is away."""
        while jobs := await self._queue.untold(self._now_ms() - TELLING_MS, _AT_ONCE):
            await self._events.tell([ended_event(job) for job in jobs])
            for job in jobs:
                await self._queue.told(job.job_id)
            if len(jobs) < _AT_ONCE:
                return


class Housekeeping:
    """Looks after the queue of all replicas; any number of them may do so at once."""

    def __init__(
        self, queue: Queue, teller: Teller, *, lease_s: float, attempts: int, now_ms: Callable[[], int]
    ) -> None:
        self._queue = queue
        self._teller = teller
        self._pause_s = min(LONGEST_PAUSE_S, lease_s / 3)
        self._attempts = attempts
        self._now_ms = now_ms

    async def run(self, ready: Readiness, stop: Stop, wake: Callable[[], None]) -> None:
        """Every few seconds until the process shall end."""
        try:
            while not await stop.sleep(self._pause_s):
                taken = await persistently(self._look, ready, stop)
                if taken:
                    _log.warning("jobs of silent workers were taken back", jobs=taken)
                    wake()
        except Stopped:
            return

    async def _look(self) -> int:
        taken = await self._queue.take_from_silent(self._attempts, self._now_ms())
        for status, count in (await self._queue.counts()).items():
            metrics.QUEUE.labels(status).set(count)
        await self._teller.tell_overdue()
        return taken
