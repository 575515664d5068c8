"""Requests for history from Kafka into jobs: once stored, a request's offset is committed."""

from collections.abc import Awaitable, Callable, Sequence

from chassis.kafka.batches import PutAside
from chassis.record import Record
from contracts.errors import BadData
from contracts.history import HistoryEvent, HistoryEventType, SyncRequest
from history_sync import metrics
from history_sync.jobs import JobStore

Tell = Callable[[HistoryEvent], Awaitable[None]]


class Requests:
    """Handles batches of `history.requests`; harmless to repeat, since a request is stored under its own id."""

    def __init__(self, jobs: JobStore, tell: Tell, wake: Callable[[], None], now_ms: Callable[[], int]) -> None:
        self._jobs = jobs
        self._tell = tell
        self._wake = wake
        self._now_ms = now_ms

    async def handle(self, records: Sequence[Record], put_aside: PutAside) -> None:
        """Store each request, say that it was accepted (a repeated one again), and wake a worker."""
        for record in records:
            try:
                request = SyncRequest.decode(record.value or b"")
            except BadData as error:
                put_aside(record, error)
                continue
            is_new = await self._jobs.accept(request)
            metrics.REQUESTS.labels("accepted" if is_new else "repeated").inc()
            for index, series in enumerate(request.series):
                await self._tell(
                    HistoryEvent(
                        type=HistoryEventType.ACCEPTED,
                        request_id=request.request_id,
                        job_id=request.job_id(index),
                        series=series,
                        at=self._now_ms(),
                    )
                )
        self._wake()
