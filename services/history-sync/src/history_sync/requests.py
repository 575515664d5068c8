"""Requests for history from Kafka into jobs: once its jobs are stored, a request's offset is committed."""

from collections.abc import Callable, Sequence

from chassis import logs
from chassis.kafka.batches import PutAside
from chassis.record import Record
from contracts.errors import BadData
from contracts.history import SyncRequest
from history_sync import metrics
from history_sync.core.intake import jobs_of
from history_sync.core.outcome import accepted_event
from history_sync.events import Events
from history_sync.jobs import Queue

_log = logs.get("history_sync.requests")


class Requests:
    """Handles batches of `history.requests`; harmless to repeat, since jobs are stored under the request's own id."""

    def __init__(self, queue: Queue, events: Events, wake: Callable[[], None], now_ms: Callable[[], int]) -> None:
        self._queue = queue
        self._events = events
        self._wake = wake
        self._now_ms = now_ms

    async def handle(self, records: Sequence[Record], put_aside: PutAside) -> None:
        """Take the requests one by one; `Unavailable` if MongoDB or Kafka is away."""
        for record in records:
            try:
                await self._take(record)
            except BadData as error:
                put_aside(record, error)

    async def _take(self, record: Record) -> None:
        """1. which of its jobs are new, 2. the event that they are accepted, 3. the jobs: no end is told before."""
        request = _request(record)
        jobs = await self._queue.absent(jobs_of(request))
        metrics.REQUESTS.labels("accepted" if jobs else "repeated").inc()
        if not jobs:
            return
        now = self._now_ms()
        await self._events.tell([accepted_event(job, now) for job in jobs if job.series is not None])
        await self._queue.add(jobs, now)
        self._wake()
        _log.info("accepted", request=request.request_id, series=len(request.series), priority=request.priority.value)


def _request(record: Record) -> SyncRequest:
    if record.value is None:
        raise BadData("a request has a value", kind="undecodable")
    request = SyncRequest.decode(record.value)
    if record.key is not None and record.key != request.request_id.encode():
        raise BadData("the key is not the request's id", kind="key_mismatch")
    return request
