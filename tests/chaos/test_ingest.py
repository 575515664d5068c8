"""The faults of the feed in full: deadlines as they are, outages of minutes."""

import asyncio

import pytest

from candlewick_local.parts import RealParts
from chassis.clock import now_ms
from ingest_ws.connection import SILENCE_MS
from tests.support.faults import EXCESS_MS, FAULTS, NAMES, Fault, survive
from tests.support.ingest import ingest, log_of, settings_of, topics_of, wishes
from tests.support.journal import verify
from tests.support.parts import Parts
from tests.support.stalls import stalls
from tradingview_simulator import SimulatorSettings, serve

OUTAGE_S = 300
BACK_WITHIN_MS = 90_000
"""The waits before a line connects again grow to a minute."""


@pytest.mark.parametrize("mischief", FAULTS, ids=lambda mischief: mischief.name)
async def test_what_is_lost_is_announced_and_nothing_else(parts: Parts, prefix: str, mischief: Fault) -> None:
    await survive(parts, prefix, mischief, deadline_ms=SILENCE_MS + 5_000, back_within_ms=BACK_WITHIN_MS)


@pytest.mark.parametrize("part", ["kafka", "redis"])
async def test_a_part_that_is_away_for_minutes_costs_no_tick(local_parts: RealParts, prefix: str, part: str) -> None:
    topics = topics_of(prefix)
    async with (
        serve(SimulatorSettings(journal_entries=2_000_000)) as simulator,
        wishes(local_parts, topics) as desired,
        log_of(local_parts.kafka, topics.ticks.name) as log,
        stalls() as stalled,
    ):
        await desired.want(*NAMES)
        async with ingest(settings_of(local_parts, prefix, simulator.url), topics):
            await log.until(lambda: all(len(log.ticks_of(name)) > 3 for name in NAMES))
            await asyncio.to_thread(local_parts.stop, part)
            away = now_ms()
            try:
                await asyncio.sleep(OUTAGE_S)  # the outage itself
            finally:
                await asyncio.to_thread(local_parts.start, part)
            back = now_ms()
            await log.until(lambda: all(log.ticks_of(name)[-1].received_at > back + EXCESS_MS for name in NAMES), 180)
            assert set(simulator.connections) == {1}
        for _ in range(10):
            await log.read()
        await verify(simulator.http_url, log, NAMES, stalled)
        assert back - away > OUTAGE_S * 1000
