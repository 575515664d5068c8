"""Redis's cached answers of series: dropped when their bars were written, or as soon as Redis is back."""

from redis.asyncio import Redis

from chassis import logs
from chassis.redis import redis_errors
from chassis.stop import Stop
from contracts.cache import generation_key, series_key
from contracts.errors import Unavailable
from contracts.history import Series
from history_sync import metrics

_RETRY_EVERY_S = 1.0

_log = logs.get("history_sync.cached_series")


class CachedSeries:
    """Which series may have stale answers in Redis; their number is bounded by that of the series there are."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._stale: set[Series] = set()

    async def drop(self, series: Series) -> None:
        """Drop a series' cached answers; while Redis is away, remember it and go on."""
        try:
            with redis_errors():
                await self._drop(series)
        except Unavailable as error:
            if not self._stale:
                _log.warning("going on without", part=error.what, cause=error.cause)
            self._stale.add(series)
            metrics.STALE.inc()

    async def keep_trying(self, stop: Stop) -> None:
        """Once a second, drop what could not be dropped; until the process shall end."""
        while not await stop.sleep(_RETRY_EVERY_S):
            while self._stale:
                # Taken out before it is dropped: a series written meanwhile is put in anew and dropped once more.
                series = self._stale.pop()
                try:
                    with redis_errors():
                        await self._drop(series)
                except Unavailable:
                    self._stale.add(series)
                    break
                if not self._stale:
                    _log.info("answers again; stale series are dropped", part="Redis")

    async def _drop(self, series: Series) -> None:
        """Move the generation, so that no reader keeps what it read before, and delete the answers."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(generation_key(series.identity, series.interval))
            pipe.delete(series_key(series.identity, series.interval))
            await pipe.execute()
