"""FastStream's Kafka broker with defaults that lose nothing, and publishing that is acknowledged or says why not."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from faststream.kafka import KafkaBroker

from chassis.kafka.closing import closed
from chassis.kafka.errors import KAFKA, kafka_errors
from chassis.probes import Readiness
from chassis.settings import KafkaSettings
from chassis.stop import Stop
from chassis.waiting import persistently

PUBLISH_WITHIN_S = 30.0
GRACE_S = 10.0
"""How long handlers may take to end what they have begun."""
CLOSE_WITHIN_S = GRACE_S + 2.0
_WATCH_EVERY_S = 5.0


class Publish(Protocol):
    """Sends one record and returns when all in-sync replicas have it; raises `Unavailable` after a deadline."""

    async def __call__(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None: ...


def build_broker(settings: KafkaSettings, client_id: str) -> KafkaBroker:
    """A broker that is not yet connected: records are acknowledged by all replicas, once each, lz4-compressed.

    Handlers get what the decoder makes, without validation by type (`subscribe` in `chassis.kafka.batches`);
    topics are made by `ensure_topics` only: name them in subscribers as `Topic(name, declare=False)`, which `subscribe`
    does. No record's content is logged.
    """
    return KafkaBroker(
        settings.kafka_bootstrap_servers.split(","),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        graceful_timeout=GRACE_S,
        apply_types=False,
        logger=logging.getLogger("chassis.kafka.faststream"),
        log_level=logging.DEBUG,
    )


async def start(broker: KafkaBroker, ready: Readiness, stop: Stop) -> None:
    """Connect and start all subscribers; waits while Kafka is away."""

    async def attempt() -> None:
        with kafka_errors():
            try:
                await broker.start()
            except BaseException:
                await broker.stop()
                raise

    await persistently(attempt, ready, stop)
    ready.set(KAFKA, True)


async def close(broker: KafkaBroker, within_s: float = CLOSE_WITHIN_S) -> None:
    """Stop it, handlers that are at work included, and disconnect; in time also while Kafka is away."""
    await closed(broker.stop(), within_s)


async def watch(broker: KafkaBroker, ready: Readiness, stop: Stop) -> None:
    """Keep the condition `Kafka` true to the facts, until the process ends: the clients reconnect without a word."""
    while not await stop.sleep(_WATCH_EVERY_S):
        if await broker.ping(timeout=_WATCH_EVERY_S):
            ready.set(KAFKA, True)
        else:
            ready.set(KAFKA, False, f"{KAFKA} does not answer within {_WATCH_EVERY_S} s")


def publisher(broker: KafkaBroker, within_s: float = PUBLISH_WITHIN_S) -> Publish:
    """Publishing through the broker.

    A record whose deadline passed may still arrive, since an idempotent producer goes on trying: sending it again is
    at-least-once. Value None with a key is a tombstone. Name the partition of everything that is keyed.
    """

    async def publish(
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        with kafka_errors():
            async with asyncio.timeout(within_s):
                await broker.publish(
                    value, topic, key=key, partition=partition, headers=None if headers is None else dict(headers)
                )

    return publish
