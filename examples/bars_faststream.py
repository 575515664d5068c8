"""Bars with FastStream: `python examples/bars_faststream.py [BROKERS] [COUNT] [INTERVAL]`.

It prints bars, or COUNT of them, of all intervals or of one.
"""

import asyncio
import json
import logging
import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

TOPIC = "market.bars.v1"


async def main(brokers: str = "127.0.0.1:9092", count: str = "0", interval: str = "") -> None:
    wanted = int(count)
    # Warnings and errors only; with logger=None a mistake in the handler would not be seen at all.
    logger = logging.getLogger("bars")
    broker = KafkaBroker(brokers, logger=logger)
    app = FastStream(broker, logger=logger)
    printed = 0

    # Without a group it reads every partition from the oldest bar on and commits nothing. In a group of yours, give
    # `group_id` and `ack_policy=AckPolicy.NACK_ON_ERROR`: by default an offset moves before its bar is handled.
    @broker.subscriber(
        TOPIC,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        decoder=lambda message: message.body,
    )
    async def handle(body: bytes, message: KafkaMessage) -> None:
        nonlocal printed
        raw = message.raw_message
        assert not isinstance(raw, tuple)
        headers = dict(raw.headers)
        if headers.get("schema") != b"2" or headers.get("kind") != b"bar":
            return  # another version of the contract, or no bar: which bars are complete in this partition
        if interval and headers.get("interval") != interval.encode():
            return  # the value of a bar that is not wanted is never parsed
        if wanted and printed == wanted:
            return
        bar = json.loads(body)
        print(bar["exchange"], bar["symbol"], bar["interval"], bar["open_time"], bar["close"], bar["revision"])
        printed += 1
        if printed == wanted:
            app.exit()

    await app.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
