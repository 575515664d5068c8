"""The API's surface: its OpenAPI document, its docs page, and what surrounds every answer."""

import json
from pathlib import Path

import pytest

from query_api.openapi import text
from tests.support.api import KEY, MemoryApi

SNAPSHOT = Path(__file__).parent / "snapshots" / "openapi.json"
PATHS = {
    "/market-data/ohlcv/{exchange}/{symbol}", "/market-data/symbols", "/market-data/sync-status", "/market-data/sync",
    "/market-data/sync/background", "/market-data/sync/bulk", "/market-data/jobs/{job_id}", "/quotes/start",
    "/quotes/stop", "/quotes/subscribe", "/quotes/unsubscribe", "/quotes/latest/{exchange}/{symbol}", "/quotes/all",
    "/quotes/current-bar/{exchange}/{symbol}", "/quotes/status",
}  # fmt: skip


def test_the_openapi_document_is_the_reviewed_one() -> None:
    assert text() == SNAPSHOT.read_text(encoding="utf-8"), (
        f"the API's surface changed: write it with `python -m query_api.openapi {SNAPSHOT}` and review the difference"
    )


async def test_the_served_document_is_the_reviewed_one() -> None:
    served = (await MemoryApi().get("/openapi.json")).json()
    assert served == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_every_operation_is_there() -> None:
    assert set(json.loads(text())["paths"]) == PATHS


def test_every_operation_that_changes_something_asks_for_the_key_and_no_other_does() -> None:
    for path, operations in json.loads(text())["paths"].items():
        for method, operation in operations.items():
            assert bool(operation.get("security")) == (method == "post"), f"{method} {path}"
            assert ("401" in operation["responses"]) == (method == "post"), f"{method} {path}"


def test_every_problem_of_every_operation_is_problem_json() -> None:
    for path, operations in json.loads(text())["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert set(response["content"]) == {"application/problem+json"}, path


async def test_the_docs_page_lists_every_operation_and_loads_nothing() -> None:
    page = await MemoryApi().get("/docs")
    assert page.status_code == 200
    assert all(f"</span> {path}</h3>" in page.text for path in PATHS)
    assert not any(word in page.text for word in ("<script", "http://", "https://", "<link", "@import", "src="))


async def test_the_front_door_leads_to_the_docs() -> None:
    answer = await MemoryApi().get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


async def test_probes_tell_life_from_readiness() -> None:
    api = MemoryApi()
    assert (await api.get("/livez")).status_code == 200
    waiting = await api.get("/readyz")
    assert (waiting.status_code, waiting.json()["waiting"]) == (503, {"Kafka": "starting"})
    api.ready.set("Kafka", True)
    assert (await api.get("/readyz")).json() == {"ready": True, "waiting": {}}


async def test_metrics_count_requests_by_route_and_not_by_path() -> None:
    api = MemoryApi()
    await api.get("/market-data/ohlcv/BINANCE/SOMETHINGRARE?interval=1m")
    metrics = (await api.get("/metrics")).text
    assert 'route="/market-data/ohlcv/{exchange}/{symbol:path}",status="200"' in metrics
    assert "SOMETHINGRARE" not in metrics


@pytest.mark.parametrize("path", ["/livez", "/quotes/status", "/nowhere", "/docs"])
async def test_every_answer_carries_the_callers_request_id(path: str) -> None:
    answer = await MemoryApi().get(path, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "ä".encode().decode("latin-1")])
async def test_a_request_id_that_is_no_plain_word_is_replaced(given: str) -> None:
    answer = await MemoryApi().get("/livez", headers={"X-Request-ID": given.encode("latin-1")})
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_problem_names_the_request_id_of_its_answer() -> None:
    answer = await MemoryApi().get("/nowhere")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_bug_is_answered_without_its_insides_and_the_next_request_works() -> None:
    api = MemoryApi()
    api.store.bug = RuntimeError("a secret of the inside")
    answer = await api.get("/market-data/ohlcv/BINANCE/BTCUSDT")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "internal_error"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text
    api.store.bug = None
    assert (await api.get("/market-data/ohlcv/BINANCE/BTCUSDT")).status_code == 200


async def test_the_key_never_appears_in_an_answer() -> None:
    api = MemoryApi()
    for path in ("/openapi.json", "/docs", "/metrics"):
        assert KEY not in (await api.get(path)).text
