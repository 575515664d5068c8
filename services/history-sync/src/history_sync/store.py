"""Bars into MongoDB, guarded, and the cached answers of their series dropped from Redis. Touches both."""

from collections.abc import Sequence

from pymongo.asynchronous.collection import AsyncCollection
from redis.asyncio import Redis

from chassis.mongo import Document, guarded_replace
from chassis.redis import BestEffort
from contracts.bars import Bar
from contracts.cache import generation_key, series_key
from contracts.documents import ohlcv_document, outranked_by
from contracts.history import Series


class BarStore:
    """Stores what the provider said where nothing better is known."""

    def __init__(self, collection: AsyncCollection[Document], redis: Redis) -> None:
        self._collection = collection
        self._redis = redis
        self._best_effort = BestEffort()

    async def store(self, series: Series, bars: Sequence[Bar]) -> int:
        """How many bars were stored; the others met a better one. `Unavailable` while MongoDB is away.

        Redis away loses nothing: what it holds then is at most its time to live old.
        """
        documents = [ohlcv_document(bar) for bar in bars]
        done = await guarded_replace(
            self._collection, [(document["_id"], outranked_by(document), document) for document in documents]
        )
        await self._best_effort(self._drop(series))
        return done.written

    async def _drop(self, series: Series) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(generation_key(series.identity, series.interval))
            pipe.delete(series_key(series.identity, series.interval))
            await pipe.execute()
