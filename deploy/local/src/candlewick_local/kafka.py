"""One node of Apache Kafka in KRaft mode: its settings, its command line, and when it is ready. Touches Kafka."""

import base64
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from candlewick_local.children import run_to_end
from candlewick_local.folders import write_atomically
from candlewick_local.found import Programs
from candlewick_local.ports import HOST

_FORMAT_S = 60.0
_JVM = (
    *("-Xms128m", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"),
    *("-XX:G1PeriodicGCInterval=60000", "-XX:+ExplicitGCInvokesConcurrent"),
    # The quick compiler only: a third less work until the broker is up, which on two cores is what a start waits for.
    *("-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
    *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where one broker listens and keeps its data."""

    folder: Path
    port: int
    controller_port: int

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


def properties(kafka: Kafka) -> str:
    """The broker's settings: those of one node on loopback, with quick rebalances and quick ends of dead transactions.

    Transactions whose producer has died are looked for every second instead of every ten: an open one holds up every
    reader of committed records. The log cleaner's buffer is 16 MB instead of 128. Retention is applied once an hour,
    and not at the start: a bar's timestamp is its close, so what is folded of an old log is old at once.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{kafka.controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{kafka.port},CONTROLLER://{HOST}:{kafka.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{kafka.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(kafka.folder / "data"),
        "auto.create.topics.enable": "false",
        "num.partitions": "4",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.segment.delete.delay.ms": "1000",
        "log.retention.check.interval.ms": "3600000",
        "log.initial.task.delay.ms": "3600000",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def prepare(kafka: Kafka, programs: Programs) -> list[str]:
    """Write the settings, format the storage the first time, and return the command line of the broker."""
    kafka.folder.mkdir(parents=True, exist_ok=True)
    file = kafka.folder / "server.properties"
    write_atomically(file, properties(kafka))
    if not (kafka.folder / "data" / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        run_to_end(
            [
                *(programs.java, *_JVM, "-cp", programs.kafka_classpath, "kafka.tools.StorageTool"),
                *("format", "--cluster-id", cluster, "--config", str(file)),
            ],
            _FORMAT_S,
            "formatting Kafka's storage",
        )
    return [programs.java, *_JVM, "-cp", programs.kafka_classpath, "kafka.Kafka", str(file)]


def why_not_ready(kafka: Kafka) -> str | None:
    """None when metadata and a group coordinator answer; else what does not."""
    admin = AdminClient({"bootstrap.servers": kafka.address, "log_level": 0, "socket.timeout.ms": 2000})
    try:
        if not admin.list_topics(timeout=2).brokers:
            return "no broker in the metadata"
        # Describing a group, even an absent one, asks the broker that coordinates it.
        described = admin.describe_consumer_groups(["candlewick-local-ready"], request_timeout=2)
        described["candlewick-local-ready"].result(2)
    except KafkaException as error:
        return str(error.args[0].str())
    except TimeoutError:
        return "the group coordinator does not answer"
    return None
