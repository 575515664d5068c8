"""`python -m tests.support.dying_engine engine`: one that dies with its first bars in Kafka and not committed."""

import os
import sys
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from aggregator.__main__ import main
from aggregator.engine.outputs import Outputs
from aggregator.engine.transaction import Transaction
from contracts import topics

DYING = 77
"""Its exit code."""
_has_bars = False
_commit, _issue = Transaction.commit, Outputs.issue


def issue(outputs: Outputs, issues: list[object], *more: object) -> None:
    """Take note of the first bar."""
    global _has_bars
    _has_bars = _has_bars or any(type(one.record).__name__ == "Bar" for one in issues)  # type: ignore[attr-defined]
    _issue(outputs, issues, *more)  # type: ignore[arg-type]


def commit(transaction: Transaction, positions: Mapping[int, int], consumer: Consumer) -> None:
    """All that a commit does but for its last step."""
    if not _has_bars:
        _commit(transaction, positions, consumer)
        return
    producer = transaction._producer
    assert producer.flush(30) == 0
    offsets = [TopicPartition(topics.TICKS.name, number, offset) for number, offset in positions.items()]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
    os._exit(DYING)


if __name__ == "__main__":
    setattr(Transaction, "commit", commit)  # noqa: B010 - what it puts in place is not the method
    setattr(Outputs, "issue", issue)  # noqa: B010 - what it puts in place is not the method
    sys.exit(main(sys.argv[1:]))
