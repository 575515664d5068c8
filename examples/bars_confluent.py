"""Bars with confluent-kafka: `python examples/bars_confluent.py [BROKERS] [COUNT]` prints bars, or COUNT of them."""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

TOPIC = "market.bars.v1"


def main(brokers: str = "127.0.0.1:9092", count: str = "0") -> None:
    wanted = int(count)
    # A reader that commits nothing and begins at the oldest bar; librdkafka reads committed records by default.
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "example",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    partitions = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
    if not partitions:
        raise SystemExit(f"{brokers} has no topic {TOPIC}")
    consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in partitions])
    printed = 0
    try:
        while not wanted or printed < wanted:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            if message.key() is None:
                continue  # not a bar: this interval is complete up to here, in this partition
            bar = json.loads(message.value() or b"{}")
            print(bar["exchange"], bar["symbol"], bar["interval"], bar["open_time"], bar["close"], bar["revision"])
            printed += 1
    finally:
        consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
