"""Faults of the feed, one at a time while ticks flow, held against the simulator's journal."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from chassis.clock import now_ms
from tests.support.ingest import fault, ingest, log_of, settings_of, topics_of, wishes
from tests.support.journal import verify
from tests.support.parts import Parts
from tests.support.stalls import stalls
from tradingview_simulator import SimulatorSettings, serve

NAMES = tuple(f"SIM:S{number:04}" for number in range(1501, 1513))
EXCESS_MS = 2_000
"""How much more than the truth may be announced."""


class Fault(NamedTuple):
    """What the simulator is told, for how many deadlines, and whether symbols may be, and must be, uncovered for it."""

    name: str
    more: Mapping[str, Any] = MappingProxyType({})
    lasts: float = 0
    """In deadlines for silence."""
    is_uncovered: bool = True
    then_drop: bool = False


FAULTS = (
    Fault("drop"),
    Fault("close", {"code": 1001}),
    Fault("protocol_error", {"text": "wrong data"}),
    Fault("session_killed"),
    Fault("garbage"),
    Fault("truncated"),
    Fault("binary"),
    Fault("huge", is_uncovered=False),
    Fault("unknown_method", is_uncovered=False),
    Fault("duplicate", {"chance": 1.0}, 1.2, is_uncovered=False),
    Fault("out_of_order", is_uncovered=False),
    Fault("volume_regression", is_uncovered=False),
    Fault("slow", {"ms": 400}, 1.2, is_uncovered=False),
    Fault("coalesce", {"ms": 1_500}, 1.6, is_uncovered=False),
    Fault("silent", lasts=2),
    Fault("heartbeat_only", lasts=2),
    Fault("expired_token", lasts=2, then_drop=True),
    Fault("refuse", {"status": 429}, 1.2, then_drop=True),
)


async def survive(
    parts: Parts, prefix: str, mischief: Fault, *, deadline_ms: int, back_within_ms: int, **simulator_settings: float
) -> None:
    """Have ingest-ws live through a fault: what is lost is announced, and nothing else is.

    `deadline_ms`: how long a silence is borne. `back_within_ms`: within which all is covered again when a fault ended.
    """
    topics = topics_of(prefix)
    lasts_ms = int(mischief.lasts * deadline_ms)
    within_s = 60 + (lasts_ms + back_within_ms) / 1000
    async with (
        serve(SimulatorSettings(**simulator_settings)) as simulator,  # type: ignore[arg-type]
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        stalls() as stalled,
    ):
        await desired.want(*NAMES)
        settings = settings_of(parts, prefix, simulator.url, ingest_connection_symbols=6)
        async with ingest(settings, topics):
            await log.until(lambda: all(len(log.ticks_of(name)) > 3 for name in NAMES))
            assert len(simulator.connections) == 2
            begun = now_ms()
            await fault(simulator.http_url, mischief.name, **mischief.more)
            if mischief.then_drop:
                await fault(simulator.http_url, "drop")
            if lasts_ms:
                await log.until(lambda: now_ms() > begun + lasts_ms, within_s)
                await fault(simulator.http_url, "none")
            ended = now_ms()

            def is_back(name: str) -> bool:
                ticks, covered = log.ticks_of(name), log.covered(name, 0, 2**53)
                return ticks[-1].received_at > ended + EXCESS_MS and covered[-1][1] > ended + EXCESS_MS

            await log.until(lambda: all(map(is_back, NAMES)), within_s)
        for _ in range(5):
            await log.read()
        window = (begun - EXCESS_MS, ended + back_within_ms)
        windows = [window] if mischief.is_uncovered else []
        covered = await verify(simulator.http_url, log, NAMES, windows + stalled)
    assert stalled or any(len(stretches) > 1 for stretches in covered.values()) == mischief.is_uncovered
