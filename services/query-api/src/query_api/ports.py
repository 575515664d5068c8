"""What the routes need of the world: the parts behind the API, as they are chosen in `query_api.app`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Request

from chassis.probes import Readiness
from chassis.stop import Stop
from contracts import wire
from contracts.history import SyncRequest
from contracts.intervals import Interval
from contracts.jobs import Job, SeriesStatus
from contracts.symbols import SymbolId
from query_api.core.desired import Control, Statuses, Wanted
from query_api.core.ranges import BarQuery

T = TypeVar("T")
F_co = TypeVar("F_co", covariant=True)


class Store(Protocol):
    """What is stored; every method raises `Unavailable` when it cannot be read in time."""

    async def bars(self, identity: SymbolId, interval: Interval, query: BarQuery) -> list[wire.Bar]:
        """The bars that a query means, in its order."""

    async def symbols(self, after: SymbolId | None, limit: int) -> list[SymbolId]:
        """Symbols of which bars are stored, in the order of `query_api.core.pages`, beginning after one of them."""

    async def job(self, job_id: str) -> Job | None:
        """A job by its id."""

    async def children(self, parent_id: str) -> list[Job]:
        """The jobs of the series of a bulk job, in the order in which they were asked for."""

    async def sync_statuses(self, chosen: Mapping[str, str], after: str | None, limit: int) -> list[SeriesStatus]:
        """Statuses of the series that have these fields, by `_id`, beginning after one of them."""


@dataclass(frozen=True, slots=True)
class Cached:
    """What the cache holds for a query (None if nothing), and the generation of its series at that moment."""

    body: bytes | None
    generation: bytes


class Cache(Protocol):
    """Answers of series, quotes and forming bars."""

    async def answer(self, identity: SymbolId, interval: Interval, field: str) -> Cached | None:
        """The cached answer; None when the cache is away."""

    async def keep(self, identity: SymbolId, interval: Interval, field: str, body: bytes, generation: bytes) -> None:
        """Keep an answer unless its series moved on since that generation; harmless when the cache is away."""

    async def quotes(self, identities: Sequence[SymbolId]) -> dict[SymbolId, bytes | None]:
        """The latest quote of each symbol as JSON; raises `Unavailable`."""

    async def forming(self, identity: SymbolId, interval: Interval) -> bytes | None:
        """The forming bar as JSON; raises `Unavailable`."""


class Commands(Protocol):
    """Commands, each safe on its topic when the call returns; every one may be repeated. Raises `Unavailable`."""

    async def sync(self, request: SyncRequest) -> None: ...
    async def run_feed(self, running: bool) -> None: ...
    async def subscribe(self, identities: Sequence[SymbolId]) -> None: ...
    async def unsubscribe(self, identities: Sequence[SymbolId]) -> None: ...


class Followed(Protocol[F_co]):
    """A compacted topic as this process has read it so far."""

    @property
    def current(self) -> F_co:
        """The fold of its records; raises `Unavailable` before the topic was read to its end for the first time."""

    async def until(self, holds: Callable[[F_co], bool], within_s: float) -> bool:
        """Wait until the fold fulfils a condition, or this long; whether it does."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the routes stand on."""

    store: Store
    cache: Cache
    commands: Commands
    wanted: Followed[Wanted]
    control: Followed[Control]
    statuses: Followed[Statuses]
    ready: Readiness
    stop: Stop
    api_key: str
    sync_timeout_s: float
    now_ms: Callable[[], int]


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves a request."""
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]
