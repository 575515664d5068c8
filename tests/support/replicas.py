"""Replicas of ingest-ws as processes of one group, on the topics of a test. Touches processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.parts import Parts

PROGRAM = """
import sys
from functools import partial
from chassis.process import leave, run
from ingest_ws.app import PROGRAM, work
from ingest_ws.settings import IngestSettings
from tests.support.ingest import topics_of
leave(run(PROGRAM, IngestSettings, partial(work, topics=topics_of(sys.argv[1])), []))
"""


class Replica:
    """One process; `name` is what it calls itself in statuses and events."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def freeze(self) -> None:
        """It does not run any more, and does not know it."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def terminate(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        async with asyncio.timeout(30):
            return await self.process.wait()


class Replicas:
    """Starts replicas of one group."""

    def __init__(self, parts: Parts, prefix: str, url: str, partitions: int, folder: Path, **settings: Any) -> None:
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": parts.kafka,
            "KAFKA_PARTITIONS": str(partitions),
            "REDIS_URL": parts.redis,
            "TRADINGVIEW_URL": url,
            "INGEST_GROUP": f"{prefix}group",
            "HTTP_PORT": "0",
            **{name: str(value) for name, value in settings.items()},
        }
        self._prefix = prefix
        self._folder = folder
        self.running: list[Replica] = []

    async def start(self, name: str) -> Replica:
        path = self._folder / f"{name}.log"
        with path.open("w") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", PROGRAM, self._prefix,
                env=self._environment | {"INGEST_REPLICA": name}, stdout=log, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        replica = Replica(name, process, path)
        self.running.append(replica)
        return replica


@asynccontextmanager
async def replicas(
    parts: Parts, prefix: str, url: str, partitions: int, folder: Path, **settings: Any
) -> AsyncIterator[Replicas]:
    """Replicas that are ended with the test."""
    started = Replicas(parts, prefix, url, partitions, folder, **settings)
    try:
        yield started
    finally:
        for replica in started.running:
            if replica.process.returncode is None:
                replica.kill()
            await replica.process.wait()
