"""history-sync when its provider, a replica or a part it stands on fails in the middle: nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from candlewick_local.parts import RealParts
from chassis import waiting
from contracts.cache import series_key
from contracts.history import Series, SyncPriority, SyncStatus
from contracts.intervals import Interval
from history_sync import app, housekeeping, worker
from history_sync.core import failures
from tests.support.history import History, history, kinds, replica, request, series, until
from tests.support.venue import T0, Asked, values, venue
from tradingview.codec import Message

BTC = series("BINANCE:BTCUSDT", Interval.M1)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONGEST_S", 0.5)
    monkeypatch.setattr(app, "TELL_WITHIN_S", 3.0)
    monkeypatch.setattr(housekeeping, "TELLING_MS", 500)
    monkeypatch.setattr(worker, "FINISH_WITHIN_S", 0.5)
    monkeypatch.setattr(failures, "FIRST_RETRY_MS", 50)


@pytest.fixture
async def own(local_parts: RealParts, database: str, prefix: str) -> AsyncIterator[History]:
    async with history(local_parts, database, prefix) as found:
        yield found


async def well(asked: Asked) -> None:
    await asked.say(asked.update(values(3)), asked.completed())


async def never(_asked: Asked) -> None:
    return


class Gate:
    """Answers well, but only once it is open; `reached` is set when somebody asked."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, asked: Asked) -> None:
        self.reached.set()
        await self.open.wait()
        await well(asked)


def asked_for(asked: Asked) -> str:
    """The symbol that a connection asked for."""
    [spec] = [packet.params[2] for packet in asked.heard if isinstance(packet, Message) and "resolve" in packet.method]
    return str(spec).split('"')[3]


def lost() -> float:
    """Jobs that went to another worker so far."""
    return REGISTRY.get_sample_value("history_jobs_total", {"fate": "lost"}) or 0.0


async def stored_times(own: History, wanted: Series = BTC) -> list[int]:
    return [bar.open_time for bar in await own.bars(wanted)]


ALL = [(T0 + 60 * place) * 1_000 for place in range(3)]


async def test_a_provider_that_fails_for_a_while_is_asked_again(own: History) -> None:
    calls = 0

    async def third_time(asked: Asked) -> None:
        nonlocal calls
        calls += 1
        await (well(asked) if calls == 3 else asked.cut())

    async with venue(third_time) as at, replica(own.settings(at.url), own.topics):
        await own.ask(request("again", BTC))
        assert (await own.done("again")).status is SyncStatus.COMPLETED
    assert calls == 3
    assert await stored_times(own) == ALL
    assert kinds(await own.events("again")) == ["accepted", "completed"]


async def test_what_was_put_aside_and_what_is_off_the_grid_is_in_the_result_everywhere(own: History) -> None:
    """The calendar's hours begin at 9:15 in Kolkata: T0 and two minutes of it are bars, the third is a second off."""
    opens = T0 - T0 % 86_400 + 3 * 3_600 + 45 * 60

    async def act(asked: Asked) -> None:
        good = [[float(opens + 60 * place), 10.0, 11.0, 9.0, 10.5, 1.0] for place in range(3)]
        bad, off = [*good[1][:2], 9.0, *good[1][3:]], [good[2][0] + 1, *good[2][1:]]
        hours = asked.resolved(timezone="Asia/Kolkata", session="0915-1530", visible_plots_set="ohlcv")
        await asked.say(hours, asked.update([good[0], bad, good[1], off]), asked.completed())

    wanted = [series("NSE:ONE", Interval.M1), series("NSE:OTHER", Interval.M1)]
    async with venue(act) as at, replica(own.settings(at.url), own.topics):
        await own.ask(request("odd", *wanted, bars=10))
        parent, job, status = await own.done("odd"), await own.done("odd.0"), await own.status(wanted[0])
    assert [bar.open_time // 1_000 - opens for bar in await own.bars(wanted[0])] == [0, 60, 121]
    assert (parent.bars_written, parent.bars_rejected, parent.bars_off_grid) == (6, 2, 2)
    assert status is not None
    event = (await own.events("odd.0"))[-1]
    for one in (job, status, event):
        assert (one.bars_fetched, one.bars_rejected, one.bars_off_grid) == (3, 1, 1)
        assert one.rejected_detail == "no_bar 1; the first is row 1, 2025-12-18T03:46:00Z: no_bar"
        assert "0915-1530 Asia/Kolkata has no 1m bar that opens at 2025-12-18T03:47:01Z" in (one.off_grid_detail or "")


async def test_a_provider_that_goes_on_failing_ends_the_job_with_a_code(own: History) -> None:
    async with venue(Asked.cut) as at, replica(own.settings(at.url, history_attempts=2), own.topics):
        await own.ask(request("never", BTC))
        job = await own.done("never")
    assert (job.status, job.error_code) == (SyncStatus.ERROR, "provider_unavailable")
    assert job.error_detail
    assert "2 attempts" in job.error_detail
    assert len(at.asked) == 2


async def test_replicas_share_the_work_and_the_jobs_of_one_that_dies_are_done_by_another(own: History) -> None:
    wanted = [series(f"X:S{place}", Interval.M1) for place in range(8)]
    gate = Gate()
    async with (
        venue(gate) as here,
        venue(gate) as there,
        replica(own.settings(here.url, history_workers=2), own.topics),
        replica(own.settings(there.url, history_workers=2), own.topics),
    ):
        await own.ask(request("shared", *wanted, priority=SyncPriority.BULK))

        async def both_work() -> bool:
            return len(here.asked) == len(there.asked) == 2

        await until(both_work, "each replica has its hands full")
        gate.open.set()
        assert (await own.done("shared")).status is SyncStatus.COMPLETED
        assert sorted(map(asked_for, [*here.asked, *there.asked])) == sorted(str(each.identity) for each in wanted)


async def test_what_is_urgent_overtakes_what_waits(own: History) -> None:
    gate = Gate()
    async with venue(gate) as at, replica(own.settings(at.url, history_workers=1), own.topics):
        await own.ask(request("first", series("X:FIRST", Interval.M1)))
        async with asyncio.timeout(30):
            await gate.reached.wait()
        for priority in (SyncPriority.BULK, SyncPriority.SCHEDULED, SyncPriority.REPAIR):
            await own.ask(request(priority.value, series(f"X:{priority.name}", Interval.M1), priority=priority))

        async def all_wait() -> bool:
            return all([await own.job(priority) for priority in ("bulk", "scheduled", "repair")])

        await until(all_wait, "all are jobs")
        gate.open.set()
        await own.done("bulk")
    assert [asked_for(asked) for asked in at.asked] == ["X:FIRST", "X:REPAIR", "X:SCHEDULED", "X:BULK"]


async def test_a_replica_that_is_stopped_gives_its_job_back_at_once(own: History) -> None:
    async with venue(never) as silent:
        async with replica(own.settings(silent.url), own.topics):
            await own.ask(request("given", BTC))

            async def is_syncing() -> bool:
                job = await own.job("given")
                return job is not None and job.status is SyncStatus.SYNCING and bool(silent.asked)

            await until(is_syncing, "it works on the job")
        job, status = await own.job("given"), await own.status(BTC)
        assert job is not None
        assert status is not None
        assert job.status is status.status is SyncStatus.PENDING
        document = await own.db["jobs"].find_one({"_id": "given"})
        assert document is not None
        assert (document["attempts"], document["lease"]) == (0, None)
    async with venue(well) as at, replica(own.settings(at.url), own.topics):
        assert (await own.done("given")).status is SyncStatus.COMPLETED


async def test_a_replica_that_is_stopped_lets_a_fetch_end_that_is_about_to(
    own: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FINISH_WITHIN_S", 20.0)
    gate = Gate()
    async with venue(gate) as at:
        async with replica(own.settings(at.url), own.topics) as stop:
            await own.ask(request("ending", BTC))
            async with asyncio.timeout(30):
                await gate.reached.wait()
            stop.request("SIGTERM")
            gate.open.set()
        job = await own.job("ending")
    assert job is not None
    assert job.status is SyncStatus.COMPLETED
    assert kinds(await own.events("ending")) == ["accepted", "completed"]


class _Away:
    """A part that is killed while the context is open."""

    def __init__(self, parts: RealParts, name: str) -> None:
        self._parts = parts
        self._name = name

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._parts.kill, self._name)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._parts.start, self._name)


@pytest.fixture
def away(local_parts: RealParts) -> Callable[[str], Any]:
    return lambda name: _Away(local_parts, name)


async def test_mongodb_away_in_the_middle_loses_nothing(own: History, away: Callable[[str], Any]) -> None:
    gate = Gate()
    async with venue(gate) as at, replica(own.settings(at.url, history_lease_s=2.0), own.topics):
        await own.ask(request("stored", BTC))
        async with asyncio.timeout(30):
            await gate.reached.wait()
        async with away("mongo"):
            gate.open.set()
            await own.ask(request("later", series("X:LATER", Interval.M1)))
            await asyncio.sleep(3)  # the outage itself
        assert (await own.done("stored")).status is SyncStatus.COMPLETED
        assert (await own.done("later")).status is SyncStatus.COMPLETED
    assert await stored_times(own) == ALL


async def test_kafka_away_in_the_middle_loses_no_request_no_event_and_no_lease(
    own: History, away: Callable[[str], Any]
) -> None:
    gate, lost_before = Gate(), lost()
    async with venue(gate) as at, replica(own.settings(at.url, history_lease_s=1.0), own.topics):
        await own.ask(request("told", BTC))
        async with asyncio.timeout(30):
            await gate.reached.wait()
        async with away("kafka"):
            gate.open.set()
            assert (await own.done("told")).status is SyncStatus.COMPLETED

        async def is_told() -> bool:
            return kinds(await own.events("told"))[-1] == "completed"

        await until(is_told, "the end is told")
        await own.ask(request("next", series("X:NEXT", Interval.M1)))
        assert (await own.done("next")).status is SyncStatus.COMPLETED
    assert lost() == lost_before


async def test_redis_away_slows_nothing_and_stale_answers_are_dropped_when_it_is_back(
    own: History, local_parts: RealParts
) -> None:
    key = series_key(BTC.identity, BTC.interval)
    await own.redis.hset(key, "query", "old answer")
    gate = Gate()
    async with venue(gate) as at, replica(own.settings(at.url), own.topics):
        await own.ask(request("cached", BTC))
        async with asyncio.timeout(30):
            await gate.reached.wait()
        await asyncio.to_thread(local_parts.pause, "redis")
        try:
            gate.open.set()
            assert (await own.done("cached")).status is SyncStatus.COMPLETED
        finally:
            await asyncio.to_thread(local_parts.resume, "redis")

        async def is_dropped() -> bool:
            return not await own.redis.exists(key)

        await until(is_dropped, "the stale answer is dropped")
