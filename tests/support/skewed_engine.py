"""`python -m tests.support.skewed_engine engine`: an engine on a machine whose clock is ten seconds ahead."""

import sys

from aggregator.__main__ import main
from chassis import clock

AHEAD_MS = 10_000

if __name__ == "__main__":
    now_ms = clock.now_ms
    setattr(clock, "now_ms", lambda: now_ms() + AHEAD_MS)  # noqa: B010 - what it puts in place is not the function
    sys.exit(main(sys.argv[1:]))
