"""`run`: the system in the foreground until Ctrl-C or SIGTERM. Touches signals and the terminal."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from candlewick_local.addresses import choose_ports
from candlewick_local.folders import LOCAL
from candlewick_local.state import RunState
from candlewick_local.supervisor import Stack, Supervisor

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_SAME_WISH_S = 1.0
"""A signal to a process group comes twice: from whoever sent it, and from `make`, which hands on its own."""


class Stopped(BaseException):
    """A signal asked for the end; not an error, so that nothing on the way takes it for one."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """The block ends with `Stopped` at the first signal that asks for it; one that comes later kills at once."""
    asked_at: float | None = None

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_at
        if asked_at is None:
            asked_at = time.monotonic()
            raise Stopped
        if time.monotonic() - asked_at > _SAME_WISH_S:
            # The kernel kills the children with this process.
            os._exit(1)

    previous = {number: signal.signal(number, on_signal) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def tell(line: str) -> None:
    """Say what happens, while it happens."""
    print(line, file=sys.stderr, flush=True)


def run(
    environment: Mapping[str, str], given_ports: Mapping[str, str], free: bool, data: Path | None, json: bool
) -> int:
    """Start everything, say where it is, keep it up; 0 when it was asked to stop."""
    ports = choose_ports({**environment, **given_ports}, free)
    folder = (data or LOCAL / "data").resolve()
    beside = LOCAL if data is None else folder
    stack = Stack(
        data=folder, logs=beside / "logs", state=beside / "run.json", ports=ports, environment=environment, tell=tell
    )
    begun = time.monotonic()
    try:
        with ended_by_signals(), Supervisor(stack) as supervisor:
            state = supervisor.state()
            if json:
                print(state.as_json(), flush=True)
            else:
                print(welcome(state, supervisor.api_key, time.monotonic() - begun), flush=True)
            supervisor.watch()
    except Stopped:
        tell("stopped")
    return 0


def welcome(state: RunState, key: str, seconds: float) -> str:
    """What a person wants to know when it is up; a key that was given is not repeated."""
    made = state.api_key_file is not None
    shown_key = f"{key}  (kept in {state.api_key_file})" if made else "as API_KEY says"
    header = f"'X-API-Key: {key}'" if made else '"X-API-Key: $API_KEY"'
    body = shlex.quote('{"exchange":"BINANCE","symbol":"BTCUSDT","interval":"1m","n_bars":500}')
    return f"""
Candlewick is up after {seconds:.1f} s.

  API          {state.api}  (docs: {state.api}/docs)
  API key      {shown_key}
  Kafka        {state.kafka}
  MongoDB      {state.mongo}
  Redis        {state.redis}
  TradingView  {state.tradingview}
  data, logs   {state.data}, {state.logs}

Try, in another terminal:

  curl '{state.api}/quotes/latest/BINANCE/BTCUSDT'
  curl '{state.api}/market-data/ohlcv/BINANCE/BTCUSDT?interval=1m&limit=5'
  curl -X POST '{state.api}/market-data/sync' -H {header} -H 'Content-Type: application/json' -d {body}

Ctrl-C stops everything and keeps the data.
"""
