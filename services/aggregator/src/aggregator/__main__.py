"""`python -m aggregator engine`, `sink` or `replay`: one role for each process."""

import sys
from collections.abc import Sequence

from chassis.process import CLEAN, WRONG_SETTINGS, leave

USAGE = """usage: python -m aggregator engine|sink|replay [--help]

  engine  ticks and marks of market.ticks to bars of 13 intervals on market.bars, in log order
  sink    bars to MongoDB, forming bars to Redis
  replay  fold the log again and compare with what was published; see replay --help"""


def main(argv: Sequence[str]) -> int:
    """Run the role that the first argument names; the process's exit code."""
    match argv:
        case ["engine", *rest]:
            from aggregator.engine.app import run as run_engine

            return run_engine(rest)
        case ["sink", *rest]:
            from aggregator.sink.app import run as run_sink

            return run_sink(rest)
        case ["replay", *rest]:
            from aggregator.replay.app import run as run_replay

            return run_replay(rest)
        case ["-h" | "--help"]:
            print(USAGE)  # noqa: T201 - what --help is for
            return CLEAN
        case _:
            print(USAGE, file=sys.stderr)  # noqa: T201 - usage
            return WRONG_SETTINGS


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
