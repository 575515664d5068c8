"""Runs processes of the system as an operator would, and asks their probes. Touches processes and loopback."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from candlewick_local.children import Child, Children
from candlewick_local.ports import free_ports

READY_WITHIN_S = 60.0


class Process:
    """One running process with probes on its own port."""

    def __init__(self, child: Child, port: int) -> None:
        self._child = child
        self.port = port

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._child.log.read_text()

    def waiting(self) -> dict[str, str] | None:
        """What keeps it from being ready (nothing: it is ready); None while the probes do not answer."""
        answer = self._get("/readyz")
        return None if answer is None else dict(json.loads(answer)["waiting"])

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 if it has none yet."""
        lines = (self._get("/metrics") or "").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def labels(self, name: str, label: str, *, even_zero: bool = False) -> set[str]:
        """The values of a label of a metric, where it is not 0 unless told."""
        lines = (self._get("/metrics") or "").splitlines()
        found = [line.split(f'{label}="')[1].split('"')[0] for line in lines if line.startswith(f"{name}{{")]
        values = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{")]
        return {value for value, count in zip(found, values, strict=True) if count or even_zero}

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> "Process":
        until(lambda: self.waiting() == {}, "ready", within_s, self)
        return self

    def kill(self) -> None:
        """End it as a crash would."""
        self._child.kill()

    def pause(self) -> None:
        """Have it stand still (SIGSTOP): its connections stay open, and it does not know."""
        self._child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._child.signal(signal.SIGCONT)

    def stop(self, within_s: float = 20.0) -> int | None:
        """Ask it to end (SIGTERM); its exit code."""
        self._child.signal(signal.SIGCONT)
        self._child.signal(signal.SIGTERM)
        assert self._child.wait(within_s), f"did not end in time:\n{self.log[-3000:]}"
        return self._child.exit_code

    def end(self) -> None:
        """Have it end, in good order if it can: what leaves a group without a word is waited for by the next member."""
        self._child.stop(within_s=10.0)

    def _get(self, path: str) -> str | None:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            with error:
                return error.read().decode()
        except (URLError, OSError):
            return None


class Processes:
    """Starts processes `python -m …` with exactly the settings given; ends those that are left."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._children = Children(folder)
        self._running: list[Process] = []

    def start(self, command: Sequence[str], **settings: str) -> Process:
        """Start `python -m COMMAND` without waiting for it."""
        (port,) = free_ports(1)
        name = f"{'-'.join(command)}-{len(self._running) + 1}"
        environment = {"PATH": os.environ["PATH"], "HTTP_PORT": str(port), **self._settings, **settings}
        line = [sys.executable, "-m", *command]
        child = self._children.start(name, line, environment, self._folder / f"{name}.log")
        self._running.append(Process(child, port))
        return self._running[-1]

    @contextmanager
    def open(self) -> Iterator["Processes"]:
        with self._children:
            try:
                yield self
            finally:
                for process in self._running:
                    process.end()


def until(holds: Callable[[], object], what: str, within_s: float = 30.0, process: Process | None = None) -> None:
    """Wait for a condition; the error names it and shows the end of the process's log."""
    deadline = time.monotonic() + within_s
    while not holds():
        log = "" if process is None else f"\n{process.log[-3000:]}"
        if process is not None and process.exit_code is not None:
            raise AssertionError(f"ended with {process.exit_code} before: {what}{log}")
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}{log}")
        time.sleep(0.05)
