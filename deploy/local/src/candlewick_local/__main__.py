"""The command line: `python -m candlewick_local run|smoke|parts|clean`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from candlewick_local.addresses import DEFAULTS
from candlewick_local.errors import Refusal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command to its exit code: 0 done, 1 refused with a sentence on stderr, 2 wrong usage, 130 Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        return _command(arguments)
    except Refusal as refusal:
        print(f"candlewick: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _command(arguments: argparse.Namespace) -> int:
    """Each command imports only what it needs: `clean` runs where nothing is installed."""
    match arguments.command:
        case "run":
            from candlewick_local.run import run

            ports = {name: value for name in DEFAULTS if (value := getattr(arguments, name))}
            return run(os.environ, ports, arguments.free_ports, arguments.data, arguments.json)
        case "smoke":
            from candlewick_local.smoke import smoke

            return smoke(os.environ)
        case "parts":
            from candlewick_local.folders import parts_folder
            from candlewick_local.found import find_or_fetch

            find_or_fetch(parts_folder(os.environ))
            return 0
        case _:
            from candlewick_local.clean import clean

            return clean(arguments.all)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m candlewick_local", description="Candlewick on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start everything and keep it up until Ctrl-C")
    run.add_argument("--data", type=Path, metavar="DIR", help="where data, logs and run.json are (default .local)")
    run.add_argument("--free-ports", action="store_true", help="choose free ports where none is given")
    run.add_argument("--json", action="store_true", help="say where everything is as one line of JSON")
    for name, default in DEFAULTS.items():
        flag = f"--{name.lower().replace('_', '-')}"
        run.add_argument(flag, dest=name, metavar="PORT", help=f"default {default}; also {name}")
    commands.add_parser("smoke", help="the whole system once, live tick to answered bar; one line of verdict")
    commands.add_parser("parts", help="find or download Java, Kafka, MongoDB and Redis")
    clean = commands.add_parser("clean", help="delete data and logs; downloaded parts stay")
    clean.add_argument("--all", action="store_true", help="delete downloaded parts, tools and .venv too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
