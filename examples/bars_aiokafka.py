"""Bars with aiokafka (and cramjam, for lz4): `python examples/bars_aiokafka.py [BROKERS] [COUNT] [INTERVAL]`.

It prints bars, or COUNT of them, of all intervals or of one.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer

TOPIC = "market.bars.v1"


async def main(brokers: str = "127.0.0.1:9092", count: str = "0", interval: str = "") -> None:
    wanted = int(count)
    # Without a group it reads every partition and commits nothing. Without isolation_level it would also read bars of
    # transactions that were aborted.
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    printed = 0
    try:
        await consumer.start()
        async for message in consumer:
            headers = dict(message.headers)
            if headers.get("schema") != b"2" or headers.get("kind") != b"bar":
                continue  # another version of the contract, or no bar: which bars are complete in this partition
            if interval and headers.get("interval") != interval.encode():
                continue  # the value of a bar that is not wanted is never parsed
            bar = json.loads(message.value)
            print(bar["exchange"], bar["symbol"], bar["interval"], bar["open_time"], bar["close"], bar["revision"])
            printed += 1
            if printed == wanted:
                break
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
