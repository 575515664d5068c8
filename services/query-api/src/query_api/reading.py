"""Answering for a series: from the cache, else from the store, and keeping that answer if nothing moved meanwhile."""

from contracts.intervals import Interval
from contracts.symbols import SymbolId
from query_api.core import bars
from query_api.core.ranges import BarQuery
from query_api.ports import Cache, Store


async def series_json(store: Store, cache: Cache, identity: SymbolId, interval: Interval, query: BarQuery) -> bytes:
    """The JSON of a `SeriesBody`; raises `Unavailable` if neither the cache nor the store can say.

    1. read the cached answer and the generation of the series, 2. read the store, 3. keep the answer if the
    generation is still the same. Writers store first and bump the generation after, so an answer that is kept was
    read after the last change it could have missed.
    """
    cached = await cache.answer(identity, interval, query.field)
    if cached is not None and cached.body is not None:
        return cached.body
    body = bars.series(identity, interval, await store.bars(identity, interval, query))
    if cached is not None:
        await cache.keep(identity, interval, query.field, body, cached.generation)
    return body
