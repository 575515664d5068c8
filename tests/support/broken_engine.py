"""`python -m tests.support.broken_engine engine`: an engine that commits positions by themselves, and dies then."""

import os
import sys
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from aggregator.__main__ import main
from aggregator.engine.transaction import Transaction
from contracts import topics


def commit_outside(_transaction: Transaction, positions: Mapping[int, int], consumer: Consumer) -> None:
    """The first half of what would be two steps."""
    offsets = [TopicPartition(topics.TICKS.name, number, offset) for number, offset in positions.items()]
    consumer.commit(offsets=offsets, asynchronous=False)
    os._exit(1)


if __name__ == "__main__":
    setattr(Transaction, "commit", commit_outside)  # noqa: B010 - what it puts in place is not the method
    sys.exit(main(sys.argv[1:]))
