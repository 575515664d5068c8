"""Guarded writes, indexes and outages of a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from uuid import uuid4

import pytest
from pydantic import SecretStr
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, OperationFailure

from chassis.errors import Misconfigured
from chassis.mongo import (
    Document,
    Written,
    check_version,
    client,
    database,
    ensure_indexes,
    guarded_replace,
    prepare,
    wait_for_mongo,
)
from chassis.probes import Readiness
from chassis.settings import MongoSettings
from chassis.stop import Stop, Stopped
from contracts.documents import CONTRACT, Index, StoreVersion
from contracts.errors import Unavailable
from tests.support.parts import Parts


def settings(url: str) -> MongoSettings:
    return MongoSettings(mongodb_url=SecretStr(url), mongodb_database=f"test_{uuid4().hex}")


@pytest.fixture
async def db(parts: Parts) -> AsyncIterator[AsyncDatabase[Document]]:
    chosen = settings(parts.mongo)
    async with client(chosen, "test") as mongo:
        yield database(mongo, chosen)
        await mongo.drop_database(chosen.mongodb_database)


def ranked(key: str, rank: int) -> tuple[str, Document, Document]:
    return key, {"rank": {"$lt": rank}}, {"rank": rank}


async def test_a_better_document_replaces_a_worse_one_and_never_the_reverse(db: AsyncDatabase[Document]) -> None:
    assert await guarded_replace(db.things, [ranked("a", 1), ranked("b", 5)]) == Written(written=2)
    assert await guarded_replace(db.things, [ranked("a", 2), ranked("b", 4), ranked("c", 1)]) == Written(2, 1)
    assert await db.things.find(sort=[("_id", 1)]).to_list() == [
        {"_id": "a", "rank": 2}, {"_id": "b", "rank": 5}, {"_id": "c", "rank": 1},
    ]  # fmt: skip


async def test_doing_it_twice_is_doing_it_once(db: AsyncDatabase[Document]) -> None:
    items = [ranked(str(n), n) for n in range(10)]
    assert await guarded_replace(db.things, items) == Written(written=10)
    assert await guarded_replace(db.things, items) == Written(outranked=10)


async def test_more_than_one_chunk_is_written_whole(db: AsyncDatabase[Document]) -> None:
    assert await guarded_replace(db.things, [ranked(str(n), n) for n in range(2500)]) == Written(written=2500)
    assert await db.things.count_documents({}) == 2500


async def test_nothing_to_write_is_no_error(db: AsyncDatabase[Document]) -> None:
    assert await guarded_replace(db.things, []) == Written()


async def test_of_many_writers_of_an_absent_document_the_best_is_stored_in_every_race(
    db: AsyncDatabase[Document],
) -> None:
    ranks, random = list(range(32)), Random(1)
    for race in range(50):
        random.shuffle(ranks)
        await asyncio.gather(*(guarded_replace(db.things, [ranked(str(race), rank)]) for rank in ranks))
    assert await db.things.distinct("rank") == [max(ranks)]
    assert await db.things.count_documents({}) == 50


async def test_a_violation_of_another_unique_index_is_a_bug(db: AsyncDatabase[Document]) -> None:
    await db.things.create_index("name", unique=True)
    await guarded_replace(db.things, [("a", {}, {"name": "x"})])
    with pytest.raises(BulkWriteError):
        await guarded_replace(db.things, [("b", {}, {"name": "x"})])


async def test_a_document_that_mongodb_refuses_is_a_bug(db: AsyncDatabase[Document]) -> None:
    with pytest.raises(OperationFailure):
        await guarded_replace(db.things, [("a", {"$nonsense": 1}, {})])


async def test_indexes_are_created_once_and_a_conflict_is_a_bug(db: AsyncDatabase[Document]) -> None:
    index = Index("things", "by_name", (("name", 1), ("at", -1)), is_unique=True)
    for _ in range(2):
        await ensure_indexes(db, [index])
    made = (await db.things.index_information())["by_name"]
    assert (made["key"], made["unique"]) == ([("name", 1), ("at", -1)], True)
    with pytest.raises(OperationFailure):
        await ensure_indexes(db, [Index("things", "by_name", (("other", 1),))])


async def test_mongodb_that_answers_is_ready(parts: Parts) -> None:
    ready = Readiness(["MongoDB"])
    async with client(settings(parts.mongo), "test") as mongo:
        await wait_for_mongo(mongo, ready, Stop())
    assert ready.report()["ready"]


async def test_mongodb_that_is_away_is_waited_for_and_errors_show_no_password() -> None:
    ready, stop = Readiness(["MongoDB"]), Stop()
    url = "mongodb://me:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=50"
    async with client(settings(url), "test") as mongo:
        waiting = asyncio.create_task(wait_for_mongo(mongo, ready, stop))
        while "unavailable" not in ready.report()["waiting"]["MongoDB"]:
            await asyncio.sleep(0.01)
        stop.request("SIGTERM")
        with pytest.raises(Stopped):
            await waiting
        with pytest.raises(Unavailable) as caught:
            await guarded_replace(mongo.db.things, [ranked("a", 1)])
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {ready.report()}"


VERSION = StoreVersion("things", 2, ("things", "parts"), "run `clear {database}`")


async def test_an_empty_database_gets_the_version_of_who_writes_first(db: AsyncDatabase[Document]) -> None:
    await check_version(db, VERSION)
    assert await db.list_collection_names() == [], "who only reads writes nothing"
    await asyncio.gather(*(prepare(db, VERSION, []) for _ in range(5)))
    assert await db[CONTRACT].find({}).to_list() == [{"_id": "things", "version": 2}]
    await db.parts.insert_one({"_id": 1})
    await prepare(db, VERSION, [])
    await check_version(db, VERSION)


@pytest.mark.parametrize(
    ("document", "held"),
    [(None, "no version"), ({"_id": "things", "version": 1}, "version 1"), ({"_id": "things"}, "version None")],
)
async def test_a_database_of_another_version_is_refused_with_the_command_that_clears_it(
    db: AsyncDatabase[Document], document: Document | None, held: str
) -> None:
    await db.parts.insert_one({"_id": 1})
    if document is not None:
        await db[CONTRACT].insert_one(document)
    before = await db[CONTRACT].find({}).to_list()
    for refuse in (check_version(db, VERSION), prepare(db, VERSION, [Index("things", "x", (("x", 1),))])):
        with pytest.raises(Misconfigured, match=f"{held} .* works with version 2: run `clear {db.name}`"):
            await refuse
    assert await db[CONTRACT].find({}).to_list() == before
    assert "things" not in await db.list_collection_names(), "nothing was touched"


async def test_documents_of_other_collections_have_no_version(db: AsyncDatabase[Document]) -> None:
    await db.others.insert_one({"_id": 1})
    await prepare(db, VERSION, [])
    await check_version(db, VERSION)
