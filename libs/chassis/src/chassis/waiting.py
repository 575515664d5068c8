"""Waiting for a part that is away: try again with backoff, say so once, be not ready meanwhile."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from chassis import logs
from chassis.backoff import delays
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from contracts.errors import Unavailable

T = TypeVar("T")
FIRST_S = 0.25
LONGEST_S = 10.0

_log = logs.get("chassis.waiting")


async def persistently(attempt: Callable[[], Awaitable[T]], ready: Readiness, stop: Stop) -> T:
    """The result of the first `attempt` that does not raise `Unavailable`; until then its part is not ready.

    Each attempt must have its own deadline; their number has none, and ends with `Stopped` when the process shall end.
    """
    away: set[str] = set()
    waits = delays(FIRST_S, LONGEST_S, Random())  # noqa: S311 - jitter needs no secrecy
    while True:
        try:
            result = await attempt()
        except Unavailable as error:
            ready.set(error.what, False, str(error))
            if error.what not in away:
                _log.warning("waiting", part=error.what, cause=error.cause)
                away.add(error.what)
        else:
            for part in away:
                ready.set(part, True)
            if away:
                _log.info("answers again", parts=sorted(away))
            return result
        if await stop.sleep(next(waits)):
            raise Stopped
