"""ingest-ws as a process of its own: what it says of itself, and how it ends."""

import asyncio
import os
import signal
import sys

from contracts.topics import partition_of
from tests.support.ingest import PARTITIONS, log_of, topics_of, wishes
from tests.support.parts import Parts
from tradingview_simulator import SimulatorSettings, serve

NAME = "SIM:S0901"
COMMAND = (sys.executable, "-m", "ingest_ws")
PROGRAM = """
import sys
from functools import partial
from chassis.process import leave, run
from ingest_ws.app import PROGRAM, work
from ingest_ws.settings import IngestSettings
from tests.support.ingest import topics_of
leave(run(PROGRAM, IngestSettings, partial(work, topics=topics_of(sys.argv[1])), []))
"""
"""The process with topics of a test."""


async def finished(*command: str, **environment: str) -> tuple[int | None, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command, env=kept | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_help_tells_what_it_does_and_every_setting() -> None:
    code, out = await finished(*COMMAND, "--help")
    assert code == 0
    for name in ("TRADINGVIEW_URL", "TRADINGVIEW_AUTH_TOKEN[_FILE]", "REDIS_URL[_FILE]", "INGEST_BUFFER_MB"):
        assert name in out


async def test_wrong_settings_are_refused_all_at_once() -> None:
    code, out = await finished(*COMMAND, TRADINGVIEW_URL="http://127.0.0.1/", INGEST_BUFFER_MB="0")
    assert code == 2
    for name in ("TRADINGVIEW_URL", "INGEST_BUFFER_MB", "REDIS_URL"):
        assert name in out


async def test_sigterm_sends_what_is_left_and_a_last_mark_and_ends_clean(parts: Parts, prefix: str) -> None:
    topics = topics_of(prefix)
    async with (
        serve(SimulatorSettings()) as simulator,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        await desired.want(NAME)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, prefix,
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": parts.kafka,
                "KAFKA_PARTITIONS": str(PARTITIONS),
                "REDIS_URL": parts.redis,
                "TRADINGVIEW_URL": simulator.url,
                "INGEST_GROUP": f"{prefix}group",
                "HTTP_PORT": "0",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            await log.until(lambda: len(log.ticks_of(NAME)) > 2)
            await statuses.until(lambda: statuses.records)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                out, _ = await process.communicate()
        except BaseException:
            process.kill()
            raise
        await statuses.until(lambda: statuses.records[-1][2] is None)
        for _ in range(5):
            await log.read()
    assert process.returncode == 0, out.decode()
    partition = partition_of(NAME.encode(), PARTITIONS)
    last = [mark for where, mark in log.marks if where == partition][-1]
    assert last.watermark >= log.ticks_of(NAME)[-1].received_at
    assert not simulator.connections
