"""Which port each process of the system listens on, and the settings that this makes for each. Pure.

A port is chosen by a flag, else by a variable, else it is the default, or a free one where free ones are asked for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from candlewick_local.errors import Refusal
from candlewick_local.ports import HOST, free_ports

DEFAULTS: Mapping[str, int] = {
    "API_PORT": 8000,
    "KAFKA_PORT": 9092,
    "KAFKA_CONTROLLER_PORT": 9093,
    "MONGODB_PORT": 27017,
    "REDIS_PORT": 6379,
    "SIMULATOR_PORT": 8765,
    "SIMULATOR_HTTP_PORT": 8766,
    "INGEST_PORT": 8081,
    "ENGINE_PORT": 8082,
    "SINK_PORT": 8083,
    "HISTORY_PORT": 8084,
}
"""Each port by the variable that sets it."""


def parse_port(name: str, text: str) -> int:
    """A port as a person writes it. Raises `Refusal` that names the variable."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise Refusal(f"{name} is {text!r}, which is no port: give a number from 1 to 65535")
    return int(text)


def choose_ports(given: Mapping[str, str], free: bool) -> dict[str, int]:
    """Every port: as given (by variable name), else free or the default."""
    chosen = {name: parse_port(name, given[name]) for name in DEFAULTS if given.get(name)}
    left = [name for name in DEFAULTS if name not in chosen]
    found = free_ports(len(left), {*chosen.values(), *DEFAULTS.values()}) if free else [DEFAULTS[name] for name in left]
    return {name: (chosen | dict(zip(left, found, strict=True)))[name] for name in DEFAULTS}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is: what each service is told, and what a person or a test may want to open."""

    kafka: str
    mongo: str
    redis: str
    tradingview: str
    tradingview_http: str
    api: str


def addresses(ports: Mapping[str, int], mongo: str, environment: Mapping[str, str]) -> Addresses:
    """The addresses that these ports make; TradingView's are the simulator's unless the environment names a feed."""
    own_feed = environment.get("TRADINGVIEW_URL")
    return Addresses(
        kafka=f"{HOST}:{ports['KAFKA_PORT']}",
        mongo=mongo,
        redis=f"redis://{HOST}:{ports['REDIS_PORT']}/0",
        tradingview=own_feed or f"ws://{HOST}:{ports['SIMULATOR_PORT']}/socket.io/websocket",
        tradingview_http=(
            environment.get("TRADINGVIEW_HTTP_URL", "") if own_feed else f"http://{HOST}:{ports['SIMULATOR_HTTP_PORT']}"
        ),
        api=f"http://{HOST}:{ports['API_PORT']}",
    )
