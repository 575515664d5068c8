"""What leaves is journalled with the instant at which it was there to leave, however late its connection gets to it."""

import asyncio
from random import Random

from tradingview_simulator.journal import Journal, Sent
from tradingview_simulator.outbox import Outbox


async def test_two_connections_journal_one_instant() -> None:
    clock = [100]
    journal = Journal(10)
    sent: list[str] = []

    async def write(frame: str) -> None:
        sent.append(frame)
        clock[0] += 700

    outboxes = [
        Outbox(
            number,
            write=write,
            is_live=lambda: True,
            overflowed=lambda: None,
            journal=journal,
            now=lambda: clock[0],
            chance=Random(number),
        )
        for number in (1, 2)
    ]
    for outbox in outboxes:
        outbox.put("packet", Sent("A:B", {"lp": 1.0}, None, snapshot=False))
    workers = [asyncio.create_task(outbox.run()) for outbox in outboxes]
    async with asyncio.timeout(5):
        for outbox in outboxes:
            await outbox.drained()
    for worker in workers:
        worker.cancel()
    entries = journal.page(0, 10, None)["entries"]
    assert isinstance(entries, list)
    assert sorted((entry["connection"], entry["sent_at_ms"]) for entry in entries) == [(1, 100), (2, 100)]
    assert sent == ["packet", "packet"]
