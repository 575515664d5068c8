"""Dead letters: a record that could not be read goes to `<topic>.dead` with the cause and its position."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter

from chassis.record import Record
from contracts.errors import BadData

LONGEST_VALUE = 256 * 1024
"""Bytes of the original value that are kept; the header `length` tells how many there were."""
_LONGEST_TEXT = 500

DEAD_LETTERS = Counter("dead_letters_total", "Records put aside because they could not be read", ("topic", "kind"))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record for the dead-letter topic: headers are text, key and value are the original's bytes."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]


def dead_letter(
    error: BadData,
    *,
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
) -> DeadLetter:
    """The dead letter of a record, whichever client read it; `timestamp` in milliseconds as the broker has it.

    Headers: `kind` and `cause` of the error; `topic`, `partition`, `offset`, `timestamp`, `key` of the record (key as
    text, undecodable bytes escaped); `length` of its value, which is cut at `LONGEST_VALUE` bytes.
    """
    original = value or b""
    return DeadLetter(
        topic=f"{topic}.dead",
        key=key,
        value=original[:LONGEST_VALUE],
        headers={
            "kind": error.kind[:_LONGEST_TEXT],
            "cause": error.cause[:_LONGEST_TEXT],
            "topic": topic,
            "partition": str(partition),
            "offset": str(offset),
            "timestamp": str(timestamp),
            "key": (key or b"").decode(errors="backslashreplace")[:_LONGEST_TEXT],
            "length": str(len(original)),
        },
    )


def dead_letter_of(record: Record, error: BadData) -> DeadLetter:
    """The dead letter of a record of aiokafka."""
    return dead_letter(
        error,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
    )


def count(topic: str, error: BadData) -> None:
    """Count a dead letter once it is safe on its topic."""
    DEAD_LETTERS.labels(topic=topic, kind=error.kind).inc()
