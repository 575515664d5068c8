"""The engine's transaction on real Kafka, while it does not know a topic."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from aggregator.engine import clients
from aggregator.engine.connection import Connection
from aggregator.engine.transaction import Aborted, Transaction
from aggregator.engine.watchdog import Watchdog
from aggregator.settings import EngineSettings
from candlewick_local.parts import RealParts
from chassis.kafka.errors import KAFKA
from chassis.probes import Readiness
from tests.support.topics import read_all


class Begun:
    """A transaction of an engine, and a topic that is not there before somebody has waited for it for seconds."""

    def __init__(self, kafka: str, resources: ExitStack) -> None:
        self.kafka = kafka
        self.topic = f"test-{uuid4().hex}"
        self.waiting: list[str | None] = []
        """Why Kafka was not ready, at each turn."""
        self.unknown = f"it does not know {self.topic}"
        self._admin = AdminClient({"bootstrap.servers": kafka})
        self._is_there = False
        self._ready = Readiness((KAFKA,))
        connection = Connection(self._ready)
        connection.answered()
        settings = EngineSettings(kafka_bootstrap_servers=kafka, engine_instance_id=self.topic)
        config = clients.transactional_producer(settings, connection.on_fatal_error)
        # By default a topic is hoped for during the first 30 s after it was named first.
        producer = Producer(config | {"topic.metadata.propagation.max.ms": 0})
        self.transaction = Transaction(producer, connection, Watchdog(), self._turn)
        self._consumer = Consumer(clients.reader(settings, connection.on_error))
        resources.callback(self._delete)
        resources.callback(self.transaction.close)
        resources.callback(self._consumer.close)
        self.transaction.start()

    def _turn(self) -> None:
        self.waiting.append(self._ready.report()["waiting"].get(KAFKA))
        if self.waiting[-1] == self.unknown:
            self._create()

    def _create(self) -> None:
        if not self._is_there:
            self._admin.create_topics([NewTopic(self.topic, 1)])[self.topic].result(30)
        self._is_there = True

    def _delete(self) -> None:
        if self._is_there:
            self._admin.delete_topics([self.topic])[self.topic].result(30)

    def put(self, value: bytes) -> None:
        self.transaction.put(self.topic, value, None, 0)

    def commit(self) -> None:
        self.transaction.commit({}, self._consumer)

    def read(self) -> list[bytes | None]:
        return [message.value() for message in read_all(self.kafka, self.topic)]


@pytest.fixture
def begun(local_parts: RealParts) -> Iterator[Begun]:
    with ExitStack() as resources:
        yield Begun(local_parts.kafka, resources)


def test_a_topic_that_kafka_does_not_know_for_a_while_is_waited_for(begun: Begun) -> None:
    """The first record is usually taken before the client knows that there is no topic: then its transaction ends."""
    committed = []
    for value in (b"first", b"second"):
        with suppress(Aborted):
            begun.put(value)
            begun.commit()
            committed.append(value)
    assert begun.unknown in begun.waiting
    assert committed[-1] == b"second"
    assert begun.read() == committed
