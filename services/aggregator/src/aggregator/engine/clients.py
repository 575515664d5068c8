"""Settings of the engine's three clients of librdkafka: one consumer, one producer that loses nothing, one that may.

Names are librdkafka's (CONFIGURATION.md); measured reasons stand beside those that matter.
"""

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError

from aggregator.settings import EngineSettings

GROUP = "aggregator-engine"

Config = dict[str, str | int | bool | logging.Logger | Callable[[KafkaError], None]]


def consumer(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    """The classic protocol with static membership: a restarted engine has its partitions back in a second.

    A small queue and a short backoff when it is full keep a backlog flowing: the default of 1000 ms stalls it.
    """
    return _common(settings, on_error) | {
        "group.id": GROUP,
        "group.instance.id": settings.engine_instance_id,
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 1_500,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "queued.min.messages": 100_000,
        "queued.max.messages.kbytes": 65_536,
        "fetch.queue.backoff.ms": 2,
        "fetch.wait.max.ms": 100,
    }


def output_producer(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    """Every record once and in order, tried for as long as it takes while the engine waits and is not ready."""
    return _common(settings, on_error) | {
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "delivery.timeout.ms": 0,
        "delivery.report.only.error": True,
        "linger.ms": 2,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 262_144,
    }


def live_producer(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    """For what is worth nothing when it is old: given up after five seconds."""
    return _common(settings, on_error) | {
        "acks": "all",
        "compression.type": "lz4",
        "delivery.timeout.ms": 5_000,
        "linger.ms": 5,
        "queue.buffering.max.messages": 50_000,
        "queue.buffering.max.kbytes": 65_536,
    }


def _common(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"{GROUP}-{settings.engine_instance_id}",
        "allow.auto.create.topics": False,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2_000,
        "error_cb": on_error,
        "logger": logging.getLogger("librdkafka"),
        "log_level": 2,
    }
