"""The provider's bars into MongoDB (`ohlcv`), where nothing better is stored."""

from collections.abc import Sequence

from pymongo.asynchronous.collection import AsyncCollection

from chassis.mongo import Document, Guarded, Written, guarded_replace
from contracts.bars import Bar
from contracts.documents import ohlcv_document, outranked_by


def guarded(bars: Sequence[Bar]) -> list[Guarded]:
    """The bars as documents, each with the guard under which it may replace what is stored."""
    return [(document["_id"], outranked_by(document), document) for document in map(ohlcv_document, bars)]


async def write(collection: AsyncCollection[Document], items: Sequence[Guarded]) -> Written:
    """Store them; `Unavailable` while MongoDB is away, and then all may be repeated."""
    return await guarded_replace(collection, items)
