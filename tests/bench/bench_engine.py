"""`engine.*`: the engine on real Kafka over a backlog, at a boundary, in steady flow, at a restart, after a kill."""

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Message, Producer, TopicPartition
from pymongo import MongoClient
from pymongo.collection import Collection

from aggregator.engine import clients, metrics
from aggregator.engine.app import work
from aggregator.settings import EngineSettings
from candlewick_local.parts import RealParts
from chassis.clock import now_ms
from chassis.stop import ThreadStop
from contracts import topics, wire
from contracts.bars import volume_of
from contracts.intervals import HOUR, MINUTE, Interval
from contracts.topics import MARK_KEY, partition_of
from tests.bench.figure import Bench, Figure
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.logs import Entry
from tests.support.parts import started_parts, unique
from tests.support.processes import Process, until
from tests.support.records import T0, calendar, mark, tick
from tests.support.topics import write

RUNS = 5
BACKLOG = 400_000
MONDAY_THE_FIRST = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
"""A day, a week and a month begin: all 13 intervals close."""
WITHIN_S = 120.0
Seen = list[tuple[float, int, bytes | None]]
"""When a record of market.bars became visible, its partition, its key."""


def named(count: int) -> list[str]:
    """Symbols as they look on a venue."""
    return [f"BINANCE:C{number:05d}USDT" for number in range(count)]


class Writer:
    """Ticks of some symbols that trade round the clock, and marks of all partitions, in time order."""

    def __init__(self, names: Sequence[str], start: int) -> None:
        self._partitions = {name: partition_of(name.encode(), PARTITIONS) for name in names}
        self._rnd = random.Random(1)
        self._units = 10**10
        covered = {name: (name, "covered", start - HOUR) for name in names}
        self.entries: list[Entry] = []
        for partition in range(PARTITIONS):
            own = [name for name in names if self._partitions[name] == partition]
            marked = mark(start, *(covered[name] for name in own))
            self.entries.append(Entry(partition, MARK_KEY, wire.encode(marked)))
            for key, record in (calendar(name, at=start) for name in own):
                self.entries.append(Entry(partition, key, wire.encode(record)))

    def tick(self, name: str, at: int) -> None:
        """A trade, with all that TradingView says of one."""
        self._units += 12_345_678
        one = tick(at, 100 + self._rnd.random(), volume_of(self._units), symbol=name, day_high=101.0, day_low=100.0,
                   day_open=100.25, bid=100.0, ask=101.0, bid_size=3.0, ask_size=2.0, session="market")  # fmt: skip
        self.entries.append(Entry(self._partitions[name], name.encode(), wire.encode(one)))

    def mark(self, watermark: int) -> None:
        raw = wire.encode(mark(watermark))
        self.entries += [Entry(partition, MARK_KEY, raw) for partition in range(PARTITIONS)]

    def take(self) -> list[Entry]:
        taken, self.entries = self.entries, []
        return taken


class Sender:
    """A producer that is connected already when it matters how long a record takes."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0})

    def send(self, entries: Sequence[Entry]) -> None:
        """Returns when all replicas have them."""
        for entry in entries:
            self._producer.produce(topics.TICKS.name, entry.value, entry.key, partition=entry.partition)
            self._producer.poll(0)
        assert self._producer.flush(WITHIN_S) == 0


@contextmanager
def running() -> Iterator[RealParts]:
    with started_parts() as parts:
        yield parts


@contextmanager
def system(parts: RealParts) -> Iterator[Aggregator]:
    with (
        tempfile.TemporaryDirectory() as folder,
        aggregator(parts, unique("bench"), Path(folder)) as one,
    ):
        yield one


class UntilTaken(ThreadStop):
    """Ends the engine of this process when it has taken so many ticks, and knows how long that took."""

    def __init__(self, ticks: int) -> None:
        super().__init__()
        self._before = metrics.TICKS._value.get()
        self._ticks = ticks
        self._first: tuple[float, float] | None = None
        self.rate = 0.0

    @property
    def is_set(self) -> bool:
        taken = metrics.TICKS._value.get() - self._before
        if taken and self._first is None:
            self._first = (time.perf_counter(), taken)
        if taken < self._ticks or self._first is None:
            return False
        at, already = self._first
        self.rate = self.rate or (taken - already) / (time.perf_counter() - at)
        return True


def engine_rate(one: Aggregator, ticks: int) -> float:
    """Ticks a second through a whole engine, transactions and all, from its first batch to its last."""
    settings = EngineSettings(
        kafka_bootstrap_servers=one.kafka, kafka_partitions=PARTITIONS, http_port=0, silence_ms=600_000
    )
    stop = UntilTaken(ticks)
    with ExitStack() as resources:
        try:
            work(settings, stop, resources)
        except Exception as stopped:
            if type(stopped).__name__ != "Stopped":
                raise
    return stop.rate


def bare_rate(one: Aggregator, ticks: int) -> float:
    """Records a second of the bare loop, with the same settings: take, read the value, decode it."""
    settings = EngineSettings(kafka_bootstrap_servers=one.kafka, kafka_partitions=PARTITIONS)
    config = clients.consumer(settings, lambda _error: None) | {"group.id": unique("bare")}
    del config["group.instance.id"]
    consumer = Consumer(config)
    consumer.assign([TopicPartition(topics.TICKS.name, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    taken = already = 0
    began = 0.0
    decode_tick, decode_mark, decode_calendar = wire.decode_tick, wire.decode_mark, wire.decode_calendar
    while taken < ticks:
        for message in consumer.consume(500, 0.04):
            if message.error() is None:
                value = message.value() or b""
                if value.startswith(b'{"kind":"mark"'):
                    decode_mark(value)
                elif value.startswith(b'{"kind"'):
                    decode_calendar(value)
                else:
                    decode_tick(value)
                    taken += 1
        if taken and not began:
            began, already = time.perf_counter(), taken
    rate = (taken - already) / (time.perf_counter() - began)
    consumer.close()
    return rate


def backlog(symbols: int) -> Callable[[], Figure]:
    """A backlog of a tick a second and symbol, a mark each 250 ms, taken from the first record on, again and again."""

    def measure() -> Figure:
        names = named(symbols)
        writer = Writer(names, T0)
        for second in range(BACKLOG // symbols):
            at = T0 + second * 1000
            for quarter in range(4):
                for place in range(quarter * symbols // 4, (quarter + 1) * symbols // 4):
                    writer.tick(names[place], at + place * 1000 // symbols)
                writer.mark(at + 250 * (quarter + 1))
        entries = writer.take()
        ticks = BACKLOG // symbols * symbols
        rates, bare = [], []
        with running() as parts:
            for run in range(RUNS + 1):
                with system(parts) as one:
                    write(one.kafka, topics.TICKS.name, entries)
                    bare.append(bare_rate(one, ticks))
                    rates.append(engine_rate(one, ticks))
                if run == 0:
                    rates.clear()
                    bare.clear()
        return Figure(
            name=f"engine.backlog_{symbols}_symbols",
            samples=rates,
            unit="ticks/s",
            baseline=statistics.median(bare),
            baseline_name="the bare loop of consume, value and decode",
            bound=0.6,
            is_ratio_bound=True,
        )

    return measure


class Watcher(threading.Thread):
    """Sees when records of market.bars become visible to a reader of committed records."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": unique("watch"), "isolation.level": "read_committed",
            "enable.auto.commit": False, "fetch.wait.max.ms": 5, "enable.partition.eof": True,
        })  # fmt: skip
        self._consumer.assign([TopicPartition(topics.BARS.name, number, OFFSET_END) for number in range(PARTITIONS)])
        ready = set[int]()
        while len(ready) < PARTITIONS:
            ready |= {message.partition() or 0 for message in self._consumer.consume(100, 0.05)}
        self._taken: list[tuple[float, list[Message]]] = []
        self._bars = 0
        self._is_over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._is_over.is_set():
            messages = self._consumer.consume(5_000, 0.005)
            if messages:
                self._taken.append((time.perf_counter(), messages))
                self._bars += len(messages) - [*map(Message.key, messages)].count(MARK_KEY)
        self._consumer.close()

    def close(self) -> None:
        self._is_over.set()
        self.join()

    def has(self, bars: int) -> bool:
        """Whether so many bars have been seen."""
        return self._bars >= bars

    @property
    def seen(self) -> Seen:
        """What has become visible so far."""
        taken = self._taken[:]
        return [(at, m.partition() or 0, m.key()) for at, messages in taken for m in messages if m.error() is None]

    def flows(self, since: float) -> bool:
        """Whether something of every partition has become visible since an instant."""
        return {number for at, number, _ in self.seen if at > since} == set(range(PARTITIONS))


def everything_closes(one: Aggregator, symbols: Sequence[str], is_over: Callable[[], bool]) -> float:
    """Have symbols close all 13 intervals and wait until something holds; when the closing mark was sent."""
    writer = Writer(symbols, MONDAY_THE_FIRST - MINUTE)
    for name in symbols:
        writer.tick(name, MONDAY_THE_FIRST - 30_000)
    engine, sender = one.engine().wait_ready(), Sender(one.kafka)
    sender.send(writer.take())
    until(partial(is_taken, engine, len(symbols)), "all is taken", WITHIN_S)
    writer.mark(MONDAY_THE_FIRST + 2_000)
    began = time.perf_counter()
    sender.send(writer.take())
    until(is_over, "it holds", WITHIN_S)
    return began


def boundary() -> Figure:
    """Until the last of 65,000 bars of 5,000 symbols is visible."""
    symbols, samples = named(5_000), []
    with running() as parts:
        for _ in range(RUNS):
            with system(parts) as one:
                watcher = Watcher(one.kafka)
                began = everything_closes(one, symbols, partial(watcher.has, len(symbols) * len(Interval)))
                watcher.close()
                samples.append((watcher.seen[-1][0] - began) * 1000)
    return Figure(name="engine.boundary_65000_bars", samples=samples, unit="ms", bound=1_000, at_least=False)


def boundary_stored() -> Figure:
    """Until the last of them is in MongoDB, through one sink. The bound is our own: a chart that is asked for again."""
    symbols, samples = named(5_000), []
    bars = len(symbols) * len(Interval)
    with running() as parts, MongoClient[dict[str, Any]](parts.mongo) as client:
        for _ in range(RUNS):
            with system(parts) as one:
                one.sink().wait_ready()
                collection = client[one.database]["ohlcv"]
                began = everything_closes(one, symbols, partial(has_documents, collection, bars))
                samples.append((time.perf_counter() - began) * 1000)
                client.drop_database(one.database)
    return Figure(name="engine.boundary_stored", samples=samples, unit="ms", bound=30_000, at_least=False)


def has_documents(collection: Collection[dict[str, Any]], count: int) -> bool:
    return collection.estimated_document_count() == count


def is_taken(engine: Process, ticks: int) -> bool:
    return engine.metric("engine_ticks_total") >= ticks and engine.metric("engine_position_lag_records") == 0


def ordinary_minutes() -> Figure:
    """The same for an ordinary minute of 1,000 symbols: 99 of 100 bars are visible so soon."""
    symbols, minutes, samples = named(1_000), 8, []
    with running() as parts, system(parts) as one:
        writer = Writer(symbols, T0 + MINUTE)
        engine, sender = one.engine().wait_ready(), Sender(one.kafka)
        for run in range(RUNS):
            waits: list[float] = []
            for minute in range(minutes):
                opened = T0 + (1 + run * minutes + minute) * MINUTE
                for name in symbols:
                    writer.tick(name, opened + 30_000)
                sender.send(writer.take())
                taken = len(symbols) * (run * minutes + minute + 1)
                until(partial(is_taken, engine, taken), "all is taken", WITHIN_S)
                watcher = Watcher(one.kafka)
                writer.mark(opened + MINUTE + 2_000)
                began = time.perf_counter()
                sender.send(writer.take())
                until(partial(watcher.has, len(symbols)), "all is visible", WITHIN_S)
                watcher.close()
                waits += [(at - began) * 1000 for at, _, key in watcher.seen if key != MARK_KEY]
            samples.append(statistics.quantiles(waits, n=100)[98])
    return Figure(name="engine.minute_1000_bars_p99", samples=samples, unit="ms", bound=200, at_least=False)


def steady() -> Figure:
    """Of one core, what an engine takes for 5,000 ticks a second of 1,000 symbols, forming bars on."""
    symbols, samples = named(1_000), list[float]()
    with running() as parts, system(parts) as one:
        engine = one.engine().wait_ready()
        producer = Producer({"bootstrap.servers": one.kafka, "enable.idempotence": True, "linger.ms": 5})
        writer = Writer(symbols, now_ms() - HOUR)
        began, used = time.monotonic(), engine.metric("process_cpu_seconds_total")
        step, at = 0, time.monotonic()
        while len(samples) < RUNS:
            now = now_ms()
            for place in range(step * 250, (step + 1) * 250):
                writer.tick(symbols[place % len(symbols)], now)
            if step % 5 == 4:
                writer.mark(now_ms())
            for entry in writer.take():
                producer.produce(topics.TICKS.name, entry.value, entry.key, partition=entry.partition)
            step += 1
            at += 0.05
            producer.poll(max(0.0, at - time.monotonic()))
            time.sleep(max(0.0, at - time.monotonic()))  # the pace
            if step % 200 == 0:
                cpu, ended = engine.metric("process_cpu_seconds_total"), time.monotonic()
                samples.append((cpu - used) / (ended - began) * 100)
                began, used = ended, cpu
        assert engine.metric("engine_ticks_total") > 0.99 * step * 250 - 5_000
        assert engine.metric("engine_forming_total") > 0
    return Figure(name="engine.steady_5000_ticks", samples=samples, unit="% of a core", bound=40, at_least=False)


def restore() -> Figure:
    """From the assignment to the last partition's state being whole: 10,000 symbols, 13 intervals, minutes retained."""
    symbols, samples = named(10_000), []
    with running() as parts, system(parts) as one:
        writer = Writer(symbols, T0)
        for minute in range(8):
            for name in symbols:
                writer.tick(name, T0 + minute * MINUTE + 10_000)
            writer.mark(T0 + (minute + 1) * MINUTE)
        write(one.kafka, topics.TICKS.name, writer.take())
        engine = one.engine().wait_ready()
        until(lambda: is_taken(engine, 8 * len(symbols)), "all is taken", WITHIN_S)
        for _ in range(RUNS):
            engine.stop()
            engine = one.engine().wait_ready()
            samples.append(max(restored_after(engine)))
        memory = engine.metric("process_resident_memory_bytes") / 2**20
        print(f"  10,000 symbols of 13 intervals: {memory:.0f} MB resident")
    return Figure(name="engine.restore_10000_symbols", samples=samples, unit="s", bound=10, at_least=False)


def restored_after(engine: Process) -> list[float]:
    """Seconds of each partition, as it logged them."""
    lines = [line for line in engine.log.splitlines() if '"state read"' in line]
    return [float(line.split('"seconds": ')[1].split(",")[0].rstrip("}")) for line in lines]


def pauses(parts: RealParts, *, is_restarted: bool, in_transaction: bool) -> tuple[float, float]:
    """Kill one of two engines while bars flow: the longest pause of its partitions, and of the other's, seconds."""
    symbols = named(200)
    with system(parts) as one:
        engines = {name: one.engine(name) for name in ("engine-1", "engine-2")}
        for engine in engines.values():
            engine.wait_ready()
        until(lambda: all(e.metric("engine_partitions") == 2 for e in engines.values()), "each has two", WITHIN_S)
        watcher, is_over = Watcher(one.kafka), threading.Event()

        def flow() -> None:
            writer = Writer(symbols, T0 + MINUTE)
            minute = 1
            while not is_over.is_set():
                for name in symbols:
                    writer.tick(name, T0 + minute * MINUTE + 10_000)
                minute += 1
                writer.mark(T0 + minute * MINUTE + 2_000)
                write(one.kafka, topics.TICKS.name, writer.take())
                is_over.wait(0.25)

        feeding = threading.Thread(target=flow, daemon=True)
        feeding.start()
        until(partial(watcher.has, 2_000), "bars flow", WITHIN_S)
        victim = engines["engine-1"]
        its = owned_by(victim)
        if in_transaction:
            said = victim.log.count("transaction begun")
            until(lambda: victim.log.count("transaction begun") > said, "a transaction is open", WITHIN_S)
        victim.kill()
        killed = time.perf_counter()
        if is_restarted:
            one.engine("engine-1")
        until(partial(watcher.flows, killed + 3), "all flow again", WITHIN_S)
        is_over.set()
        feeding.join()
        watcher.close()
        seen = watcher.seen
        longest = {number: longest_pause(seen, number, killed) for number in range(PARTITIONS)}
    return max(longest[n] for n in its), max(longest[n] for n in longest if n not in its)


def owned_by(engine: Process) -> set[int]:
    """The partitions that an engine owns, by its gauges."""
    return {int(number) for number in engine.labels("engine_committed_lag_records", "partition", even_zero=True)}


def longest_pause(seen: Seen, partition: int, since: float) -> float:
    """The longest time without a new bar in a partition after an instant, seconds."""
    instants = [at for at, number, _ in seen if number == partition]
    return max(after - max(before, since) for before, after in pairwise(instants) if after > since)


def after_a_kill(name: str, bound: float, *, is_restarted: bool, in_transaction: bool) -> Callable[[], Figure]:
    def measure() -> Figure:
        with running() as parts:
            runs = [pauses(parts, is_restarted=is_restarted, in_transaction=in_transaction) for _ in range(RUNS)]
        others = [other for _, other in runs]
        print(f"  the other engine's partitions paused for at most {max(others):.2f} s")
        assert max(others) <= 1.5, others
        return Figure(name=name, samples=[its for its, _ in runs], unit="s", bound=bound, at_least=False)

    return measure


BENCHES: list[Bench] = [
    backlog(200),
    backlog(2_000),
    boundary,
    boundary_stored,
    ordinary_minutes,
    steady,
    restore,
    after_a_kill("engine.killed_and_restarted", 3, is_restarted=True, in_transaction=False),
    after_a_kill("engine.killed_in_transaction", 3, is_restarted=True, in_transaction=True),
    after_a_kill("engine.killed_for_good", 10, is_restarted=False, in_transaction=True),
]
