"""Following a compacted topic of Kafka in process and without a group, so that any replica can answer for it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Generic, TypeVar

from chassis import dead_letters, logs
from chassis.kafka.broker import Publish
from chassis.kafka.errors import KAFKA
from chassis.kafka.reader import TopicReader
from chassis.probes import Readiness
from chassis.record import Record
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.errors import BadData, Unavailable
from contracts.topics import Topic
from query_api.core.desired import Fold

F = TypeVar("F", bound=Fold)

_log = logs.get("query_api.desired")


class Follower(Generic[F]):
    """One topic: read to its end, then followed. After a failure it is read anew, and the old fold serves meanwhile.

    A record that cannot be read is logged and counted, and left out. Those that come while the topic is followed become
    dead letters too; those met on the way to its end do not, since every start of every replica meets them again.
    """

    def __init__(self, bootstrap: str, topic: Topic, partitions: int, fold: Callable[[], F], publish: Publish) -> None:
        self._bootstrap = bootstrap
        self._topic = topic.name
        self._partitions = range(topic.partitions or partitions)
        self._fold = fold
        self._publish = publish
        self._current: F | None = None
        self._changed = asyncio.Condition()

    @property
    def current(self) -> F:
        """The fold of the records read; raises `Unavailable` before the end was reached for the first time."""
        if self._current is None:
            raise Unavailable(KAFKA, f"{self._topic} has not been read to its end")
        return self._current

    async def until(self, holds: Callable[[F], bool], within_s: float) -> bool:
        """Wait until the fold fulfils a condition, or this long; whether it does."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: holds(self.current))
        except TimeoutError:
            return False
        return True

    async def run(self, ready: Readiness, stop: Stop) -> None:
        """Read until the process shall end; the condition named like the topic holds from the first end on."""
        while not stop.is_set:
            async with AsyncExitStack() as open_reader:
                reader = await persistently(partial(self._load, open_reader), ready, stop)
                ready.set(self._topic, True)
                try:
                    async for batch in reader.follow(stop):
                        await self._take(batch, ready, stop)
                except Unavailable as error:
                    _log.warning("reading anew", topic=self._topic, cause=error.cause)

    async def _load(self, open_reader: AsyncExitStack) -> TopicReader:
        async with AsyncExitStack() as attempt:
            reader = await attempt.enter_async_context(TopicReader(self._bootstrap, self._topic, self._partitions))
            fold = self._fold()
            async for batch in reader.to_end():
                for record in batch:
                    if fault := _apply(fold, record):
                        _tell(record, fault)
            async with self._changed:
                self._current = fold
                self._changed.notify_all()
            open_reader.push_async_exit(attempt.pop_all())
        return reader

    async def _take(self, batch: list[Record], ready: Readiness, stop: Stop) -> None:
        async with self._changed:
            faults = [(record, fault) for record in batch if (fault := _apply(self.current, record))]
            self._changed.notify_all()
        for record, fault in faults:
            _tell(record, fault)
            await persistently(partial(self._bury, record, fault), ready, stop)

    async def _bury(self, record: Record, fault: BadData) -> None:
        letter = dead_letters.dead_letter_of(record, fault)
        await self._publish(letter.topic, letter.value, key=letter.key, headers=letter.headers)


def _apply(fold: Fold, record: Record) -> BadData | None:
    """What is wrong with the record, if it could not be taken."""
    try:
        if record.key is None:
            raise BadData("a record of a compacted topic has a key", kind="undecodable")
        fold.apply(record.key, record.value)
    except BadData as fault:
        return fault
    return None


def _tell(record: Record, fault: BadData) -> None:
    dead_letters.count(record.topic, fault)
    _log.warning(
        "an unreadable record is left out",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        kind=fault.kind,
        cause=fault.cause,
    )
