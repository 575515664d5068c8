"""Redis's cached answers of series: dropped after each write to MongoDB, or as soon as Redis is back."""

from collections.abc import Iterable

from redis.asyncio import Redis

from aggregator.sink import metrics
from chassis import logs
from chassis.redis import redis_errors
from chassis.stop import Stop
from contracts.cache import generation_key, series_key
from contracts.errors import Unavailable
from contracts.intervals import Interval
from contracts.symbols import SymbolId

_RETRY_EVERY_S = 1.0
_AT_ONCE = 1_000

Series = tuple[SymbolId, Interval]

_log = logs.get("aggregator.sink.cached_series")


class CachedSeries:
    """Which series may have stale answers in Redis. Their number is bounded by that of the series there are."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._stale: set[Series] = set()
        self._is_away = False

    async def drop(self, written: Iterable[Series]) -> None:
        """Drop the cached answers of series just written; while Redis is away, remember them and go on."""
        self._stale.update(written)
        if self._is_away:
            return
        await self._try()

    async def keep_trying(self, stop: Stop) -> None:
        """Once a second, drop what could not be dropped; until the process shall end."""
        while not await stop.sleep(_RETRY_EVERY_S):
            if self._stale:
                await self._try()

    async def _try(self) -> None:
        # Taken out before they are dropped: a series written meanwhile is put in anew and dropped once more.
        taken, self._stale = self._stale, set()
        try:
            with metrics.REDIS.labels("series").time(), redis_errors():
                await self._drop(sorted(taken))
        except Unavailable as error:
            self._stale |= taken
            metrics.STALE.inc(len(taken))
            if not self._is_away:
                _log.warning("going on without", part=error.what, cause=error.cause)
            self._is_away = True
            return
        if self._is_away:
            _log.info("answers again; stale series are dropped", part="Redis", series=len(taken))
        self._is_away = False

    async def _drop(self, series: list[Series]) -> None:
        """Move each series' generation, so that no reader stores what it read before, and delete its answers."""
        for start in range(0, len(series), _AT_ONCE):
            async with self._redis.pipeline(transaction=True) as pipe:
                for identity, interval in series[start : start + _AT_ONCE]:
                    pipe.incr(generation_key(identity, interval))
                    pipe.delete(series_key(identity, interval))
                await pipe.execute()
