"""Every client puts a key where `partition_of` says, on real Kafka."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from faststream.kafka import KafkaBroker

from contracts.topics import partition_of
from tests.support.parts import Parts

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
