"""Routes of live quotes: the feed's desired state, latest quotes, forming bars, the feed's status."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from chassis import logs
from contracts.errors import BadData
from contracts.http import (
    CurrentBarBody,
    FeedBody,
    FeedStatusBody,
    QuoteBody,
    QuotesBody,
    SymbolsBody,
    WantedBody,
)
from contracts.symbols import SymbolId
from query_api.answers import answer, json_answer, problems
from query_api.auth import GUARDED
from query_api.core import bars, naming
from query_api.core import quotes as shapes
from query_api.parameters import Exchange, IntervalText, Symbol
from query_api.ports import Parts, PartsOf
from query_api.problems import ProblemError

READ_BACK_WITHIN_S = 2.0
"""How long a command waits to be seen by this replica itself, so that the next read here knows of it."""

router = APIRouter(prefix="/quotes", tags=["quotes"])
_log = logs.get("query_api.quotes")


@router.post("/start", response_model=FeedBody, responses=problems(401, 503), dependencies=[GUARDED])
async def start(parts: PartsOf) -> Response:
    """Have the feed run: every replica of ingest-ws connects and serves the subscribed symbols."""
    return await _run_feed(parts, True)


@router.post("/stop", response_model=FeedBody, responses=problems(401, 503), dependencies=[GUARDED])
async def stop(parts: PartsOf) -> Response:
    """Have the feed stop; subscriptions are kept."""
    return await _run_feed(parts, False)


@router.post("/subscribe", response_model=WantedBody, responses=problems(401, 413, 422, 503), dependencies=[GUARDED])
async def subscribe(body: SymbolsBody, parts: PartsOf) -> Response:
    """Add symbols to those that the feed serves; the answer has the complete set after it. All or none is accepted."""
    identities = naming.symbol_ids(body.symbols)
    before = set(parts.wanted.current.sorted())
    await parts.commands.subscribe(identities)
    await parts.wanted.until(lambda wanted: all(one in wanted for one in identities), READ_BACK_WITHIN_S)
    return _wanted(identities, before | {*parts.wanted.current.sorted(), *identities})


@router.post("/unsubscribe", response_model=WantedBody, responses=problems(401, 413, 422, 503), dependencies=[GUARDED])
async def unsubscribe(body: SymbolsBody, parts: PartsOf) -> Response:
    """Take symbols from those that the feed serves; the answer has the complete set after it.

    A symbol that was not subscribed is accepted too: it is not, afterwards.
    """
    identities = naming.symbol_ids(body.symbols)
    _ = parts.wanted.current  # 503 before anything is sent, while the set is not known
    await parts.commands.unsubscribe(identities)
    await parts.wanted.until(lambda wanted: all(one not in wanted for one in identities), READ_BACK_WITHIN_S)
    return _wanted(identities, set(parts.wanted.current.sorted()) - set(identities))


@router.get("/latest/{exchange}/{symbol:path}", response_model=QuoteBody, responses=problems(404, 422, 503))
async def latest(exchange: Exchange, symbol: Symbol, parts: PartsOf) -> Response:
    """The latest quote of a symbol: what is known of it by all updates so far."""
    identity = naming.identity(exchange, symbol)
    found, _, faults = shapes.readable(await parts.cache.quotes([identity]))
    _tell(faults)
    if not found:
        raise ProblemError(404, f"there is no quote of {identity}: {_why_absent(parts, identity)}")
    return answer(found[0])


@router.get("/all", response_model=QuotesBody, responses=problems(503))
async def all_quotes(parts: PartsOf) -> Response:
    """The latest quotes of all subscribed symbols, and which of them have none at the moment."""
    found, missing, faults = shapes.readable(await parts.cache.quotes(parts.wanted.current.sorted()))
    _tell(faults)
    return answer(
        QuotesBody(count=len(found), quotes=tuple(found), missing=tuple(str(identity) for identity in missing))
    )


@router.get("/current-bar/{exchange}/{symbol:path}", response_model=CurrentBarBody, responses=problems(404, 422, 503))
async def current_bar(
    exchange: Exchange, symbol: Symbol, parts: PartsOf, interval: Annotated[IntervalText, Query()] = "1m"
) -> Response:
    """The bar of a symbol that is still forming, as last published; `gap_ms` is what of it nothing covered."""
    identity = naming.identity(exchange, symbol)
    chosen = naming.interval_of(interval, "query.interval")
    raw = await parts.cache.forming(identity, chosen)
    if raw is not None:
        try:
            return json_answer(bars.encode(bars.current_bar(identity, chosen, bars.forming_bar(raw))))
        except BadData as fault:
            _tell([fault])
    raise ProblemError(404, f"no {chosen} bar of {identity} is forming: {_why_absent(parts, identity)}")


@router.get("/status", response_model=FeedStatusBody, responses=problems(503))
async def status(parts: PartsOf) -> Response:
    """Whether the feed is wanted to run, how it stands with every symbol, and which replicas report on how many."""
    return answer(
        shapes.feed_status(parts.control.current, parts.wanted.current, parts.statuses.current, parts.now_ms())
    )


async def _run_feed(parts: Parts, running: bool) -> Response:
    _ = parts.control.current  # 503 before anything is sent, while it cannot be read back
    await parts.commands.run_feed(running)
    await parts.control.until(lambda control: control.is_running is running, READ_BACK_WITHIN_S)
    return answer(FeedBody(running=running))


def _wanted(accepted: Sequence[SymbolId], complete: set[SymbolId]) -> Response:
    names = sorted(map(str, complete))
    return answer(WantedBody(accepted=tuple(map(str, accepted)), count=len(names), symbols=tuple(names)))


def _why_absent(parts: Parts, identity: SymbolId) -> str:
    if identity not in parts.wanted.current:
        return "the symbol is not subscribed; POST /quotes/subscribe subscribes it"
    if not parts.control.current.is_running:
        return "the symbol is subscribed, but the feed is stopped; POST /quotes/start starts it"
    return "the symbol is subscribed, but nothing has come of it lately; GET /quotes/status has its state"


def _tell(faults: Sequence[BadData]) -> None:
    for fault in faults:
        _log.error("a cached value is unreadable", cause=fault.cause)
