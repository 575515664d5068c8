"""Real Kafka, MongoDB and Redis as child processes of this one. Touches processes.

For tests: `with RealParts(folder) as parts:` and `parts.kafka`, `parts.mongo`, `parts.redis` are addresses that answer.
All calls block; from a coroutine use `asyncio.to_thread`.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from candlewick_local import cache, kafka, mongo
from candlewick_local.children import Child, Children
from candlewick_local.errors import Refusal
from candlewick_local.folders import parts_folder, writable
from candlewick_local.found import Programs, find_or_fetch
from candlewick_local.ports import free_ports, require_free

KAFKA, MONGO, REDIS = NAMES = ("kafka", "mongo", "redis")
READY_WITHIN_S = 90.0
"""How long a part may take until it answers; Kafka reads its logs again after a crash."""
STOP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class PartPorts:
    """The ports on loopback that the parts listen on."""

    kafka: int
    kafka_controller: int
    mongo: int
    redis: int

    @classmethod
    def free(cls) -> Self:
        return cls(*free_ports(4))

    def by_variable(self) -> dict[str, int]:
        """Each port by the variable that sets it, as an error about it names it."""
        return {
            "KAFKA_PORT": self.kafka,
            "KAFKA_CONTROLLER_PORT": self.kafka_controller,
            "MONGODB_PORT": self.mongo,
            "REDIS_PORT": self.redis,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """How one part is started and asked: `prepare` returns the command line, `why_not_ready` None once it answers."""

    prepare: Callable[[], Sequence[str]]
    why_not_ready: Callable[[], str | None]


class RealParts:
    """The three parts in one folder, on free ports unless told which; ended on leaving, and when this process ends.

    `children` lets an owner of the folder (the supervisor) keep the processes among its own.
    """

    def __init__(
        self,
        folder: Path,
        ports: PartPorts | None = None,
        *,
        downloads: Path | None = None,
        children: Children | None = None,
        logs_folder: Path | None = None,
    ) -> None:
        self._folder = folder
        self._downloads = downloads or parts_folder(os.environ)
        self._given_children = children
        self._logs = logs_folder or folder / "logs"
        self.ports = ports or PartPorts.free()
        self._kafka = kafka.Kafka(folder / KAFKA, self.ports.kafka, self.ports.kafka_controller)
        self._mongo = mongo.Mongo(folder / MONGO, self.ports.mongo)
        self._cache = cache.Cache(folder / REDIS, self.ports.redis)
        self._stack = ExitStack()
        self._parts: Mapping[str, Part] = {}

    @property
    def kafka(self) -> str:
        """For KAFKA_BOOTSTRAP_SERVERS."""
        return self._kafka.address

    @property
    def mongo(self) -> str:
        """For MONGODB_URL."""
        return self._mongo.url

    @property
    def redis(self) -> str:
        """For REDIS_URL."""
        return self._cache.url

    def __enter__(self) -> Self:
        self.open()
        return self

    def open(self) -> None:
        """Download what is missing, start all three at once and wait until they answer."""
        writable(self._folder)
        programs = find_or_fetch(self._downloads)
        self._children = self._given_children or self._stack.enter_context(Children(self._folder))
        require_free(self.ports.by_variable())
        self._parts = self._how_to_start(programs)
        try:
            for name in (MONGO, REDIS, KAFKA):
                self.spawn(name)
            for name in NAMES:
                self.wait_ready(name)
        except BaseException:
            self.stop_all()
            raise

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop_all()

    def start(self, name: str) -> None:
        """Start a part that was stopped or killed, on its old port with its old data, and wait until it answers."""
        self.spawn(name)
        self.wait_ready(name)

    def stop(self, name: str) -> None:
        """End a part in good order."""
        self._children[name].stop(STOP_WITHIN_S)
        self._children.forget(name)

    def kill(self, name: str) -> None:
        """End a part as a crash would."""
        self._children[name].kill()
        self._children.forget(name)

    def pause(self, name: str) -> None:
        """Let a part hang: its connections stay open and nothing answers (SIGSTOP)."""
        self._children[name].signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused part go on."""
        self._children[name].signal(signal.SIGCONT)

    def pid(self, name: str) -> int:
        """The process of a part that runs."""
        return self._children[name].pid

    def spawn(self, name: str) -> Child:
        """Start a part without waiting for it."""
        command = self._parts[name].prepare()
        return self._children.start(name, command, _environment(), self._logs / f"{name}.log")

    def why_not_ready(self, name: str) -> str | None:
        """None when the part answers as its clients need it to."""
        return self._parts[name].why_not_ready()

    def wait_ready(self, name: str, within_s: float = READY_WITHIN_S) -> None:
        """Return when the part answers. Raises `Refusal` with the end of its log when it ends or takes too long."""
        deadline = time.monotonic() + within_s
        child = self._children[name]
        while (why := self.why_not_ready(name)) is not None:
            if child.exit_code is not None:
                raise Refusal(f"{name} ended with code {child.exit_code} instead of starting:\n{child.last_lines()}")
            if time.monotonic() > deadline:
                raise Refusal(f"{name} is not ready after {within_s:.0f} s: {why}\n{child.last_lines()}")
            time.sleep(0.05)

    def stop_all(self) -> None:
        """End what runs: Kafka, then MongoDB, then Redis."""
        for name in NAMES:
            if self._children.get(name):
                self.stop(name)
        self._stack.close()

    def _how_to_start(self, programs: Programs) -> dict[str, Part]:
        return {
            KAFKA: Part(lambda: kafka.prepare(self._kafka, programs), lambda: kafka.why_not_ready(self._kafka)),
            MONGO: Part(lambda: mongo.prepare(self._mongo, programs), lambda: mongo.why_not_ready(self._mongo)),
            REDIS: Part(lambda: cache.prepare(self._cache, programs), lambda: cache.why_not_ready(self._cache)),
        }


def _environment() -> dict[str, str]:
    """What the parts see of the environment: nothing that would change how they work, and no secrets."""
    return {name: value for name in ("PATH", "HOME", "LANG", "TZ") if (value := os.environ.get(name))}
