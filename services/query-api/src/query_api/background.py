"""Work beside the requests: tasks that run until the process shall end, and whose bugs end it."""

import asyncio
from collections.abc import Coroutine

from chassis.stop import Stop, Stopped


class Background:
    """Tasks that look at `stop`; a bug in one of them is handed to it."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Begin work; it may itself spawn more."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def close(self) -> None:
        """Have all work end, and wait for it."""
        self._stop.request("the application is closed")
        while pending := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(pending)

    def _ended(self, task: asyncio.Task[None]) -> None:
        bug = None if task.cancelled() else task.exception()
        if bug is not None and not isinstance(bug, Stopped):
            self._stop.fail(bug)
