"""The queue of jobs on real MongoDB: order, leases, fences, and what changes together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from chassis.mongo import Document, ensure_indexes
from contracts.documents import INDEXES, JOBS, SYNC_STATUS
from contracts.errors import BadData
from contracts.history import SyncPriority, SyncRequest, SyncStatus
from contracts.intervals import Interval
from contracts.jobs import job_of, status_of
from history_sync.core.failures import ErrorCode
from history_sync.core.intake import jobs_of
from history_sync.core.outcome import Outcome
from history_sync.jobs import Lease, Queue
from tests.support.history import request, series, until
from tests.support.parts import Parts

GOOD = Outcome(bars_fetched=3, bars_written=2, first_open_time=60_000, last_open_time=180_000)
BAD = Outcome(error_code="no_data", error_detail="none")
BTC = series("BINANCE:BTCUSDT", Interval.M1)
ETH = series("BINANCE:ETHUSDT", Interval.M1)


class Queues:
    """Queues of several replicas on one database."""

    def __init__(self, mongo: AsyncMongoClient[Document], database: str) -> None:
        self._mongo = mongo
        self.db = mongo[database]

    def of(self, owner: str = "one", lease_s: float = 30.0) -> Queue:
        return Queue(self._mongo, self.db, owner, lease_s)

    async def add(self, *requests: SyncRequest) -> None:
        for each in requests:
            await self.of().add(jobs_of(each), each.requested_at)

    async def status(self, job_id: str) -> SyncStatus:
        document = await self.db[JOBS].find_one({"_id": job_id})
        assert document is not None
        return job_of(document).status

    async def series_status(self) -> SyncStatus:
        [document] = await self.db[SYNC_STATUS].find().to_list()
        return status_of(document).status


@pytest.fixture
async def queues(parts: Parts, database: str) -> AsyncIterator[Queues]:
    async with AsyncMongoClient[Document](parts.mongo) as mongo:
        found = Queues(mongo, database)
        await ensure_indexes(found.db, INDEXES)
        yield found


async def taken(queue: Queue) -> Lease:
    lease = await queue.lease(2_000)
    assert lease is not None
    return lease


async def test_jobs_are_taken_by_priority_and_then_by_age(queues: Queues) -> None:
    wanted = [(SyncPriority.BULK, 1), (SyncPriority.INTERACTIVE, 9), (SyncPriority.REPAIR, 8), (SyncPriority.BULK, 0)]
    for place, (priority, asked_at) in enumerate(wanted):
        one = series(f"X:S{place}", Interval.M1)
        await queues.add(request(f"j{place}", one, priority=priority, requested_at=asked_at))
    queue = queues.of()
    assert [(await taken(queue)).job.job_id for _ in wanted] == ["j2", "j1", "j3", "j0"]
    assert await queue.lease(2_000) is None


async def test_a_series_is_worked_on_by_one_worker_at_a_time(queues: Queues) -> None:
    await queues.add(request("a", BTC), request("b", BTC, priority=SyncPriority.REPAIR), request("c", ETH))
    one, other = queues.of("one"), queues.of("other")
    first = await taken(one)
    assert first.job.job_id == "b"
    assert (await taken(other)).job.job_id == "c"
    assert await other.lease(2_000) is None
    assert await one.finish(first, GOOD, 3_000)
    assert (await taken(other)).job.job_id == "a"


async def test_many_workers_at_once_take_each_job_once_and_no_series_twice(queues: Queues) -> None:
    names = [series(f"X:S{place % 4}", list(Interval)[place // 4]) for place in range(12)]
    await queues.add(request("many", *names), *(request(f"again{place}", one) for place, one in enumerate(names)))
    done: list[str] = []
    active: set[str] = set()

    async def work(number: int) -> None:
        queue = queues.of(f"w{number}")
        while len(done) < 24:
            lease = await queue.lease(2_000)
            if lease is None:
                await asyncio.sleep(0.02)
                continue
            assert str(lease.series) not in active
            active.add(str(lease.series))
            await asyncio.sleep(0)
            active.remove(str(lease.series))
            assert await queue.finish(lease, BAD if lease.job.job_id == "many.3" else GOOD, 3_000)
            done.append(lease.job.job_id)

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(number) for number in range(5)))
    assert len(set(done)) == 24
    parent = job_of(await queues.db[JOBS].find_one({"_id": "many"}) or {})
    assert (parent.status, parent.error_detail) == (SyncStatus.ERROR, "1 of 12 series failed")
    assert (parent.bars_fetched, parent.bars_written, parent.finished_at) == (33, 22, 3_000)


async def test_who_lost_the_lease_changes_nothing_any_more(queues: Queues) -> None:
    await queues.add(request("a", BTC))
    silent, other = queues.of("silent", lease_s=0.2), queues.of("other")
    lost = await taken(silent)

    async def is_taken_back() -> bool:
        return await other.take_from_silent(5, 2_500) == 1

    await until(is_taken_back, "the lease ends")
    assert await queues.series_status() is SyncStatus.PENDING
    lease = await taken(other)
    assert lease.attempts == 2
    assert not await silent.renew(lost)
    assert not await silent.finish(lost, BAD, 3_000)
    assert not await silent.postpone(lost, 0, 3_000)
    assert not await silent.give_back(lost, 3_000)
    assert await queues.status("a") is await queues.series_status() is SyncStatus.SYNCING
    assert await other.finish(lease, GOOD, 4_000)
    assert await queues.status("a") is await queues.series_status() is SyncStatus.COMPLETED


async def test_a_renewed_lease_is_not_taken(queues: Queues) -> None:
    """Its end is set to the past instead of being waited for, so that no renewal has to come in time."""
    await queues.add(request("a", BTC))
    queue = queues.of()
    lease = await taken(queue)
    for _ in range(2):
        await queues.db[JOBS].update_one({"_id": "a"}, [{"$set": {"lease.until": {"$subtract": ["$$NOW", 1]}}}])
        assert await queue.renew(lease)
        assert await queues.of("other").take_from_silent(5, 2_500) == 0
    assert await queues.status("a") is SyncStatus.SYNCING


async def test_a_job_that_silences_each_of_its_workers_is_given_up(queues: Queues) -> None:
    await queues.add(request("a", BTC))
    queue = queues.of(lease_s=0.05)

    async def is_taken_back() -> bool:
        return await queue.take_from_silent(2, 2_500) == 1

    for _ in range(2):
        await taken(queue)
        await until(is_taken_back, "the lease ends")
    job = job_of(await queues.db[JOBS].find_one({"_id": "a"}) or {})
    assert (job.status, job.error_code) == (SyncStatus.ERROR, ErrorCode.ABANDONED.value)
    assert await queue.lease(2_000) is None


async def test_a_job_that_was_given_back_was_not_tried_and_a_postponed_one_waits(queues: Queues) -> None:
    await queues.add(request("a", BTC))
    queue = queues.of()
    assert await queue.give_back(await taken(queue), 2_500)
    lease = await taken(queue)
    assert lease.attempts == 1
    assert await queue.postpone(lease, 3_600_000, 2_500)
    assert await queues.status("a") is await queues.series_status() is SyncStatus.PENDING
    assert await queue.lease(2_000) is None
    earlier = {"not_before": {"$subtract": ["$not_before", 3_600_000]}}
    await queues.db[JOBS].update_one({"_id": "a"}, [{"$set": earlier}])
    assert await queue.lease(2_000) is not None, "the wait is over"


async def test_a_series_asked_for_again_keeps_its_figures_until_the_next_end(queues: Queues) -> None:
    await queues.add(request("a", BTC))
    queue = queues.of()
    assert await queue.finish(await taken(queue), GOOD, 3_000)
    await queues.add(request("b", BTC))
    [document] = await queues.db[SYNC_STATUS].find().to_list()
    status = status_of(document)
    assert (status.status, status.job_id, status.bars_written) == (SyncStatus.PENDING, "b", 2)
    lease = await taken(queue)
    await queues.add(request("c", BTC))
    assert await queues.series_status() is SyncStatus.SYNCING, "asked for while it is worked on"
    assert await queue.finish(lease, BAD, 4_000)
    [document] = await queues.db[SYNC_STATUS].find().to_list()
    status = status_of(document)
    assert (status.status, status.error_code, status.bars_written) == (SyncStatus.ERROR, "no_data", 0)


async def test_jobs_that_are_there_are_not_added_and_a_taken_id_is_bad_data(queues: Queues) -> None:
    both = request("a", BTC, ETH)
    jobs = jobs_of(both)
    assert await queues.of().absent(jobs) == jobs
    await queues.add(both)
    assert await queues.of().absent(jobs) == []
    with pytest.raises(BadData, match="taken by another request"):
        await queues.of().absent(jobs_of(request("a.1", BTC)))


async def test_an_end_is_untold_until_it_is_told(queues: Queues) -> None:
    await queues.add(request("a", BTC))
    queue = queues.of()
    assert await queue.finish(await taken(queue), GOOD, 3_000)
    assert await queue.untold(3_000, 10) == []
    assert [job.job_id for job in await queue.untold(3_001, 10)] == ["a"]
    await queue.told("a")
    assert await queue.untold(3_001, 10) == []
