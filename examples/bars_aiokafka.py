"""Bars with aiokafka (and cramjam, for lz4): `python examples/bars_aiokafka.py [BROKERS] [COUNT]` prints bars."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer

TOPIC = "market.bars.v1"


async def main(brokers: str = "127.0.0.1:9092", count: str = "0") -> None:
    wanted = int(count)
    # Without a group it reads every partition and commits nothing. Without isolation_level it would also read bars of
    # transactions that were given up.
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    printed = 0
    try:
        await consumer.start()
        async for message in consumer:
            if message.key is None:
                continue  # not a bar: this interval is complete up to here, in this partition
            bar = json.loads(message.value)
            print(bar["exchange"], bar["symbol"], bar["interval"], bar["open_time"], bar["close"], bar["revision"])
            printed += 1
            if printed == wanted:
                break
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
