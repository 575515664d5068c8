"""Redis as the API uses it: answers of series that never outlive a change, latest quotes, forming bars."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from chassis.redis import BestEffort, redis_errors
from contracts.cache import SERIES_TTL_S, forming_key, generation_key, quote_key, series_key
from contracts.intervals import Interval
from contracts.symbols import SymbolId
from query_api.ports import Cached

MOST_ANSWERS = 64
"""Answers that are kept of one series at a time; a series that is asked more different things is read."""
LONGEST_ANSWER = 512 * 1024
"""Bytes of an answer that is kept; a longer one is read again."""
_AWAY_FOR_S = 1.0
_CHUNK = 500

_KEEP = """
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[5]) end
return 1
"""
"""Keep a field of a series' hash if its generation is still the one that was read before the store was.

The hash lives `SERIES_TTL_S` from its first field on: later fields do not lengthen the life of earlier ones.
"""


class RedisCache:
    """The cache. After a failure it is left alone for a second, so that its absence slows few requests."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._best_effort = BestEffort()
        self._keep = redis.register_script(_KEEP)
        self._away_until = 0.0

    async def answer(self, identity: SymbolId, interval: Interval, field: str) -> Cached | None:
        """The cached answer and the series' generation, as of one moment; None when Redis is away."""
        if self._is_away():
            return None
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hget(series_key(identity, interval), field)
        pipeline.get(generation_key(identity, interval))
        found = await self._best_effort(pipeline.execute())
        if found is None:
            self._leave_alone()
            return None
        body, generation = found
        return Cached(body, generation or b"")

    async def keep(self, identity: SymbolId, interval: Interval, field: str, body: bytes, generation: bytes) -> None:
        """Keep an answer of at most `LONGEST_ANSWER` bytes, unless a writer bumped the generation since."""
        if len(body) > LONGEST_ANSWER or self._is_away():
            return
        keys = [series_key(identity, interval), generation_key(identity, interval)]
        kept = await self._best_effort(
            self._keep(keys=keys, args=[generation, field, body, MOST_ANSWERS, SERIES_TTL_S])
        )
        if kept is None:
            self._leave_alone()

    async def quotes(self, identities: Sequence[SymbolId]) -> dict[SymbolId, bytes | None]:
        """The latest quote of each symbol as JSON, None where there is none; raises `Unavailable`."""
        found: dict[SymbolId, bytes | None] = {}
        with redis_errors():
            for start in range(0, len(identities), _CHUNK):
                chunk = identities[start : start + _CHUNK]
                texts = await self._redis.mget([quote_key(identity) for identity in chunk])
                found.update(zip(chunk, map(_bytes, texts), strict=True))
        return found

    async def forming(self, identity: SymbolId, interval: Interval) -> bytes | None:
        """The forming bar as JSON; raises `Unavailable`."""
        with redis_errors():
            return _bytes(await self._redis.hget(forming_key(identity, interval), "bar"))

    async def ping(self) -> None:
        """Return when Redis answers."""
        with redis_errors():
            await self._redis.ping()

    def _is_away(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until

    def _leave_alone(self) -> None:
        self._away_until = asyncio.get_running_loop().time() + _AWAY_FOR_S


def _bytes(value: bytes | str | None) -> bytes | None:
    """redis-py types an answer as either; the client of ours gives bytes."""
    return value.encode() if isinstance(value, str) else value
