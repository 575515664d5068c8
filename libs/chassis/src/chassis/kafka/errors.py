"""Which of Kafka's errors mean that it is away; the others are bugs of ours or of its configuration."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, KafkaUnavailableError

from contracts.errors import Unavailable

KAFKA = "Kafka"
"""How Kafka is called in logs and as a condition of readiness."""


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Turn what a broker that is away, busy or moving causes into `Unavailable`; let every other error through."""
    try:
        yield
    except (KafkaConnectionError, KafkaTimeoutError, KafkaUnavailableError, TimeoutError, OSError) as error:
        raise Unavailable(KAFKA, _cause(error)) from error
    except KafkaError as error:
        if not error.retriable:
            raise
        raise Unavailable(KAFKA, _cause(error)) from error


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()[:300]
