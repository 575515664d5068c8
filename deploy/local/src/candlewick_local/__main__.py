"""The command line: `python -m candlewick_local parts|run|smoke|clean`."""

import argparse
import os
import sys
from collections.abc import Sequence

from candlewick_local.errors import Refusal
from candlewick_local.folders import parts_folder
from candlewick_local.found import find_or_fetch


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command to its exit code: 0 done, 1 refused with a sentence on standard error, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m candlewick_local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("parts", help="find or download Java, Kafka, MongoDB and Redis")
    parser.parse_args(argv)
    try:
        find_or_fetch(parts_folder(os.environ))
    except Refusal as refusal:
        print(f"candlewick: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
