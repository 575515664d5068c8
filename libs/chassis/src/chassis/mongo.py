"""MongoDB through PyMongo's async API: a client that waits for a majority, indexes, and the guarded bulk write."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError

from chassis.errors import Misconfigured
from chassis.probes import Readiness
from chassis.redaction import SECRETS
from chassis.settings import MongoSettings
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.documents import CONTRACT, Index, StoreVersion
from contracts.errors import Unavailable

MONGODB = "MongoDB"
"""How MongoDB is called in logs and as a condition of readiness."""

_LIMITS: dict[str, Any] = {
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 30_000,
    "waitQueueTimeoutMS": 10_000,
    "wTimeoutMS": 20_000,
    "maxPoolSize": 20,
}
"""Limits of a client where the URL names none."""

Document = dict[str, Any]
Guarded = tuple[str, Mapping[str, Any], Document]
"""`_id`, the filter that the stored document must pass to be replaced, and the document (its `_id` may be absent)."""

_CHUNK = 1000
_DUPLICATE_KEY = 11000
_PASSING = frozenset({6, 7, 24, 50, 64, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Codes of the server's errors that pass by themselves (its `error_codes.yml`): network, shutdown, change of primary,
time limits, locks and conflicts, a majority that did not confirm in time."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a guarded write: documents stored, and those of which a better one was stored already."""

    written: int = 0
    outranked: int = 0


def client(settings: MongoSettings, name: str) -> AsyncMongoClient[Document]:
    """A client that connects at its first use: writes wait for a majority, times are aware UTC, all waits are bounded.

    The URL may say other limits, never weaker writes. `name` is what the server's log calls this process. Bound to the
    event loop of its first use; close it.
    """
    url = settings.mongodb_url.get_secret_value()
    said = {option.lower() for option in parse_qs(urlsplit(url).query)}
    limits = {option: value for option, value in _LIMITS.items() if option.lower() not in said}
    return AsyncMongoClient(url, appname=name, w="majority", retryWrites=True, tz_aware=True, **limits)


def database(mongo: AsyncMongoClient[Document], settings: MongoSettings) -> AsyncDatabase[Document]:
    """The database of the settings; instants come back as aware UTC."""
    return mongo.get_database(settings.mongodb_database, CodecOptions(tz_aware=True, tzinfo=UTC))


@contextmanager
def mongo_errors() -> Iterator[None]:
    """Turn what a server that is away, busy or changing its primary causes into `Unavailable`; let bugs through."""
    try:
        yield
    except BulkWriteError as error:
        details = error.details or {}
        faults = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        passing = [fault for fault in faults if fault.get("code") in _PASSING]
        if not passing or not all(fault in passing or _is_duplicate_id(fault) for fault in faults):
            raise
        raise Unavailable(MONGODB, str(passing[0].get("errmsg", ""))[:300]) from error
    except ConnectionFailure as error:
        raise Unavailable(MONGODB, _cause(error)) from error
    except OperationFailure as error:
        if not (error.timeout or error.code in _PASSING or error.has_error_label("RetryableWriteError")):
            raise
        raise Unavailable(MONGODB, _cause(error)) from error


async def wait_for_mongo(mongo: AsyncMongoClient[Document], ready: Readiness, stop: Stop) -> None:
    """Return when a primary answers; not ready until then."""

    async def ping() -> None:
        with mongo_errors():
            await mongo.admin.command("ping")  # goes to the primary, and waits for one up to the selection timeout

    await persistently(ping, ready, stop)
    ready.set(MONGODB, True)


async def prepare(db: AsyncDatabase[Document], version: StoreVersion, indexes: Iterable[Index]) -> None:
    """Have a database ready to be written: of this version, with these indexes. Raises as `check_version`."""
    await check_version(db, version)
    with mongo_errors():
        # Whoever writes first says of which version the store is; others find the same.
        await db[CONTRACT].update_one(
            {"_id": version.name}, {"$setOnInsert": {"version": version.version}}, upsert=True
        )
    await ensure_indexes(db, indexes)


async def check_version(db: AsyncDatabase[Document], version: StoreVersion) -> None:
    """`Misconfigured`, with the command that clears it, if a database holds what another version has written.

    An empty database is of any version. `Unavailable` while MongoDB is away.
    """
    with mongo_errors():
        found = await db[CONTRACT].find_one({"_id": version.name})
        if found is not None and found.get("version") == version.version:
            return
        if found is None:
            for name in version.collections:
                if await db[name].find_one({}, {"_id": 1}) is not None:
                    break
            else:
                return
    held = "no version" if found is None else f"version {found.get('version')!r}"
    raise Misconfigured(
        f"the database {db.name} holds {version.name} of {held} of the contract, and this program works with version "
        f"{version.version}: {version.remedy.replace('{database}', db.name)}"
    )


async def ensure_indexes(db: AsyncDatabase[Document], indexes: Iterable[Index]) -> None:
    """Create the indexes that are absent; one of the same name with other fields is an error of the server's."""
    with mongo_errors():
        for index in indexes:
            part: dict[str, Any] = {} if index.only is None else {"partialFilterExpression": index.only}
            await db[index.collection].create_index(list(index.keys), name=index.name, unique=index.is_unique, **part)


async def guarded_replace(collection: AsyncCollection[Document], items: Sequence[Guarded]) -> Written:
    """Store each document unless what is stored under its `_id` is at least as good, as its guard tells.

    Each item is `ReplaceOne({_id, **guard}, document, upsert)`. If nothing passes the filter, the upsert inserts and
    meets E11000 where the `_id` exists. That has two meanings: the stored document is better, or another writer
    inserted a worse one a moment ago. So such an item is tried once more, and then a second E11000 means better.
    Doing it twice is doing it once. Raises `Unavailable`, after which all may be repeated; other errors are bugs.
    """
    written = outranked = 0
    for start in range(0, len(items), _CHUNK):
        chunk = items[start : start + _CHUNK]
        again = await _replace(collection, chunk)
        beaten = await _replace(collection, again) if again else []
        written += len(chunk) - len(beaten)
        outranked += len(beaten)
    return Written(written, outranked)


async def _replace(collection: AsyncCollection[Document], items: Sequence[Guarded]) -> list[Guarded]:
    """Run the items and return those that met E11000 on `_id`."""
    operations = [ReplaceOne({"_id": key, **guard}, document, upsert=True) for key, guard, document in items]
    with mongo_errors():
        try:
            await collection.bulk_write(operations, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            faults = details.get("writeErrors", ())
            if details.get("writeConcernErrors") or not all(_is_duplicate_id(fault) for fault in faults):
                raise
            return [items[fault["index"]] for fault in faults]
    return []


def _is_duplicate_id(fault: Mapping[str, Any]) -> bool:
    return fault.get("code") == _DUPLICATE_KEY and fault.get("keyPattern") == {"_id": 1}


def _cause(error: PyMongoError) -> str:
    return SECRETS.text(f"{type(error).__name__} {error}")[:300]
