"""Syncs as a caller sees them: waited for, linked to, failed, asked twice."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.history import MAX_BARS, SyncPriority, SyncRequest, SyncStatus
from contracts.http import JobBody
from contracts.jobs import Job
from tests.support.api import KEY, NOW, MemoryApi

BODY = {"exchange": "BINANCE", "symbol": "BTCUSDT", "interval": "1m", "n_bars": 100}
SINGLE = ["/market-data/sync", "/market-data/sync/background"]


def jobs_of(request: SyncRequest, status: SyncStatus) -> list[Job]:
    """What history-sync makes of a request."""
    many = len(request.series) > 1
    jobs = [
        Job(
            job_id=request.job_id(index), request_id=request.request_id, series=series, bars=request.bars,
            parent_id=request.request_id if many else None, priority=request.priority, status=status,
            requested_at=request.requested_at, bars_fetched=100, bars_written=40,
            error_code="no_such_symbol" if status is SyncStatus.ERROR else None,
            error_detail="TradingView knows no such symbol" if status is SyncStatus.ERROR else None,
        )
        for index, series in enumerate(request.series)
    ]  # fmt: skip
    if many:
        parent = {"job_id": request.request_id, "parent_id": None, "series": None, "series_count": len(jobs)}
        jobs.append(jobs[0].model_copy(update=parent))
    return jobs


def worker(api: MemoryApi, status: SyncStatus) -> Callable[[SyncRequest], None]:
    """A history-sync that has every job in this status at once."""

    def work(request: SyncRequest) -> None:
        api.store.jobs.update({job.job_id: job for job in jobs_of(request, status)})

    return work


def api_whose_jobs_are(status: SyncStatus) -> MemoryApi:
    api = MemoryApi()
    api.commands.worker = worker(api, status)
    return api


async def test_a_sync_that_completes_is_answered_with_what_it_did() -> None:
    api = api_whose_jobs_are(SyncStatus.COMPLETED)
    answer = await api.post("/market-data/sync", json=BODY)
    body = JobBody.model_validate_json(answer.content)
    assert (answer.status_code, body.status, body.bars_fetched, body.bars_written) == (200, "completed", 100, 40)


async def test_what_is_asked_of_history_sync_is_what_the_caller_asked() -> None:
    api = api_whose_jobs_are(SyncStatus.COMPLETED)
    await api.post("/market-data/sync", json=BODY)
    (request,) = api.commands.requests
    assert [str(series) for series in request.series] == ["BINANCE:BTCUSDT|1m"]
    assert (request.bars, request.priority, request.requested_at) == (100, SyncPriority.INTERACTIVE, NOW)


@pytest.mark.parametrize("status", [SyncStatus.PENDING, SyncStatus.SYNCING])
async def test_a_sync_that_takes_longer_is_answered_with_a_link_to_its_job(status: SyncStatus) -> None:
    api = api_whose_jobs_are(status)
    answer = await api.post("/market-data/sync", json=BODY)
    assert (answer.status_code, answer.json()["status"]) == (202, status)
    job = await api.get(answer.headers["location"])
    assert (job.status_code, job.json()["job_id"]) == (200, answer.json()["job_id"])


async def test_a_sync_that_nobody_has_taken_up_is_pending() -> None:
    api = MemoryApi()
    answer = await api.post("/market-data/sync", json=BODY)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    unknown = await api.get(answer.headers["location"])
    assert unknown.status_code == 404
    assert "may not have been taken up yet" in unknown.json()["detail"]


async def test_a_sync_that_failed_is_a_problem_with_the_providers_cause() -> None:
    answer = await api_whose_jobs_are(SyncStatus.ERROR).post("/market-data/sync", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (502, "sync_failed")
    assert "BINANCE:BTCUSDT|1m failed (no_such_symbol): TradingView knows no such symbol" in answer.json()["detail"]


async def test_a_sync_in_the_background_is_answered_at_once_with_its_link() -> None:
    api = api_whose_jobs_are(SyncStatus.SYNCING)
    answer = await api.post("/market-data/sync/background", json=BODY)
    assert (answer.status_code, answer.json()["symbol"]) == (202, "BTCUSDT")
    assert answer.headers["location"] == f"/market-data/jobs/{answer.json()['job_id']}"


async def test_a_bulk_is_one_job_with_a_child_for_each_series() -> None:
    api = api_whose_jobs_are(SyncStatus.PENDING)
    body = {"symbols": ["BINANCE:BTCUSDT", "NYMEX:CL1!"], "intervals": ["1d", "1h"], "n_bars": MAX_BARS}
    answer = await api.post("/market-data/sync/bulk", json=body)
    assert answer.status_code == 202
    assert api.commands.requests[0].priority is SyncPriority.BULK
    parent = JobBody.model_validate_json((await api.get(answer.headers["location"])).content)
    assert [(child.symbol, child.interval) for child in parent.children] == [
        ("BTCUSDT", "1d"), ("BTCUSDT", "1h"), ("CL1!", "1d"), ("CL1!", "1h"),
    ]  # fmt: skip


async def test_a_bulk_of_one_series_is_an_ordinary_job() -> None:
    api = api_whose_jobs_are(SyncStatus.PENDING)
    answer = await api.post("/market-data/sync/bulk", json={"symbols": ["NYMEX:CL1!"]})
    assert (await api.get(answer.headers["location"])).json()["symbol"] == "CL1!"


@pytest.mark.parametrize("path", SINGLE)
@pytest.mark.parametrize("key", ["order-7", '"order-7"'])
async def test_asking_twice_with_one_idempotency_key_is_asking_once(path: str, key: str) -> None:
    api = api_whose_jobs_are(SyncStatus.COMPLETED)
    headers = {"X-API-Key": KEY, "Idempotency-Key": key}
    answers = [await api.post(path, json=BODY, headers=headers) for _ in range(2)]
    assert [answer.json()["job_id"] for answer in answers] == ["order-7", "order-7"]
    assert len(api.commands.requests) == 1


@pytest.mark.parametrize("other", [{"symbol": "ETHUSDT"}, {"interval": "1h"}, {"n_bars": 7}])
async def test_an_idempotency_key_used_for_something_else_is_a_conflict(other: dict[str, object]) -> None:
    api = api_whose_jobs_are(SyncStatus.COMPLETED)
    headers = {"X-API-Key": KEY, "Idempotency-Key": "order-7"}
    await api.post("/market-data/sync", json=BODY, headers=headers)
    answer = await api.post("/market-data/sync", json={**BODY, **other}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert len(api.commands.requests) == 1


async def test_without_an_idempotency_key_each_request_is_its_own_job() -> None:
    api = api_whose_jobs_are(SyncStatus.COMPLETED)
    for _ in range(2):
        await api.post("/market-data/sync", json=BODY)
    assert len({request.request_id for request in api.commands.requests}) == 2


async def test_an_accepted_sync_is_pending_while_the_store_is_away() -> None:
    api = MemoryApi()

    def goes_away(_: SyncRequest) -> None:
        api.store.is_away = True

    api.commands.worker = goes_away
    answer = await api.post("/market-data/sync", json=BODY)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


async def test_a_wait_ends_when_the_process_shall_end() -> None:
    api = MemoryApi()
    api.app.state.parts = replace(api.app.state.parts, sync_timeout_s=60.0)
    asking = asyncio.create_task(api.post("/market-data/sync", json=BODY))
    while not api.commands.requests:
        await asyncio.sleep(0)
    api.app.state.parts.stop.request("test")
    asked_to_stop = asyncio.get_running_loop().time()
    assert (await asking).status_code == 202
    assert asyncio.get_running_loop().time() - asked_to_stop < 10


@pytest.mark.parametrize("path", [*SINGLE, "/market-data/sync/bulk"])
@pytest.mark.parametrize("away", ["store", "commands"])
async def test_a_sync_that_cannot_be_asked_for_is_unavailable(path: str, away: str) -> None:
    api = MemoryApi()
    getattr(api, away).is_away = True
    answer = await api.post(path, json={"symbols": ["A:B"]} if path.endswith("bulk") else BODY)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert not api.commands.requests
