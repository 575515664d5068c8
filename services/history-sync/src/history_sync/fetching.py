"""One fetch in a thread of the pool, from the provider's rows to documents; its deadline holds whatever hangs."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from chassis import logs
from chassis.mongo import Guarded
from contracts.bars import Bar
from contracts.history import MAX_BARS, Series
from contracts.jobs import Job
from history_sync import metrics
from history_sync.core.failures import ErrorCode, JobError
from history_sync.core.outcome import Tally, tally
from history_sync.core.rows import Sorted, bars_of
from history_sync.provider import Call, Provider, ProviderUnavailable, Refused
from history_sync.store import guarded

GRACE_S = 2.0
"""What a thread may need to end after its socket was cut."""

_log = logs.get("history_sync.fetching")


@dataclass(frozen=True, slots=True)
class Found:
    """The newest closed bars of a series, ascending, at least one; their documents; what was noted about the rows."""

    bars: Sequence[Bar]
    documents: Sequence[Guarded]
    tally: Tally


async def fetch(provider: Provider, pool: Executor, job: Job, series: Series, call: Call) -> Found:
    """What the provider has for a job. Raises `ProviderUnavailable` or `Refused`."""
    work = asyncio.get_running_loop().run_in_executor(pool, _find, provider, job, series, call)
    began = time.monotonic()
    try:
        async with asyncio.timeout(call.remaining_s() + GRACE_S):
            return await work
    except TimeoutError:
        call.cut()
        raise ProviderUnavailable("deadline", f"no complete answer within {call.within_s:g} s") from None
    finally:
        metrics.FETCH.observe(time.monotonic() - began)


def _find(provider: Provider, job: Job, series: Series, call: Call) -> Found:
    """In a thread of the pool. One bar more than wanted is asked for, since the newest is usually forming."""
    fetched = provider.fetch(series, min(job.bars + 1, MAX_BARS), call)
    found = bars_of(
        series,
        fetched.rows,
        fetched.calendar,
        revision=fetched.answered_at,
        closed_until=fetched.closed_until,
        last_closes=fetched.last_closes,
    )
    noted = tally(series, fetched.calendar, found)
    _report(job, series, found, noted)
    bars = found.bars[-job.bars :]
    if not bars:
        code = ErrorCode.UNUSABLE_DATA if found.rejected else ErrorCode.NO_DATA
        detail = f"of {len(fetched.rows)} rows {found.forming} are forming and {noted.bars_rejected} no bars"
        raise Refused(JobError(code, f"{detail}: {', '.join(found.rejected)}" if found.rejected else detail), noted)
    return Found(bars, guarded(bars), noted)


def _report(job: Job, series: Series, found: Sorted, noted: Tally) -> None:
    metrics.BARS.labels("forming").inc(found.forming)
    metrics.OFF_GRID.inc(noted.bars_off_grid)
    if noted.off_grid_detail:
        _log.warning(
            "bars are off the grid of the symbol's calendar, and stored under the provider's instants",
            job=job.job_id,
            series=str(series),
            bars=noted.bars_off_grid,
            detail=noted.off_grid_detail,
        )
    for cause, count in found.rejected.items():
        metrics.REJECTED.labels(cause).inc(count)
    if found.rejected:
        _log.warning(
            "rows are no bars",
            job=job.job_id,
            series=str(series),
            causes=dict(found.rejected),
            examples=[f"{example.position}: {example.cause} {tuple(example.row)}" for example in found.examples],
        )
