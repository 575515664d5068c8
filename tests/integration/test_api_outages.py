"""Parts that are away, at the start and in the middle: what is answered meanwhile, and that it recovers by itself."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable

import httpx
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from candlewick_local.parts import RealParts
from candlewick_local.ports import free_ports
from chassis.errors import Misconfigured
from contracts.cache import quote_key
from contracts.symbols import SymbolId
from contracts.ticks import Quote
from query_api import app, store
from tests.support.parts import unique
from tests.support.relay import Relay
from tests.support.running_api import KEY, PARTITIONS, RunningApi, minute_bar, running, settings_of, store_bars, until

BTC = SymbolId("BINANCE", "BTCUSDT")
OHLCV = "/market-data/ohlcv/BINANCE/BTCUSDT?interval=1m"


@pytest.fixture
def away(local_parts: RealParts) -> Callable[[str], "_Away"]:
    return lambda name: _Away(local_parts, name)


class _Away:
    """A part that is away while the context is open: killed, or (Kafka, which is slow to start) hanging."""

    def __init__(self, parts: RealParts, name: str) -> None:
        self._name = name
        self._leave, self._return = (parts.pause, parts.resume) if name == "kafka" else (parts.kill, parts.start)

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._leave, self._name)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._return, self._name)


def answers(api: RunningApi, path: str, status: int) -> Callable[[], Awaitable[bool]]:
    async def does() -> bool:
        return (await api.get(path)).status_code == status

    return does


async def waits_for(api: RunningApi) -> set[str]:
    return set((await api.get("/readyz")).json()["waiting"])


async def test_a_store_of_an_older_contract_ends_the_process_with_the_command_that_clears_it(
    local_parts: RealParts, database: str
) -> None:
    async with AsyncMongoClient[dict[str, object]](local_parts.mongo) as client:
        await client[database]["ohlcv"].insert_one({"_id": "BINANCE:BTCUSDT|1m|0", "close": 1.0})
    with pytest.raises(Misconfigured, match="make clean"):
        async with running(settings_of(local_parts, database)) as api, asyncio.timeout(30):
            await api.stop.wait()


async def test_without_mongodb_bars_are_unavailable_and_quotes_go_on(
    local_parts: RealParts, away: Callable[[str], _Away], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "READ_WITHIN_S", 1.0)
    database = unique("test")
    await store_bars(local_parts, database, [minute_bar(BTC, 0)])
    async with running(settings_of(local_parts, database)) as api, Redis.from_url(local_parts.redis) as redis:
        await api.ready()
        quote = Quote(exchange="BINANCE", symbol="BTCUSDT", price=1.0, received_at=1)
        await redis.set(quote_key(BTC), quote.encode(), ex=120)
        async with away("mongo"):
            answer = await api.get(OHLCV)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            assert (await api.get("/quotes/latest/BINANCE/BTCUSDT")).status_code == 200
            body = {"exchange": "BINANCE", "symbol": "BTCUSDT"}
            assert (await api.post("/market-data/sync", body)).status_code == 503
            await until(answers(api, "/readyz", 503))
            assert await waits_for(api) == {"MongoDB"}
        await until(answers(api, OHLCV, 200))
        await api.ready()


async def test_without_redis_bars_go_on_from_mongodb(local_parts: RealParts, away: Callable[[str], _Away]) -> None:
    database = unique("test")
    await store_bars(local_parts, database, [minute_bar(BTC, 0)])
    async with running(settings_of(local_parts, database)) as api:
        await api.ready()
        async with away("redis"):
            for _ in range(3):
                assert (await api.get(OHLCV)).json()["count"] == 1
            for path in ("/quotes/latest/BINANCE/BTCUSDT", "/quotes/current-bar/BINANCE/BTCUSDT"):
                answer = await api.get(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            await until(answers(api, "/readyz", 503))
            assert await waits_for(api) == {"Redis"}
        await api.ready()
        await until(answers(api, "/quotes/all", 200))


async def test_without_kafka_reads_go_on_and_commands_are_unavailable(
    local_parts: RealParts, away: Callable[[str], _Away], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "PUBLISH_WITHIN_S", 3.0)
    database, name = unique("test"), f"TEST:{unique('s').upper().replace('-', '_')[:60]}"
    await store_bars(local_parts, database, [minute_bar(BTC, 0)])
    async with running(settings_of(local_parts, database)) as api:
        await api.ready()
        assert (await api.post("/quotes/subscribe", {"symbols": [name]})).status_code == 200
        async with away("kafka"):
            for path in ("/quotes/stop", "/quotes/start"):
                answer = await api.post(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert (await api.get(OHLCV)).json()["count"] == 1
            assert name in (await api.get("/quotes/all")).json()["missing"]
            await until(answers(api, "/readyz", 503))
            assert await waits_for(api) == {"Kafka"}
        await api.ready()

        async def starts() -> bool:
            return (await api.post("/quotes/start")).status_code == 200

        await until(starts)
        answer = await api.post("/quotes/unsubscribe", {"symbols": [name]})
        assert name not in answer.json()["symbols"]
        assert (await api.get("/quotes/status")).json()["running"] is True


def _environment(port: int, kafka: str, mongo: str, redis: str, key: str = KEY) -> dict[str, str]:
    """What the process is started with."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return kept | {
        "KAFKA_BOOTSTRAP_SERVERS": kafka, "KAFKA_PARTITIONS": str(PARTITIONS), "MONGODB_URL": mongo,
        "MONGODB_DATABASE": unique("test"), "REDIS_URL": redis, "API_KEY": key, "HTTP_PORT": str(port),
    }  # fmt: skip


async def _start(environment: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "query_api", env=environment, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def test_the_process_starts_without_any_part_and_recovers_and_stops_in_order(local_parts: RealParts) -> None:
    (port,) = free_ports(1)
    async with (
        Relay(local_parts.kafka) as kafka,
        Relay(local_parts.mongo) as mongo,
        Relay(local_parts.redis) as redis,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        process = await _start(_environment(port, kafka.url, mongo.url, redis.url))
        try:
            await _says_what_it_waits_for(client)
            for relay in (kafka, mongo, redis):
                await relay.open()
            await _recovers(client)
            waiting = asyncio.create_task(_post(client, "/market-data/sync", {"exchange": "A", "symbol": "B"}))

            async def both_are_open() -> bool:
                return "http_requests_open 2.0" in (await client.get("/metrics")).text

            await until(both_are_open)
            process.terminate()
            assert (await waiting).status_code == 202, "a request that waits is answered before the process ends"
        except BaseException:
            process.kill()
            raise
        finally:
            output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    assert '"waiting"' in output
    assert KEY not in output


async def _says_what_it_waits_for(client: httpx.AsyncClient) -> None:
    async def listens() -> bool:
        try:
            return (await client.get("/livez")).status_code == 200
        except httpx.ConnectError:
            return False

    async def waits_for_all() -> bool:
        waiting = (await client.get("/readyz")).json()["waiting"]
        return {"Kafka", "MongoDB", "Redis"} <= {name for name, why in waiting.items() if "unavailable" in why}

    await until(listens)
    await until(waits_for_all)
    for path in (OHLCV, "/quotes/status", "/quotes/latest/BINANCE/BTCUSDT", "/market-data/symbols"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), path
    assert (await _post(client, "/quotes/start")).status_code == 503
    assert (await client.get("/docs")).status_code == 200


async def _recovers(client: httpx.AsyncClient) -> None:
    async def is_ready() -> bool:
        return (await client.get("/readyz")).status_code == 200

    await until(is_ready)
    assert (await client.get(OHLCV)).status_code == 200
    assert (await _post(client, "/quotes/start")).status_code == 200


async def _post(client: httpx.AsyncClient, path: str, body: object = None) -> httpx.Response:
    return await client.post(path, json=body, headers={"X-API-Key": KEY})


async def _exit(environment: dict[str, str]) -> tuple[int | None, str]:
    process = await _start(environment)
    output = (await process.communicate())[0].decode()
    return process.returncode, output


NOWHERE = ("127.0.0.1:1", "mongodb://127.0.0.1:1", "redis://127.0.0.1:1")


async def test_a_missing_key_is_named_at_the_start() -> None:
    code, output = await _exit(_environment(0, *NOWHERE, key=""))
    assert code == 2
    assert "API_KEY: missing" in output


async def test_a_port_in_use_is_named_at_the_start() -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        code, output = await _exit(_environment(port, *NOWHERE))
    assert code != 0
    assert f"cannot listen on 127.0.0.1:{port}" in output
