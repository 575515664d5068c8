"""What ingest-ws publishes besides ticks: statuses, descriptions, events, dead letters. Touches Kafka, by the chassis.

Reports wait in bounded memory while Kafka is away: of statuses and descriptions the newest of each key, of the
rest the oldest.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from chassis import logs
from chassis.kafka.broker import Publish
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts.errors import BadData, Unavailable
from contracts.feed import ConnectionEvent, SymbolErrorEvent, SymbolInfo, SymbolStatus
from contracts.topics import CONTROL, FEED, STATUS, SUBSCRIPTIONS, SYMBOLS, TICKS, Topic, partition_of
from ingest_ws import metrics

MOST_WAITING = 5_000
LONGEST_RAW = 16_384
"""Bytes of an undecodable frame that are kept."""
_FLUSH_WITHIN_S = 3.0

_log = logs.get("ingest_ws.reports")


@dataclass(frozen=True)
class Topics:
    """The topics this process uses."""

    ticks: Topic = TICKS
    status: Topic = STATUS
    symbols: Topic = SYMBOLS
    feed: Topic = FEED
    subscriptions: Topic = SUBSCRIPTIONS
    control: Topic = CONTROL

    @property
    def all(self) -> tuple[Topic, ...]:
        """All of them, with those of the dead letters that may be written."""
        return (
            self.ticks, self.status, self.symbols, self.feed, self.subscriptions, self.control,
            self.feed.dead, self.subscriptions.dead, self.control.dead,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Report:
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Mapping[str, str] | None = None


class Reports:
    """Takes reports at once, and sends them in order from a task of its own."""

    def __init__(self, publish: Publish, topics: Topics, partitions: int, replica: str) -> None:
        self.replica = replica
        self._publish = publish
        self._topics = topics
        self._partitions = partitions
        self._newest: dict[tuple[str, bytes], _Report] = {}
        self._others: deque[_Report] = deque()
        self._news = asyncio.Event()

    def status(self, status: SymbolStatus) -> None:
        """The status of a symbol; it lies in the symbol's partition."""
        self._keep_newest(_Report(self._topics.status.name, status.key, status.encode(), self._place(status)))

    def status_ended(self, status: SymbolStatus) -> None:
        """The symbol of that status is not served here any more."""
        self._keep_newest(_Report(self._topics.status.name, status.key, None, self._place(status)))

    def symbol(self, info: SymbolInfo) -> None:
        """The description of a symbol, in the symbol's partition; it stays when the symbol is not served any more."""
        self._keep_newest(_Report(self._topics.symbols.name, info.identity.key, info.encode(), self._place(info)))

    def event(self, event: ConnectionEvent | SymbolErrorEvent) -> None:
        """What happened to a connection or to a symbol on it."""
        key = f"{event.exchange}:{event.symbol}" if isinstance(event, SymbolErrorEvent) else event.replica
        self._put(_Report(self._topics.feed.name, key.encode(), event.encode()))

    def dead_letter(self, error: BadData, raw: str | bytes, *, connection: int, at: int, position: int = 0) -> None:
        """A frame or an update that makes no sense: `raw` cut, with cause, connection, time and position."""
        value = raw.encode(errors="backslashreplace") if isinstance(raw, str) else raw
        headers = {
            "kind": error.kind,
            "cause": error.cause[:500],
            "replica": self.replica,
            "connection": str(connection),
            "received_at": str(at),
            "position": str(position),
            "length": str(len(value)),
        }
        metrics.DEAD.labels(error.kind).inc()
        _log.warning("dead letter", kind=error.kind, cause=error.cause, connection=connection)
        self._put(_Report(self._topics.feed.dead.name, None, value[:LONGEST_RAW], headers=headers))

    async def run(self, ready: Readiness, stop: Stop) -> None:
        """Send until the process shall end."""
        while not stop.is_set:
            self._news.clear()
            while (report := self._next()) is not None:
                try:
                    await persistently(partial(self._send, report), ready, stop)
                except (Stopped, asyncio.CancelledError):
                    self._others.appendleft(report)
                    raise
            wake = asyncio.create_task(self._news.wait())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({wake, stopped}, return_when=asyncio.FIRST_COMPLETED)
            wake.cancel()
            stopped.cancel()

    async def flush(self) -> None:
        """Send what waits, within a few seconds; what is left then is counted."""
        try:
            async with asyncio.timeout(_FLUSH_WITHIN_S):
                while (report := self._next()) is not None:
                    await self._send(report)
        except (TimeoutError, Unavailable) as error:
            _log.warning("reports are left unsent", count=len(self._newest) + len(self._others) + 1, cause=str(error))

    def _place(self, about: SymbolStatus | SymbolInfo) -> int:
        return partition_of(about.identity.key, self._partitions)

    def _keep_newest(self, report: _Report) -> None:
        assert report.key is not None
        place = (report.topic, report.key)
        self._newest.pop(place, None)
        self._newest[place] = report
        self._news.set()

    def _put(self, report: _Report) -> None:
        if len(self._others) >= MOST_WAITING:
            metrics.DROPPED.labels(report.topic).inc()
            return
        self._others.append(report)
        self._news.set()

    def _next(self) -> _Report | None:
        """Events before statuses and descriptions, of which the newest counts whenever it is sent."""
        if self._others:
            return self._others.popleft()
        return self._newest.pop(next(iter(self._newest))) if self._newest else None

    async def _send(self, report: _Report) -> None:
        await self._publish(
            report.topic, report.value, key=report.key, partition=report.partition, headers=report.headers
        )
