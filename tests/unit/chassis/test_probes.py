"""Readiness, liveness and the port they are asked on."""

import asyncio
import json
import socket
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from chassis.probes import Heartbeat, PortInUse, ProbeServer, Readiness, keep_beating
from chassis.redaction import SECRETS
from chassis.stop import Stop


def ask(server: ProbeServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def serving(ready: Readiness | None = None, alive: Heartbeat | None = None) -> ProbeServer:
    return ProbeServer("127.0.0.1", 0, ready or Readiness(), alive or Heartbeat(), CollectorRegistry())


def test_ready_is_who_waits_for_nothing() -> None:
    ready = Readiness(["Kafka", "MongoDB"])
    assert ready.report() == {"ready": False, "waiting": {"Kafka": "starting", "MongoDB": "starting"}}
    ready.set("Kafka", True)
    ready.set("MongoDB", False, "no primary")
    assert ready.report() == {"ready": False, "waiting": {"MongoDB": "no primary"}}
    ready.set("MongoDB", True)
    assert ready.report() == {"ready": True, "waiting": {}}


def test_a_reason_is_cut_and_shows_no_secret() -> None:
    SECRETS.learn("swordfish-in-probes")
    ready = Readiness()
    ready.set("x", False, "swordfish-in-probes " + "y" * 1000)
    reason = ready.report()["waiting"]["x"]
    assert reason.startswith("*** yyy")
    assert len(reason) == 300


def test_conditions_are_bounded() -> None:
    ready = Readiness(str(n) for n in range(64))
    with pytest.raises(ValueError, match="64"):
        ready.set("one more", True)


def test_readyz_gives_the_reasons_with_503_until_all_conditions_hold() -> None:
    ready = Readiness(["Kafka"])
    with serving(ready) as server:
        status, body = ask(server, "/readyz")
        assert (status, json.loads(body)) == (503, {"ready": False, "waiting": {"Kafka": "starting"}})
        ready.set("Kafka", True)
        assert ask(server, "/readyz")[0] == 200


def test_livez_is_503_when_the_main_loop_has_not_beaten_in_time() -> None:
    with serving(alive=Heartbeat(limit_s=3600)) as server:
        assert ask(server, "/livez")[0] == 200
    stuck = Heartbeat(limit_s=-1)
    with serving(alive=stuck) as server:
        assert ask(server, "/livez")[0] == 503


def test_a_beat_ends_the_silence() -> None:
    heart = Heartbeat(limit_s=30)
    before = heart.silent_s()
    heart.beat()
    assert 0 <= heart.silent_s() < before + 30


def test_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)
    with ProbeServer("127.0.0.1", 0, Readiness(), Heartbeat(), registry) as server:
        status, body = ask(server, "/metrics")
    assert status == 200
    assert "things_total 3.0" in body


def test_an_unknown_path_is_404_and_says_what_there_is() -> None:
    with serving() as server:
        assert ask(server, "/") == (404, "/livez, /readyz and /metrics are here\n")


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"127.0.0.1:{port}"):
            ProbeServer("127.0.0.1", port, Readiness(), Heartbeat(), CollectorRegistry())


def test_clients_that_send_nothing_do_not_keep_others_waiting() -> None:
    with serving() as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        assert ask(server, "/livez")[0] == 200
        for connection in idle:
            connection.close()


def test_more_clients_than_threads_are_hung_up_on() -> None:
    with serving() as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(9)]
        assert idle[-1].recv(1) == b""
        assert len([thread for thread in threading.enumerate() if "process_request_thread" in thread.name]) <= 8
        for connection in idle:
            connection.close()


async def test_the_event_loop_beats_until_the_stop() -> None:
    alive, stop = Heartbeat(limit_s=3600), Stop()
    silent = alive.silent_s()
    beating = asyncio.create_task(keep_beating(alive, stop, every_s=0.001))
    await asyncio.sleep(0)
    assert alive.silent_s() < silent + 3600
    stop.request("SIGTERM")
    await beating
