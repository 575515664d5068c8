"""The latest quotes in Redis: conflated, many at once, best effort. Touches Redis; its loss changes nothing else."""

import asyncio
from collections.abc import Iterable, Iterator

from redis.asyncio import Redis

from chassis.redis import BestEffort
from chassis.stop import Stop
from contracts.cache import QUOTE_REWRITE_S, QUOTE_TTL_S, quote_key
from contracts.symbols import SymbolId
from ingest_ws import metrics
from ingest_ws.core.feed import Feed

FLUSH_S = 0.25
MOST_AT_ONCE = 1_000
WRITE = """
for i, key in ipairs(KEYS) do redis.call("SET", key, ARGV[i + 1], "EX", ARGV[1]) end
return #KEYS
"""
"""Many quotes by one command: the client spends more on an answer for each than on all the rest of a quote."""


class QuotesCache:
    """Writes a quote at most once a `FLUSH_S`, and again every 20 s while its symbol is covered."""

    def __init__(self, redis: Redis, feed: Feed) -> None:
        self._redis = redis
        self._feed = feed
        self._best_effort = BestEffort()
        self._written: dict[str, float] = {}
        self._gone: set[str] = set()

    def forget(self, names: Iterable[str]) -> None:
        """Delete the quotes of symbols that nobody wants any more."""
        for name in names:
            self._gone.add(name)
            self._written.pop(name, None)

    async def run(self, stop: Stop) -> None:
        """Until the process shall end."""
        while not await stop.sleep(FLUSH_S):
            await self.flush()

    async def flush(self) -> None:
        """Write and delete what is due; what fails is due again."""
        clock = asyncio.get_running_loop().time()
        due = self._feed.changed_quotes | self._stale(clock)
        self._feed.changed_quotes = set()
        for names in _portions(sorted(due)):
            if not await self._write(names, clock):
                self._feed.changed_quotes |= due & self._feed.symbols.keys()
                return
        gone = set(self._gone)
        for names in _portions(sorted(gone - self._feed.symbols.keys())):
            if (
                await self._best_effort(self._redis.delete(*(quote_key(SymbolId.parse(name)) for name in names)))
                is None
            ):
                return
        self._gone -= gone

    def _stale(self, clock: float) -> set[str]:
        return {
            name
            for name, served in self._feed.symbols.items()
            if served.feed.is_covered and clock - self._written.get(name, 0.0) >= QUOTE_REWRITE_S
        }

    async def _write(self, names: list[str], clock: float) -> bool:
        keys: list[str] = []
        values: list[bytes] = []
        for name in names:
            served = self._feed.symbols.get(name)
            if served is None or not served.feed.is_covered:
                continue
            keys.append(quote_key(served.feed.identity))
            values.append(served.feed.quote().encode())
            self._written[name] = clock
        if not keys:
            return True
        written = await self._best_effort(self._redis.eval(WRITE, len(keys), *keys, QUOTE_TTL_S, *values))
        if written is None:
            return False
        metrics.QUOTES.inc(len(keys))
        return True


def _portions(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), MOST_AT_ONCE):
        yield names[start : start + MOST_AT_ONCE]
