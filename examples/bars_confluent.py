"""Bars with confluent-kafka: `python examples/bars_confluent.py [BROKERS] [COUNT] [INTERVAL]`.

It prints bars, or COUNT of them, of all intervals or of one; and to standard error, per partition and delay of the
feed, the instant up to which bars are complete and the instant up to which they are final.
"""

import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

TOPIC = "market.bars.v1"


def main(brokers: str = "127.0.0.1:9092", count: str = "0", interval: str = "") -> None:
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
            headers = dict(message.headers() or ())
            if headers.get("schema") != b"2":
                continue  # another version of the contract
            if headers.get("kind") == b"bars_complete":
                done = json.loads(message.value() or b"{}")
                print(
                    f"partition {message.partition()}, delay {done['delay']} s: bars that close at or before "
                    f"{done['closed_through']} are complete, at or before {done['final_through']} final",
                    file=sys.stderr,
                )
                continue
            if interval and headers.get("interval") != interval.encode():
                continue  # the value of a bar that is not wanted is never parsed
            bar = json.loads(message.value() or b"{}")
            print(bar["exchange"], bar["symbol"], bar["interval"], bar["open_time"], bar["close"], bar["revision"])
            printed += 1
    finally:
        consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
