"""Two writers of an absent `_id`: one is held by MongoDB itself between finding nothing and inserting (a failpoint)."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pymongo import AsyncMongoClient, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from candlewick_local import mongo as mongod
from candlewick_local.children import Children
from candlewick_local.folders import parts_folder
from candlewick_local.found import find_or_fetch
from candlewick_local.ports import free_ports
from chassis.mongo import Document, Written, guarded_replace
from tests.support.processes import until

HELD = "hangBeforeUpsertPerformsInsert"
GUARD = {"rank": {"$lt": 5}}
BETTER, WORSE = {"_id": "k", "rank": 5}, {"_id": "k", "rank": 1}


@pytest.fixture(scope="module")
def testable_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A mongod of this module's own that takes failpoints."""
    folder = tmp_path_factory.mktemp("mongod")
    own = mongod.Mongo(folder, free_ports(1)[0])
    command = [*mongod.prepare(own, find_or_fetch(parts_folder(os.environ))), "--setParameter", "enableTestCommands=1"]
    with Children(folder) as children:
        children.start("mongod", command, {}, folder / "mongod.log")
        until(lambda: mongod.why_not_ready(own) is None, "it has a primary", 60.0)
        yield own.url


@asynccontextmanager
async def held_before_its_insert(
    client: AsyncMongoClient[Document], writing: "asyncio.Task[Any]"
) -> AsyncIterator[None]:
    """Within the block an upsert has found nothing and has not inserted yet; at its end it goes on."""
    async with asyncio.timeout(30):
        while not [
            op async for op in await client.admin.aggregate([{"$currentOp": {}}, {"$match": {"failpointMsg": HELD}}])
        ]:
            assert not writing.done()
    yield
    await client.admin.command({"configureFailPoint": HELD, "mode": "off"})


async def raced(url: str, write: Any) -> tuple[Any, Document]:
    """What a writer of the better document returns, and what is stored, where a worse one came in between."""
    async with AsyncMongoClient[Document](url) as client:
        collection = client.race.things
        await collection.drop()
        await client.race.create_collection("things")
        await client.admin.command({"configureFailPoint": HELD, "mode": "alwaysOn"})
        writing = asyncio.create_task(write(collection))
        async with held_before_its_insert(client, writing):
            await collection.insert_one({**WORSE})
        answer = await writing
        stored = await collection.find_one({"_id": "k"})
        assert stored is not None
        return answer, stored


async def test_the_better_document_is_stored_though_a_worse_one_came_in_between(testable_mongo: str) -> None:
    async def guarded(collection: AsyncCollection[Document]) -> Written:
        return await guarded_replace(collection, [("k", GUARD, {**BETTER})])

    answer, stored = await raced(testable_mongo, guarded)
    assert (answer, stored) == (Written(written=1), BETTER)


async def test_a_writer_that_takes_e11000_for_a_better_document_is_caught(testable_mongo: str) -> None:
    async def ignoring(collection: AsyncCollection[Document]) -> None:
        with suppress(BulkWriteError):
            await collection.bulk_write([ReplaceOne({"_id": "k", **GUARD}, {**BETTER}, upsert=True)], ordered=False)

    _, stored = await raced(testable_mongo, ignoring)
    assert stored == WORSE
