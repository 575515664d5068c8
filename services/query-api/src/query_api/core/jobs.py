"""Sync jobs and the status of series, as callers ask for them and as they are served."""

import re
from collections.abc import Sequence

from contracts.errors import BadData
from contracts.history import SyncRequest, SyncStatus
from contracts.http import ChildJobBody, JobBody, ProblemCode, SeriesStatusBody, SyncStatusBody
from contracts.intervals import rfc3339
from contracts.jobs import Job, SeriesStatus
from contracts.symbols import SymbolId
from query_api.core import naming
from query_api.core.bars import time_of
from query_api.core.refusal import refuse

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


def request_id(text: str, where: str) -> str:
    """The id of a request; the quotes of a structured header (RFC 8941) are understood."""
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else text
    if _REQUEST_ID.fullmatch(bare) is None:
        raise refuse(
            ProblemCode.INVALID_REQUEST, where, f"{where} must be 1 to 100 letters, digits, dots, dashes, _ or :"
        )
    return bare


def is_done(job: Job) -> bool:
    """Whether a job has ended, well or not."""
    return job.is_done


def is_parent(job: Job) -> bool:
    """Whether a job stands for several series."""
    return job.series is None


def is_same(job: Job, request: SyncRequest) -> bool:
    """Whether a job is what this request asks for; of a bulk job its size is compared."""
    if len(request.series) == 1:
        return job.series == request.series[0] and job.bars == request.bars
    return is_parent(job) and job.series_count == len(request.series) and job.bars == request.bars


def job_body(job: Job, children: Sequence[Job] = ()) -> JobBody:
    """A job as it is served."""
    return JobBody(
        job_id=job.job_id,
        status=job.status,
        exchange=job.series.exchange if job.series else None,
        symbol=job.series.symbol if job.series else None,
        interval=job.series.interval.value if job.series else None,
        bars_fetched=job.bars_fetched,
        bars_written=job.bars_written,
        first_open_time=time_of(job.first_open_time),
        last_open_time=time_of(job.last_open_time),
        bars_rejected=job.bars_rejected,
        rejected_detail=job.rejected_detail,
        bars_off_grid=job.bars_off_grid,
        off_grid_detail=job.off_grid_detail,
        requested_at=rfc3339(job.requested_at),
        finished_at=time_of(job.finished_at),
        error_code=job.error_code,
        error_detail=job.error_detail,
        children=tuple(
            ChildJobBody(
                job_id=child.job_id,
                exchange=child.series.exchange,
                symbol=child.series.symbol,
                interval=child.series.interval.value,
                status=child.status,
                bars_rejected=child.bars_rejected,
                bars_off_grid=child.bars_off_grid,
                error_detail=child.error_detail,
            )
            for child in children
            if child.series is not None
        ),
    )


def unknown_body(request: SyncRequest) -> JobBody:
    """The job of a request that is safe on its topic and has not been taken up yet."""
    only = request.series[0] if len(request.series) == 1 else None
    return JobBody(
        job_id=request.request_id,
        status=SyncStatus.PENDING,
        exchange=only.exchange if only else None,
        symbol=only.symbol if only else None,
        interval=only.interval.value if only else None,
        requested_at=rfc3339(request.requested_at),
    )


def failure(job: Job) -> str:
    """Why a job failed, in a sentence with the provider's own cause."""
    what = f"the sync of {job.series}" if job.series else "the sync"
    return f"{what} failed ({job.error_code or 'unknown'}): {job.error_detail or 'no cause is known'}"


def status_filter(exchange: str | None, symbol: str | None, interval: str | None) -> dict[str, str]:
    """What series are asked for, by field of their documents; a symbol may also be the whole identity."""
    found: dict[str, str] = {}
    if symbol is not None and (":" in symbol or exchange is not None):
        identity = naming.symbol_id(symbol, "query.symbol") if exchange is None else naming.identity(exchange, symbol)
        found = {"exchange": identity.exchange, "symbol": identity.symbol}
    elif symbol is not None:
        found = {"symbol": _part("X", symbol, "query.symbol").symbol}
    elif exchange is not None:
        found = {"exchange": _part(exchange, "X", "query.exchange").exchange}
    if interval is not None:
        found["interval"] = naming.interval_of(interval, "query.interval").value
    return found


def series_after(text: str) -> str:
    """The `_id` of the series that a page of statuses begins after."""
    name, _, interval = text.rpartition("|")
    return f"{naming.symbol_id(name, 'query.after')}|{naming.interval_of(interval, 'query.after').value}"


def status_page(found: Sequence[SeriesStatus], limit: int) -> SyncStatusBody:
    """One page of at most `limit` statuses, of those found from its beginning on (`limit + 1` if there are more)."""
    page = found[:limit]
    return SyncStatusBody(
        count=len(page),
        series=tuple(_status_body(status) for status in page),
        next=str(page[-1].series) if len(found) > limit else None,
    )


def _status_body(status: SeriesStatus) -> SeriesStatusBody:
    return SeriesStatusBody(
        exchange=status.exchange,
        symbol=status.symbol,
        interval=status.interval.value,
        status=status.status,
        job_id=status.job_id,
        bars_fetched=status.bars_fetched,
        bars_written=status.bars_written,
        first_open_time=time_of(status.first_open_time),
        last_open_time=time_of(status.last_open_time),
        bars_rejected=status.bars_rejected,
        rejected_detail=status.rejected_detail,
        bars_off_grid=status.bars_off_grid,
        off_grid_detail=status.off_grid_detail,
        error_code=status.error_code,
        error_detail=status.error_detail,
        updated_at=rfc3339(status.updated_at),
    )


def _part(exchange: str, symbol: str, where: str) -> SymbolId:
    """An identity of which only one part was given, to judge and to write that part in upper case."""
    try:
        return SymbolId.parse(f"{exchange}:{symbol}")
    except BadData:
        given = symbol if where.endswith("symbol") else exchange
        raise refuse(
            ProblemCode.INVALID_SYMBOL, where, f"{given[:64]!r} is not {where.rpartition('.')[2]} of a symbol"
        ) from None
