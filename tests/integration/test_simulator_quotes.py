"""Quotes over a real socket and a real clock, with a plain `websockets` client."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from tradingview.codec import Heartbeat, Hello, Message, decode, encode, heartbeat
from tradingview_simulator import Simulator, SimulatorSettings, serve
from tradingview_simulator.model.nodes import Trade
from tradingview_simulator.model.tape import Tape

DEADLINE_S = 30
BTC = "BINANCE:BTCUSDT"


@asynccontextmanager
async def client(simulator: Simulator) -> AsyncIterator[ClientConnection]:
    async with asyncio.timeout(DEADLINE_S), connect(f"{simulator.url}?from=chart%2F&type=chart") as socket:
        await socket.send(encode("set_auth_token", "unauthorized_user_token"))
        await socket.send(encode("quote_create_session", "qs"))
        yield socket


async def messages(socket: ClientConnection) -> AsyncIterator[Message]:
    async for frame in socket:
        for packet in decode(frame):
            if isinstance(packet, Message):
                yield packet


async def test_the_live_stream_folds_to_the_trades_of_the_model_with_their_cumulative_volumes() -> None:
    async with serve(SimulatorSettings()) as simulator, httpx.AsyncClient(base_url=simulator.http_url) as http:
        async with client(simulator) as socket:
            await socket.send(encode("quote_set_fields", "qs", "lp", "lp_time", "volume", "open_time"))
            await socket.send(encode("quote_add_symbols", "qs", BTC))
            await socket.send(encode("quote_fast_symbols", "qs", BTC))
            updates = 0
            async for message in messages(socket):
                updates += message.method == "qsd"
                if updates >= 8:
                    break
        page = (await http.get("/control/journal", params={"symbol": BTC})).json()
    entries = page["entries"]
    assert page["dropped"] == 0
    tape = simulator.market.tape(BTC)
    assert tape is not None
    state: dict[str, Any] = {}
    seen: dict[int, dict[str, Any]] = {}
    for entry in entries:
        state |= entry["fields"]
        if entry["trade_time_ms"] is not None:
            seen[entry["trade_time_ms"]] = dict(state)
            assert entry["snapshot"] or 0 <= entry["sent_at_ms"] - entry["trade_time_ms"] < 1_000
    first, last = min(seen), max(seen)
    trades = [trade for _, minute in _minutes(tape, first - 1, last) for trade in minute if trade.time_ms <= last]
    assert [trade.time_ms for trade in trades] == list(seen)
    # The last trade may have been cut off between its messages.
    for trade in trades[:-1]:
        model = tape.state_at(trade.time_ms)
        assert model is not None
        assert seen[trade.time_ms]["lp"] == tape.instrument.price(trade.price)
        assert seen[trade.time_ms]["volume"] == tape.instrument.volume(model.node.volume)


def _minutes(tape: Tape, after_ms: int, until_ms: int) -> list[tuple[int, tuple[Trade, ...]]]:
    found: list[tuple[int, tuple[Trade, ...]]] = []
    for day, trades in tape.minutes_after(after_ms):
        if trades[0].time_ms > until_ms:
            break
        found.append((day, trades))
    return found


async def test_the_hello_comes_first_and_heartbeats_count_up() -> None:
    async with serve(SimulatorSettings(hb_interval=0.1)) as simulator, client(simulator) as socket:
        packets = []
        async for frame in socket:
            packets += decode(frame)
            if len(packets) >= 4:
                break
    assert isinstance(packets[0], Hello)
    assert packets[1:4] == [Heartbeat(1), Heartbeat(2), Heartbeat(3)]


async def test_a_client_that_echoes_no_heartbeat_is_dropped_without_a_close_frame() -> None:
    async with serve(SimulatorSettings(hb_interval=0.1, hb_grace=0.25)) as simulator, client(simulator) as socket:
        with pytest.raises(ConnectionClosedError) as closed:
            async for _ in messages(socket):
                pass
    assert closed.value.rcvd is None


async def test_a_client_that_echoes_heartbeats_stays() -> None:
    async with serve(SimulatorSettings(hb_interval=0.1, hb_grace=0.25)) as simulator, client(simulator) as socket:
        beats = 0
        async for frame in socket:
            for packet in decode(frame):
                if isinstance(packet, Heartbeat):
                    beats = packet.n
                    await socket.send(heartbeat(packet.n))
            if beats >= 8:
                break


async def test_several_packets_in_one_frame_are_all_read() -> None:
    async with serve(SimulatorSettings()) as simulator, client(simulator) as socket:
        await socket.send(encode("quote_set_fields", "qs", "lp") + encode("quote_add_symbols", "qs", BTC))
        async for message in messages(socket):
            if message.method == "quote_completed":
                break
            assert message.params[1]["v"].keys() == {"lp"}


async def test_the_stream_holds_frames_of_several_packets() -> None:
    symbols = [f"SIM:S{number:04}" for number in range(1, 31)]
    async with serve(SimulatorSettings()) as simulator, client(simulator) as socket:
        await socket.send(encode("quote_add_symbols", "qs", *symbols))
        counts = set()
        async for frame in socket:
            counts.add(len(decode(frame)))
            if 1 in counts and max(counts) > 2:
                break


@pytest.mark.parametrize("text", ["nonsense", "~m~9~m~{}", '~m~5~m~{"m":'])
async def test_malformed_framing_closes_the_connection(text: str) -> None:
    async with serve(SimulatorSettings()) as simulator, client(simulator) as socket:
        await socket.send(text)
        async for _ in messages(socket):
            pass
        assert socket.close_code == 1_000


async def test_a_call_on_an_unknown_session_is_a_protocol_error_and_the_end() -> None:
    async with serve(SimulatorSettings()) as simulator, client(simulator) as socket:
        await socket.send(encode("quote_add_symbols", "qs_other", BTC))
        (message,) = [message async for message in messages(socket)]
    assert message.method == "protocol_error"
    assert message.params[0].startswith('{unknown_session_id,<<"quote_add_symbols">>,<<"qs_other">>')


async def test_a_bad_token_is_a_protocol_error_and_the_end() -> None:
    async with serve(SimulatorSettings(auth_tokens=("good",))) as simulator, client(simulator) as socket:
        found = [message async for message in messages(socket)]
    assert [(message.method, message.params) for message in found] == [("protocol_error", ("bad auth token",))]


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        (None, True),
        ("https://www.tradingview.com", True),
        ("https://br.tradingview.com", True),
        ("http://127.0.0.1:8000", True),
        ("https://example.com", False),
        ("https://nottradingview.com", False),
    ],
)
async def test_a_foreign_origin_is_refused_with_403(origin: str | None, *, admitted: bool) -> None:
    headers = {} if origin is None else {"Origin": origin}
    async with serve(SimulatorSettings()) as simulator:
        if admitted:
            async with connect(simulator.url, additional_headers=headers) as socket:
                assert isinstance(decode(await socket.recv())[0], Hello)
        else:
            with pytest.raises(InvalidStatus) as refused:
                await connect(simulator.url, additional_headers=headers)
            assert refused.value.response.status_code == 403


async def test_sockets_are_dropped_on_demand_one_or_all() -> None:
    async with (
        serve(SimulatorSettings()) as simulator,
        httpx.AsyncClient(base_url=simulator.http_url) as http,
        client(simulator) as first,
        client(simulator) as second,
    ):
        await asyncio.gather(first.recv(), second.recv())
        listed = (await http.get("/control/connections")).json()["connections"]
        numbers = [each["connection"] for each in listed]
        assert len(numbers) == 2
        answer = await http.post("/control/drop", json={"connection": numbers[0]})
        assert answer.json() == {"dropped": numbers[:1]}
        with pytest.raises(ConnectionClosedError):
            await first.recv()
        assert (await http.post("/control/drop")).json() == {"dropped": numbers[1:]}
        with pytest.raises(ConnectionClosed):
            await second.recv()


async def test_the_http_port_gives_the_models_bars_and_refuses_nonsense() -> None:
    async with serve(SimulatorSettings()) as simulator, httpx.AsyncClient(base_url=simulator.http_url) as http:
        assert (await http.get("/healthz")).status_code == 200
        params: dict[str, str | int] = {"symbol": "TVC:NDX", "resolution": "1D", "count": 3}
        answer = (await http.get("/control/bars", params=params)).json()
        assert [len(bar) for bar in answer["bars"]] == [5, 5, 5]
        for wrong in ({**params, "symbol": "FOO:BAR"}, {**params, "resolution": "1h"}, {**params, "count": "x"}):
            assert (await http.get("/control/bars", params=wrong)).status_code == 422
        assert (await http.get("/control/journal", params={"after": "-1"})).status_code == 422
        assert (await http.post("/control/drop", json=[])).status_code == 422
        assert (await http.post("/control/drop", content=b"{")).status_code == 422


async def test_the_command_prints_its_addresses_and_ends_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tradingview_simulator", "--seed", "7"),
        env={**os.environ, "SIMULATOR_HB_INTERVAL": "0.2", "SIMULATOR_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        try:
            ready = json.loads(await process.stdout.readline())
            assert ready["seed"] == 7
            async with connect(ready["url"]) as socket:
                packets = [packet for _ in range(2) for packet in decode(await socket.recv())]
                assert packets[1] == Heartbeat(1)
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_port_in_use_is_said_in_one_line() -> None:
    async with serve(SimulatorSettings()) as simulator:
        port = simulator.http_url.rpartition(":")[2]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tradingview_simulator", "--http-port", port),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert port in errors.decode()
    assert "Traceback" not in errors.decode()
