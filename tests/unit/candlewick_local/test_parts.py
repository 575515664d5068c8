"""The settings and command lines of the real parts, and the versions that will do."""

from itertools import pairwise
from pathlib import Path

import pytest

from candlewick_local import cache, kafka, mongo
from candlewick_local.found import KAFKA, Programs, kafka_version, version_in

PROGRAMS = Programs("/bin/java", "/jars/*", "/bin/mongod", "/bin/redis-server")


def kafka_settings(folder: Path) -> dict[str, str]:
    text = kafka.properties(kafka.Kafka(folder, port=9, controller_port=10))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_kafka_listens_on_loopback_only(tmp_path: Path) -> None:
    settings = kafka_settings(tmp_path)
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:9,CONTROLLER://127.0.0.1:10"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9"


def test_kafka_makes_no_topic_by_itself_and_needs_no_second_broker(tmp_path: Path) -> None:
    settings = kafka_settings(tmp_path)
    assert settings["auto.create.topics.enable"] == "false"
    assert {value for name, value in settings.items() if name.endswith("replication.factor")} == {"1"}


def test_kafka_ends_transactions_of_dead_producers_within_a_second_of_their_timeout(tmp_path: Path) -> None:
    assert kafka_settings(tmp_path)["transaction.abort.timed.out.transaction.cleanup.interval.ms"] == "1000"


def test_kafka_that_has_its_storage_is_started_without_formatting_it_again(tmp_path: Path) -> None:
    broker = kafka.Kafka(tmp_path, 9, 10)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.properties").touch()
    command = kafka.prepare(broker, PROGRAMS)
    assert command[0] == "/bin/java"
    assert command[-4:] == ["-cp", "/jars/*", "kafka.Kafka", str(tmp_path / "server.properties")]
    assert "-Xmx512m" in command


def test_mongod_is_a_replica_set_on_loopback_with_a_small_cache(tmp_path: Path) -> None:
    command = mongo.prepare(mongo.Mongo(tmp_path, 11), PROGRAMS)
    options = dict(pairwise(command))
    assert options["--bind_ip"] == "127.0.0.1"
    assert options["--port"] == "11"
    assert options["--replSet"] == "candlewick"
    assert options["--wiredTigerCacheSizeGB"] == "0.25"
    assert Path(options["--dbpath"]).is_dir()


def test_redis_is_on_loopback_and_saves_nothing(tmp_path: Path) -> None:
    command = cache.prepare(cache.Cache(tmp_path / "redis", 12), PROGRAMS)
    options = dict(pairwise(command))
    assert (options["--bind"], options["--port"], options["--save"]) == ("127.0.0.1", "12", "")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', (17, 0, 15)),
        ('java version "1.8.0_292"', (1, 8, 0)),
        ("db version v6.0.5", (6, 0, 5)),
        ("Redis server v=6.2.14 sha=40305114:0", (6, 2, 14)),
        ("no number", ()),
    ],
)
def test_a_program_says_its_version_first(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


def test_the_version_of_kafka_is_that_of_its_broker_jar() -> None:
    assert kafka_version(["slf4j-api-1.7.36.jar", "kafka_2.13-4.1.1.jar"]) == (4, 1, 1)
    assert kafka_version(["kafka-clients-4.1.1.jar"]) == ()
    assert kafka_version(["kafka_2.13-3.9.0.jar"]) < KAFKA
