"""Replicas that come, go, die and freeze while 300 symbols tick: a planned hand-over loses nothing at all."""

from pathlib import Path

from chassis.clock import now_ms
from contracts.feed import SymbolStatus
from tests.support.ingest import Log, log_of, topics_of, wishes
from tests.support.journal import Stretch, verify
from tests.support.parts import Parts
from tests.support.replicas import replicas
from tests.support.stalls import told_stalls
from tradingview_simulator import SimulatorSettings, serve

PARTITIONS = 6
NAMES = tuple(f"SIM:S{number:04}" for number in range(2001, 2301))
SOME = NAMES[::10]
BACK_WITHIN_MS = 25_000
"""A dead owner's session of 10 s, a rebalance, connections and snapshots on a busy machine."""
EXCESS_MS = 2_000


async def until_all_tick_after(log: Log, at: int) -> None:
    """Wait until every symbol has ticked after an instant and is covered since."""

    def has_ticked(name: str) -> bool:
        ticks, covered = log.ticks_of(name), log.covered(name, 0, 2**53)
        return bool(ticks) and ticks[-1].received_at > at and bool(covered) and covered[-1][1] > at

    await log.until(lambda: all(map(has_ticked, SOME)), 60)


def owners(statuses: Log) -> dict[str, str]:
    """The replica that tells the newest status of each symbol."""
    newest: dict[str, SymbolStatus] = {}
    for _, _, value, _ in statuses.records:
        if value is not None:
            status = SymbolStatus.decode(value)
            name = str(status.identity)
            if name not in newest or newest[name].at <= status.at:
                newest[name] = status
    return {name: status.replica for name, status in newest.items()}


async def test_symbols_move_between_replicas_and_what_is_lost_is_announced(
    parts: Parts, prefix: str, tmp_path: Path
) -> None:
    topics = topics_of(prefix)
    windows: list[Stretch] = []
    async with (
        serve(SimulatorSettings(journal_entries=2_000_000)) as simulator,
        wishes(parts, topics, PARTITIONS) as desired,
        log_of(parts.kafka, topics.ticks.name, PARTITIONS) as log,
        log_of(parts.kafka, topics.status.name, PARTITIONS) as statuses,
        replicas(parts, prefix, simulator.url, PARTITIONS, tmp_path, INGEST_CONNECTION_SYMBOLS=60) as group,
    ):
        await desired.want(*NAMES)
        one = await group.start("one")
        await until_all_tick_after(log, now_ms())

        two = await group.start("two")
        await group.start("three")
        await statuses.until(lambda: set(owners(statuses).values()) == {"one", "two", "three"})
        await until_all_tick_after(log, now_ms() + 2_000)

        assert await one.terminate() == 0, one.said
        await statuses.until(lambda: set(owners(statuses).values()) == {"two", "three"})
        await until_all_tick_after(log, now_ms() + 2_000)

        killed = now_ms()
        two.kill()
        await until_all_tick_after(log, killed + 11_000)
        windows.append((killed - EXCESS_MS, killed + BACK_WITHIN_MS))
        assert set(owners(statuses).values()) <= {"two", "three"}

        four = await group.start("four")
        await statuses.until(lambda: "four" in owners(statuses).values(), 60)
        await until_all_tick_after(log, now_ms() + 2_000)

        frozen = now_ms()
        four.freeze()
        await log.until(lambda: now_ms() > frozen + 14_000)
        four.thaw()
        thawed = now_ms()
        await until_all_tick_after(log, thawed + 6_000)
        windows.append((frozen - EXCESS_MS, thawed + BACK_WITHIN_MS))
        for _ in range(10):
            await log.read()
        for replica in group.running:
            windows += [stall for stall in told_stalls(replica.said) if stall not in windows]
        await verify(simulator.http_url, log, SOME, windows)
        assert "others have its symbols" in four.said
