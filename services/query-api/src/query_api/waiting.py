"""Waiting for a job by reading it, so that any replica can wait for what any worker does."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from chassis.stop import Stop
from contracts.errors import Unavailable
from contracts.jobs import Job
from query_api.ports import Store

_FIRST_S = 0.05
_LONGEST_S = 0.5


async def wait_for(store: Store, job_id: str, holds: Callable[[Job], bool], within_s: float, stop: Stop) -> Job | None:
    """The job as it was read last, None if it was never found.

    Returns when a condition holds of it, after `within_s` seconds, or when the process shall end. A store that is away
    meanwhile is waited for like a job that is not done.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    pause = _FIRST_S
    job: Job | None = None
    while True:
        with suppress(Unavailable):  # the request is safe on its topic: only news of it are missing
            job = await store.job(job_id) or job
        if job is not None and holds(job):
            return job
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0 or await stop.sleep(min(pause, left)):
            return job
        pause = min(pause * 2, _LONGEST_S)
