"""The system on one page: which processes there are, in the order they start, and the environment of each. Pure."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from candlewick_local.addresses import Addresses
from candlewick_local.ports import HOST

PARTITIONS = "4"
"""Of every keyed topic, on one machine; a kept folder has them for ever."""
SIMULATOR = "simulator"

_TOKEN = ("TRADINGVIEW_AUTH_TOKEN", "TRADINGVIEW_AUTH_TOKEN_FILE")
_COOKIES = ("TRADINGVIEW_COOKIES", "TRADINGVIEW_COOKIES_FILE")
_FEED = ("TRADINGVIEW_URL", "TRADINGVIEW_HTTP_URL", *_TOKEN)
_ANONYMOUS_CLOSE_DELAY_MS = "5000"
"""TradingView sends anonymous clients an update only every five seconds (protocol §3.4)."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process: `module` and its arguments as `python -m` takes them, and the URL that says when it is ready."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready_url: str


def simulator(ports: Mapping[str, int], environment: Mapping[str, str]) -> Service:
    """TradingView on loopback."""
    options = ("--port", str(ports["SIMULATOR_PORT"]), "--http-port", str(ports["SIMULATOR_HTTP_PORT"]))
    told = _without(environment, "API_KEY", "SIMULATOR_HOST", *_FEED, *_COOKIES)
    return Service(
        SIMULATOR,
        _python("tradingview_simulator", *options),
        told,
        f"http://{HOST}:{ports['SIMULATOR_HTTP_PORT']}/healthz",
    )


def services(
    ports: Mapping[str, int], where: Addresses, environment: Mapping[str, str], key_file: Path | None
) -> list[Service]:
    """Everything of ours, in the order in which data flows through it.

    `environment` is the caller's: whatever else a service can be told passes through. A secret goes only to those that
    need it; `key_file` has the API key unless the environment gives one.
    """
    common = _without(environment, "API_KEY", *_FEED, *_COOKIES) | {
        "KAFKA_BOOTSTRAP_SERVERS": where.kafka,
        "KAFKA_PARTITIONS": PARTITIONS,
        "MONGODB_URL": where.mongo,
        "REDIS_URL": where.redis,
        "HTTP_HOST": HOST,
    }
    feed = {name: environment[name] for name in _FEED if environment.get(name)} | {"TRADINGVIEW_URL": where.tradingview}
    if where.tradingview_http:
        feed["TRADINGVIEW_HTTP_URL"] = where.tradingview_http
    cookies = {name: environment[name] for name in _COOKIES if environment.get(name)}
    close_delay = {}
    if environment.get("TRADINGVIEW_URL") and not any(map(environment.get, ("CLOSE_DELAY_MS", *_TOKEN, *_COOKIES))):
        close_delay = {"CLOSE_DELAY_MS": _ANONYMOUS_CLOSE_DELAY_MS}
    key = {name: environment[name] for name in ("API_KEY", "API_KEY_FILE") if environment.get(name)}
    if key_file is not None:
        key = {"API_KEY_FILE": str(key_file)}

    def service(name: str, port: str, command: tuple[str, ...], told: Mapping[str, str]) -> Service:
        number = ports[port]
        environment = {**common, **told, "HTTP_PORT": str(number)}
        return Service(name, _python(*command), environment, f"http://{HOST}:{number}/readyz")

    return [
        service("ingest-ws", "INGEST_PORT", ("ingest_ws",), feed | cookies | {"INGEST_REPLICA": "local"}),
        service("engine", "ENGINE_PORT", ("aggregator", "engine"), close_delay | {"ENGINE_INSTANCE_ID": "engine-1"}),
        service("sink", "SINK_PORT", ("aggregator", "sink"), {}),
        service("history-sync", "HISTORY_PORT", ("history_sync",), feed),
        service("query-api", "API_PORT", ("query_api",), key),
    ]


def _python(*module_and_arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-u", "-m", *module_and_arguments)


def _without(environment: Mapping[str, str], *names: str) -> dict[str, str]:
    """The environment but for these and their `_FILE` forms."""
    left_out = {*names, *(f"{name}_FILE" for name in names)}
    return {name: value for name, value in environment.items() if name not in left_out}
