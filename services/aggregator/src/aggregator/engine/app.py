"""Chooses everything for an engine: settings, clients, probes, and the loop between them."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from aggregator.core.rules import Rules
from aggregator.engine import clients
from aggregator.engine.connection import Connection
from aggregator.engine.live import Live
from aggregator.engine.loop import LOG, Engine
from aggregator.engine.outputs import Outputs
from aggregator.engine.restore import Restore
from aggregator.engine.transaction import Transaction, Turn
from aggregator.engine.watchdog import Watchdog
from aggregator.settings import EngineSettings
from chassis import logs
from chassis.errors import MustRestart
from chassis.kafka.errors import KAFKA
from chassis.kafka.topics import ensure_topics
from chassis.probes import Heartbeat, ProbeServer, Readiness
from chassis.process import Program, run_sync
from chassis.stop import Stop, Stopped, ThreadStop
from contracts import topics

PROGRAM = Program(
    command="python -m aggregator engine",
    distribution="aggregator",
    about="Folds the ticks and marks of market.ticks into bars of 13 intervals on market.bars, in log order.",
)
TOPICS = (topics.TICKS, topics.TICKS.dead, topics.BARS, topics.TICKS_LATE, topics.FEED, topics.FORMING, topics.ROLLUP)
_STOP_SEEN_WITHIN_S = 0.2
_LAST_SENDS_S = 1.0
_FENCING = (
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
    KafkaError._FENCED,
)
"""What Kafka answers who is not the newest of its name, as member (KIP-345) or in transactions (KIP-98)."""

_log = logs.get("aggregator.engine")


def run(argv: Sequence[str] | None = None) -> int:
    """An engine from its first line to its exit code."""
    return run_sync(PROGRAM, EngineSettings, work, argv)


def work(settings: EngineSettings, stop: ThreadStop, resources: ExitStack) -> None:
    """Build an engine and have it work until it is told to stop."""
    ready, alive = Readiness((KAFKA, LOG)), Heartbeat()
    probes = resources.enter_context(ProbeServer(settings.http_host, settings.http_port, ready, alive))
    _log.info("probes listen", host=settings.http_host, port=probes.port)

    def turn() -> None:
        alive.beat()
        if stop.is_set:
            raise Stopped

    asyncio.run(_ensure_topics(settings, ready, turn))
    connection = Connection(ready)
    transaction = Transaction(
        Producer(clients.transactional_producer(settings, connection.on_fatal_error)), connection, Watchdog(), turn
    )
    resources.callback(transaction.close)
    live_producer = Producer(clients.live_producer(settings, connection.on_fatal_error))
    resources.callback(live_producer.flush, _LAST_SENDS_S)
    consumer = Consumer(clients.consumer(settings, connection.on_error))
    restore = Restore(lambda: Consumer(clients.reader(settings, connection.on_error)), consumer, connection)
    resources.callback(restore.close)
    resources.callback(consumer.close)
    engine = Engine(
        consumer=consumer,
        transaction=transaction,
        outputs=Outputs(transaction),
        restore=restore,
        live=Live(live_producer, consumer, connection, settings.silence_ms / 1000),
        connection=connection,
        rules=Rules(
            close_delay_ms=settings.close_delay_ms, intervals=settings.built, partitions=settings.kafka_partitions
        ),
        ready=ready,
        turn=turn,
    )
    try:
        engine.run()
    except KafkaException as error:
        reason = why_it_ends(error.args[0], settings.engine_instance_id)
        if reason is None:
            raise
        raise MustRestart(reason) from error


def why_it_ends(error: KafkaError, name: str) -> str | None:
    """What an operator has to know of an error that only a new process gets over; None: it is not of that kind.

    A fatal error has the code of fatal ones; what it was stands in its text only.
    """
    told = str(error.str())
    if any(error.code() == code or KafkaError(code).str() in told for code in _FENCING):
        return (
            f"fenced: another engine is called {name} too (give each an ENGINE_INSTANCE_ID of its own), "
            f"or this one stood still until Kafka gave its transaction up: {told}"
        )
    if error.fatal() or error.code() == KafkaError._FATAL:
        return f"Kafka's client gave itself up for good: {told}"
    return None


async def _ensure_topics(settings: EngineSettings, ready: Readiness, turn: Turn) -> None:
    """Create and verify the topics, beating the heart and minding the wish to end while Kafka is away."""
    stop = Stop()

    async def mind() -> None:
        while True:
            try:
                turn()
            except Stopped:
                stop.request("asked to stop")
            await asyncio.sleep(_STOP_SEEN_WITHIN_S)

    minding = asyncio.create_task(mind())
    try:
        await ensure_topics(settings.kafka_bootstrap_servers, TOPICS, settings.kafka_partitions, ready, stop)
    finally:
        minding.cancel()
