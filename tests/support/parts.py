"""Addresses of real Kafka, MongoDB and Redis for tests: from the environment, else processes started here.

Touches the environment, the folder `.local/test` and, through `RealParts`, processes.
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from candlewick_local.children import Children
from candlewick_local.errors import Refusal
from candlewick_local.folders import LOCAL
from candlewick_local.parts import RealParts
from chassis.clock import now_ms

VARIABLES = ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URL", "REDIS_URL")
FOLDER = LOCAL / "test"
SETTLED_MS = 60_000
"""A folder that changed less than this ago may belong to a session that is just taking it."""


class Parts(Protocol):
    """What a test that only uses the parts may rely on: three addresses that answer."""

    @property
    def kafka(self) -> str: ...

    @property
    def mongo(self) -> str: ...

    @property
    def redis(self) -> str: ...


@dataclass(frozen=True)
class GivenParts:
    """Parts that somebody else runs."""

    kafka: str
    mongo: str
    redis: str


def given_parts(environment: Mapping[str, str]) -> GivenParts | None:
    """The parts that the environment names; None if it names none. Raises `Refusal` if it names only some."""
    given = [name for name in VARIABLES if environment.get(name)]
    if not given:
        return None
    if missing := [name for name in VARIABLES if name not in given]:
        raise Refusal(f"{', '.join(given)} given but not {', '.join(missing)}: tests need all three, or none")
    return GivenParts(*(environment[name] for name in VARIABLES))


def where_from(environment: Mapping[str, str]) -> str:
    """One line that says where the real parts of this session come from, without the addresses' secrets."""
    if any(environment.get(name) for name in VARIABLES):
        return f"real parts: as {', '.join(VARIABLES)} say"
    return f"real parts: started when first needed, on free ports, under {os.path.relpath(FOLDER)}"


@contextmanager
def started_parts(folder: Path = FOLDER) -> Iterator[RealParts]:
    """Parts of this session's own, in a new folder, which is deleted at the end."""
    sweep(folder)
    own = folder / unique("parts")
    with RealParts(own) as parts:
        yield parts
    shutil.rmtree(own)


def sweep(folder: Path) -> None:
    """Delete what sessions that have ended left behind, processes and data; leave those that run alone."""
    for left in folder.glob("parts-*"):
        if now_ms() - left.stat().st_mtime_ns // 1_000_000 < SETTLED_MS:
            continue
        try:
            with Children(left):
                pass
        except Refusal:
            continue
        shutil.rmtree(left, ignore_errors=True)


def unique(prefix: str) -> str:
    """A name that nothing else has: for a database, a topic, a consumer group, a key."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"
