"""history-sync as processes of their own: killed in the middle, started before its parts, told wrong things."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from candlewick_local.parts import KAFKA, MONGO, RealParts
from contracts.documents import JOBS, OHLCV
from contracts.history import SyncRequest
from contracts.intervals import DAY, Interval
from contracts.topics import HISTORY_EVENTS, HISTORY_REQUESTS, partition_of
from tests.support.history import request, series
from tests.support.logs import Entry
from tests.support.processes import Process, Processes, until
from tests.support.topics import made_anew, write
from tests.support.venue import Asked, venue
from tradingview_simulator import SimulatorSettings, serve

COMMAND = ["history_sync"]
SERIES = series("NASDAQ:AAPL", Interval.D1)


def finished(*arguments: str, **environment: str) -> tuple[int, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = (sys.executable, "-m", *COMMAND, *arguments)
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_help_tells_what_it_does_and_every_setting() -> None:
    code, out = finished("--help")
    assert code == 0
    for name in ("TRADINGVIEW_URL", "TRADINGVIEW_AUTH_TOKEN[_FILE]", "MONGODB_URL[_FILE]", "HISTORY_LEASE_S"):
        assert name in out


def test_wrong_settings_are_refused_all_at_once() -> None:
    code, out = finished(TRADINGVIEW_URL="http://127.0.0.1/", HISTORY_WORKERS="0")
    assert code == 2
    for name in ("TRADINGVIEW_URL", "HISTORY_WORKERS", "MONGODB_URL", "REDIS_URL"):
        assert name in out


def test_a_store_of_an_older_contract_is_refused_with_the_command_that_clears_it(
    local_parts: RealParts, database: str
) -> None:
    with MongoClient[dict[str, Any]](local_parts.mongo) as client:
        client[database][OHLCV].insert_one({"_id": "NASDAQ:AAPL|1d|0", "close": 1.0})
    settings = {"MONGODB_URL": local_parts.mongo, "MONGODB_DATABASE": database, "REDIS_URL": local_parts.redis}
    code, out = finished(HTTP_PORT="0", **settings)
    assert code == 2
    assert "make clean" in out
    assert "dropDatabase" in out


class System:
    """The topics of requests and events, empty at first, and processes that serve them."""

    def __init__(self, parts: RealParts, database: str, processes: Processes) -> None:
        self._parts = parts
        self._processes = processes
        self._database = database

    def start(self, url: str, **settings: str) -> Process:
        return self._processes.start(COMMAND, TRADINGVIEW_URL=url, HISTORY_LEASE_S="2", **settings)

    def ask(self, asked: SyncRequest) -> None:
        key = asked.request_id.encode()
        place = partition_of(key, HISTORY_REQUESTS.partitions or 1)
        write(self._parts.kafka, HISTORY_REQUESTS.name, [Entry(place, key, asked.encode())])

    def job(self, job_id: str) -> dict[str, Any]:
        with MongoClient[dict[str, Any]](self._parts.mongo) as client:
            return client[self._database][JOBS].find_one({"_id": job_id}) or {"status": None}

    def stored(self) -> list[int]:
        with MongoClient[dict[str, Any]](self._parts.mongo) as client:
            return sorted(document["open_time"] for document in client[self._database][OHLCV].find())


@pytest.fixture
def system(local_parts: RealParts, database: str, tmp_path: Path) -> Iterator[System]:
    made_anew(local_parts.kafka, (HISTORY_REQUESTS, HISTORY_REQUESTS.dead, HISTORY_EVENTS), 4)
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": local_parts.kafka,
        "MONGODB_URL": local_parts.mongo,
        "MONGODB_DATABASE": database,
        "REDIS_URL": local_parts.redis,
    }
    with Processes(tmp_path, settings).open() as processes:
        yield System(local_parts, database, processes)


async def never(_asked: Asked) -> None:
    return


async def test_the_job_of_a_worker_that_was_killed_is_done_by_another_whatever_its_time_zone(system: System) -> None:
    async with venue(never) as silent, serve(SimulatorSettings()) as simulator:
        first = await asyncio.to_thread(system.start(silent.url).wait_ready)
        await asyncio.to_thread(system.ask, request("killed", SERIES, bars=40))
        await asyncio.to_thread(until, lambda: silent.asked and silent.asked[0].chart, "it fetches", process=first)
        first.kill()
        assert system.job("killed")["status"] == "syncing"
        second = system.start(simulator.url, TZ="America/New_York")
        await asyncio.to_thread(
            until, lambda: system.job("killed")["status"] == "completed", "another does it", 60, second
        )
        assert system.job("killed")["attempts"] == 2
        assert second.metric("history_fetch_seconds_count") == 1
        assert await asyncio.to_thread(second.stop) == 0
    stored = system.stored()
    assert len(stored) == 40
    assert all(open_time % DAY == 0 for open_time in stored)


def test_started_before_its_parts_it_waits_and_says_so_and_works_when_they_come(
    system: System, local_parts: RealParts
) -> None:
    local_parts.stop(MONGO)
    try:
        stopped, waiting = system.start("ws://127.0.0.1:9/x"), system.start("ws://127.0.0.1:9/x")
        until(lambda: "unavailable" in (stopped.waiting() or {}).get("MongoDB", ""), "it says so", process=stopped)
        assert stopped.stop() == 0
        local_parts.stop(KAFKA)
    finally:
        local_parts.start(MONGO)
    try:
        until(lambda: set(waiting.waiting() or {}) == {"Kafka"}, "MongoDB is there", process=waiting)
    finally:
        local_parts.start(KAFKA)
    waiting.wait_ready()
    system.ask(request("tried", SERIES))
    until(lambda: system.job("tried")["status"], "the request is a job", process=waiting)
    until(lambda: "TradingView" in (waiting.waiting() or {}), "nobody is at the address", process=waiting)
    assert waiting.stop() == 0
