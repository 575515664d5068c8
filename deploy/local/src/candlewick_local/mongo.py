"""A replica set of one mongod: its command line, and when it has a primary. Touches MongoDB."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from candlewick_local.found import Programs
from candlewick_local.ports import HOST

REPLICA_SET = "candlewick"
_NOT_YET_INITIALIZED = 94
"""MongoDB's error code of a member that has no replica set configuration."""


@dataclass(frozen=True, slots=True)
class Mongo:
    """Where one mongod listens and keeps its data."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"mongodb://{HOST}:{self.port}/?replicaSet={REPLICA_SET}"


def prepare(mongo: Mongo, programs: Programs) -> list[str]:
    """Make the data folder and return the command line; the default cache would be half of the memory."""
    data = mongo.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    return [
        *(programs.mongod, "--bind_ip", HOST, "--port", str(mongo.port), "--dbpath", str(data)),
        *("--replSet", REPLICA_SET, "--nounixsocket", "--quiet", "--oplogSize", "100"),
        *("--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]


def why_not_ready(mongo: Mongo) -> str | None:
    """None when the replica set has a primary; initiates it once, and tells it when its port has changed."""
    here = f"{HOST}:{mongo.port}"
    client: MongoClient[dict[str, Any]] = MongoClient(
        HOST, mongo.port, directConnection=True, serverSelectionTimeoutMS=1000, connectTimeoutMS=1000
    )
    with client:
        try:
            hello = client.admin.command("hello")
            if hello.get("isWritablePrimary") and hello.get("me") == here:
                return None
            _configure(client, here)
        except PyMongoError as error:
            return str(error).splitlines()[0][:200]
    return "the replica set has no primary yet"


def _configure(client: MongoClient[dict[str, Any]], here: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        first = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": here}]}
        client.admin.command("replSetInitiate", first)
        return
    if config["members"][0]["host"] != here:
        config["members"][0]["host"] = here
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
