"""Keeps the whole system running on this machine: starts it, watches it, restarts what dies, stops it in order.

Touches processes, through `RealParts` and `Children`, and HTTP on loopback, through `asking`.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from candlewick_local import asking, logs
from candlewick_local.addresses import Addresses, addresses
from candlewick_local.api_key import api_key
from candlewick_local.children import Children
from candlewick_local.errors import Refusal
from candlewick_local.folders import CHECKOUT, writable
from candlewick_local.parts import NAMES, PartPorts, RealParts
from candlewick_local.ports import require_free
from candlewick_local.services import SIMULATOR, Service, services, simulator
from candlewick_local.state import RunState, read_state, write_state
from candlewick_local.watched import Watched

FIRST_SYMBOLS = (
    *("BINANCE:BTCUSDT", "BINANCE:ETHUSDT", "NASDAQ:AAPL"),
    *("TVC:NDX", "NYMEX:CL1!", "KRAKEN:RAREUSD"),
)
READY_WITHIN_S = 180.0
STOP_WITHIN_S = 25.0
_LOOK_EVERY_S = 0.2
_BOUND_LOGS_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Stack:
    """What to run and where: folders, ports by variable, the caller's environment, and whom to tell what happens."""

    data: Path
    logs: Path
    state: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    tell: Callable[[str], None]


class Supervisor:
    """Enter it to have the system up and ready, call `watch` to keep it so, leave it to stop everything in order."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._watched: dict[str, Watched] = {}
        self._resources = ExitStack()
        self._logs_bounded_at = time.monotonic()
        ports = stack.ports
        self._part_ports = PartPorts(
            kafka=ports["KAFKA_PORT"],
            kafka_controller=ports["KAFKA_CONTROLLER_PORT"],
            mongo=ports["MONGODB_PORT"],
            redis=ports["REDIS_PORT"],
        )

    def __enter__(self) -> Self:
        stack = self._stack
        writable(stack.data)
        writable(stack.logs)
        self._children = self._own()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def watch(self) -> None:
        """Look after the children for ever; ended by an exception, such as Ctrl-C's."""
        while True:
            self.look()
            time.sleep(_LOOK_EVERY_S)

    def look(self) -> None:
        """Look after the children once: report and restart what died, say when it is ready again, bound the logs."""
        for watched in self._watched.values():
            if died := watched.died(self._children):
                self._stack.tell(died)
            elif watched.is_due():
                watched.start()
                self._write_state()
            elif not watched.is_ready and watched.starts_at is None and watched.why_not_ready() is None:
                watched.is_ready = True
                self._stack.tell(f"{watched.name} is ready")
        if time.monotonic() - self._logs_bounded_at > _BOUND_LOGS_EVERY_S:
            self._logs_bounded_at = time.monotonic()
            for name in self._watched:
                logs.bound(self._log(name))

    def stop(self) -> None:
        """End everything: our services at once, then the simulator, Kafka, MongoDB and Redis one after the other."""
        running = [name for name in self._watched if self._children.get(name)]
        ours = [name for name in running if name not in {*NAMES, SIMULATOR}]
        for group in (tuple(reversed(ours)), *((name,) for name in (SIMULATOR, *NAMES) if name in running)):
            self._stop_group(group)
        self._watched.clear()
        self._resources.close()
        self._stack.state.unlink(missing_ok=True)

    def _own(self) -> Children:
        try:
            return self._resources.enter_context(Children(self._stack.data))
        except Refusal as refusal:
            if state := read_state(self._stack.state):
                raise Refusal(
                    f"already running: {state.api} answers, process {state.pid} looks after it; "
                    "stop that one with Ctrl-C, or start another with --data DIR --free-ports"
                ) from None
            raise refusal from None

    def _start(self) -> None:
        stack = self._stack
        own_feed = bool(stack.environment.get("TRADINGVIEW_URL"))
        unused = {"SIMULATOR_PORT", "SIMULATOR_HTTP_PORT"} if own_feed else set[str]()
        require_free({name: port for name, port in stack.ports.items() if name not in unused})
        self._key = api_key(stack.environment, stack.data)
        parts = RealParts(stack.data, self._part_ports, children=self._children, logs_folder=stack.logs)
        stack.tell("starting Kafka, MongoDB and Redis")
        parts.open()
        for name in NAMES:
            self._watch_part(parts, name)
        self.where: Addresses = addresses(stack.ports, parts.mongo, stack.environment)
        ours = services(stack.ports, self.where, stack.environment, self._key.made_in)
        stack.tell("starting the services" if own_feed else "starting the simulator and the services")
        for service in ours if own_feed else [simulator(stack.ports, stack.environment), *ours]:
            self._watch_service(service).start()
        self._write_state()
        self._wait_ready()
        self._subscribe_once()

    def _watch_part(self, parts: RealParts, name: str) -> None:
        self._watched[name] = Watched(
            name,
            lambda: parts.spawn(name),
            lambda: parts.why_not_ready(name),
            started_at=time.monotonic(),
            is_ready=True,
        )

    def _watch_service(self, service: Service) -> Watched:
        log = self._log(service.name)
        watched = self._watched[service.name] = Watched(
            service.name,
            lambda: self._children.start(service.name, service.command, service.environment, log, CHECKOUT),
            lambda: asking.why_not_ready(service.ready_url),
        )
        return watched

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while waiting := [watched for watched in self._watched.values() if not watched.is_ready]:
            if time.monotonic() > deadline:
                reasons = [f"{watched.name}: {watched.why_not_ready()}" for watched in waiting]
                raise Refusal(
                    f"not ready after {READY_WITHIN_S:.0f} s; " + "; ".join(reasons) + f"\nlogs: {self._stack.logs}"
                )
            self.look()
            time.sleep(0.1)

    def _subscribe_once(self) -> None:
        done = self._stack.data / "subscribed"
        if not done.exists():
            asking.subscribe(self.where.api, self._key.value, FIRST_SYMBOLS)
            done.touch()

    def _stop_group(self, names: Sequence[str]) -> None:
        children = [child for name in names if (child := self._children.get(name))]
        if not children:
            return
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in children:
            child.ask_to_stop()
        for child in children:
            if not child.wait(max(0.0, deadline - time.monotonic())):
                self._stack.tell(f"{child.name} did not stop in time and is killed")
                child.kill()
            self._children.forget(child.name)

    def _log(self, name: str) -> Path:
        return self._stack.logs / f"{name}.log"

    def state(self) -> RunState:
        """What runs at this moment."""
        children = {name: child.pid for name in self._watched if (child := self._children.get(name))}
        return RunState(
            pid=os.getpid(),
            data=str(self._stack.data),
            logs=str(self._stack.logs),
            api_key_file=str(self._key.made_in) if self._key.made_in else None,
            children=children,
            **asdict(self.where),
        )

    @property
    def api_key(self) -> str:
        return self._key.value

    def _write_state(self) -> None:
        write_state(self._stack.state, self.state())
