"""Whether the feed shall run: `market.control`, read by every replica without a group. Touches Kafka."""

from collections.abc import Callable
from typing import Protocol

from chassis import logs
from chassis.dead_letters import count, dead_letter_of
from chassis.kafka.broker import Publish
from chassis.kafka.reader import TopicReader
from chassis.probes import Readiness
from chassis.record import Record
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.errors import BadData
from contracts.feed import FeedControl
from contracts.topics import CONTROL_KEY

_log = logs.get("ingest_ws.control")


class SetRunning(Protocol):
    """Runs or stops the feed."""

    def __call__(self, is_running: bool, *, is_said_anew: bool) -> None: ...


class ControlReader:
    """Calls `set_running` with what the newest record says; no record, or a tombstone, means that the feed runs.

    It says too whether there is a record that it has not passed on before.
    """

    def __init__(self, bootstrap: str, topic: str, publish: Publish, set_running: SetRunning) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._publish = publish
        self._set_running = set_running
        self._passed_offset: int | None = None

    async def run(self, ready: Readiness, stop: Stop, on_known: Callable[[], None]) -> None:
        """Until the process shall end; `on_known` is called once the topic has been read to its end."""
        while not stop.is_set:
            await persistently(lambda: self._read(stop, on_known), ready, stop)

    async def _read(self, stop: Stop, on_known: Callable[[], None]) -> None:
        async with TopicReader(self._bootstrap, self._topic, [0]) as reader:
            newest: bool | None = None
            offset = -1
            async for batch in reader.to_end():
                for record in batch:
                    newest = await self._decode(record, newest)
                    offset = record.offset
            self._pass_on(newest, offset)
            on_known()
            async for batch in reader.follow(stop):
                for record in batch:
                    newest = await self._decode(record, newest)
                    _log.info("control", running=newest is not False)
                    self._pass_on(newest, record.offset)

    def _pass_on(self, newest: bool | None, offset: int) -> None:
        is_new = self._passed_offset is not None and offset > self._passed_offset
        self._passed_offset = offset
        self._set_running(newest is not False, is_said_anew=is_new)

    async def _decode(self, record: Record, before: bool | None) -> bool | None:
        if record.key != CONTROL_KEY:
            return before
        if record.value is None:
            return None
        try:
            return FeedControl.decode(record.value).running
        except BadData as error:
            letter = dead_letter_of(record, error)
            await self._publish(letter.topic, letter.value, key=letter.key, headers=letter.headers)
            count(record.topic, error)
            _log.warning("dead letter", topic=record.topic, offset=record.offset, cause=error.cause)
            return before
