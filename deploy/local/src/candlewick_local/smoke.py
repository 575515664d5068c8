"""`smoke`: the whole system, from a frame of the feed to an answer of the API, held against the fold of its own log.

Touches a system of its own: free ports, a folder of its own that is deleted at the end. Says one line of verdict.
"""

import os
import shutil
import time
from collections.abc import Mapping
from typing import Any

from candlewick_local import asking
from candlewick_local.addresses import choose_ports
from candlewick_local.errors import Refusal
from candlewick_local.folded import minutes_of
from candlewick_local.folders import LOCAL
from candlewick_local.run import Stopped, ended_by_signals, tell
from candlewick_local.supervisor import Stack, Supervisor

EXCHANGE, SYMBOL = "BINANCE", "BTCUSDT"
BAR_WITHIN_S = 90.0
"""A minute until a bar closes, the close delay, and the time that the way through the system takes."""
COMPARED = ("open", "high", "low", "close", "volume", "tick_count", "gap_ms")
FOLDER = LOCAL / "smoke"


def smoke(environment: Mapping[str, str]) -> int:
    """Run it; 0 and `smoke: ok …`, or 1 and `smoke: failed: …` with the logs kept."""
    begun = time.monotonic()
    # A feed of the outside world has no obligation to trade within a minute: this is about the simulator.
    own = {name: value for name, value in environment.items() if not name.startswith("TRADINGVIEW_")}
    folder = FOLDER / f"{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    stack = Stack(folder, folder / "logs", folder / "run.json", choose_ports({}, free=True), own, tell)
    try:
        with ended_by_signals(), Supervisor(stack) as supervisor:
            tell("ready; waiting for a 1m bar to close")
            found = compare(supervisor)
    except (Refusal, Stopped) as why:
        print(f"smoke: failed: {why or 'interrupted'} (logs: {stack.logs})", flush=True)
        return 1
    shutil.rmtree(folder)
    print(f"smoke: ok: {found}, in {time.monotonic() - begun:.0f} s; everything stopped", flush=True)
    return 0


def compare(supervisor: Supervisor) -> str:
    """Wait for a closed bar and hold it against the log. Raises `Refusal` when there is none, or another one."""
    deadline = time.monotonic() + BAR_WITHIN_S
    while not (bars := closed_bars(supervisor)):
        if time.monotonic() > deadline:
            raise Refusal(f"no 1m bar of {EXCHANGE}:{SYMBOL} within {BAR_WITHIN_S:.0f} s")
        supervisor.look()
        time.sleep(0.5)
    folded = minutes_of(supervisor.where.kafka, f"{EXCHANGE}:{SYMBOL}")
    for bar in bars:
        if difference := differs(bar, folded.get(bar["open_time"])):
            raise Refusal(f"the 1m bar of {bar['open_time']} is not the fold of its ticks: {difference}")
    ticks = sum(bar["tick_count"] for bar in bars)
    return f"{len(bars)} closed 1m bar{'s' * (len(bars) > 1)} of {ticks} live ticks equal the fold of the log"


def closed_bars(supervisor: Supervisor) -> list[dict[str, Any]]:
    """The closed 1m bars that the API has."""
    return asking.series(supervisor.where.api, EXCHANGE, SYMBOL, interval="1m")


def differs(bar: Mapping[str, Any], folded: Mapping[str, Any] | None) -> str | None:
    """In which field an answered bar is not the folded one; None when they are equal."""
    if folded is None:
        return "the fold has no such bar"
    for name in COMPARED:
        if bar.get(name) != folded[name]:
            return f"{name} is {bar.get(name)}, not {folded[name]}"
    return None
