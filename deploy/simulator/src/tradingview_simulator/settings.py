"""What can be chosen about a simulator, by code, by environment (SIMULATOR_*) or on the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from tradingview_simulator.clock import now_ms


@dataclass(frozen=True)
class SimulatorSettings:
    """Times are seconds unless the name says ms; port 0 is any free port.

    origins: hosts allowed in the Origin header besides those ending in tradingview.com; "none" stands for no Origin.
    auth_tokens: the tokens that set_auth_token takes. needs_token: it takes those that signing in here gave and that
    have not ended, `token_seconds` after they began. With neither it takes any.
    slow_interval: mean time between flushes of a slow symbol (a fast one is flushed once per trade).
    snapshot_ms: the range of the delay from a request to its snapshot; delivery_ms: from a trade to its flush.
    now: the clock, in ms since the epoch.
    """

    host: str = "127.0.0.1"
    port: int = 0
    http_port: int = 0
    seed: int = 1
    hb_interval: float = 10.0
    hb_grace: float = 60.0
    slow_interval: float = 15.0
    snapshot_ms: tuple[int, int] = (20, 250)
    delivery_ms: tuple[int, int] = (5, 50)
    max_bars: int = 10_000
    journal_entries: int = 200_000
    origins: tuple[str, ...] = ("none", "127.0.0.1", "localhost", "::1")
    auth_tokens: tuple[str, ...] = ()
    needs_token: bool = False
    token_seconds: float = 900.0
    now: Callable[[], int] = now_ms


OPTIONS = (
    "host",
    "port",
    "http_port",
    "seed",
    "hb_interval",
    "hb_grace",
    "slow_interval",
    "max_bars",
    "journal_entries",
    "needs_token",
    "token_seconds",
)
"""The settings that the environment and the command line can give."""


def defaults_from(environment: Mapping[str, str]) -> dict[str, str]:
    """The options that the environment gives: SIMULATOR_PORT is `port`, and so on."""
    names = {field.name for field in fields(SimulatorSettings)} & set(OPTIONS)
    return {name: value for name in sorted(names) if (value := environment.get(f"SIMULATOR_{name.upper()}"))}
