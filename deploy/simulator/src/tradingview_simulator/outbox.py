"""What one connection is about to send: packets, put into WebSocket frames of one or several, as TradingView does."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tradingview_simulator.journal import Journal, Sent

MOST_PENDING = 50_000
"""A client that leaves more packets than this unread is dropped."""
MOST_FRAMES = 4
"""About as many frames carry what is pending together; fewer, where it is little."""
HELD_S = 0.03
HEARTBEAT_HELD_S = 0.15


class Outbox:
    """Packets in order. `write` sends one frame; `overflowed` is called when the client does not keep up.

    is_live: whether what is written may still arrive; nothing is written or journalled once it may not.
    """

    def __init__(
        self,
        connection: int,
        *,
        write: Callable[[str], Awaitable[None]],
        is_live: Callable[[], bool],
        overflowed: Callable[[], None],
        journal: Journal,
        now: Callable[[], int],
        chance: Random,
    ) -> None:
        self._connection = connection
        self._write = write
        self._is_live = is_live
        self._overflowed = overflowed
        self._journal = journal
        self._now = now
        self._chance = chance
        self._pending: list[tuple[str, Sent | None, int]] = []
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._data = False

    def put(self, packet: str, sent: Sent | None = None) -> None:
        """Queue a packet; `sent` is journalled, with this instant, when it goes out."""
        self._data = True
        self._append(packet, sent)

    def put_heartbeat(self, packet: str) -> None:
        """Queue a heartbeat, which may wait a little for data to share a frame with."""
        self._append(packet, None)

    def _append(self, packet: str, sent: Sent | None) -> None:
        if len(self._pending) >= MOST_PENDING:
            self._overflowed()
            return
        self._pending.append((packet, sent, self._now()))
        self._emptied.clear()
        self._filled.set()

    async def drained(self) -> None:
        """Wait until everything queued has been written."""
        await self._emptied.wait()

    async def run(self) -> None:
        """Send for ever what is queued."""
        while True:
            await self._filled.wait()
            if not self._data:
                await self._hold_heartbeat()
            elif self._chance.random() < 0.2:
                await asyncio.sleep(self._chance.random() * HELD_S)
            while self._pending:
                batch, self._pending = self._pending, []
                self._data = False
                await self._send(batch)
            self._filled.clear()
            self._emptied.set()

    async def _hold_heartbeat(self) -> None:
        deadline = asyncio.get_running_loop().time() + HEARTBEAT_HELD_S * self._chance.randrange(2)
        while not self._data and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self._filled.clear()
            try:
                async with asyncio.timeout(left):
                    await self._filled.wait()
            except TimeoutError:
                return

    async def _send(self, batch: list[tuple[str, Sent | None, int]]) -> None:
        start = 0
        together = max(0.6, 1 - MOST_FRAMES / len(batch))
        while start < len(batch):
            end = start + 1
            while end < len(batch) and self._chance.random() < together:
                end += 1
            if not self._is_live():
                return
            group = batch[start:end]
            for _, sent, put_at in group:
                if sent is not None:
                    self._journal.record(self._connection, put_at, sent)
            await self._write("".join(packet for packet, _, _ in group))
            start = end
