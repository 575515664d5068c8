"""`ingest.*`: what one ingest process takes in. Here: frames to ticks without I/O; the rest is in `running_ingest`."""

import gc
import random
import string
import time
from collections.abc import Iterator

import msgspec

from contracts.symbols import SymbolId
from contracts.topics import partition_of
from ingest_ws.core.feed import Feed
from tests.bench.figure import Bench, Figure
from tests.bench.running_ingest import RUNNING
from tests.support.records import T0
from tradingview.codec import encode
from tradingview.quotes import QuoteChanged, QuoteSession, SnapshotCompleted

SYMBOLS = 200
PARTITIONS = 4
SECONDS = 240
PULSE_MS = 250
"""Of the market's time: it brings 80 updates. At the rate that is measured, the 20 ms of a real pulse bring 3,000."""
SESSION = "qs_" + "aB3dE6gH9jKl"
UNTIMED = 0.16
APART = 0.24
"""Of the trades as recordings show them: without a time, and with a time that comes before or after."""

Timed = tuple[int, str, int]
"""A frame: when it comes, its text, how many `qsd` it holds."""


class Market:
    """Symbols like Binance's: a trade and 0.4 changes of the best bid and offer a second, at random instants."""

    def __init__(self, symbols: int, seed: int = 1) -> None:
        self._random = random.Random(seed)
        letters = string.ascii_uppercase
        self.names = [f"BINANCE:{letters[i % 26]}{letters[i // 26 % 26]}{i}USDT" for i in range(symbols)]
        self._price = [self._random.randint(100_000, 5_000_000) for _ in self.names]
        self._volume = [self._random.uniform(1e3, 1e6) for _ in self.names]

    def snapshots(self, at: int) -> Iterator[Timed]:
        """The whole state of every symbol, completed."""
        for i, name in enumerate(self.names):
            price = self._price[i] / 100
            said = {
                **self._trade(i), "lp_time": at // 1000, "open_time": at // 86_400_000 * 86_400,
                "open_price": price, "high_price": price, "low_price": price, "prev_close_price": price,
                "current_session": "market", "update_mode": "streaming", "currency_code": "USDT",
                "description": f"{name} / TetherUS", **self._offer(i),
            }  # fmt: skip
            yield at, _qsd(name, said) + encode("quote_completed", SESSION, name), 1

    def frames(self, at: int, seconds: int) -> Iterator[Timed]:
        """What follows, second by second, one to four packets in a frame."""
        for second in range(seconds):
            start = at + second * 1000
            packets = sorted(packet for i in range(len(self.names)) for packet in self._second(i, start))
            while packets:
                group, packets = packets[: (count := self._random.randint(1, 4))], packets[count:]
                yield group[-1][0], "".join(text for _, text in group), len(group)

    def _second(self, i: int, start: int) -> Iterator[tuple[int, str]]:
        chance, name = self._random, self.names[i]
        at = start + chance.randint(100, 900)
        when: dict[str, object] = {"lp_time": start // 1000}
        trade, style = self._trade(i), chance.random()
        if style < APART:
            first, then = (trade, when) if style < APART / 2 else (when, trade)
            yield at, _qsd(name, first)
            yield at + chance.randint(20, 120), _qsd(name, then)
        elif style < APART + UNTIMED:
            yield at, _qsd(name, trade)
        else:
            yield at, _qsd(name, trade | when)
        if chance.random() < 0.4:
            yield start + chance.randint(0, 999), _qsd(name, self._offer(i))

    def _trade(self, i: int) -> dict[str, object]:
        self._price[i] += self._random.randint(-20, 20)
        self._volume[i] += self._random.expovariate(1.0)
        price = self._price[i]
        said: dict[str, object] = {
            "volume": round(self._volume[i], 5), "lp": price / 100, "chp": round(price / 4e4, 2), "ch": price / 4e3
        }  # fmt: skip
        if self._random.random() < 0.02:
            said["high_price"] = price / 100
        return said

    def _offer(self, i: int) -> dict[str, object]:
        chance, price = self._random, self._price[i]
        return {
            "bid_size": round(chance.expovariate(1.0), 5), "bid": (price - chance.randint(1, 3)) / 100,
            "ask_size": round(chance.expovariate(1.0), 5), "ask": (price + chance.randint(1, 3)) / 100,
        }  # fmt: skip


def _qsd(name: str, said: dict[str, object]) -> str:
    return encode("qsd", SESSION, {"n": name, "s": "ok", "v": said})


def seconds_to_ticks(market: Market, greeting: list[Timed], frames: list[Timed]) -> tuple[float, int]:
    """CPU seconds from frames to ticks that wait for Kafka, and how many; taking them is not counted."""
    feed = Feed(PARTITIONS, 0, 10**9, T0)
    session = QuoteSession(SESSION, T0, fast_list_ms=0)
    feed.assign(range(PARTITIONS), T0)
    wanted: dict[int, list[SymbolId]] = {}
    for name in market.names:
        wanted.setdefault(partition_of(name.encode(), PARTITIONS), []).append(SymbolId.parse(name))
    for partition, symbols in wanted.items():
        feed.want(partition, symbols, T0)
    session.add(market.names, T0)
    receive(feed, session, greeting)
    drain(feed, T0)
    before = feed.ticks
    clock = time.thread_time
    used, position, pulse = 0.0, 0, frames[0][0]
    while position < len(frames):
        pulse += PULSE_MS
        end = position
        while end < len(frames) and frames[end][0] < pulse:
            end += 1
        begun = clock()
        receive(feed, session, frames[position:end])
        feed.present(pulse)
        feed.expire(pulse)
        used += clock() - begun
        drain(feed, pulse)
        position = end
    assert feed.lost_ticks == 0
    return used, feed.ticks - before


def receive(feed: Feed, session: QuoteSession, frames: list[Timed]) -> None:
    """What a line does with frames."""
    for now, text, _ in frames:
        feed.present(now)
        for event in session.receive(text, now):
            if type(event) is QuoteChanged:
                feed.changed(event.symbol, event.fields, now)
            elif type(event) is SnapshotCompleted:
                feed.completed(event.symbol, now)


def drain(feed: Feed, now: int) -> None:
    """Take what waits, as if Kafka had it at once."""
    for partition in feed.owned:
        while feed.take(partition, now) is not None:
            feed.acknowledged(partition)


def seconds_to_parse(frames: list[Timed]) -> float:
    """CPU seconds to parse the JSON of the same packets, cut out of their frames before."""
    payloads = [payload for _, text, _ in frames for payload in text.split("~m~")[2::2]]
    decode = msgspec.json.Decoder().decode
    begun = time.thread_time()
    for payload in payloads:
        decode(payload)
    return time.thread_time() - begun


def frames_to_ticks() -> Figure:
    """Updates (`qsd` packets) per CPU second of one core: codec, session, symbols, ticks encoded; no I/O."""
    market = Market(SYMBOLS)
    greeting, frames = list(market.snapshots(T0)), list(market.frames(T0 + 1_000, SECONDS))
    updates = sum(count for _, _, count in frames)
    gc.collect()
    gc.freeze()
    try:
        runs = [(seconds_to_ticks(market, greeting, frames), seconds_to_parse(frames)) for _ in range(6)][1:]
    finally:
        gc.unfreeze()
    assert all(ticks >= SYMBOLS * SECONDS for (_, ticks), _ in runs), "every trade is a tick"
    return Figure(
        name="ingest.frames_to_ticks",
        samples=[updates / used for (used, _), _ in runs],
        unit="updates/s",
        baseline=updates / sorted(parsing for _, parsing in runs)[len(runs) // 2],
        baseline_name="msgspec parsing of the same packets alone",
        bound=150_000,
    )


BENCHES: list[Bench] = [frames_to_ticks, *RUNNING]
