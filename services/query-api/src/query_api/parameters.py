"""Parameters that several routes share; what they mean is judged in the core."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from query_api.core.pages import DEFAULT_SYMBOLS, MAX_SYMBOLS
from query_api.core.ranges import DEFAULT_LIMIT, MAX_LIMIT, Sort

Exchange = Annotated[str, Path(description="Where it trades", examples=["BINANCE"])]
Symbol = Annotated[
    str,
    Path(description="Its ticker, URL-encoded where needed: `CL1%21`; `BAC%2FPL` or `BAC/PL`", examples=["BTCUSDT"]),
]
IntervalText = Annotated[
    str, Field(description="1m 3m 5m 15m 30m 45m 1h 2h 3h 4h 1d 1w 1M, or a common other spelling", examples=["1m"])
]

_INSTANT = "RFC 3339, a date, or seconds or milliseconds since 1970 (negative before)"


class Query(BaseModel):
    """Parameters of a query; unknown ones are refused, so that a misspelled one is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BarParameters(Query):
    """Which bars of a series."""

    interval: IntervalText = "1d"
    start: Annotated[str | None, Field(description=f"First open time, inclusive: {_INSTANT}")] = None
    end: Annotated[str | None, Field(description=f"End of open times, exclusive: {_INSTANT}")] = None
    limit: Annotated[
        int, Field(ge=1, le=MAX_LIMIT, description="At most so many: from start on if it is given, else the newest")
    ] = DEFAULT_LIMIT
    sort: Annotated[Sort, Field(description="`asc` or `desc`, by open time")] = Sort.DESCENDING


class SymbolParameters(Query):
    """Which page of the known symbols."""

    after: Annotated[str | None, Field(description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_SYMBOLS)] = DEFAULT_SYMBOLS


class StatusParameters(Query):
    """Which series, and which page of them."""

    exchange: Annotated[str | None, Field(description="Only series of this exchange")] = None
    symbol: Annotated[str | None, Field(description="Only series of this symbol")] = None
    interval: Annotated[str | None, Field(description="Only series of this interval")] = None
    after: Annotated[str | None, Field(description="`next` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
