"""A TradingView that refuses: by its handshake, or for the token."""

import asyncio
from http import HTTPStatus

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.http11 import Request, Response

from contracts.feed import ConnectionEvent, SymbolState, SymbolStatus, decode_feed_event
from ingest_ws import endings
from tests.support.ingest import Log, ingest, log_of, settings_of, topics_of, wishes
from tests.support.parts import Parts
from tradingview_simulator import SimulatorSettings, serve

NAME = "SIM:S0801"


def state(log: Log) -> tuple[SymbolState, str | None] | None:
    values = [value for _, key, value, _ in log.records if key == f"{NAME}|replica-1".encode()]
    status = SymbolStatus.decode(values[-1]) if values and values[-1] is not None else None
    return None if status is None else (status.state, status.detail)


def refusals(cause: str) -> float:
    return REGISTRY.get_sample_value("ingest_reconnects_total", {"cause": cause}) or 0.0


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN])
async def test_a_refused_handshake_stops_the_feed_until_it_is_started_again(
    parts: Parts, prefix: str, status: HTTPStatus
) -> None:
    topics = topics_of(prefix)
    origins: list[list[str]] = []

    def refuse(socket: ServerConnection, request: Request) -> Response:
        origins.append(request.headers.get_all("Origin"))
        return socket.respond(status, "no\n")

    async def nobody(socket: ServerConnection) -> None:
        """Never called."""

    async with (
        serve_websockets(nobody, "127.0.0.1", 0, process_request=refuse) as server,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.feed.name, 1) as events,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        await desired.want(NAME)
        async with ingest(settings_of(parts, prefix, f"ws://127.0.0.1:{port}/socket.io/websocket"), topics):
            await statuses.until(lambda: state(statuses) == (SymbolState.UNAUTHORIZED, None))
            await events.until(lambda: len(events.records) == 1)
            assert origins == [["https://www.tradingview.com"]]
            await desired.run(running=True)
            await events.until(lambda: len(events.records) == 2)
    event = decode_feed_event(events.records[0][2] or b"")
    assert isinstance(event, ConnectionEvent)
    assert event.type == "unauthorized"
    assert str(int(status)) in (event.reason or "")
    assert "TRADINGVIEW_AUTH_TOKEN" in (event.reason or "")


@pytest.mark.parametrize("place", ["ws://127.0.0.1:{port}/elsewhere", "https://127.0.0.1/", "ws://["])
async def test_a_redirect_is_a_refusal_and_nobody_else_is_shown_a_token(parts: Parts, prefix: str, place: str) -> None:
    topics = topics_of(prefix)
    reached: list[str] = []

    def redirect(socket: ServerConnection, request: Request) -> Response:
        response = socket.respond(HTTPStatus.FOUND, "over there\n")
        response.headers["Location"] = place.format(port=elsewhere.sockets[0].getsockname()[1])
        return response

    async def reach(socket: ServerConnection) -> None:
        reached.append("somebody else")

    before = refusals("refused")
    async with (
        serve_websockets(reach, "127.0.0.1", 0) as elsewhere,
        serve_websockets(reach, "127.0.0.1", 0, process_request=redirect) as server,
        wishes(parts, topics) as desired,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        await desired.want(NAME)
        async with ingest(settings_of(parts, prefix, f"ws://127.0.0.1:{port}/socket.io/websocket"), topics):
            async with asyncio.timeout(30):
                while refusals("refused") < before + 2:
                    await asyncio.sleep(0.05)
    assert not reached


async def test_a_bad_token_stops_the_feed_and_is_named_nowhere(
    parts: Parts, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = topics_of(prefix)
    async with (
        serve(SimulatorSettings(auth_tokens=("good",))) as simulator,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.feed.name, 1) as events,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        await desired.want(NAME)
        settings = settings_of(parts, prefix, simulator.url, tradingview_auth_token=SecretStr("e30.wrong.token"))
        async with ingest(settings, topics):
            await statuses.until(lambda: state(statuses) == (SymbolState.UNAUTHORIZED, None))
            assert not simulator.connections
        kinds = {decode_feed_event(value or b"").type for _, _, value, _ in events.records}
        assert kinds <= {"connected", "unauthorized"}
    assert "e30.wrong.token" not in capsys.readouterr().out
    assert not any(b"e30.wrong.token" in (value or b"") for _, _, value, _ in events.records)


async def test_too_many_connections_are_waited_for_and_then_it_works(
    parts: Parts, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "TOO_MANY_S", 1.5)
    topics = topics_of(prefix)
    asked: list[float] = []
    loop = asyncio.get_running_loop()

    def refuse(socket: ServerConnection, request: Request) -> Response:
        asked.append(loop.time())
        return socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "later\n")

    async def nobody(socket: ServerConnection) -> None:
        """Never called."""

    before = refusals("too_many")
    async with (
        serve_websockets(nobody, "127.0.0.1", 0, process_request=refuse) as server,
        wishes(parts, topics) as desired,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        await desired.want(NAME)
        async with ingest(settings_of(parts, prefix, f"ws://127.0.0.1:{port}/socket.io/websocket"), topics):
            async with asyncio.timeout(30):
                while len(asked) < 2:
                    await asyncio.sleep(0.02)
    assert asked[1] - asked[0] >= 1.5
    assert refusals("too_many") - before >= 1
