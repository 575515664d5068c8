"""ingest-ws when Kafka or Redis is away: at the start, and in the middle."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from redis.asyncio import Redis

from candlewick_local.parts import RealParts
from candlewick_local.ports import free_ports
from chassis import waiting
from chassis.clock import now_ms
from chassis.kafka import broker as kafka_broker
from contracts.ticks import Quote
from tests.support.ingest import PARTITIONS, ingest, journal, log_of, settings_of, topics_of, wishes
from tests.support.journal import verify
from tests.support.parts import Parts
from tests.support.replicas import replicas
from tests.support.stalls import stalls
from tradingview_simulator import SimulatorSettings, serve

OUTAGE_S = 30
TRAVEL_MS = 1_500
"""What may lie between sending and receiving on a busy machine."""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONGEST_S", 0.5)
    monkeypatch.setattr(kafka_broker, "_WATCH_EVERY_S", 0.5)


@asynccontextmanager
async def door(port: int, host: str, target: int) -> AsyncIterator[None]:
    """A port that leads to another one while it is open."""
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, target)
        writers.update((writer, far_writer))
        for pair in ((reader, far_writer), (far_reader, writer)):
            tasks.add(asyncio.create_task(copy(*pair)))

    server = await asyncio.start_server(through, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.close()
        await asyncio.gather(*tasks, *(writer.wait_closed() for writer in writers), return_exceptions=True)


async def report(http: httpx.AsyncClient) -> dict[str, Any]:
    body: dict[str, Any] = (await http.get("/readyz")).json()
    return body


async def until(http: httpx.AsyncClient, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Ask /readyz until the answer is as wanted."""
    async with asyncio.timeout(40):
        while not holds(await report(http)):
            await asyncio.sleep(0.05)


async def test_without_kafka_and_redis_it_waits_and_says_so_and_works_once_they_are_there(
    parts: Parts, prefix: str
) -> None:
    topics = topics_of(prefix)
    kafka_port, redis_port, probes_port = free_ports(3)
    kafka, redis = urlsplit(f"//{parts.kafka}"), urlsplit(parts.redis)
    assert kafka.hostname and kafka.port and redis.hostname and redis.port
    name = "SIM:S0501"
    async with serve(SimulatorSettings()) as simulator, wishes(parts, topics) as desired:
        await desired.want(name)
        settings = settings_of(
            parts,
            prefix,
            simulator.url,
            kafka_bootstrap_servers=f"127.0.0.1:{kafka_port}",
            redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}{redis.path}"),
            http_port=probes_port,
        )
        base = f"http://127.0.0.1:{probes_port}"
        async with ingest(settings, topics), httpx.AsyncClient(base_url=base) as http:
            await until(http, lambda body: "unavailable" in body["waiting"].get("Kafka", ""))
            assert (await http.get("/livez")).status_code == 200
            assert (await http.get("/readyz")).status_code == 503
            assert not simulator.connections
            async with (
                door(kafka_port, kafka.hostname, kafka.port),
                log_of(parts.kafka, topics.ticks.name) as log,
            ):
                await log.until(lambda: len(log.ticks_of(name)) > 2)
                await until(http, lambda body: body["ready"])
                client = Redis.from_url(parts.redis)
                assert await client.get("quote:latest:SIM:S0501") is None
                async with door(redis_port, redis.hostname, redis.port), asyncio.timeout(30):
                    while (raw := await client.get("quote:latest:SIM:S0501")) is None:
                        await log.read()
                    assert Quote.decode(raw).price is not None
                await client.aclose()
                metrics = (await http.get("/metrics")).text
            assert 'ingest_symbols{state="live"} 1.0' in metrics
            assert "ingest_tick_seconds_count" in metrics


async def test_what_came_while_kafka_was_away_is_in_the_log_and_no_heartbeat_is_missed(
    local_parts: RealParts, prefix: str
) -> None:
    topics = topics_of(prefix)
    names = [f"SIM:S{number:04}" for number in range(601, 611)]
    async with (
        serve(SimulatorSettings(hb_interval=0.5, hb_grace=10.0)) as simulator,
        wishes(local_parts, topics) as desired,
        log_of(local_parts.kafka, topics.ticks.name) as log,
        stalls() as stalled,
    ):
        await desired.want(*names)
        async with ingest(settings_of(local_parts, prefix, simulator.url), topics):
            await log.until(lambda: all(log.ticks_of(name) for name in names))
            await asyncio.to_thread(local_parts.kill, "kafka")
            away = now_ms()
            try:
                await asyncio.sleep(OUTAGE_S)  # the outage itself
            finally:
                await asyncio.to_thread(local_parts.start, "kafka")
            back = now_ms()
            await log.until(lambda: all(log.ticks_of(name)[-1].received_at > back for name in names), 120)
            assert set(simulator.connections) == {1}
        for _ in range(5):
            await log.read()
        await verify(simulator.http_url, log, names, stalled)
        for name in names:
            assert any(away < entry["sent_at_ms"] < back for entry in await journal(simulator.http_url, name))


async def test_what_finds_no_room_while_kafka_is_away_is_uncovered_and_what_is_covered_is_complete(
    local_parts: RealParts, prefix: str
) -> None:
    topics = topics_of(prefix)
    names = [f"SIM:S{number:04}" for number in range(1001, 1401)]
    async with (
        serve(SimulatorSettings()) as simulator,
        wishes(local_parts, topics) as desired,
        log_of(local_parts.kafka, topics.ticks.name) as log,
    ):
        await desired.want(*names)
        settings = settings_of(local_parts, prefix, simulator.url, ingest_buffer_mb=1)
        async with ingest(settings, topics):
            await log.until(lambda: all(log.covered(name, 0, 2**53) for name in names))
            await asyncio.to_thread(local_parts.pause, "kafka")
            away = now_ms()
            try:
                async with asyncio.timeout(120):
                    # The outage ends when the buffer has been full for so long that every partition has lost something.
                    while (REGISTRY.get_sample_value("ingest_ticks_lost") or 0) < 2 * len(names):
                        await asyncio.sleep(0.1)
            finally:
                await asyncio.to_thread(local_parts.resume, "kafka")
            back = now_ms()
            await log.until(lambda: all(log.covered(name, 0, 2**53)[-1][1] > back + 1_000 for name in names))
        for name in names[::10]:
            covered = log.covered(name, 0, 2**53)
            uncovered = [(end, start) for (_, end), (start, _) in pairwise(covered)]
            assert any(away < begun < back and 0 < ended - back < 3_000 for begun, ended in uncovered), covered
            told = {tick.cumulative_volume for tick in log.ticks_of(name)}
            for entry in await journal(simulator.http_url, name):
                at = entry["sent_at_ms"]
                if "volume" in entry["fields"] and any(start < at < end - TRAVEL_MS for start, end in covered):
                    assert entry["fields"]["volume"] in told, (at, covered)


async def test_it_ends_in_order_though_kafka_is_away(local_parts: RealParts, prefix: str, tmp_path: Path) -> None:
    topics = topics_of(prefix)
    async with (
        serve(SimulatorSettings()) as simulator,
        wishes(local_parts, topics) as desired,
        log_of(local_parts.kafka, topics.ticks.name) as log,
        replicas(local_parts, prefix, simulator.url, PARTITIONS, tmp_path) as group,
    ):
        await desired.want("SIM:S0801")
        replica = await group.start("one")
        await log.until(lambda: log.ticks_of("SIM:S0801"))
        await asyncio.to_thread(local_parts.kill, "kafka")
        try:
            assert await replica.terminate() == 0, replica.said
        finally:
            await asyncio.to_thread(local_parts.start, "kafka")
            await asyncio.to_thread(local_parts.wait_ready, "kafka", 120)
    assert '"stopped"' in replica.said


async def test_redis_going_away_disturbs_no_tick_and_quotes_come_back_with_it(
    local_parts: RealParts, prefix: str
) -> None:
    topics = topics_of(prefix)
    name, key = "SIM:S0701", "quote:latest:SIM:S0701"
    client = Redis.from_url(local_parts.redis)
    async with (
        serve(SimulatorSettings()) as simulator,
        wishes(local_parts, topics) as desired,
        log_of(local_parts.kafka, topics.ticks.name) as log,
        stalls() as stalled,
    ):
        await desired.want(name)
        async with ingest(settings_of(local_parts, prefix, simulator.url), topics):
            await log.until(lambda: len(log.ticks_of(name)) > 1)
            await asyncio.to_thread(local_parts.kill, "redis")
            count = len(log.ticks_of(name))
            await log.until(lambda: len(log.ticks_of(name)) > count + 3)
            await asyncio.to_thread(local_parts.start, "redis")
            async with asyncio.timeout(30):
                while await client.get(key) is None:
                    await log.read()
        assert stalled or [change.state for change in log.changes_of(name)] == ["covered"]
    await client.aclose()
