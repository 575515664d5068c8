"""The wish to end: one value that every task or thread of a process looks at."""

import asyncio
import threading


class Stopped(Exception):  # noqa: N818 - an order, not a mistake
    """A wait was cut short because the process shall end; the process ends clean."""


class Stop:
    """The wish to end, seen by every task of an asyncio process; carries the bug if there was one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.failure: BaseException | None = None
        self.reason = ""

    def request(self, reason: str) -> None:
        """Ask for an orderly end; the first reason is kept."""
        self.reason = self.reason or reason
        self._event.set()

    def fail(self, bug: BaseException) -> None:
        """Ask for an end with exit code 1; the first bug is the one that is logged."""
        self.failure = self.failure or bug
        self.request(f"a bug: {type(bug).__name__}")

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        """Return when the process shall end."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Wait this long or until the process shall end, whichever comes first; true if it shall end."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


class ThreadStop:
    """The same for a synchronous process; thread-safe, and callable from a signal handler."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def request(self, reason: str) -> None:
        """Ask for an orderly end; the first reason is kept."""
        self.reason = self.reason or reason
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def sleep(self, seconds: float) -> bool:
        """Wait this long or until the process shall end, whichever comes first; true if it shall end."""
        return self._event.wait(seconds)
