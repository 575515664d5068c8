"""`python -m tradingview_simulator`: serve until SIGTERM or SIGINT; one JSON line with the addresses when ready."""

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from dataclasses import fields

from tradingview_simulator import SimulatorSettings, serve
from tradingview_simulator.settings import OPTIONS, defaults_from

HELP = {
    "host": "address to listen on",
    "port": "WebSocket port, 0 for any free one",
    "http_port": "HTTP port (control and journal), 0 for any free one",
    "seed": "chooses the whole price history",
    "hb_interval": "seconds between heartbeats",
    "hb_grace": "seconds without an echo after which a connection is dropped",
    "slow_interval": "mean seconds between updates of a symbol outside the fast list",
    "max_bars": "bars a series can reach back",
    "journal_entries": "entries that the journal keeps",
    "needs_token": "whether only tokens that signing in gave are taken: true or false",
    "token_seconds": "seconds that such a token lives",
}


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise argparse.ArgumentTypeError("true or false")
    return text == "true"


def parse(arguments: list[str], environment: dict[str, str]) -> SimulatorSettings:
    """Settings from the command line, else from SIMULATOR_* variables, else their defaults."""
    given = defaults_from(environment)
    parser = argparse.ArgumentParser(
        prog="python -m tradingview_simulator",
        description="A TradingView on loopback: quotes and history over WebSocket, control and journal over HTTP.",
    )
    for field in fields(SimulatorSettings):
        if field.name in OPTIONS:
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=_truth if field.type is bool else type(field.default),
                default=given.get(field.name, field.default),
                help=f"{HELP[field.name]} (default %(default)s; also SIMULATOR_{field.name.upper()})",
            )
    return SimulatorSettings(**vars(parser.parse_args(arguments)))


async def run(settings: SimulatorSettings) -> None:
    """Serve until a signal to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve(settings) as simulator:
        ready = {"event": "ready", "url": simulator.url, "http_url": simulator.http_url, "seed": settings.seed}
        print(json.dumps(ready), flush=True)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((stopped, *simulator.tasks), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


def main() -> None:
    """The command."""
    settings = parse(sys.argv[1:], dict(os.environ))
    gc.set_threshold(
        50_000, 20, 100
    )  # what thousands of symbols keep has no cycles, and looking for them costs a third
    try:
        asyncio.run(run(settings))
    except OSError as error:
        sys.exit(f"cannot listen on {settings.host} ports {settings.port} and {settings.http_port}: {error.strerror}")


if __name__ == "__main__":
    main()
