"""Routes of history: bars of a series, requests to fetch some, their jobs, what is known and how it stands."""

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from contracts.history import Series, SyncPriority, SyncRequest, SyncStatus
from contracts.http import BulkSyncBody, JobBody, KnownSymbolsBody, SeriesBody, SyncBody, SyncStatusBody
from query_api.answers import Responses, answer, json_answer, problems
from query_api.auth import GUARDED
from query_api.core import jobs, naming, pages
from query_api.core.ranges import bar_query
from query_api.parameters import BarParameters, Exchange, StatusParameters, Symbol, SymbolParameters
from query_api.ports import Parts, PartsOf
from query_api.problems import ProblemError
from query_api.reading import series_json
from query_api.waiting import wait_for

TAKEN_UP_WITHIN_S = 1.0
"""How long a request that is not waited for is given to appear as a job, so that its link leads somewhere at once."""

router = APIRouter(prefix="/market-data", tags=["market data"])

Idempotency = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="The job's id, of your choice: asking twice with the same one is asking once",
    ),
]
_ACCEPTED: Responses = {202: {"model": JobBody, "description": "Accepted; Location leads to the job"}}


@router.get("/ohlcv/{exchange}/{symbol:path}", response_model=SeriesBody, responses=problems(422, 503))
async def ohlcv(
    exchange: Exchange, symbol: Symbol, parameters: Annotated[BarParameters, Query()], parts: PartsOf
) -> Response:
    """Closed bars of a series whose open time lies in `[start, end)`, newest first unless `sort=asc`.

    Of more than `limit` bars those nearest to `start` are answered if it is given, else the newest. A minute without a
    trade has no bar; a series of which nothing is stored has none, which is no error.
    """
    identity = naming.identity(exchange, symbol)
    interval = naming.interval_of(parameters.interval, "query.interval")
    query = bar_query(parameters.start, parameters.end, parameters.limit, parameters.sort)
    return json_answer(await series_json(parts.store, parts.cache, identity, interval, query))


@router.get("/symbols", response_model=KnownSymbolsBody, responses=problems(422, 503))
async def symbols(parameters: Annotated[SymbolParameters, Query()], parts: PartsOf) -> Response:
    """Symbols that are subscribed or of which bars are stored."""
    after = None if parameters.after is None else naming.symbol_id(parameters.after, "query.after")
    subscribed = parts.wanted.current.sorted()
    stored = await parts.store.symbols(after, parameters.limit + 1)
    return answer(pages.known_symbols(subscribed, stored, after, parameters.limit))


@router.get("/sync-status", response_model=SyncStatusBody, responses=problems(422, 503))
async def sync_status(parameters: Annotated[StatusParameters, Query()], parts: PartsOf) -> Response:
    """Where the sync of each series is that was ever asked for, and what its last one brought."""
    chosen = jobs.status_filter(parameters.exchange, parameters.symbol, parameters.interval)
    after = None if parameters.after is None else jobs.series_after(parameters.after)
    found = await parts.store.sync_statuses(chosen, after, parameters.limit + 1)
    return answer(jobs.status_page(found, parameters.limit))


@router.post(
    "/sync",
    response_model=JobBody,
    responses=_ACCEPTED | problems(401, 409, 413, 422, 502, 503),
    dependencies=[GUARDED],
)
async def sync(body: SyncBody, parts: PartsOf, idempotency_key: Idempotency = None) -> Response:
    """Fetch the newest bars of a series and wait for it; 202 with a link to the job when it takes longer."""
    request = _one(body, idempotency_key, parts)
    await _ask(request, parts)
    job = await wait_for(parts.store, request.request_id, jobs.is_done, parts.sync_timeout_s, parts.stop)
    if job is None or not jobs.is_done(job):
        return _accepted(request, jobs.job_body(job) if job else jobs.unknown_body(request))
    if job.status is SyncStatus.ERROR:
        raise ProblemError(502, jobs.failure(job))
    return answer(jobs.job_body(job))


@router.post(
    "/sync/background",
    status_code=202,
    response_model=JobBody,
    responses=problems(401, 409, 413, 422, 503),
    dependencies=[GUARDED],
)
async def sync_in_background(body: SyncBody, parts: PartsOf, idempotency_key: Idempotency = None) -> Response:
    """Have the newest bars of a series fetched; the link leads to the job."""
    return await _in_background(_one(body, idempotency_key, parts), parts)


@router.post(
    "/sync/bulk",
    status_code=202,
    response_model=JobBody,
    responses=problems(401, 409, 413, 422, 503),
    dependencies=[GUARDED],
)
async def sync_in_bulk(body: BulkSyncBody, parts: PartsOf, idempotency_key: Idempotency = None) -> Response:
    """Have the newest bars of every interval of every symbol fetched; the link leads to a job with one child each."""
    series = naming.all_series(body.symbols, body.intervals)
    request = _request(series, body.n_bars, SyncPriority.BULK, idempotency_key, parts)
    return await _in_background(request, parts)


@router.get("/jobs/{job_id}", response_model=JobBody, responses=problems(404, 422, 503))
async def job(
    job_id: Annotated[str, Path(description="As the answer to the request named it")], parts: PartsOf
) -> Response:
    """Where a sync job is and what it did; a bulk job with those of its series."""
    jobs.request_id(job_id, "job_id")
    found = await parts.store.job(job_id)
    if found is None:
        raise ProblemError(404, f"there is no job {job_id}; one asked for a moment ago may not have been taken up yet")
    return answer(jobs.job_body(found, await parts.store.children(job_id) if jobs.is_parent(found) else ()))


def _one(body: SyncBody, key: str | None, parts: Parts) -> SyncRequest:
    identity = naming.identity(body.exchange, body.symbol)
    series = naming.series_of(identity, naming.interval_of(body.interval, "body.interval"))
    return _request((series,), body.n_bars, SyncPriority.INTERACTIVE, key, parts)


def _request(series: Sequence[Series], bars: int, priority: SyncPriority, key: str | None, parts: Parts) -> SyncRequest:
    return SyncRequest(
        request_id=uuid4().hex if key is None else jobs.request_id(key, "Idempotency-Key"),
        priority=priority,
        series=tuple(series),
        bars=bars,
        requested_at=parts.now_ms(),
    )


async def _ask(request: SyncRequest, parts: Parts) -> None:
    """Put the request on its topic, unless a job of its id has been taken up; 409 if that one is for something else."""
    known = await parts.store.job(request.request_id)
    if known is None:
        await parts.commands.sync(request)
    elif not jobs.is_same(known, request):
        raise ProblemError(409, f"the Idempotency-Key {request.request_id} was used for something else: take another")


async def _in_background(request: SyncRequest, parts: Parts) -> Response:
    await _ask(request, parts)
    job = await wait_for(parts.store, request.request_id, lambda _: True, TAKEN_UP_WITHIN_S, parts.stop)
    return _accepted(request, jobs.job_body(job) if job else jobs.unknown_body(request))


def _accepted(request: SyncRequest, body: JobBody) -> Response:
    return answer(body, 202, {"Location": f"/market-data/jobs/{request.request_id}"})
