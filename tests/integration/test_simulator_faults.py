"""Each fault on demand as a plain `websockets` client meets it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.ingest import fault, journal
from tradingview.codec import Heartbeat, Hello, Message, Packet, decode, encode
from tradingview.errors import BadFrame
from tradingview_simulator import Simulator, SimulatorSettings, serve
from tradingview_simulator.model.calendars import day_date

DEADLINE_S = 30
NAME = "SIM:S0042"
HUGE = 16 * 1024 * 1024
LEFT: WeakKeyDictionary[ClientConnection, list[Packet]] = WeakKeyDictionary()
"""Packets of frames that were read and not looked at yet."""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(SimulatorSettings(hb_interval=0.2)) as running:
        yield running


@asynccontextmanager
async def client(simulator: Simulator, name: str = NAME) -> AsyncIterator[ClientConnection]:
    """A client whose symbol has had its snapshot."""
    async with asyncio.timeout(DEADLINE_S), connect(simulator.url, max_size=HUGE, ping_interval=None) as socket:
        await socket.send(encode("set_auth_token", "anybody"))
        await socket.send(encode("quote_create_session", "qs"))
        await socket.send(encode("quote_set_fields", "qs", "lp", "lp_time", "volume"))
        await socket.send(encode("quote_add_symbols", "qs", name))
        await socket.send(encode("quote_fast_symbols", "qs", name))
        yield socket


async def until(socket: ClientConnection, holds: Callable[[Packet], bool]) -> Packet:
    left = LEFT.setdefault(socket, [])
    while True:
        while left:
            if holds(packet := left.pop(0)):
                return packet
        left += decode(await socket.recv())


def is_(method: str) -> Callable[[Packet], bool]:
    return lambda packet: isinstance(packet, Message) and packet.method == method


async def snapshot(socket: ClientConnection) -> None:
    await until(socket, is_("quote_completed"))


async def unreadable(socket: ClientConnection) -> BadFrame:
    while True:
        try:
            decode(await socket.recv())
        except BadFrame as error:
            return error


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_handshakes_are_refused_as_often_as_said(simulator: Simulator, status: int) -> None:
    await fault(simulator.http_url, "refuse", status=status, count=1)
    with pytest.raises(InvalidStatus) as refused:
        async with connect(simulator.url):
            pass
    assert refused.value.response.status_code == status
    async with client(simulator) as socket:
        await snapshot(socket)


async def test_a_bad_token_is_told_and_the_socket_closed(simulator: Simulator) -> None:
    await fault(simulator.http_url, "bad_token")
    async with client(simulator) as socket:
        said = await until(socket, is_("protocol_error"))
        assert isinstance(said, Message)
        assert said.params == ("bad auth token",)
        with pytest.raises(ConnectionClosed):
            await until(socket, lambda packet: False)


@pytest.mark.parametrize(("name", "params"), [("protocol_error", ("wrong data",)), ("session_killed", None)])
async def test_errors_of_the_protocol(simulator: Simulator, name: str, params: tuple[str, ...] | None) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, name)
        if params is not None:
            said = await until(socket, is_("protocol_error"))
            assert isinstance(said, Message)
            assert said.params == params
            with pytest.raises(ConnectionClosed):
                await until(socket, lambda packet: False)
        else:
            await until(socket, is_("critical_error"))
            await until(socket, lambda packet: isinstance(packet, Heartbeat))
            await socket.send(encode("quote_create_session", "other"))
            await socket.send(encode("quote_add_symbols", "other", NAME))
            await snapshot(socket)


@pytest.mark.parametrize(
    ("name", "cause"), [("garbage", "no_header"), ("truncated", "truncated"), ("binary", "not_utf8")]
)
async def test_frames_that_cannot_be_read(simulator: Simulator, name: str, cause: str) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, name)
        error = await unreadable(socket)
        assert error.cause in {cause, "no_header"}
        assert len(error.packets) == (name == "truncated")
        await until(socket, is_("qsd"))


@pytest.mark.parametrize("name", ["huge", "unknown_method"])
async def test_frames_that_mean_nothing(simulator: Simulator, name: str) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, name)
        said = await until(socket, is_("nobody_knows"))
        assert isinstance(said, Message)
        assert (len(str(said.params[0])) > 1_000_000) == (name == "huge")
        await until(socket, is_("qsd"))


async def test_a_closed_connection_has_its_code(simulator: Simulator) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, "close", code=1012)
        with pytest.raises(ConnectionClosed) as closed:
            await until(socket, lambda packet: False)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_fault_of_a_moment_strikes_one_connection_where_one_is_named(simulator: Simulator) -> None:
    async with client(simulator) as first, client(simulator) as second:
        await snapshot(first)
        await snapshot(second)
        assert simulator.faults.do({"fault": "close", "connection": 1}) == {"fault": "close", "connections": [1]}
        with pytest.raises(ConnectionClosed):
            await until(first, lambda packet: False)
        await until(second, is_("qsd"))


async def test_silence_is_total_and_a_dataless_connection_has_heartbeats(simulator: Simulator) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, "heartbeat_only")
        beats = 0
        while beats < 8:
            for packet in decode(await socket.recv()):
                beats = beats + 1 if isinstance(packet, Heartbeat) else 0
        before = len(await journal(simulator.http_url, NAME))
        await fault(simulator.http_url, "silent")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    await socket.recv()
        assert len(await journal(simulator.http_url, NAME)) == before
        await fault(simulator.http_url, "none")
        await until(socket, is_("qsd"))


@pytest.mark.parametrize("name", ["heartbeat_only", "expired_token"])
async def test_a_symbol_asked_for_while_no_data_flows_begins_with_its_snapshot_after_that(
    simulator: Simulator, name: str
) -> None:
    await fault(simulator.http_url, name)
    async with client(simulator) as socket:
        beats = 0
        while beats < 3:
            packets = decode(await socket.recv())
            assert all(isinstance(packet, Heartbeat | Hello) for packet in packets)
            beats += len(packets)
        assert await journal(simulator.http_url, NAME) == []
        await fault(simulator.http_url, name, off=True)
        first: Any = await until(socket, is_("qsd"))
        await snapshot(socket)
        entries = await journal(simulator.http_url, NAME)
    assert entries[0]["snapshot"]
    assert entries[0]["fields"] == first.params[1]["v"]


async def test_updates_twice_late_from_the_past_and_fallen_are_marked_in_the_journal(simulator: Simulator) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await until(socket, is_("qsd"))
        await fault(simulator.http_url, "duplicate", chance=1.0)
        first = await until(socket, is_("qsd"))
        assert await until(socket, is_("qsd")) == first
        await fault(simulator.http_url, "none")
        await fault(simulator.http_url, "out_of_order")
        await fault(simulator.http_url, "volume_regression")
        await until(socket, is_("quote_completed"))
        await until(socket, is_("qsd"))
        faults = {entry["fault"] for entry in await journal(simulator.http_url, NAME)}
    assert faults == {None, "duplicate", "past", "regression"}


async def test_a_past_snapshot_is_one_that_was_true(simulator: Simulator) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, "out_of_order", symbol="SIM:S0043")
        await fault(simulator.http_url, "out_of_order", symbol=NAME)
        await snapshot(socket)
        [entry] = [each for each in await journal(simulator.http_url, NAME) if each["fault"]]
    tape = simulator.market.tape(NAME)
    assert tape is not None
    state = tape.state_at(entry["trade_time_ms"])
    assert state is not None
    assert entry["fields"] == {
        "lp": tape.instrument.price(state.last.price),
        "lp_time": entry["trade_time_ms"] // 1_000,
        "volume": tape.instrument.volume(state.node.volume),
    }
    assert entry["sent_at_ms"] - entry["trade_time_ms"] >= 30_000


async def test_delayed_data_keeps_its_order_when_the_delay_ends(simulator: Simulator) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, "slow", ms=3_000, seconds=2)
        await until(socket, is_("qsd"))
        for _ in range(4):
            await until(socket, is_("qsd"))
        entries = await journal(simulator.http_url, NAME)
    updates = [each for each in entries if each["trade_time_ms"] and not each["snapshot"]]
    times = [each["trade_time_ms"] for each in updates]
    assert times == sorted(times)
    assert max(each["sent_at_ms"] - each["trade_time_ms"] for each in updates) > 2_500


async def test_coalesced_updates_are_few(simulator: Simulator) -> None:
    async with client(simulator) as socket:
        await snapshot(socket)
        await fault(simulator.http_url, "coalesce", ms=3_000)
        for _ in range(3):
            await until(socket, is_("qsd"))
        before, last = (await journal(simulator.http_url, NAME))[-2:]
    assert last["sent_at_ms"] - before["sent_at_ms"] >= 2_900
    assert last["unsent_trades_ms"]
    assert all(before["trade_time_ms"] < each < last["trade_time_ms"] for each in last["unsent_trades_ms"])


async def test_a_denied_symbol_has_the_group_that_would_do(simulator: Simulator) -> None:
    await fault(simulator.http_url, "permission_denied", symbol=NAME, group="sim_paid")
    async with client(simulator) as socket:
        said: Any = await until(socket, is_("qsd"))
        assert said.params[1]["s"] == "permission_denied"
        assert said.params[1]["v"] == {"alternative": "sim_paid"}
        await snapshot(socket)


async def test_what_is_on_is_told_and_what_is_unknown_is_refused(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.http_url) as http:
        await fault(simulator.http_url, "slow", ms=50)
        answer = (await http.get("/control/faults")).json()
        assert answer["on"] == [{"fault": "slow", "ms": 50}]
        assert answer["known"]["slow"]["ms"] == "a whole number from 1 to 60000"
        await fault(simulator.http_url, "none")
        assert (await http.get("/control/faults")).json()["on"] == []
        bodies: tuple[object, ...] = ({"fault": "nonsense"}, {}, [])
        for body in bodies:
            refused = await http.post("/control/fault", json=body)
            assert refused.status_code == 422, body
        assert "one of" in (await http.post("/control/fault", json={"fault": "nonsense"})).text
        assert (await http.post("/control/fault", content=b"no JSON")).status_code == 422


async def test_an_exchange_announces_an_early_close_to_all_who_watch_the_symbol(simulator: Simulator) -> None:
    tape = simulator.market.tape("NASDAQ:AAPL")
    assert tape is not None
    coming = tape.calendar.next_session(tape.day_at(simulator.settings.now()) + 1)
    date = day_date(coming.day).strftime("%Y%m%d")
    async with asyncio.timeout(DEADLINE_S), connect(simulator.url) as socket:
        await socket.send(encode("set_auth_token", "anybody"))
        await socket.send(encode("quote_create_session", "qs"))
        await socket.send(encode("quote_set_fields", "qs", "subsessions", "session_holidays"))
        await socket.send(encode("quote_add_symbols", "qs", "NASDAQ:AAPL"))
        await snapshot(socket)
        await fault(simulator.http_url, "correction", symbol="NASDAQ:AAPL", corrections=f"0930-1145:{date}")
        said: Any = await until(socket, is_("qsd"))
    assert said.params[1]["v"].keys() == {"subsessions"}
    assert f"0930-1145:{date}" in said.params[1]["v"]["subsessions"][0]["session-correction"]
    shortened = tape.calendar.session(coming.day)
    assert shortened is not None
    assert shortened.seconds == 135 * 60
