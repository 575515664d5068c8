"""The API in memory: its whole HTTP surface over parts that are plain values, asked through httpx."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

import httpx
from fastapi import FastAPI

from chassis.probes import Readiness
from chassis.stop import Stop
from contracts import wire
from contracts.errors import Unavailable
from contracts.feed import Subscription
from contracts.history import SyncRequest
from contracts.intervals import DAY, Interval
from contracts.jobs import Job, SeriesStatus
from contracts.symbols import SymbolId
from query_api.core.desired import Control, Statuses, Wanted
from query_api.core.pages import order
from query_api.core.ranges import BarQuery, Sort
from query_api.ports import Cached, Parts
from query_api.surface import surface

KEY = "the key of this test"
NOW = 1_769_860_800_000  # 2026-01-31T12:00:00Z
T = TypeVar("T")


@dataclass
class MemoryStore:
    """Bars by series, newest last; `is_away` has every read raise."""

    series: dict[tuple[SymbolId, Interval], list[wire.Bar]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    statuses: list[SeriesStatus] = field(default_factory=list)
    is_away: bool = False
    bug: Exception | None = None

    async def bars(self, identity: SymbolId, interval: Interval, query: BarQuery) -> list[wire.Bar]:
        self._look()
        found = [
            bar
            for bar in self.series.get((identity, interval), [])
            if (query.start is None or bar.open_time >= query.start)
            and (query.end is None or bar.open_time < query.end)
        ]
        found = found[: query.limit] if query.from_start else found[-query.limit :]
        return found if query.sort is Sort.ASCENDING else found[::-1]

    async def symbols(self, after: SymbolId | None, limit: int) -> list[SymbolId]:
        self._look()
        known = sorted({identity for identity, _ in self.series}, key=order)
        return [one for one in known if after is None or order(one) > order(after)][:limit]

    async def job(self, job_id: str) -> Job | None:
        self._look()
        return self.jobs.get(job_id)

    async def children(self, parent_id: str) -> list[Job]:
        self._look()
        return [job for job in self.jobs.values() if job.parent_id == parent_id]

    async def sync_statuses(self, chosen: Mapping[str, str], after: str | None, limit: int) -> list[SeriesStatus]:
        self._look()
        found = [one for one in self.statuses if all(getattr(one, name) == value for name, value in chosen.items())]
        found.sort(key=lambda one: str(one.series))
        return [one for one in found if after is None or str(one.series) > after][:limit]

    def _look(self) -> None:
        if self.bug:
            raise self.bug
        if self.is_away:
            raise Unavailable("MongoDB", "mongodb://somebody:secret@db does not answer")


@dataclass
class MemoryCache:
    """What Redis would hold; `is_away` has quotes raise and answers be absent."""

    answers: dict[str, bytes] = field(default_factory=dict)
    latest: dict[SymbolId, bytes] = field(default_factory=dict)
    bars: dict[tuple[SymbolId, Interval], bytes] = field(default_factory=dict)
    is_away: bool = False

    async def answer(self, identity: SymbolId, interval: Interval, field: str) -> Cached | None:
        return None if self.is_away else Cached(self.answers.get(f"{identity}|{interval}|{field}"), b"")

    async def keep(self, identity: SymbolId, interval: Interval, field: str, body: bytes, generation: bytes) -> None:
        self.answers[f"{identity}|{interval}|{field}"] = body

    async def quotes(self, identities: Sequence[SymbolId]) -> dict[SymbolId, bytes | None]:
        self._look()
        return {identity: self.latest.get(identity) for identity in identities}

    async def forming(self, identity: SymbolId, interval: Interval) -> bytes | None:
        self._look()
        return self.bars.get((identity, interval))

    def _look(self) -> None:
        if self.is_away:
            raise Unavailable("Redis")


class Followed(Generic[T]):
    """A topic that has been read, or not when `is_away`."""

    def __init__(self, fold: T) -> None:
        self.fold = fold
        self.is_away = False

    @property
    def current(self) -> T:
        if self.is_away:
            raise Unavailable("Kafka")
        return self.fold

    async def until(self, holds: Callable[[T], bool], within_s: float) -> bool:
        return holds(self.current)


@dataclass
class MemoryCommands:
    """Commands that take effect at once; what is asked of history-sync is noted, and done by `worker`."""

    wanted: Wanted
    control: Control
    worker: Callable[[SyncRequest], None] = lambda _: None
    requests: list[SyncRequest] = field(default_factory=list)
    is_away: bool = False

    async def sync(self, request: SyncRequest) -> None:
        self._look()
        self.requests.append(request)
        self.worker(request)

    async def run_feed(self, running: bool) -> None:
        self._look()
        self.control.is_running = running

    async def subscribe(self, identities: Sequence[SymbolId]) -> None:
        self._look()
        for one in identities:
            subscription = Subscription(exchange=one.exchange, symbol=one.symbol, wanted_at=NOW)
            self.wanted.apply(one.key, subscription.encode())

    async def unsubscribe(self, identities: Sequence[SymbolId]) -> None:
        self._look()
        for one in identities:
            self.wanted.apply(one.key, None)

    def _look(self) -> None:
        if self.is_away:
            raise Unavailable("Kafka")


class MemoryApi:
    """The API and everything behind it; `get` and `post` ask it as a caller does."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.cache = MemoryCache()
        self.wanted = Followed(Wanted())
        self.control = Followed(Control())
        self.statuses = Followed(Statuses())
        self.commands = MemoryCommands(self.wanted.fold, self.control.fold)
        self.ready = Readiness(("Kafka",))
        self.app = _app()
        self.app.state.parts = Parts(
            store=self.store,
            cache=self.cache,
            commands=self.commands,
            wanted=self.wanted,
            control=self.control,
            statuses=self.statuses,
            ready=self.ready,
            stop=Stop(),
            api_key=KEY,
            sync_timeout_s=0.05,
            now_ms=lambda: NOW,
        )

    async def get(self, path: str, **arguments: object) -> httpx.Response:
        return await self.ask("GET", path, **arguments)

    async def post(self, path: str, **arguments: object) -> httpx.Response:
        """With the key, unless other headers are given."""
        return await self.ask("POST", path, **{"headers": {"X-API-Key": KEY}, **arguments})

    async def ask(self, method: str, path: str, **arguments: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://api") as client:
            return await client.request(method, path, **arguments)  # type: ignore[arg-type]


@cache
def _app() -> FastAPI:
    """One surface for all tests: it holds nothing but the parts that each of them sets."""
    return surface()


def subscribe(api: MemoryApi, *names: str) -> None:
    """Have symbols wanted before a test begins."""
    for name in names:
        one = SymbolId.parse(name)
        api.wanted.fold.apply(one.key, Subscription(exchange=one.exchange, symbol=one.symbol, wanted_at=NOW).encode())


def minute_bars(identity: SymbolId, count: int, first: int = NOW) -> list[wire.Bar]:
    """So many 1m bars one after the other."""
    return [
        wire.Bar(
            exchange=identity.exchange, symbol=identity.symbol, interval="1m", open_time=at, close_time=at + 60_000,
            trading_day=at - at % DAY, open=1.0, high=2.0, low=0.5, close=1.5, volume=1.0, tick_count=3, origin="ticks",
        )
        for at in range(first, first + count * 60_000, 60_000)
    ]  # fmt: skip
