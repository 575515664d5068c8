"""Which of Kafka's errors mean that it is away; the others are bugs of ours or of its configuration."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)

from contracts.errors import Unavailable

LOST_SEQUENCE = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, ProducerFenced)
KAFKA = "Kafka"
"""How Kafka is called in logs and as a condition of readiness."""


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Turn what a broker that is away, busy or moving causes into `Unavailable`; let every other error through.

    A broker that has lost sight of an idempotent producer's sequence is one of these: what it says of a batch is only
    that nobody knows its fate, and a new producer goes on (KIP-360).
    """
    try:
        yield
    except (KafkaConnectionError, KafkaTimeoutError, KafkaUnavailableError, TimeoutError, OSError) as error:
        raise Unavailable(KAFKA, _cause(error)) from error
    except KafkaError as error:
        if not error.retriable and not isinstance(error, LOST_SEQUENCE):
            raise
        raise Unavailable(KAFKA, _cause(error)) from error


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()[:300]
