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
from history_sync.core.rows import Sorted, bars_of
from history_sync.provider import Call, Provider, ProviderUnavailable, Refused
from history_sync.store import guarded

GRACE_S = 2.0
"""What a thread may need to end after its socket was cut."""

_log = logs.get("history_sync.fetching")


@dataclass(frozen=True, slots=True)
class Found:
    """The newest closed bars of a series, ascending, at least one; and their documents."""

    bars: Sequence[Bar]
    documents: Sequence[Guarded]


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
    found = bars_of(series, fetched.rows, revision=fetched.answered_at, closed_until=fetched.closed_until)
    _report(job, series, found)
    bars = found.bars[-job.bars :]
    if not bars:
        code = ErrorCode.UNUSABLE_DATA if found.rejected else ErrorCode.NO_DATA
        detail = f"of {len(fetched.rows)} rows {found.forming} are forming and {sum(found.rejected.values())} no bars"
        raise Refused(JobError(code, f"{detail}: {', '.join(found.rejected)}" if found.rejected else detail))
    return Found(bars, guarded(bars))


def _report(job: Job, series: Series, found: Sorted) -> None:
    metrics.BARS.labels("forming").inc(found.forming)
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
