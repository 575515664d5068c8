"""The API in this process on real Kafka, MongoDB and Redis, asked through httpx without a socket."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from chassis.stop import Stop
from contracts.bars import Bar, Origin
from contracts.documents import BARS_VERSION, CONTRACT, OHLCV, ohlcv_document
from contracts.intervals import DAY, Interval
from contracts.symbols import SymbolId
from query_api.app import build
from query_api.settings import ApiSettings
from tests.support.parts import Parts

KEY = "integration-key"
PARTITIONS = int(os.environ.get("KAFKA_PARTITIONS", "4"))
FIRST = 1_769_860_800_000  # 2026-01-31T12:00:00Z


@dataclass(frozen=True)
class RunningApi:
    """One replica; `ready` waits until it has all its parts."""

    app: FastAPI
    stop: Stop
    client: httpx.AsyncClient

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers={"X-API-Key": KEY, **headers})

    async def ready(self) -> None:
        await until(self._is_ready)

    async def _is_ready(self) -> bool:
        return (await self.get("/readyz")).status_code == 200


def settings_of(parts: Parts, database: str, **others: object) -> ApiSettings:
    return ApiSettings(
        kafka_bootstrap_servers=parts.kafka,
        kafka_partitions=PARTITIONS,
        mongodb_url=SecretStr(parts.mongo),
        mongodb_database=database,
        redis_url=SecretStr(parts.redis),
        api_key=SecretStr(KEY),
        **others,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def running(settings: ApiSettings) -> AsyncIterator[RunningApi]:
    """A replica that is starting; a bug in its background work fails the test."""
    stop = Stop()
    app = build(settings, stop)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api", trust_env=False) as client,
    ):
        yield RunningApi(app, stop, client)
    if stop.failure is not None:
        raise stop.failure


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.05)


def minute_bar(identity: SymbolId, minute: int, close: float = 1.5, revision: int = 0) -> Bar:
    """The 1m bar so many minutes after `FIRST`."""
    return Bar(
        exchange=identity.exchange, symbol=identity.symbol, interval=Interval.M1, open_time=FIRST + minute * 60_000,
        close_time=FIRST + (minute + 1) * 60_000, open=1.0, high=9.0, low=0.5, close=close, volume=1.0, tick_count=3,
        origin=Origin.TICKS, trading_day=(FIRST + minute * 60_000) // DAY * DAY, revision=revision,
    )  # fmt: skip


async def store_bars(parts: Parts, database: str, bars: Sequence[Bar]) -> None:
    """Have bars stored in a store of the current version, replacing what was."""
    async with AsyncMongoClient[dict[str, object]](parts.mongo) as client:
        version = BARS_VERSION.document
        await client[database][CONTRACT].replace_one({"_id": version["_id"]}, version, upsert=True)
        for bar in bars:
            document = ohlcv_document(bar)
            await client[database][OHLCV].replace_one({"_id": document["_id"]}, document, upsert=True)
