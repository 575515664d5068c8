"""Each fault of the feed while ticks flow: nothing is lost unannounced, and nothing is announced without a fault."""

import asyncio

import pytest
from redis.asyncio import Redis

from contracts.feed import decode_feed_event
from ingest_ws import connection, endings
from tests.support.faults import FAULTS, NAMES, Fault, survive
from tests.support.ingest import fault, ingest, log_of, settings_of, topics_of, wishes
from tests.support.journal import verify
from tests.support.parts import Parts
from tests.support.stalls import stalls
from tradingview import rhythm
from tradingview_simulator import SimulatorSettings, serve

DEADLINE_MS = 2_500


@pytest.mark.parametrize("mischief", FAULTS, ids=lambda mischief: mischief.name)
async def test_what_is_lost_is_announced_and_nothing_else(
    parts: Parts, prefix: str, mischief: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With deadlines of seconds where they are of tens of seconds: `tests/chaos` has them as they are."""
    monkeypatch.setattr(connection, "SILENCE_MS", DEADLINE_MS)
    monkeypatch.setattr(connection, "FIRST_DATA_MS", DEADLINE_MS)
    monkeypatch.setattr(rhythm, "LEAST_WAIT_MS", DEADLINE_MS)
    monkeypatch.setattr(endings, "TOO_MANY_S", 1.0)
    await survive(
        parts, prefix, mischief, deadline_ms=DEADLINE_MS, back_within_ms=12_000, hb_interval=0.5, hb_grace=30.0
    )


async def test_a_denied_symbol_is_an_error_and_costs_the_others_nothing(parts: Parts, prefix: str) -> None:
    topics = topics_of(prefix)
    denied, others = NAMES[0], NAMES[1:4]
    async with (
        serve(SimulatorSettings()) as simulator,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.feed.name, 1) as events,
        stalls() as stalled,
    ):
        await fault(simulator.http_url, "permission_denied", symbol=denied, group="sim_realtime")
        await desired.want(denied, *others)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: all(len(log.ticks_of(name)) > 6 for name in others))
            await events.until(lambda: len(events.records) > 1)
        for _ in range(5):
            await log.read()
        await verify(simulator.http_url, log, others, stalled)
    assert log.ticks_of(denied) == []
    told = [decode_feed_event(value or b"") for _, _, value, _ in events.records]
    [refused] = [event for event in told if event.type == "symbol_error"]
    assert refused.reason == "permission_denied: sim_realtime"


async def test_a_symbol_that_joins_or_leaves_disturbs_no_other(parts: Parts, prefix: str) -> None:
    topics = topics_of(prefix)
    first, more = NAMES[:4], NAMES[4:]
    kept = [*first, more[0]]
    async with (
        Redis.from_url(parts.redis) as client,
        serve(SimulatorSettings()) as simulator,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        stalls() as stalled,
    ):
        await desired.want(*first)
        settings = settings_of(parts, prefix, simulator.url, ingest_connection_symbols=3)
        async with ingest(settings, topics):
            await log.until(lambda: all(len(log.ticks_of(name)) > 2 for name in first))
            await desired.want(*more)
            await log.until(lambda: all(len(log.ticks_of(name)) > 2 for name in more))
            assert len(simulator.connections) == 4
            await desired.forget(*more[1:])
            await log.until(lambda: all(log.changes_of(name)[-1].state == "released" for name in more[1:]))
            counts = {name: len(log.ticks_of(name)) for name in kept}
            await log.until(lambda: all(len(log.ticks_of(name)) > count + 3 for name, count in counts.items()))
            async with asyncio.timeout(10):
                while await client.exists(f"quote:latest:{more[1]}"):
                    await log.read()
        for _ in range(5):
            await log.read()
        await verify(simulator.http_url, log, kept, stalled)
