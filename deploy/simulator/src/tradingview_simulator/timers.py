"""One heap of callbacks for the whole simulator, run by one task when the simulator's clock reaches them."""

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress
from itertools import count

LONGEST_NAP_S = 0.25
"""The clock is looked at this often even when nothing is due: an injected clock may jump."""
SHORTEST_NAP_S = 0.004
"""What falls due within it is run together: with thousands of symbols something is due all the time."""
MOST_PER_TURN = 256
"""Callbacks run without letting other tasks in between."""


class Timers:
    """Callbacks in order of their due instant (ms), those of one instant in order of arrival."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._arrivals = count()
        self._earlier = asyncio.Event()

    def at(self, due_ms: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (due_ms, next(self._arrivals), callback))
        if self._heap[0][2] is callback:
            self._earlier.set()

    def after(self, delay_ms: float, callback: Callable[[], None]) -> None:
        self.at(self.now() + delay_ms, callback)

    def run_due(self) -> None:
        """Run what is due, MOST_PER_TURN at most."""
        now = self.now()
        for _ in range(MOST_PER_TURN):
            if not self._heap or self._heap[0][0] > now:
                return
            heapq.heappop(self._heap)[2]()

    def next_due_ms(self) -> float | None:
        """When the next callback is due, None where none is planned."""
        return self._heap[0][0] if self._heap else None

    async def run(self) -> None:
        """Run callbacks for ever."""
        while True:
            self._earlier.clear()
            self.run_due()
            due = self.next_due_ms()
            wait = LONGEST_NAP_S if due is None else (due - self.now()) / 1_000
            if wait <= 0:
                await asyncio.sleep(0)
                continue
            if wait < SHORTEST_NAP_S:
                await asyncio.sleep(SHORTEST_NAP_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait, LONGEST_NAP_S)):
                    await self._earlier.wait()
