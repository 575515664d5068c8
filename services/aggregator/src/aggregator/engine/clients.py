"""Settings of the engine's clients of librdkafka: who reads the log, who reads the state, who puts out.

Names are librdkafka's (CONFIGURATION.md); measured reasons stand beside those that matter.
"""

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError

from aggregator.settings import EngineSettings
from contracts import topics

GROUP = "aggregator-engine"
TRANSACTION_TIMEOUT_MS = 5_000

Config = dict[str, str | int | bool | logging.Logger | Callable[[KafkaError], None]]


def consumer(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    """The classic protocol with static membership: a restarted engine has its partitions back in a second.

    A small queue and a short backoff when it is full keep a backlog flowing: the default of 1000 ms stalls it. The tick
    log has no transactions; of the changelog it must tell the end with those that are open.
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
        "auto.offset.reset": "error",
        "isolation.level": "read_uncommitted",
        "enable.partition.eof": True,
        "queued.min.messages": 100_000,
        "queued.max.messages.kbytes": 65_536,
        "fetch.queue.backoff.ms": 2,
        "fetch.wait.max.ms": 100,
    }


def transactional_producer(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    """Everything at once or nothing. A dead engine's transaction must end soon: until then nobody takes over from it.

    Its identifier is of the engine's name: a restarted engine ends what it left open before it does anything else.
    """
    return _common(settings, on_error) | {
        "transactional.id": f"{GROUP}-{settings.engine_instance_id}",
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "message.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 2,
        "batch.size": 1_000_000,
        "message.max.bytes": topics.LARGEST_STATE,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 262_144,
    }


def reader(settings: EngineSettings, on_error: Callable[[KafkaError], None]) -> Config:
    """Reads the changelog by itself, as a member of nothing, and tells at which offset the group is.

    It has the group's name and never joins it: only who reads committed records is told stable offsets (KIP-447).
    """
    return _common(settings, on_error) | {
        "group.id": GROUP,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "queued.max.messages.kbytes": 65_536,
        "fetch.message.max.bytes": topics.LARGEST_STATE,
        "fetch.queue.backoff.ms": 2,
        "fetch.wait.max.ms": 20,
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
