"""Which process a number means: numbers are given again, so a start time goes with each. Touches /proc and kill."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for certain: its number and its start, in clock ticks since the machine started (proc(5), field 22)."""

    pid: int
    started: int


def identity_of(pid: int) -> Identity | None:
    """The process that has this number at this moment; None if there is none, or only its exit code is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the name in parentheses and may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Identity(pid, int(fields[19]))


def boot_id() -> str:
    """What names this start of the machine: after another one, start times count from zero again."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_alive(identity: Identity) -> bool:
    return identity_of(identity.pid) == identity


def kill_and_wait(identity: Identity, within_s: float = 10.0) -> bool:
    """Kill this very process and wait until it is gone; false if it is still there after `within_s` seconds."""
    if not is_alive(identity):
        return True
    with suppress(ProcessLookupError):
        os.kill(identity.pid, signal.SIGKILL)
    deadline = time.monotonic() + within_s
    while is_alive(identity):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
