"""Which bars of a series a query asks for, and the name under which its answer is cached."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.base import MAX_MS
from contracts.http import ProblemCode
from query_api.core.instants import instant_of
from query_api.core.refusal import refuse

DEFAULT_LIMIT = 500
MAX_LIMIT = 5_000


class Sort(StrEnum):
    """In which order of time bars are answered."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@dataclass(frozen=True, slots=True)
class BarQuery:
    """At most `limit` bars whose open time lies in `[start, end)`, milliseconds.

    Of more than `limit`, those nearest to `start` are meant if it is given, else the newest; `sort` only orders them.
    """

    start: int | None
    end: int | None
    limit: int
    sort: Sort

    @property
    def from_start(self) -> bool:
        """Whether the bars nearest to the start of the range are meant."""
        return self.start is not None

    @property
    def field(self) -> str:
        """The field of the series' hash in the cache that holds the answer: equal for queries that mean the same."""
        return f"{_text(self.start)}|{_text(self.end)}|{self.limit}|{self.sort.value}"


def bar_query(start: str | None, end: str | None, limit: int, sort: Sort) -> BarQuery:
    """The query behind the parameters of a request."""
    first = None if start is None else instant_of(start, "start")
    last = None if end is None else instant_of(end, "end")
    if first is not None and (MAX_MS if last is None else last) <= first:
        raise refuse(
            ProblemCode.INVALID_RANGE,
            "end",
            "end must be later than start: the range holds bars with start <= open_time < end",
        )
    return BarQuery(first, last, limit, sort)


def _text(instant: int | None) -> str:
    return "" if instant is None else str(instant)
