"""market.forming into Redis: `bar:current:…` of each symbol and interval, never an older one over a newer one."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from aggregator.sink import metrics
from chassis import clock
from chassis.kafka.batches import PutAside
from chassis.record import Record
from chassis.redis import BestEffort
from contracts import wire
from contracts.cache import FORMING_TTL_S, forming_key
from contracts.errors import BadData
from contracts.intervals import Interval
from contracts.symbols import SymbolId

_SCRIPT = """
local sequence, ttl = tonumber(ARGV[1]), ARGV[2]
local written = 0
for i, key in ipairs(KEYS) do
  local open_time, bar = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local stored = redis.call('HMGET', key, 'open_time', 'sequence')
  local stored_open, stored_sequence = tonumber(stored[1] or ''), tonumber(stored[2] or '')
  local opened = tonumber(open_time)
  if not stored_open or opened > stored_open or (opened == stored_open and sequence >= (stored_sequence or 0)) then
    redis.call('HSET', key, 'bar', bar, 'open_time', open_time, 'sequence', ARGV[1])
    redis.call('PEXPIRE', key, ttl)
    written = written + 1
  end
end
return written
"""
"""Writes each hash unless it holds a later bar, or the same with a later observation. Numbers are exact up to 2^53."""

_AT_ONCE = 500
_TTL_MS = FORMING_TTL_S * 1000


class Fresh(NamedTuple):
    """The newest forming bars of a symbol in a batch, by interval, and how long they are worth keeping."""

    sequence: int
    ttl_ms: int
    bars: dict[Interval, wire.FormingBar]


class FormingStore:
    """Handles batches of market.forming, best effort: what Redis misses while it is away, the next change repairs."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._best_effort = BestEffort()

    async def handle(self, records: Sequence[Record], put_aside: PutAside) -> None:
        """Write the newest of each symbol; the caller then commits, whether or not Redis answered."""
        newest = list(newest_of(records, put_aside, clock.now_ms()).items())
        for start in range(0, len(newest), _AT_ONCE):
            chunk = newest[start : start + _AT_ONCE]
            with metrics.REDIS.labels("forming").time():
                done = await self._best_effort(self._write(chunk))
            metrics.FORMING.labels("lost" if done is None else "sent").inc(len(chunk))

    async def _write(self, symbols: Iterable[tuple[SymbolId, Fresh]]) -> bool:
        async with self._redis.pipeline(transaction=False) as pipe:
            for identity, fresh in symbols:
                values: list[int | bytes] = [fresh.sequence, fresh.ttl_ms]
                for bar in fresh.bars.values():
                    values += (bar.open_time, wire.encode(bar))
                keys = [forming_key(identity, interval) for interval in fresh.bars]
                await self._script(keys=keys, args=values, client=pipe)
            await pipe.execute()
        return True


def newest_of(records: Sequence[Record], put_aside: PutAside, now: int) -> dict[SymbolId, Fresh]:
    """The forming bars of each symbol's highest sequence, without those that would have expired by `now` (ms)."""
    newest: dict[SymbolId, Fresh] = {}
    conflated = expired = 0
    for record in records:
        try:
            identity, forming, bars = _read(record)
        except BadData as error:
            put_aside(record, error)
            continue
        ttl_ms = min(_TTL_MS, record.timestamp + _TTL_MS - now)
        if ttl_ms <= 0 or not bars:
            expired += 1
            continue
        other = newest.get(identity)
        conflated += other is not None
        if other is None or forming.sequence >= other.sequence:
            newest[identity] = Fresh(forming.sequence, ttl_ms, bars)
    metrics.FORMING.labels("conflated").inc(conflated)
    metrics.FORMING.labels("expired").inc(expired)
    return newest


def _read(record: Record) -> tuple[SymbolId, wire.Forming, dict[Interval, wire.FormingBar]]:
    """A record's symbol, value, and its latest bar of each interval; `BadData` if it is no forming record."""
    if record.key is None or record.value is None:
        raise BadData("a forming record has a key and a value", kind="undecodable")
    identity = SymbolId.of_key(record.key)
    try:
        forming = wire.decode_forming(record.value)
    except wire.UNDECODABLE as error:
        raise wire.fault_of(error) from None
    if (forming.exchange, forming.symbol) != identity:
        raise BadData("the key names another symbol", kind="key_mismatch")
    bars: dict[Interval, wire.FormingBar] = {}
    for bar in forming.bars:
        interval = Interval.parse(bar.interval)
        if interval not in bars or bars[interval].open_time <= bar.open_time:
            bars[interval] = bar
    return identity, forming, bars
