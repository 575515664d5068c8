"""The watchdog: a call that does not return ends the process, and one that returns does not."""

import subprocess
import sys

PROGRAM = """
import threading
from aggregator.engine.watchdog import Watchdog
from chassis import logs
logs.configure("INFO")
dog = Watchdog(limit_s=0.2)
with dog.watching("flush"):
    pass
with dog.watching("commit_transaction"):
    threading.Event().wait({wait_s})
print("returned")
"""


def ran(wait_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(wait_s=wait_s)], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_call_that_does_not_return_ends_the_process_and_is_named() -> None:
    ended = ran(20.0)
    assert ended.returncode == 1
    assert "a call does not return" in ended.stdout
    assert "commit_transaction" in ended.stdout
    assert "returned" not in ended.stdout.splitlines()


def test_a_call_that_returns_in_time_is_left_alone() -> None:
    ended = ran(0.0)
    assert (ended.returncode, ended.stdout) == (0, "returned\n")
