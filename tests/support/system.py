"""The whole system as a user starts it: `python -m candlewick_local run`, on free ports in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from candlewick_local.folders import CHECKOUT
from candlewick_local.state import RunState, read_state

T = TypeVar("T")
READY_WITHIN_S = 240.0
STOPPED_WITHIN_S = 60.0


def eventually(look: Callable[[], T | None], within_s: float, what: str) -> T:
    """The first true answer of `look`, asked again and again; fails with `what` and the last answer after the time."""
    deadline = time.monotonic() + within_s
    answer: T | None = None
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            answer = look()
            if answer:
                return answer
        time.sleep(0.25)
    raise AssertionError(f"not within {within_s:.0f} s: {what}; last seen: {answer!r}")


class System:
    """A running system: where it is, and the requests and faults a test may make."""

    def __init__(self, process: subprocess.Popen[str], state: RunState, key: str, state_file: Path) -> None:
        self.process = process
        self.at = state
        self._state_file = state_file
        self.api = httpx.Client(base_url=state.api, timeout=90, headers={"X-API-Key": key})
        self.control = httpx.Client(base_url=state.tradingview_http, timeout=10)

    def children(self) -> dict[str, int]:
        """The process of each child at this moment."""
        state = read_state(self._state_file)
        return dict(state.children) if state else {}

    def kill(self, child: str) -> int:
        """End a child with SIGKILL; the process it was."""
        pid = self.children()[child]
        os.kill(pid, signal.SIGKILL)
        return pid

    def bars(self, exchange: str, symbol: str, **query: Any) -> list[dict[str, Any]]:
        """`GET /market-data/ohlcv/{exchange}/{symbol}`, newest first."""
        answer = self.api.get(f"/market-data/ohlcv/{exchange}/{symbol}", params=query)
        answer.raise_for_status()
        bars: list[dict[str, Any]] = answer.json()["bars"]
        return bars

    def tick_bars(self, exchange: str, symbol: str) -> list[dict[str, Any]]:
        """The newest closed 1m bars that were built from live ticks."""
        return [bar for bar in self.bars(exchange, symbol, interval="1m", limit=50) if bar["origin"] == "ticks"]

    def newest_tick(self, exchange: str, symbol: str) -> int:
        """When the newest quote of a symbol was received, milliseconds; 0 while there is none."""
        answer = self.api.get(f"/quotes/latest/{exchange}/{symbol}")
        if answer.status_code != httpx.codes.OK:
            return 0
        return round(datetime.fromisoformat(answer.json()["received_at"]).timestamp() * 1000)


@contextmanager
def running_system(folder: Path, **environment: str) -> Iterator[System]:
    """Start the system, wait until it is ready, and stop it as Ctrl-C does."""
    state_file = folder / "run.json"
    command = [sys.executable, "-m", "candlewick_local", "run", "--free-ports", "--json", "--data", str(folder)]
    with (folder / "run.err").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the system did not start: {(folder / 'run.err').read_text()[-3000:]}"
        state = RunState(**json.loads(line))
        assert state.api_key_file is not None
        key = Path(state.api_key_file).read_text().strip()
        system = System(process, state, key, state_file)
        with system.api, system.control:
            yield system
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOPPED_WITHIN_S)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
