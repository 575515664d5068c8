"""`ingest.*` of a running process: quotes through a real socket to real Kafka. Touches processes, sockets, HTTP."""

import asyncio
import functools
import itertools
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from candlewick_local.ports import free_ports
from chassis.clock import now_ms
from tests.bench.figure import Bench, Figure
from tests.bench.stream import Line, framed, server
from tests.support.ingest import topics_of, wishes
from tests.support.parts import started_parts, unique
from tests.support.replicas import Replica, replicas
from tradingview.codec import encode_packet

PARTITIONS = 4
AN_HOUR = 3_600
WITHIN_S = 120.0
STEP_S = 0.005
Metrics = dict[str, float]


@dataclass
class Run:
    """What a run of one ingest process said, sample by sample: the instant, its metrics. And its heartbeats."""

    samples: list[tuple[float, Metrics]] = field(default_factory=list)
    heartbeats: int = 0
    echoes: int = 0

    def rates(self, name: str) -> list[float]:
        """What a counter grew by a second, from sample to sample."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return [(after[name] - before[name]) / (then - at) for (at, before), (then, after) in pairs]

    def slowest_hundredth(self) -> list[float]:
        """The 99th percentile of the time from socket to acknowledgement, milliseconds, from sample to sample."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return [percentile(before, after, 0.99) * 1000 for (_, before), (_, after) in pairs]


def percentile(before: Metrics, after: Metrics, share: float) -> float:
    """Of what `ingest_tick_seconds` observed meanwhile; within a bucket it is taken for even."""
    prefix = 'ingest_tick_seconds_bucket{le="'
    buckets = [
        (float(name.removeprefix(prefix)[:-2]), value - before[name])
        for name, value in after.items()
        if name.startswith(prefix)
    ]
    wanted = buckets[-1][1] * share
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted:
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    raise AssertionError("the last bucket holds everything")


def snapshot(name: str) -> dict[str, object]:
    """The state of a symbol whose last trade was two hours ago."""
    now = now_ms() // 1000
    return {
        "lp": 100.0, "volume": 1000.0, "lp_time": now - 2 * AN_HOUR, "bid": 99.0, "ask": 101.0, "bid_size": 1.5,
        "ask_size": 2.5, "open_time": now // 86_400 * 86_400, "open_price": 99.5, "high_price": 1e6, "low_price": 1.0,
        "prev_close_price": 98.0, "current_session": "market", "update_mode": "streaming", "currency_code": "USDT",
        "description": f"{name} / TetherUS",
    }  # fmt: skip


def trade(line: Line, name: str, number: int, at: int) -> str:
    """The packet of a symbol's trade of this number, at this second."""
    return encode_packet(
        f'{{"m":"qsd","p":["{line.session}",{{"n":"{name}","s":"ok","v":{{"volume":{1000 + number}.{number % 97:02d},'
        f'"lp":{100 + number * 7919 % 1000}.{number % 89:02d},"chp":{number % 13}.25,"ch":{number % 17}.5,'
        f'"lp_time":{at}}}}}]}}'
    )


def hurried(line: Line) -> Iterator[tuple[int, bytes]]:
    """Frames of one to four packets without end: symbols trade in turn, each a second after its last, an hour ago."""
    start, number = now_ms() // 1000 - AN_HOUR, 0
    for size in itertools.cycle((3, 1, 4, 2)):
        packets = []
        for turn in range(number, number + size):
            per_symbol, which = divmod(turn, len(line.symbols))
            packets.append(trade(line, line.symbols[which], per_symbol + 1, start + per_symbol))
        number += size
        yield size, framed("".join(packets))


async def at_rate(line: Line, frames: Iterator[tuple[int, bytes]], rate: float, seconds: float) -> None:
    """Send frames so that there are so many packets a second."""
    clock = asyncio.get_running_loop().time
    begun, sent = clock(), 0
    while (passed := clock() - begun) < seconds:
        due: list[bytes] = []
        while sent < passed * rate:
            count, frame = next(frames)
            sent += count
            due.append(frame)
        await line.write(b"".join(due))
        await asyncio.sleep(STEP_S)


async def once_a_second(line: Line, begin: float, seconds: float) -> None:
    """Every symbol of the connection trades once a second, evenly spread, one to four in a frame."""
    clock = asyncio.get_running_loop().time
    slots = 50
    for turn in range(int(seconds * slots)):
        await asyncio.sleep(max(0.0, begin + turn / slots - clock()))
        number, slot = divmod(turn, slots)
        packets = [trade(line, name, number + 1, now_ms() // 1000) for name in line.symbols[slot::slots]]
        size = turn % 4 + 1
        groups = ("".join(packets[i : i + size]) for i in range(0, len(packets), size))
        await line.write(b"".join(map(framed, groups)))


def read_metrics(port: int) -> Metrics:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}


@asynccontextmanager
async def running(symbols: int) -> AsyncIterator[tuple[int, list[Line]]]:
    """One ingest process that hears so many symbols: the port of its metrics, and its connections."""
    prefix, port = f"{unique('bench')}.", free_ports(1)[0]
    names = [f"BINANCE:S{i}USDT" for i in range(symbols)]
    with started_parts() as parts, tempfile.TemporaryDirectory() as folder:
        async with (
            server(snapshot) as (url, lines),
            wishes(parts, topics_of(prefix), PARTITIONS) as wish,
            replicas(parts, prefix, url, PARTITIONS, Path(folder), HTTP_PORT=port) as started,
        ):
            await asyncio.gather(*map(wish.want, names))
            replica = await started.start("bench")
            async with asyncio.timeout(WITHIN_S):
                while not (sum(len(line.symbols) for line in lines) == symbols and all(x.is_ready for x in lines)):
                    assert replica.process.returncode is None, replica.said
                    await asyncio.sleep(0.1)
                await covered(port, symbols)
            yield port, lines
            await ended(replica)


async def covered(port: int, symbols: int) -> None:
    """Wait until a baseline of every symbol is in Kafka."""
    while (await asyncio.to_thread(read_metrics, port))["ingest_ticks_total"] < symbols:
        await asyncio.sleep(0.2)


async def ended(replica: Replica) -> None:
    code = await replica.terminate()
    assert code == 0, replica.said


async def sampled(port: int, every_s: float, work: "asyncio.Task[None]") -> Run:
    """Metrics every so often until the work is done."""
    run = Run()
    while not work.done():
        run.samples.append((time.monotonic(), await asyncio.to_thread(read_metrics, port)))
        await asyncio.wait([work], timeout=every_s)
    await work
    assert run.samples[-1][1]["ingest_ticks_lost"] == 0
    return run


async def hurried_run(rate: float, seconds: float, every_s: float) -> Run:
    async with running(200) as (port, [line]):
        rendered = iter(list(itertools.islice(hurried(line), int(rate * seconds / 2.4))))
        return await sampled(port, every_s, asyncio.create_task(at_rate(line, rendered, rate, seconds)))


def socket_to_kafka() -> Figure:
    """Ticks a second in Kafka, acknowledged by all replicas, while somewhat more than the bound come."""
    run = asyncio.run(hurried_run(rate=22_000, seconds=24, every_s=4))
    return Figure(
        name="ingest.socket_to_kafka",
        samples=run.rates("ingest_ticks_total")[1:],
        unit="ticks/s",
        bound=20_000,
    )


def latency_p99() -> Figure:
    """Milliseconds from the socket to Kafka's acknowledgement that 99 of 100 ticks stay under, at 5,000 a second."""
    run = asyncio.run(hurried_run(rate=5_000, seconds=24, every_s=4))
    return Figure(
        name="ingest.latency_p99",
        samples=run.slowest_hundredth()[1:],
        unit="ms",
        bound=50,
        at_least=False,
    )


@functools.cache
def ten_thousand() -> Run:
    """Three minutes of 10,000 symbols at a tick a second, a sample every ten seconds."""

    async def work() -> Run:
        async with running(10_000) as (port, lines):
            begin = asyncio.get_running_loop().time() + 1

            async def send() -> None:
                async with asyncio.TaskGroup() as tasks:
                    for line in list(lines):
                        tasks.create_task(once_a_second(line, begin, 180))

            connections = len(lines)
            run = await sampled(port, 10, asyncio.create_task(send()))
            assert len(lines) == connections, "no connection ended"
            async with asyncio.timeout(20):
                while any(line.echoes < line.heartbeats for line in lines):
                    await asyncio.sleep(0.1)
            run.heartbeats, run.echoes = sum(x.heartbeats for x in lines), sum(x.echoes for x in lines)
            return run

    return asyncio.run(work())


def ten_thousand_symbols() -> Figure:
    """Percent of one core."""
    rates = ten_thousand().rates("process_cpu_seconds_total")
    return Figure(
        name="ingest.ten_thousand_symbols",
        samples=[100 * rate for rate in rates[1:]],
        unit="% of a core",
        bound=60,
        at_least=False,
    )


def ten_thousand_growth() -> Figure:
    """Percent that memory grows by after the first minute."""
    sizes = [metrics["process_resident_memory_bytes"] for _, metrics in ten_thousand().samples]
    return Figure(
        name="ingest.ten_thousand_growth",
        samples=[100 * (size / sizes[6] - 1) for size in sizes[-3:]],
        unit="%",
        bound=5,
        at_least=False,
    )


RUNNING: list[Bench] = [socket_to_kafka, latency_p99, ten_thousand_symbols, ten_thousand_growth]
