"""Becomes another program that dies with its parent: `python launcher.py PARENT_PID PROGRAM ARGUMENT…`. Touches prctl.

A script of its own, run without site packages: between fork and exec of a process with threads nothing may be done
safely, and this way nothing has to be.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>: the signal that this process gets when its parent ends; it stays set across exec."""


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")
    try:
        os.execv(command[0], command)  # noqa: S606 - what a launcher is for
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
