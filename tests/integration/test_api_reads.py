"""The API reads a real MongoDB through a real Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from chassis import mongo as chassis_mongo
from chassis import redis as chassis_redis
from chassis.settings import MongoSettings, RedisSettings
from contracts import wire
from contracts.cache import SERIES_TTL_S, forming_key, generation_key, quote_key, series_key
from contracts.documents import INDEXES, JOBS, OHLCV, SYNC_STATUS, ohlcv_document
from contracts.history import Series, SyncPriority, SyncStatus
from contracts.http import SeriesBody
from contracts.intervals import Interval
from contracts.jobs import Job, SeriesStatus, job_document, status_document
from contracts.symbols import SymbolId
from query_api import cache as query_cache
from query_api.cache import RedisCache
from query_api.core.ranges import BarQuery, Sort, bar_query
from query_api.reading import series_json
from query_api.store import MongoStore
from tests.support.parts import Parts, unique
from tests.support.running_api import FIRST, minute_bar, store_bars

NEWEST = BarQuery(None, None, 10, Sort.DESCENDING)


@pytest.fixture
def identity() -> SymbolId:
    """A symbol of this test alone: Redis is shared."""
    return SymbolId("TEST", unique("s").upper().replace("-", "_")[:60])


@pytest.fixture
async def store(parts: Parts, database: str) -> AsyncIterator[MongoStore]:
    settings = MongoSettings(mongodb_url=SecretStr(parts.mongo), mongodb_database=database)
    async with chassis_mongo.client(settings, "test") as client:
        db = chassis_mongo.database(client, settings)
        await chassis_mongo.ensure_indexes(db, INDEXES)
        yield MongoStore(db)


@pytest.fixture
async def redis(parts: Parts) -> AsyncIterator[Redis]:
    async with chassis_redis.client(RedisSettings(redis_url=SecretStr(parts.redis)), "test") as client:
        yield client


def minutes(bars: list[wire.Bar]) -> list[int]:
    return [(bar.open_time - FIRST) // 60_000 for bar in bars]


async def test_bars_are_those_of_the_range_in_the_order_asked(
    store: MongoStore, parts: Parts, database: str, identity: SymbolId
) -> None:
    await store_bars(parts, database, [minute_bar(identity, minute) for minute in range(8)])
    await store_bars(parts, database, [minute_bar(SymbolId("TEST", "OTHER"), 3)])

    async def found(start: int | None, end: int | None, limit: int, sort: Sort) -> list[int]:
        def spelled(minute: int | None) -> str | None:
            return None if minute is None else str(FIRST + minute * 60_000)

        return minutes(await store.bars(identity, Interval.M1, bar_query(spelled(start), spelled(end), limit, sort)))

    assert await found(None, None, 3, Sort.DESCENDING) == [7, 6, 5]
    assert await found(None, None, 3, Sort.ASCENDING) == [5, 6, 7]
    assert await found(2, 5, 10, Sort.DESCENDING) == [4, 3, 2]
    assert await found(2, None, 2, Sort.DESCENDING) == [3, 2]
    assert await found(2, None, 2, Sort.ASCENDING) == [2, 3]
    assert await found(None, 4, 2, Sort.ASCENDING) == [2, 3]
    assert await store.bars(identity, Interval.M3, NEWEST) == []


async def test_bars_before_1970_are_read_by_their_dates(
    store: MongoStore, parts: Parts, database: str, identity: SymbolId
) -> None:
    before = -FIRST // 60_000
    await store_bars(parts, database, [minute_bar(identity, before + minute) for minute in (-2, -1, 0, 1)])
    query = bar_query("1969-12-31", "1970-01-01", 10, Sort.ASCENDING)
    found = await store.bars(identity, Interval.M1, query)
    assert [bar.open_time for bar in found] == [-120_000, -60_000]
    assert {bar.trading_day for bar in found} == {-86_400_000}


async def test_a_stored_document_that_holds_no_bar_is_left_out(
    store: MongoStore, parts: Parts, database: str, identity: SymbolId
) -> None:
    await store_bars(parts, database, [minute_bar(identity, minute) for minute in range(3)])
    async with AsyncMongoClient[dict[str, object]](parts.mongo) as client:
        wrong = ohlcv_document(minute_bar(identity, 1))["_id"]
        await client[database][OHLCV].update_one({"_id": wrong}, {"$set": {"close": "much"}})
    assert minutes(await store.bars(identity, Interval.M1, NEWEST)) == [2, 0]


async def test_stored_symbols_are_found_by_jumps_in_the_order_of_their_bars(
    store: MongoStore, parts: Parts, database: str
) -> None:
    names = [
        "A:B", "A:B1", "A:B!", "A:BB", "NYMEX:CL1!", "A:B_C", "A:B|C", "A:B}C", "NYSE:BAC/PL", "BINANCE:币安人生USDT.P",
        "BINANCE:😀", "BINANCE:B",
    ]  # fmt: skip
    for name in names:
        await store_bars(parts, database, [minute_bar(SymbolId.parse(name), minute) for minute in range(2)])
    every = [str(one) for one in await store.symbols(None, 100)]
    assert every == sorted(names, key=lambda name: name + "|")
    paged: list[str] = []
    after = None
    while page := await store.symbols(after, 2):
        paged += [str(one) for one in page]
        after = page[-1]
    assert paged == every


async def test_an_answer_is_kept_for_as_long_as_the_contract_says(
    store: MongoStore, redis: Redis, parts: Parts, database: str, identity: SymbolId
) -> None:
    await store_bars(parts, database, [minute_bar(identity, 0)])
    first = await series_json(store, RedisCache(redis), identity, Interval.M1, NEWEST)
    key = series_key(identity, Interval.M1)
    assert await redis.hget(key, NEWEST.field) == first
    assert SERIES_TTL_S - 10 <= await redis.ttl(key) <= SERIES_TTL_S
    await redis.expire(key, 7)
    other = BarQuery(None, None, 11, Sort.DESCENDING)
    await series_json(store, RedisCache(redis), identity, Interval.M1, other)
    assert await redis.hexists(key, other.field)
    assert await redis.ttl(key) <= 7, "a later answer must not lengthen the life of an earlier one"


async def test_a_kept_answer_is_served_without_the_store(
    store: MongoStore, redis: Redis, parts: Parts, database: str, identity: SymbolId
) -> None:
    cache = RedisCache(redis)
    await store_bars(parts, database, [minute_bar(identity, 0)])
    first = await series_json(store, cache, identity, Interval.M1, NEWEST)
    await store_bars(parts, database, [minute_bar(identity, 1)])  # by a writer that bumps nothing
    assert await series_json(store, cache, identity, Interval.M1, NEWEST) == first


class SlowStore(MongoStore):
    """A reader that is overtaken: between its read and its answer a writer replaces a bar, as writers do."""

    overtake: Callable[[], Awaitable[None]]

    async def bars(self, identity: SymbolId, interval: Interval, query: BarQuery) -> list[wire.Bar]:
        read = await super().bars(identity, interval, query)
        await self.overtake()
        return read


async def test_a_slow_reader_never_keeps_what_a_writer_has_just_replaced(
    store: MongoStore, redis: Redis, parts: Parts, database: str, identity: SymbolId
) -> None:
    cache = RedisCache(redis)
    slow = SlowStore(store._db)
    writes = 0

    async def write() -> None:
        nonlocal writes
        writes += 1
        await store_bars(parts, database, [minute_bar(identity, 0, close=1.0 + writes, revision=writes)])
        await redis.incr(generation_key(identity, Interval.M1))
        await redis.delete(series_key(identity, Interval.M1))

    slow.overtake = write
    await write()
    for turn in range(3):  # the first generation, and later ones
        stale = SeriesBody.model_validate_json(await series_json(slow, cache, identity, Interval.M1, NEWEST))
        assert stale.bars[0].revision == turn + 1, "the slow reader answers what it read"
        assert not await redis.exists(series_key(identity, Interval.M1)), "and keeps it from nobody"
    fresh = SeriesBody.model_validate_json(await series_json(store, cache, identity, Interval.M1, NEWEST))
    assert fresh.bars[0].revision == writes
    assert await redis.hexists(series_key(identity, Interval.M1), NEWEST.field)


async def test_answers_of_one_series_are_kept_up_to_a_bound(
    redis: Redis, identity: SymbolId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_cache, "MOST_ANSWERS", 3)
    monkeypatch.setattr(query_cache, "LONGEST_ANSWER", 100)
    cache = RedisCache(redis)
    for field in "abcde":
        await cache.keep(identity, Interval.M1, field, b"answer", b"")
    await redis.delete(generation_key(identity, Interval.M1))
    assert await redis.hlen(series_key(identity, Interval.M1)) == 3
    await cache.keep(identity, Interval.H1, "long", b"x" * 101, b"")
    assert not await redis.exists(series_key(identity, Interval.H1))


async def test_quotes_and_forming_bars_are_read_as_the_contract_names_them(redis: Redis, identity: SymbolId) -> None:
    cache, other = RedisCache(redis), SymbolId("TEST", "NEVER_QUOTED")
    await redis.set(quote_key(identity), b"a quote", ex=5)
    await redis.hset(forming_key(identity, Interval.H4), mapping={"bar": b"a bar", "open_time": 1, "sequence": 1})
    await redis.expire(forming_key(identity, Interval.H4), 5)
    assert await cache.quotes([identity, other]) == {identity: b"a quote", other: None}
    assert await cache.quotes([]) == {}
    assert await cache.forming(identity, Interval.H4) == b"a bar"
    assert await cache.forming(identity, Interval.H1) is None


async def test_jobs_and_statuses_are_read_as_history_sync_writes_them(
    store: MongoStore, parts: Parts, database: str
) -> None:
    series = [Series(exchange="NYMEX", symbol="CL1!", interval=interval) for interval in Interval]
    children = [
        Job(
            job_id=f"bulk.{index}", request_id="bulk", parent_id="bulk", series=one, bars=10,
            priority=SyncPriority.BULK, status=SyncStatus.PENDING, requested_at=FIRST,
        )
        for index, one in enumerate(series)
    ]  # fmt: skip
    parent = children[0].model_copy(
        update={"job_id": "bulk", "parent_id": None, "series": None, "series_count": len(series)}
    )
    statuses = [
        SeriesStatus(
            exchange=one.exchange, symbol=one.symbol, interval=one.interval, status=SyncStatus.SYNCING, updated_at=FIRST
        )
        for one in series
    ]
    async with AsyncMongoClient[dict[str, object]](parts.mongo) as client:
        db = client[database]
        await db[JOBS].insert_many([job_document(job) | {"lease": {"owner": "w"}} for job in [*children[::-1], parent]])
        await db[JOBS].insert_one({"_id": "broken", "status": "?"})
        await db[SYNC_STATUS].insert_many([status_document(status) for status in statuses])
    assert await store.job("bulk") == parent
    assert await store.job("unknown") is None
    assert await store.job("broken") is None
    assert await store.children("bulk") == children
    page = await store.sync_statuses({"exchange": "NYMEX"}, None, 5)
    rest = await store.sync_statuses({}, str(page[-1].series), 100)
    assert sorted(map(str, page + rest)) == sorted(map(str, statuses))
    assert [one.interval for one in await store.sync_statuses({"interval": "1M"}, None, 5)] == [Interval.MO1]
