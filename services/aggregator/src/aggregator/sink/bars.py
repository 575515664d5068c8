"""market.bars into MongoDB: the winner of each `_id` of a batch, guarded, and then the cached answers dropped."""

import asyncio
from collections.abc import Iterator, Sequence

from pymongo.asynchronous.collection import AsyncCollection

from aggregator.sink import metrics
from aggregator.sink.cached_series import CachedSeries
from chassis.kafka.batches import PutAside
from chassis.mongo import Document, guarded_replace
from chassis.record import Record
from contracts.bars import Bar, Origin, winner
from contracts.documents import ohlcv_document, ohlcv_id, outranked_by
from contracts.errors import BadData
from contracts.headers import SCHEMA, SCHEMA_VERSION, is_current
from contracts.topics import MARK_KEY

_PART = 250
_OLD = f"no header {SCHEMA}={SCHEMA_VERSION.decode()}: a record of another version of the bar contract"
_WRITERS = 2
"""While MongoDB works on a part of a batch, the next one is made."""


class BarStore:
    """Handles batches of market.bars; harmless to repeat."""

    def __init__(self, collection: AsyncCollection[Document], cached: CachedSeries) -> None:
        self._collection = collection
        self._cached = cached

    async def handle(self, records: Sequence[Record], put_aside: PutAside) -> None:
        """1. MongoDB, 2. Redis; the caller then commits. `Unavailable` if MongoDB is away: nothing is committed."""
        winners = winners_of(records, put_aside)
        if not winners:
            return
        bars = list(winners.values())
        parts = iter([bars[start : start + _PART] for start in range(0, len(bars), _PART)])
        with metrics.MONGODB.time():
            writers = [self._write(parts) for _ in range(_WRITERS)]
            for done in await asyncio.gather(*writers, return_exceptions=True):
                if isinstance(done, BaseException):
                    raise done
        metrics.BATCH.observe(len(bars))
        await self._cached.drop({(bar.identity, bar.interval) for bar in bars})

    async def _write(self, parts: Iterator[list[Bar]]) -> None:
        """Store parts of a batch for as long as there are any; others do the same at the same time."""
        for bars in parts:
            documents = [ohlcv_document(bar) for bar in bars]
            guarded = [(document["_id"], outranked_by(document), document) for document in documents]
            done = await guarded_replace(self._collection, guarded)
            metrics.BARS.labels("written").inc(done.written)
            metrics.BARS.labels("outranked").inc(done.outranked)


def winners_of(records: Sequence[Record], put_aside: PutAside) -> dict[str, Bar]:
    """The best bar of each `_id` among the records.

    Final bars of the provider are left to history-sync, which stores what it publishes; records of complete bars are
    passed over. Records that cannot be read, or are of an older contract, are put aside.
    """
    winners: dict[str, Bar] = {}
    doubled = final = 0
    for record in records:
        try:
            bar = _bar_of(record)
        except BadData as error:
            put_aside(record, error)
            continue
        if bar is None:
            continue
        if bar.origin is Origin.PROVIDER_FINAL:
            final += 1
            continue
        key = ohlcv_id(bar.identity, bar.interval, bar.open_time)
        other = winners.get(key)
        winners[key] = bar if other is None else winner(bar, other)
        doubled += other is not None
    metrics.BARS.labels("doubled").inc(doubled)
    metrics.BARS.labels("provider_final").inc(final)
    return winners


def _bar_of(record: Record) -> Bar | None:
    """The bar in a record; None for a `BarsComplete`, whose key is `!`. `BadData` for anything else."""
    if not is_current(record.headers):
        raise BadData(_OLD, kind="old_contract")
    if record.key is not None and record.key.startswith(MARK_KEY):
        return None
    if record.value is None:
        raise BadData("a record of bars has a value", kind="undecodable")
    bar = Bar.decode(record.value)
    if bar.identity.key != record.key:
        raise BadData("the key names another symbol", kind="key_mismatch")
    return bar
