"""Real processes that are told to stop while something in them blocks."""

import signal
import subprocess
import sys

import pytest

from chassis.process import BUG, CLEAN

STUCK = """
import threading
from chassis.process import Program, leave, run, run_sync
from chassis.settings import Settings

program = Program("x", "chassis", "X.", stop_within_s=0.2)

def stuck(settings, stop, resources):
    print("up", flush=True)
    threading.Event().wait()

async def leaves_a_thread(settings, stop, resources):
    threading.Thread(target=threading.Event().wait, name="download").start()
    print("up", flush=True)
    await stop.wait()
"""


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        ("leave(run_sync(program, Settings, stuck))", BUG, "did not stop in time"),
        ("leave(run(program, Settings, leaves_a_thread))", CLEAN, "threads were still at work"),
    ],
)
def test_nothing_that_blocks_keeps_a_process_from_ending(ending: str, code: int, said: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK + ending], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with process.stdout as output:
        while output.readline() != "up\n":
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert said in output.read()
    assert process.wait(10) == code
