"""Looking at a part every few seconds, so that readiness is true to the facts also when nobody asks."""

from collections.abc import Awaitable, Callable

from chassis import logs
from chassis.probes import Readiness
from chassis.stop import Stop
from contracts.errors import Unavailable

WATCH_EVERY_S = 3.0

_log = logs.get("query_api.watching")


async def watch(part: str, check: Callable[[], Awaitable[object]], ready: Readiness, stop: Stop) -> None:
    """Keep the condition named like the part, until the process ends; `check` raises `Unavailable` if it is away."""
    is_away = False
    while True:
        try:
            await check()
        except Unavailable as error:
            ready.set(part, False, str(error))
            if not is_away:
                _log.warning("waiting", part=part, cause=error.cause)
            is_away = True
        else:
            ready.set(part, True)
            if is_away:
                _log.info("answers again", parts=[part])
            is_away = False
        if await stop.sleep(WATCH_EVERY_S):
            return
