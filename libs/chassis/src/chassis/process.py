"""A process from its first line to its exit code: settings, logs, signals, ordered shutdown.

Exit codes: 0 stopped as asked, 1 a bug, a shutdown that did not end in time, or another process
that has taken this one's place, 2 wrong settings or arguments, or a machine that is not as they say.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from types import FrameType, TracebackType
from typing import NoReturn, Self, TypeVar

from chassis import logs
from chassis.errors import Misconfigured, MustRestart
from chassis.settings import Settings, SettingsError, as_text, describe, load
from chassis.stop import Stop, Stopped, ThreadStop

S = TypeVar("S", bound=Settings)

CLEAN = 0
BUG = 1
WRONG_SETTINGS = 2
_CLEANUP_S = 5.0
"""What may pass after the main function had to be cancelled, until resources and threads are closed."""

_log = logs.get("chassis.process")


@dataclass(frozen=True, slots=True)
class Program:
    """What a process is, for its `--help` and its logs: `command` as typed, `about` in a sentence or a few."""

    command: str
    distribution: str
    about: str
    stop_within_s: float = 20.0


Main = Callable[[S, Stop, AsyncExitStack], Awaitable[None]]
"""An asyncio program: works until it is told to stop; what it pushes on the stack is closed in reverse order."""

SyncMain = Callable[[S, ThreadStop, ExitStack], None]
"""A synchronous program: the same, looking at its `ThreadStop` at least once a second."""


def run(program: Program, settings: type[S], main: Main[S], argv: Sequence[str] | None = None) -> int:
    """Run an asyncio program to its exit code; SIGTERM and SIGINT ask it to stop, a second signal insists."""
    loaded = _prepare(program, settings, sys.argv[1:] if argv is None else argv)
    if isinstance(loaded, int):
        return loaded
    with _Deadline(program.stop_within_s + _CLEANUP_S) as deadline:
        return _finish(lambda: asyncio.run(_main(program, loaded, main, deadline)))


def run_sync(program: Program, settings: type[S], main: SyncMain[S], argv: Sequence[str] | None = None) -> int:
    """The same for a synchronous program; call it in the main thread."""
    loaded = _prepare(program, settings, sys.argv[1:] if argv is None else argv)
    if isinstance(loaded, int):
        return loaded
    stop = ThreadStop()

    with _Deadline(program.stop_within_s) as deadline:

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if stop.is_set:
                os._exit(BUG)
            stop.request(signal.Signals(number).name)
            deadline.begin()

        def work() -> str:
            with suppress(Stopped), ExitStack() as resources:
                main(loaded, stop, resources)
            return stop.reason or "done"

        previous = [(number, signal.signal(number, on_signal)) for number in (signal.SIGTERM, signal.SIGINT)]
        try:
            return _finish(work)
        finally:
            for number, handler in previous:
                signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """End the process with this code, also when threads are still in calls that nobody waits for any more."""
    lingering = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if lingering:
        _log.warning("threads were still at work", threads=lingering)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def help_text(program: Program, settings: type[Settings]) -> str:
    """What `--help` prints: usage, purpose and the table of settings."""
    table = as_text(describe(settings))
    return f"usage: {program.command} [--help]\n\n{program.about}\n\nSettings (environment):\n{table}"


class _Deadline:
    """Ends the process with code 1 when a shutdown that has begun is not over in time, whatever blocks it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = threading.Event()
        self._over = threading.Event()

    def begin(self) -> None:
        self._begun.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="stop-deadline", daemon=True).start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._begun.set()

    def _watch(self) -> None:
        self._begun.wait()
        if not self._over.wait(self._seconds):
            _log.error("did not stop in time", within_s=self._seconds)
            os._exit(BUG)


async def _main(program: Program, settings: S, main: Main[S], deadline: _Deadline) -> str:
    stop = Stop()
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(_work(settings, stop, main), name="main")

    def on_signal(name: str) -> None:
        if stop.is_set:
            work.cancel()
        stop.request(name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number.name)
    stopped = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    deadline.begin()
    _, late = await asyncio.wait({work}, timeout=program.stop_within_s)
    if late:
        work.cancel()
        await asyncio.wait({work})
    stopped.cancel()
    if stop.failure is not None:
        raise stop.failure
    if late and work.cancelled():
        raise TimeoutError(f"did not stop within {program.stop_within_s} s of {stop.reason}")
    try:
        work.result()
    except asyncio.CancelledError as error:
        raise RuntimeError("something cancelled the work, and nobody had asked for that") from error
    return stop.reason or "done"


async def _work(settings: S, stop: Stop, main: Main[S]) -> None:
    with suppress(Stopped):
        async with AsyncExitStack() as resources:
            await main(settings, stop, resources)


def _prepare(program: Program, settings: type[S], argv: Sequence[str]) -> S | int:
    if any(argument in {"-h", "--help"} for argument in argv):
        print(help_text(program, settings))  # noqa: T201 - what --help is for
        return CLEAN
    if argv:
        print(f"{program.command}: unknown argument {argv[0]!r}; see --help", file=sys.stderr)  # noqa: T201 - usage
        return WRONG_SETTINGS
    try:
        loaded = load(settings)
    except SettingsError as error:
        print(f"{program.command}: {error}", file=sys.stderr)  # noqa: T201 - before there are logs
        return WRONG_SETTINGS
    logs.configure(getattr(loaded, "log_level", "INFO"))
    shown = loaded.model_dump(mode="json")
    _log.info("starting", program=program.command, version=version(program.distribution), settings=shown)
    return loaded


def _finish(work: Callable[[], str]) -> int:
    try:
        reason = work()
    except Misconfigured as error:
        _log.error("cannot run", cause=str(error))
        return WRONG_SETTINGS
    except MustRestart as error:
        _log.error("must be started again", cause=str(error))
        return BUG
    except Exception:  # noqa: BLE001 - the one place that logs a bug and exits
        _log.exception("stopped by a bug")
        return BUG
    _log.info("stopped", reason=reason)
    return CLEAN
