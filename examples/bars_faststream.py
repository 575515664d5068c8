"""Bars with FastStream: `python examples/bars_faststream.py [BROKERS] [COUNT]` prints bars, or COUNT of them."""

import asyncio
import json
import sys

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

TOPIC = "market.bars.v1"


async def main(brokers: str = "127.0.0.1:9092", count: str = "0") -> None:
    broker = KafkaBroker(brokers, logger=None)
    app = FastStream(broker, logger=None)
    printed = 0

    # The group's offset moves only when a bar was handled; a bar may come twice after a crash.
    @broker.subscriber(
        TOPIC,
        group_id="example-faststream",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=lambda message: message.body,
    )
    async def handle(body: bytes, message: KafkaMessage) -> None:
        nonlocal printed
        raw = message.raw_message
        assert not isinstance(raw, tuple)
        if raw.key is None or (count != "0" and printed == int(count)):
            return  # not a bar: this interval is complete up to here, in this partition
        bar = json.loads(body)
        print(bar["exchange"], bar["symbol"], bar["interval"], bar["open_time"], bar["close"], bar["revision"])
        printed += 1
        if printed == int(count):
            app.exit()

    await app.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
