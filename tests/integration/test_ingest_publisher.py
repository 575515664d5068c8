"""The publisher when its producer and the broker disagree about what was sent."""

import asyncio

from aiokafka import TopicPartition

from chassis.clock import now_ms
from chassis.probes import Readiness
from chassis.stop import Stop
from contracts.symbols import SymbolId
from contracts.topics import partition_of
from ingest_ws.core.feed import Feed
from ingest_ws.publisher import TickPublisher
from tests.support.ingest import PARTITIONS, log_of, topics_of, wishes
from tests.support.parts import Parts

A = SymbolId("SIM", "A")


async def test_a_lost_sequence_costs_what_was_under_way_and_nothing_after_it(parts: Parts, prefix: str) -> None:
    topics = topics_of(prefix)
    stop, partition, volume = Stop(), partition_of(A.key, PARTITIONS), 0
    feed = Feed(PARTITIONS, 7, 10**6, now_ms())
    publisher = TickPublisher(parts.kafka, "test", topics.ticks, feed, now_ms)
    async with wishes(parts, topics), log_of(parts.kafka, topics.ticks.name) as log:
        await publisher.start(Readiness(), stop)
        feed.assign(range(PARTITIONS), now_ms())
        feed.want(partition, [A], now_ms())
        publisher.own(feed.owned)
        running = asyncio.create_task(publisher.run(stop))

        def trade() -> None:
            nonlocal volume
            volume += 1
            now = now_ms()
            feed.changed(str(A), {"lp": 1.0, "volume": volume, "lp_time": now // 1000 - 100 + volume}, now)
            feed.completed(str(A), now)
            publisher.wake()

        trade()
        await log.until(lambda: log.covered(str(A), 0, 2**53))
        producer = publisher._producer
        assert producer is not None
        producer._txn_manager.increment_sequence_number(TopicPartition(topics.ticks.name, partition), 10)
        trade()
        lost_at = now_ms()
        await log.until(lambda: len(log.covered(str(A), 0, 2**53)) == 2)
        assert publisher._producer is not producer
        trade()
        await log.until(lambda: log.ticks_of(str(A))[-1].cumulative_volume == volume)
        [(_, uncovered), (again, _)] = log.covered(str(A), 0, 2**53)
        assert uncovered <= lost_at <= again
        stop.request("the test is over")
        await running
        await publisher.close()
