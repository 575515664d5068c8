"""Every client puts a key where `partition_of` says, and reads headers and timestamps as they were written."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from faststream.kafka import KafkaBroker

from contracts import wire
from contracts.headers import bar_headers, is_current
from contracts.topics import MARK_KEY, partition_of
from tests.support.bars import bar
from tests.support.parts import Parts
from tests.support.records import T0, calendar
from tests.support.topics import by_partition, read_all

PARTITIONS = 7
KEYS = [f"EX{i}:SYM{i * 7919}".encode() for i in range(60)]


@pytest.fixture
def topic(parts: Parts, prefix: str) -> str:
    name = f"{prefix}placed"
    admin = AdminClient({"bootstrap.servers": parts.kafka})
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
        created.result(timeout=20)
    return name


async def placed(parts: Parts, topic: str) -> dict[bytes, int]:
    """Where each key of the topic lies."""
    found: dict[bytes, int] = {}
    async with AIOKafkaConsumer(bootstrap_servers=parts.kafka, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        async with asyncio.timeout(20):
            while len(found) < len(KEYS):
                for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                    found |= {record.key: partition.partition for record in records}
    return found


EXPECTED = {key: partition_of(key, PARTITIONS) for key in KEYS}


async def test_aiokafka_puts_a_key_where_the_function_says_by_itself_and_when_told(parts: Parts, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=parts.kafka) as producer:
        for key in KEYS:
            await producer.send_and_wait(topic, b"x", key=key)
    assert await placed(parts, topic) == EXPECTED


async def test_confluent_kafka_puts_a_key_where_it_is_told(parts: Parts, topic: str) -> None:
    producer = Producer({"bootstrap.servers": parts.kafka})
    for key in KEYS:
        producer.produce(topic, b"x", key=key, partition=EXPECTED[key])
    assert producer.flush(20) == 0
    assert await placed(parts, topic) == EXPECTED


async def test_confluent_kafka_can_agree_only_if_its_partitioner_is_set(parts: Parts, topic: str) -> None:
    producer = Producer({"bootstrap.servers": parts.kafka, "partitioner": "murmur2"})
    for key in KEYS:
        producer.produce(topic, b"x", key=key)
    assert producer.flush(20) == 0
    assert await placed(parts, topic) == EXPECTED


async def test_faststream_puts_a_key_where_it_is_told(parts: Parts, topic: str) -> None:
    async with KafkaBroker(parts.kafka) as broker:
        for key in KEYS:
            await broker.publish(b"x", topic, key=key, partition=EXPECTED[key])
    assert await placed(parts, topic) == EXPECTED


async def test_a_calendar_stands_beside_its_symbol_only_if_the_partition_is_said(parts: Parts, topic: str) -> None:
    symbol = next(key for key in KEYS if EXPECTED[key] != partition_of(MARK_KEY + key, PARTITIONS))
    name, record = calendar(symbol.decode())
    async with AIOKafkaProducer(bootstrap_servers=parts.kafka) as producer:
        said = await producer.send_and_wait(topic, wire.encode(record), key=name, partition=EXPECTED[symbol])
        by_itself = await producer.send_and_wait(topic, wire.encode(record), key=name)
    assert said.partition == EXPECTED[symbol]
    assert by_itself.partition != EXPECTED[symbol]


async def test_headers_and_the_time_of_a_bar_are_read_as_they_were_written(parts: Parts, topic: str) -> None:
    """A bar of 1970 too, whose time is not older than the epoch."""
    bars = [bar(T0, 10.0), bar(0, 10.0)]
    producer = Producer({"bootstrap.servers": parts.kafka})
    for one in bars:
        headers = bar_headers(one.interval, T0)
        producer.produce(topic, wire.encode(one), partition=0, headers=headers, timestamp=one.close_time - 1)
    assert producer.flush(20) == 0
    wanted = [(wire.encode(one), bar_headers(one.interval, T0), one.close_time - 1) for one in bars]
    read = by_partition(read_all(parts.kafka, topic))[0]
    assert [(record.value, record.headers, record.timestamp) for record in read] == wanted
    assert all(is_current(record.headers) for record in read)
    async with AIOKafkaConsumer(topic, bootstrap_servers=parts.kafka, auto_offset_reset="earliest") as consumer:
        async with asyncio.timeout(20):
            found = [await consumer.getone() for _ in bars]
    assert [(one.value, list(one.headers), one.timestamp) for one in found] == wanted
