"""What MongoDB holds: collections, indexes, the document of a bar and the guard under which it may be written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contracts.bars import Bar, rank
from contracts.base import first_fault
from contracts.errors import BadData
from contracts.history import Series
from contracts.intervals import Interval
from contracts.symbols import SymbolId

DATABASE = "candlewick"
OHLCV = "ohlcv"
SYNC_STATUS = "sync_status"
SYMBOLS = "symbols"
JOBS = "jobs"
COVERAGE = "coverage"
PARITY = "parity"
SCHEDULES = "schedules"
API_KEYS = "api_keys"
CONTRACT = "contract"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Index:
    """An index a collection must have: fields with 1 or -1, in order; with `only`, of the documents that match it."""

    collection: str
    name: str
    keys: tuple[tuple[str, int], ...]
    is_unique: bool = False
    only: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoreVersion:
    """What a database holds, as a document of `contract`: `{_id: name, version}`, written while it is still empty.

    A database that holds documents in `collections` without this document, or another version, is of another contract:
    whoever uses it refuses to start and prints `remedy`.
    """

    name: str
    version: int
    collections: tuple[str, ...]
    remedy: str

    @property
    def document(self) -> Document:
        return {"_id": self.name, "version": self.version}


BARS_VERSION = StoreVersion(
    name="bars",
    version=2,
    collections=(OHLCV,),
    remedy='on one machine `make clean` deletes all data; elsewhere `mongosh "$MONGODB_URL" --eval '
    "'db.getSiblingDB(\"{database}\").dropDatabase()'` deletes this database. Bars are fetched and folded anew",
)

INDEXES = (
    Index(
        OHLCV,
        "series_by_time",
        (("symbol", 1), ("exchange", 1), ("interval", 1), ("open_time", -1)),
        is_unique=True,
    ),
    Index(SYNC_STATUS, "series", (("symbol", 1), ("exchange", 1), ("interval", 1)), is_unique=True),
    Index(JOBS, "queue", (("status", 1), ("priority", 1), ("requested_at", 1))),
    Index(
        JOBS,
        "one_active_job_per_series",
        (("series", 1),),
        is_unique=True,
        only={"status": "syncing", "series": {"$type": "string"}},
    ),
    Index(JOBS, "untold", (("finished_at", 1),), only={"untold": True}),
    Index(JOBS, "parent", (("parent_id", 1),)),
)

_RANK_FIELDS = (
    "origin", "revision", "covered", "tick_count", "close", "high", "low", "open", "volume", "first", "last",
    "close_time", "trading_day", "delay", "reason",
)  # fmt: skip


def ohlcv_id(identity: SymbolId, interval: Interval, open_time: int) -> str:
    """The `_id` of a bar: `EX:SYM|interval|open_ms`."""
    return f"{identity}|{interval.value}|{open_time}"


def series_id(series: Series) -> str:
    """The `_id` of a series' sync status: `EX:SYM|interval`."""
    return str(series)


def ohlcv_document(bar: Bar) -> Document:
    """The stored form of a bar: its fields, its `_id`, and its `rank` as a subdocument that sorts as `bars.rank`."""
    document: Document = {"_id": ohlcv_id(bar.identity, bar.interval, bar.open_time)}
    document |= bar.model_dump(mode="json")
    document["rank"] = dict(zip(_RANK_FIELDS, rank(bar), strict=True))
    return document


def outranked_by(document: Document) -> Document:
    """The filter that a stored bar passes only if this document outranks it.

    MongoDB compares subdocuments field by field in their order, so `rank` compares as the tuple in `bars.rank`.
    """
    return {"rank": {"$lt": document["rank"]}}


def bar_of(document: Mapping[str, Any]) -> Bar:
    """The bar that a stored document holds; `BadData` if it holds none."""
    fields = {name: value for name, value in document.items() if name not in {"_id", "rank"}}
    try:
        return Bar.model_validate(fields, strict=False, extra="ignore")
    except ValidationError as error:
        raise BadData(first_fault(error), kind="undecodable") from None
