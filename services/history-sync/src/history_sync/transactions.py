"""Several documents of MongoDB changed together or not at all, within a deadline."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pymongo
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from chassis.mongo import Document, mongo_errors

T = TypeVar("T")
WITHIN_S = 15.0


async def together(mongo: AsyncMongoClient[Document], work: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
    """Run `work` in a transaction, again where it met another's; `Unavailable` when MongoDB does not answer in time.

    After `Unavailable` the change may have been made or not: `work` must find out what it meets.
    """
    with mongo_errors(), pymongo.timeout(WITHIN_S):
        async with mongo.start_session() as session:
            return await session.with_transaction(work)
