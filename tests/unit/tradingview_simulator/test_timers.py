"""The heap of callbacks ends when it is told to, whatever becomes due at that very moment."""

import asyncio

from tradingview_simulator.timers import Timers

WITHIN_S = 1


async def test_timers_end_though_something_earlier_is_planned_at_that_very_moment() -> None:
    timers = Timers(lambda: 0)
    timers.at(1_000, lambda: None)
    running = asyncio.create_task(timers.run())
    await asyncio.sleep(0)
    timers.at(500, lambda: None)
    await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=WITHIN_S)
    assert done == {running}
    assert running.cancelled()
