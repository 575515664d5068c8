"""`run` as a person has it: one command, everything up, nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from candlewick_local.identity import Identity, identity_of, is_alive
from candlewick_local.state import RunState, read_state
from tests.support.processes import until

EVERYTHING = {
    *("kafka", "mongo", "redis", "simulator"),
    *("ingest-ws", "engine", "sink", "history-sync", "query-api"),
}


class Running:
    """A supervisor in a process of its own."""

    def __init__(self, data: Path, process: subprocess.Popen[str], said: Path) -> None:
        self.data = data
        self.process = process
        self._said = said
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, self.said
        self.state = RunState(**json.loads(line))

    @property
    def said(self) -> str:
        return self._said.read_text()

    def child(self, name: str) -> Identity:
        """The process that a child has at this moment."""
        state = read_state(self.data / "run.json")
        assert state is not None
        identity = identity_of(state.children[name])
        assert identity is not None
        return identity

    def children(self) -> list[Identity]:
        return [self.child(name) for name in EVERYTHING]


def command(data: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "candlewick_local", "run", "--json", "--data", str(data), *options]


def environment() -> dict[str, str]:
    """As a person's shell: without the addresses that tests may have been given."""
    given = ("KAFKA_", "MONGODB_", "REDIS_", "TRADINGVIEW_", "API_KEY")
    return {name: value for name, value in os.environ.items() if not name.startswith(given)}


@contextmanager
def run(data: Path, options: Sequence[str] = ("--free-ports",)) -> Iterator[Running]:
    data.mkdir(parents=True, exist_ok=True)
    said = data / "said"
    with said.open("w") as errors:
        process = subprocess.Popen(
            command(data, *options), stdout=subprocess.PIPE, stderr=errors, text=True, env=environment()
        )
    try:
        yield Running(data, process, said)
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def refused(data: Path, *options: str) -> str:
    """What a start that is refused says."""
    done = subprocess.run(command(data, *options), capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run(tmp_path_factory.mktemp("run") / "data") as running:
        yield running


def test_everything_is_up_and_ready_when_it_says_so(system: Running) -> None:
    assert set(system.state.children) == EVERYTHING
    assert httpx.get(f"{system.state.api}/readyz", trust_env=False).status_code == 200
    assert read_state(system.data / "run.json") is not None


def test_the_first_start_subscribes_a_handful_of_symbols(system: Running) -> None:
    def latest() -> bool:
        url = f"{system.state.api}/quotes/latest/BINANCE/BTCUSDT"
        return httpx.get(url, trust_env=False).status_code == 200

    until(latest, "a quote of BINANCE:BTCUSDT is there", 30)


def test_the_api_takes_the_key_that_was_made_and_no_other(system: Running) -> None:
    assert system.state.api_key_file is not None
    key = Path(system.state.api_key_file).read_text().strip()
    url = f"{system.state.api}/quotes/subscribe"
    for sent, status in ((key, 200), ("another", 401)):
        headers = {"X-API-Key": sent}
        answer = httpx.post(url, json={"symbols": ["BINANCE:BTCUSDT"]}, headers=headers, trust_env=False)
        assert answer.status_code == status


def test_no_secret_is_in_a_log(system: Running) -> None:
    assert system.state.api_key_file is not None
    key = Path(system.state.api_key_file).read_text().strip()
    assert not [log.name for log in Path(system.state.logs).iterdir() if key in log.read_text(errors="replace")]


def test_a_second_start_on_the_same_folder_is_told_of_the_first(system: Running) -> None:
    said = refused(system.data, "--free-ports")
    assert f"already running: {system.state.api} answers, process {system.process.pid} looks after it" in said
    assert httpx.get(f"{system.state.api}/readyz", trust_env=False).status_code == 200


@pytest.mark.parametrize("name", ["engine", "redis"])
def test_a_child_that_is_killed_is_reported_and_started_again(system: Running, name: str) -> None:
    before = system.child(name)
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: f"{name} ended with code -9; starting it again in" in system.said, "its death is told")
    until(lambda: f"\n{name} is ready" in system.said.partition(f"{name} ended")[2], "it is ready again", 60)
    assert system.child(name) != before


def test_an_occupied_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path / "data", "--free-ports", "--api-port", str(port))
    assert f"port {port} (API_PORT)" in said
    assert "choose another port by that variable" in said


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert f"cannot write to the folder {file}/data" in refused(file / "data", "--free-ports")


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_goes_on_with_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run(data) as first:
        left = first.children()
        first.process.kill()
        first.process.wait()
        until(lambda: not any(is_alive(child) for child in left), "no child is left")
    with run(data) as second:
        assert second.state.api_key_file == first.state.api_key_file
        stopped = second.children()
        for number in (signal.SIGTERM, signal.SIGINT):
            second.process.send_signal(number)  # a group is sent it once, and `make` hands it on once more
        assert second.process.wait(60) == 0
        assert not any(is_alive(child) for child in stopped)
        assert second.said.rstrip().endswith("stopped")
        assert not (data / "run.json").exists()
        assert "killed" not in second.said
