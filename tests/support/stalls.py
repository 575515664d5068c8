"""When this process did not run: a busy machine stops whole processes, and what came for them then is uncovered."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from chassis.clock import now_ms

LOOK_S = 0.05
STALL_MS = 700
"""A feed says so from 1,000 ms on, between two of its own looks."""
MARGIN_MS = 1_000
BACK_MS = 12_000
"""A feed whose connection was lost in a stall covers its symbols again within so long."""

Stretch = tuple[int, int]


@asynccontextmanager
async def stalls() -> AsyncIterator[list[Stretch]]:
    """The stretches in which this process's loop did not turn, as they are found out."""
    found: list[Stretch] = []

    async def look() -> None:
        last = now_ms()
        while True:
            await asyncio.sleep(LOOK_S)
            now = now_ms()
            if now - last > STALL_MS:
                found.append((last - MARGIN_MS, now + BACK_MS))
            last = now

    task = asyncio.create_task(look())
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def told_stalls(log: str) -> list[Stretch]:
    """The stretches in which a process of its own did not run, as its JSON log tells them."""
    found = []
    for line in log.splitlines():
        if '"away_ms"' in line:
            entry = json.loads(line)
            now = int(datetime.fromisoformat(entry["time"]).timestamp() * 1000)
            found.append((now - entry["away_ms"] - MARGIN_MS, now + BACK_MS))
    return found
