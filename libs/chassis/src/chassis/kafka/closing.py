"""How a client of aiokafka is closed: in a task of its own, for it lets out the cancellations of its own tasks."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka.errors import KafkaError

from chassis import logs
from chassis.kafka.errors import KAFKA

_log = logs.get("chassis.kafka.closing")


async def closed(closing: Coroutine[Any, Any, object], within_s: float) -> None:
    """Wait until a client is closed, but not for longer: while Kafka is away it may wait for answers without end.

    What Kafka answers to it matters no more. Anything else that it raises is a bug, and is raised.
    """
    task = asyncio.create_task(closing)
    try:
        await asyncio.wait({task}, timeout=within_s)
    finally:
        if not task.done():
            _log.warning("did not disconnect in time", part=KAFKA, within_s=within_s)
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
    if not task.done() or task.cancelled():
        return
    error = task.exception()
    if isinstance(error, KafkaError):
        _log.warning("did not disconnect well", part=KAFKA, cause=str(error)[:300])
    elif error is not None:
        raise error
