"""A storm over the aggregator: a drawn log at some speed, faults drawn by a seed, and the verdict of three oracles."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Message, Producer
from pymongo import MongoClient
from redis import Redis

from aggregator.core.emission import Kind
from aggregator.engine.connection import UNKNOWN
from candlewick_local.parts import KAFKA, MONGO, RealParts
from contracts import topics, wire
from contracts.documents import bar_of
from contracts.intervals import MINUTE
from contracts.topics import partition_of
from tests.support.aggregator import PARTITIONS, Aggregator
from tests.support.oracle import Folded, disagreements, fold_messages, winners
from tests.support.processes import Process, until
from tests.support.tick_logs import Log, drawn_log
from tests.support.topics import read_all

YEAR_END = int(datetime(2025, 12, 31, 23, 30, tzinfo=UTC).timestamp() * 1000)
SESSION_S = 6.0
SKEWED = "engine-3"
"""The engine whose clock is wrong by ten seconds."""
FAULTS_AT_LEAST = 5
"""The end of the log is held back until so many faults have happened, however slow the machine is."""
_HELD_BACK = 0.1
"""Of the log, from its end."""
_SETTLED_WITHIN_S = 240.0


def names_in(partition: int) -> list[str]:
    """Five symbols of one partition, one of each kind of market that a drawn log has."""
    named = (f"SIM:S{number}" for number in count())
    found: list[str] = []
    while len(found) < 5:
        name = next(named)
        if partition_of(name.encode(), PARTITIONS) == partition:
            found.append(name)
    return found


class Feed(threading.Thread):
    """Writes a log into each partition, as fast as its own time goes by `speed`; it can be cut off for a while.

    Its end is held back until `may_end` is set.
    """

    def __init__(self, bootstrap: str, logs: dict[int, Log], speed: float) -> None:
        super().__init__(name="feed", daemon=True)
        self._producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "delivery.timeout.ms": 0, "linger.ms": 2,
            "queue.buffering.max.messages": 1_000_000, "reconnect.backoff.max.ms": 1_000,
        })  # fmt: skip
        rows = [(row[2], partition, row) for partition, log in logs.items() for row in log]
        self._rows = sorted(rows, key=lambda row: row[:2])
        self._speed = speed
        self.may_send = threading.Event()
        self.may_send.set()
        self.may_end = threading.Event()

    def run(self) -> None:
        began, first = time.monotonic(), self._rows[0][0]
        held_back_from = int(len(self._rows) * (1 - _HELD_BACK))
        for place, (at, partition, (key, record, _)) in enumerate(self._rows):
            if place >= held_back_from:
                self.may_end.wait()
            due = began + (at - first) / 1000 / self._speed
            while (wait := due - time.monotonic()) > 0:
                self._producer.poll(min(wait, 0.05))
            self.may_send.wait()
            while not self._send(wire.encode(record), key, partition):
                self._producer.poll(0.1)
        assert self._producer.flush(120) == 0, "the log was not written"

    def _send(self, value: bytes, key: bytes, partition: int) -> bool:
        """Whether the topic is known: for a while it is not to a broker that has been killed."""
        try:
            self._producer.produce(topics.TICKS.name, value, key, partition=partition)
        except KafkaException as error:
            if error.args[0].code() not in UNKNOWN:
                raise
            return False
        return True


@dataclass
class Storm:
    """Engines, sinks and parts, and what happens to them.

    `happened` counts the faults, `ended` why engines gave up by themselves: the last error that they logged.
    """

    system: Aggregator
    parts: RealParts
    seed: int
    seconds: float
    speed: float
    engines: dict[str, Process] = field(default_factory=dict)
    sinks: dict[str, Process] = field(default_factory=dict)
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    are_broker_faults_left: int = 2
    sessions: set[str] = field(default_factory=set)
    """The session strings of the calendars under which bars were emitted."""

    def rage(self) -> None:
        """Have the log written while faults come, then calm down: whatever was ended runs again."""
        rnd = random.Random(self.seed)
        minutes = max(2, int(self.seconds * self.speed / 60))
        logs = {
            partition: drawn_log(
                self.seed * 100 + partition,
                minutes,
                start=YEAR_END,
                names=names_in(partition),
                is_odd=self.seed % 3 == 0,
            )
            for partition in range(PARTITIONS)
        }
        for log in logs.values():
            _fit(log, minutes)
        for number in (1, 2, 3):
            self._start_engine(f"engine-{number}")
        for name in ("sink-1", "sink-2"):
            self.sinks[name] = self.system.sink()
        for engine in self.engines.values():
            engine.wait_ready()
        feed = Feed(self.parts.kafka, logs, self.speed)
        faults: list[Callable[[random.Random, Feed], None]] = [
            self._kill, self._kill, self._kill_in_transaction, self._kill_in_transaction, self._kill_after_commit,
            self._pause, self._pause_in_transaction, self._stop, self._scale, self._scale, self._kill_sink,
            self._kill_mongo, self._flush_redis, self._cut, self._broker,
        ]  # fmt: skip
        feed.start()
        while feed.is_alive():
            feed.join(rnd.uniform(1.0, 4.0))
            self._supervise()
            if feed.is_alive():
                fault = rnd.choice(faults)
                fault(rnd, feed)
            if self.happened.total() >= FAULTS_AT_LEAST:
                feed.may_end.set()
        for _, act in self.later:
            act()
        self.later.clear()

    def verdict(self) -> Folded:
        """Raise unless all three oracles agree; what the pure fold of the log issued."""
        messages = read_all(self.parts.kafka, topics.TICKS.name)
        folded = fold_messages(messages, PARTITIONS)
        wanted = folded.published()

        def is_done() -> bool:
            self._supervise()
            published = self.system.published()
            return all(len(published[number]) >= len(records) for number, records in wanted.items())

        until(is_done, f"everything is published after {self.summary()}", _SETTLED_WITHIN_S)
        published = self.system.published()
        for number, records in wanted.items():
            assert published[number] == records, f"partition {number} of {topics.BARS.name} is not the fold"
        self._verify_others(folded)
        best = winners(folded.bars)
        until(lambda: self._stored() == best, "MongoDB holds the winners", _SETTLED_WITHIN_S)
        self._verify_naive(messages, folded)
        self.sessions = _sessions_of(messages, {f"{bar.exchange}:{bar.symbol}" for bar in folded.bars})
        return folded

    def summary(self) -> str:
        """What happened, in a line."""
        return (
            f"seed {self.seed}: {dict(self.happened)}, engines ended by themselves: {dict(self.ended)}, "
            f"{len(self.sessions)} calendars"
        )

    def _verify_others(self, folded: Folded) -> None:
        gaps: dict[int, list[bytes | None]] = {number: [] for number in range(PARTITIONS)}
        for message in read_all(self.parts.kafka, topics.FEED.name):
            gaps[partition_of(message.key() or b"", PARTITIONS)].append(message.value())
        late: dict[int, list[bytes | None]] = {number: [] for number in range(PARTITIONS)}
        for message in read_all(self.parts.kafka, topics.TICKS_LATE.name):
            late[message.partition() or 0].append(message.value())
        for number, issues in folded.issues.items():
            assert gaps[number] == [wire.encode(i.record) for i in issues if i.kind is Kind.GAP], "gaps of the fold"
            assert late[number] == [wire.encode(i.record) for i in issues if i.kind is Kind.LATE], "late ticks"

    def _verify_naive(self, messages: list[Message], folded: Folded) -> None:
        for number, issues in folded.issues.items():
            log: Log = []
            for message in messages:
                if message.partition() == number:
                    key, value = bytes(message.key() or b""), message.value() or b""
                    log.append((key, wire.decode_log_record(key, value), message.timestamp()[1]))
            differences = disagreements(log, issues)
            assert differences == [], f"the naive program has other values in partition {number}: {differences[:5]}"

    def _stored(self) -> dict[str, Any]:
        with MongoClient[dict[str, Any]](self.parts.mongo) as client:
            return {document["_id"]: bar_of(document) for document in client[self.system.database]["ohlcv"].find()}

    def _start_engine(self, name: str) -> None:
        program = "tests.support.skewed_engine" if name == SKEWED else "aggregator"
        self.engines[name] = self.system.start([program, "engine"], name)

    def _supervise(self) -> None:
        """What an orchestrator does: start again what ended; and do what is due."""
        now = time.monotonic()
        due = [entry for entry in self.later if entry[0] <= now]
        self.later = [entry for entry in self.later if entry[0] > now]
        for _, act in due:
            act()
        for name, engine in list(self.engines.items()):
            if engine.exit_code is not None:
                assert engine.exit_code == 1, engine.log
                assert "stopped by a bug" not in engine.log, engine.log
                self.ended[last_error(engine.log)] += 1
                self._start_engine(name)

    def _any_engine(self, rnd: random.Random) -> str | None:
        running = sorted(name for name, engine in self.engines.items() if engine.exit_code is None)
        return rnd.choice(running) if running else None

    def _kill(self, rnd: random.Random, _feed: Feed) -> None:
        name = self._any_engine(rnd)
        if name is not None:
            self._crash(name, rnd.choice((0.0, 0.0, SESSION_S + 4)), "kill -9")

    def _crash(self, name: str, back_after_s: float, what: str) -> None:
        self.happened[what] += 1
        self.engines.pop(name).kill()
        self.later.append((time.monotonic() + back_after_s, lambda: self._start_engine(name)))

    def _when_it_says(self, rnd: random.Random, line: str) -> str | None:
        """An engine that has just logged a line; None if none does soon."""
        name = self._any_engine(rnd)
        if name is None:
            return None
        engine = self.engines[name]
        said, deadline = engine.log.count(line), time.monotonic() + 5
        while engine.log.count(line) == said:
            if time.monotonic() > deadline or engine.exit_code is not None:
                return None
        return name

    def _kill_in_transaction(self, rnd: random.Random, _feed: Feed) -> None:
        name = self._when_it_says(rnd, "transaction begun")
        if name is not None:
            self._crash(name, rnd.choice((0.0, SESSION_S + 4)), "kill -9 in a transaction")

    def _kill_after_commit(self, rnd: random.Random, _feed: Feed) -> None:
        name = self._when_it_says(rnd, "transaction committed")
        if name is not None:
            self._crash(name, 0.0, "kill -9 after a commit")

    def _pause(self, rnd: random.Random, _feed: Feed) -> None:
        name = self._any_engine(rnd)
        if name is not None:
            self._stand_still(name, rnd, "SIGSTOP")

    def _pause_in_transaction(self, rnd: random.Random, _feed: Feed) -> None:
        name = self._when_it_says(rnd, "transaction begun")
        if name is not None:
            self._stand_still(name, rnd, "SIGSTOP in a transaction")

    def _stand_still(self, name: str, rnd: random.Random, what: str) -> None:
        self.happened[what] += 1
        engine = self.engines[name]
        engine.pause()
        self.later.append((time.monotonic() + rnd.uniform(SESSION_S + 1, SESSION_S + 5), engine.resume))

    def _stop(self, rnd: random.Random, _feed: Feed) -> None:
        name = self._any_engine(rnd)
        if name is not None:
            self.happened["SIGTERM"] += 1
            self.engines.pop(name).stop()
            self._start_engine(name)

    def _scale(self, _rnd: random.Random, _feed: Feed) -> None:
        if "engine-4" in self.engines:
            self.happened["scale in"] += 1
            self.engines.pop("engine-4").stop()
        else:
            self.happened["scale out"] += 1
            self._start_engine("engine-4")

    def _kill_sink(self, rnd: random.Random, _feed: Feed) -> None:
        self.happened["kill -9 of a sink"] += 1
        name = rnd.choice(sorted(self.sinks))
        self.sinks[name].kill()
        self.sinks[name] = self.system.sink()

    def _kill_mongo(self, _rnd: random.Random, _feed: Feed) -> None:
        self.happened["kill -9 of MongoDB"] += 1
        self.parts.kill(MONGO)
        self.parts.start(MONGO)

    def _flush_redis(self, _rnd: random.Random, _feed: Feed) -> None:
        self.happened["Redis flushed"] += 1
        with Redis.from_url(self.parts.redis) as client:
            client.flushall()

    def _cut(self, rnd: random.Random, feed: Feed) -> None:
        self.happened["feed cut off"] += 1
        feed.may_send.clear()
        self.later.append((time.monotonic() + min(30, self.seconds / rnd.uniform(4, 8)), feed.may_send.set))

    def _broker(self, rnd: random.Random, _feed: Feed) -> None:
        if not self.are_broker_faults_left:
            return
        self.are_broker_faults_left -= 1
        if rnd.random() < 0.5:
            self.happened["kill -9 of the broker"] += 1
            self.parts.kill(KAFKA)
        else:
            self.happened["broker stopped"] += 1
            self.parts.stop(KAFKA)
        self.parts.start(KAFKA)


def _fit(log: Log, minutes: int) -> None:
    """Fit a drawn log to a Kafka that appends it today.

    The last marks lie hours after the rest: they are written right after it, whatever the speed. A watermark that runs
    ahead of its own append time, as drawn, must not do so by today's.
    """
    end = YEAR_END + minutes * MINUTE + MINUTE
    for place, (key, record, timestamp) in enumerate(log):
        if isinstance(record, wire.Mark):
            record = msgspec.structs.replace(record, watermark=min(record.watermark, timestamp))
        log[place] = (key, record, min(timestamp, end))


def _sessions_of(messages: list[Message], symbols: set[str]) -> set[str]:
    """The session strings of some symbols' calendars."""
    found = set()
    for message in messages:
        record = wire.decode_log_record(message.key() or b"", message.value() or b"")
        if isinstance(record, wire.Calendar) and f"{record.exchange}:{record.symbol}" in symbols:
            found.add(record.session)
    return found


def last_error(log: str) -> str:
    """The message and the cause of the last error in a log of JSON lines."""
    lines = [line for line in log.splitlines() if line.startswith("{") and line.endswith("}")]
    errors = [line for line in map(json.loads, lines) if line.get("level") == "error"]
    if not errors:
        return "nothing was said"
    last = errors[-1]
    cause = last.get("cause") or last.get("call") or str(last.get("exception", "")).strip().rpartition("\n")[2]
    return f"{last['message']}: {cause}"
