"""The real parts as tests and `make run` start them: ready when said so, gone when their owner is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pymongo import MongoClient

from candlewick_local.children import Children
from candlewick_local.errors import Refusal
from candlewick_local.identity import identity_of, is_alive
from candlewick_local.parts import KAFKA, MONGO, REDIS, PartPorts, RealParts
from tests.support.parts import Parts


def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def test_kafka_makes_topics_and_coordinates_groups_as_soon_as_it_is_ready(parts: Parts, prefix: str) -> None:
    topic = f"{prefix}ready"
    admin = AdminClient({"bootstrap.servers": parts.kafka})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    consumer = Consumer({"bootstrap.servers": parts.kafka, "group.id": f"{prefix}group"})
    assert consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset < 0
    consumer.close()


def test_mongo_is_a_replica_set_that_takes_majority_writes(parts: Parts, database: str) -> None:
    with MongoClient[dict[str, object]](parts.mongo, w="majority", serverSelectionTimeoutMS=10_000) as client:
        client[database]["things"].insert_one({"_id": "one"})
        assert client[database]["things"].count_documents({}) == 1


def test_redis_answers(parts: Parts, prefix: str) -> None:
    with redis.Redis.from_url(parts.redis) as client:
        client.set(f"{prefix}key", "value", ex=10)
        assert client.get(f"{prefix}key") == b"value"


def test_a_killed_part_comes_back_on_its_port_with_its_data(local_parts: RealParts, database: str) -> None:
    with MongoClient[dict[str, object]](local_parts.mongo) as client:
        client[database]["things"].insert_one({"_id": "kept"})
    local_parts.kill(MONGO)
    assert local_parts_answers(local_parts, MONGO) is False
    local_parts.start(MONGO)
    with MongoClient[dict[str, object]](local_parts.mongo) as client:
        assert client[database]["things"].find_one() == {"_id": "kept"}


def test_a_paused_part_does_not_answer_until_it_is_resumed(local_parts: RealParts) -> None:
    local_parts.pause(REDIS)
    try:
        assert local_parts_answers(local_parts, REDIS) is False
    finally:
        local_parts.resume(REDIS)
    local_parts.wait_ready(REDIS, within_s=5)


def local_parts_answers(parts: RealParts, name: str) -> bool:
    return parts.why_not_ready(name) is None


OWNER = """
import sys, time
from pathlib import Path
from candlewick_local.children import Children
folder = Path(sys.argv[1])
with Children(folder) as children:
    for name in ("awake", "paused"):
        child = children.start(name, ["/bin/sleep", "600"], {}, folder / "log")
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\\n":
            time.sleep(0.01)
        print(child.pid, flush=True)
    child.signal(19)
    print("started", flush=True)
    time.sleep(600)
"""


def test_no_child_outlives_an_owner_that_is_killed_and_the_folder_can_be_owned_again(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    children = [identity_of(int(owner.stdout.readline())) for _ in range(2)]
    assert owner.stdout.readline() == "started\n"
    owner.kill()
    owner.wait()
    owner.stdout.close()
    for child in children:
        assert child is not None
        until(lambda child=child: not is_alive(child))  # type: ignore[misc]
    with Children(tmp_path):
        pass


def test_parts_started_from_a_thread_that_ends_go_on(local_parts: RealParts) -> None:
    import threading

    local_parts.stop(REDIS)
    thread = threading.Thread(target=local_parts.start, args=(REDIS,))
    thread.start()
    thread.join()
    assert local_parts_answers(local_parts, REDIS)
    assert local_parts_answers(local_parts, KAFKA)


def test_what_an_earlier_owner_left_running_is_ended_by_the_next(tmp_path: Path) -> None:
    with Children(tmp_path) as first:
        left = first.start("sleeper", ["/bin/sleep", "600"], {}, tmp_path / "sleeper.log")
        noted = (tmp_path / "children.json").read_text()
        identity = left.identity
        first.forget("sleeper")
    (tmp_path / "children.json").write_text(noted)
    assert is_alive(identity)
    with Children(tmp_path):
        assert left.wait(5)


def test_a_process_that_got_a_dead_childs_number_is_left_alone(tmp_path: Path) -> None:
    with Children(tmp_path) as first:
        bystander = first.start("sleeper", ["/bin/sleep", "600"], {}, tmp_path / "sleeper.log")
        noted = (tmp_path / "children.json").read_text()
        first.forget("sleeper")
    other_start = noted.replace(str(bystander.identity.started), str(bystander.identity.started - 1))
    (tmp_path / "children.json").write_text(other_start)
    with Children(tmp_path):
        assert is_alive(bystander.identity)
    bystander.kill()


def test_a_folder_has_one_owner_and_the_second_is_told_who(tmp_path: Path) -> None:
    with Children(tmp_path), pytest.raises(Refusal, match=f"in use by the running process {os.getpid()}"):
        Children(tmp_path).__enter__()


def test_a_port_in_use_is_named_with_its_variable(local_parts: RealParts, tmp_path: Path) -> None:
    ports = PartPorts.free()
    taken = PartPorts(ports.kafka, ports.kafka_controller, ports.mongo, redis=local_parts.ports.redis)
    with pytest.raises(Refusal, match=rf"port {taken.redis} \(REDIS_PORT\)"):
        RealParts(tmp_path, taken).__enter__()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Refusal, match=f"cannot write to the folder {file}/data"):
        RealParts(file / "data").__enter__()


def test_a_failed_download_says_of_what_and_that_running_again_goes_on(tmp_path: Path) -> None:
    code = "import sys; from candlewick_local.__main__ import main; sys.exit(main(['parts']))"
    no_way_out = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "UV_HTTP_RETRIES": "0"}
    environment = {"PATH": "/nowhere", "HOME": str(tmp_path), "PARTS_CACHE": str(tmp_path), **no_way_out}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "could not download java" in done.stderr
    assert "running again goes on where this stopped" in done.stderr
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("java")]


def test_ctrl_c_in_the_terminal_does_not_reach_the_children(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("sleeper", ["/bin/sleep", "600"], {}, tmp_path / "sleeper.log")
        assert os.getpgid(child.pid) != os.getpgid(0)
        assert os.getsid(child.pid) == child.pid
        child.signal(signal.SIGTERM)
        assert child.wait(5)
