"""Child processes that never outlive this one, however it ends. Touches processes, signals and one file.

Two nets: the kernel kills each child when its parent ends (`launcher`), and a file names the children with their start
times, so that the next owner of the folder ends what the first net did not hold.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from candlewick_local import launcher, logs
from candlewick_local.errors import Refusal
from candlewick_local.folders import write_atomically
from candlewick_local.identity import Identity, boot_id, identity_of, kill_and_wait


class Child:
    """A process that was started here and has not been reaped yet."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, log_size: int) -> None:
        self.name = name
        self.identity = identity_of(process.pid) or Identity(process.pid, 0)
        self.log = log
        self._log_size = log_size
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative number of a signal that ended it."""
        return self._process.poll()

    def last_lines(self, count: int = 15) -> str:
        """The end of what this process has written, indented to be part of a message."""
        return "\n".join(f"    {line}" for line in logs.last_lines(self.log, self._log_size, count))

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, within_s: float) -> bool:
        """Whether it has ended by itself within this time."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it as a crash would, also when it is paused."""
        self.signal(signal.SIGKILL)
        if not self.wait(30):
            raise Refusal(f"{self.name} (process {self.pid}) does not end, although it was killed")

    def ask_to_stop(self) -> None:
        """Ask it to end in good order; a paused one is resumed to hear it."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)

    def stop(self, within_s: float) -> bool:
        """Ask it to end, then insist; true if asking was enough."""
        self.ask_to_stop()
        if self.wait(within_s):
            return True
        self.kill()
        return False


class Children:
    """The children of one folder, which has one owner at a time: enter it to own it, leave it to end them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "children.json"
        self._running: dict[str, Child] = {}
        self._known_logs: set[Path] = set()
        self._lock: int | None = None
        # The kernel counts the thread that forks as the parent, so this thread lives as long as this object.
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")

    def __enter__(self) -> Self:
        self._lock = os.open(self._folder / "owner.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 20, 0).decode() or "unknown"
            os.close(self._lock)
            raise Refusal(f"{self._folder} is in use by the running process {owner}; stop that one first") from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        self._end_leftovers()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for child in reversed(self._running.values()):
            child.kill()
        self._running.clear()
        self._note()
        self._spawner.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __getitem__(self, name: str) -> Child:
        return self._running[name]

    def get(self, name: str) -> Child | None:
        return self._running.get(name)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path | None = None
    ) -> Child:
        """Start `command` (its first word a path) with exactly this environment, its output appended to `log`."""
        descriptor = logs.resume(log) if log in self._known_logs else logs.begin(log)
        self._known_logs.add(log)
        line = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command]

        def spawn() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                line,
                env=dict(environment),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )

        log_size = os.fstat(descriptor).st_size
        try:
            process = self._spawner.submit(spawn).result()
        finally:
            os.close(descriptor)
        child = self._running[name] = Child(name, process, log, log_size)
        self._note()
        return child

    def forget(self, name: str) -> None:
        """Take a child that has ended off the list."""
        del self._running[name]
        self._note()

    def _note(self) -> None:
        entries = [
            {"name": child.name, "pid": child.pid, "started": child.identity.started}
            for child in self._running.values()
        ]
        write_atomically(self._file, json.dumps({"boot": boot_id(), "children": entries}, indent=1) + "\n")

    def _end_leftovers(self) -> None:
        try:
            noted = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        if noted["boot"] != boot_id():
            return
        for entry in noted["children"]:
            if not kill_and_wait(Identity(entry["pid"], entry["started"])):
                raise Refusal(
                    f"{entry['name']} (process {entry['pid']}) of an earlier start does not end; end it first"
                )


def run_to_end(command: Sequence[str], within_s: float, what: str) -> None:
    """Run a short program to its end. Raises `Refusal` with the end of its output when it fails or takes too long."""
    begun = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, timeout=within_s, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        raise Refusal(f"{what} took longer than {time.monotonic() - begun:.0f} s") from None
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]
        raise Refusal(f"{what} failed:\n{output}")
