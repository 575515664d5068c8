"""Logs of one partition as the contracts allow them, drawn at random: ticks and marks with their own time."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from contracts import wire
from contracts.bars import volume_of
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.records import T0, key, mark, tick

Log = list[tuple[bytes, wire.Tick | wire.Mark, int]]

MONTH_END = T0 + 31 * DAY
SECONDS = 1_000


class Market:
    """The truth of one symbol: trades at instants that rise, with the day's cumulative volume and extremes by then."""

    def __init__(
        self, name: str, rnd: random.Random, start: int, end: int, *, has_volume: bool, delay_s: int, turns_at: int = 0,
        falls: float = 0.0,
    ) -> None:  # fmt: skip
        """`turns_at`: an instant at which its trading day turns, as it does every 24 hours before and after.

        `falls`: how often its cumulative volume falls.
        """
        self._early = -turns_at % DAY
        self.name = name
        self.delay_s = delay_s
        self._instants: list[int] = []
        self._trades: list[dict[str, Any]] = []
        at, day, price = start, -1, rnd.randrange(1_000, 100_000)
        units = rnd.randrange(10**9)
        high = low = price
        while at < end:
            label = self.day_of(at)
            if label != day:
                day, units = label, 0 if day >= 0 else units
                high = low = price
            price = max(1, price + rnd.randrange(-300, 301))
            units += rnd.randrange(5 * 10**8)
            if falls and rnd.random() < falls:
                units = rnd.randrange(units + 1)
            # An extreme between two observations shows in the day's figures only.
            high = max(high, price + (rnd.randrange(200) if rnd.random() < 0.1 else 0))
            low = min(low, max(1, price - (rnd.randrange(200) if rnd.random() < 0.1 else 0)))
            self._instants.append(at)
            self._trades.append({
                "price": price / 100, "cumulative": volume_of(units) if has_volume else None, "day_high": high / 100,
                "day_low": low / 100, "trading_day": day,
            })  # fmt: skip
            at += rnd.randrange(100, 6_000)

    def day_of(self, instant: int) -> int:
        """The trading day of an instant."""
        return instant + self._early - (instant + self._early) % DAY

    def told(self, received_at: int) -> tuple[int, dict[str, Any]]:
        """The event time of the newest trade that the provider tells of by then, and what it tells."""
        place = bisect_right(self._instants, received_at - self.delay_s * SECONDS - 50) - 1
        return self._instants[place], self._trades[place]


class Writer:
    """Writes a log in arrival order: what it puts down has a time of receipt that only rises."""

    def __init__(self, start: int) -> None:
        self.now = start
        self.log: Log = []
        self._sequence = 0

    def tick(self, market: Market, *, is_baseline: bool = False) -> wire.Tick:
        """What a provider tells of a symbol now; `put` puts it down."""
        self._sequence = max(self._sequence + 1, self.now * 4096)
        event_time, told = market.told(self.now)
        return tick(event_time, told["price"], told["cumulative"], symbol=market.name, received_at=self.now,
                    sequence=self._sequence, is_baseline=is_baseline, delay=market.delay_s, day_high=told["day_high"],
                    day_low=told["day_low"], trading_day=told["trading_day"])  # fmt: skip

    def put(self, one: wire.Tick) -> None:
        self.log.append((key(f"{one.exchange}:{one.symbol}"), one, self.now + 5))

    def mark(self, run: int, *changes: tuple[str, str, int], ahead: int = -1) -> None:
        """A run vouches up to now, and so far more."""
        self.log.append((b"!", mark(self.now + ahead, *changes, run=run), self.now + 5))


NAMES = ("SIM:A", "SIM:B", "SIM:C", "SIM:D", "SIM:E")


def drawn_log(
    seed: int, minutes: int = 20, *, start: int | None = None, names: Sequence[str] = NAMES, is_sparse: bool = False,
    is_odd: bool = False,
) -> Log:  # fmt: skip
    """A log of some minutes, about the end of a month unless `start` is given, and marks that close all of it.

    Of five symbols: the third has no volume, the fourth is delayed, the fifth changes its delay class now and then.
    Stragglers up to beyond the horizon, ticks put down twice, stretches unheard that are announced at once, back-dated
    or left by a run that was killed, owners that overlap, symbols that join, a delayed one and one that changes class.
    In a sparse one nothing but marks comes for minutes, again and again. In an odd one trading days turn at any time,
    counters fall, ticks come before the first mark or from the future, everybody is unheard at once, symbols are left
    and taken up again, and marks vouch for more than the time at which they were appended.
    """
    rnd = random.Random(seed)
    start = start or MONTH_END - rnd.randrange(30) * MINUTE
    _, _, without_volume, delayed, changing = names
    markets = [
        Market(name, rnd, start - HOUR, start + minutes * MINUTE + 6 * HOUR, has_volume=name != without_volume,
               delay_s=900 if name == delayed else 0,
               turns_at=start + rnd.randrange(minutes * MINUTE) if is_odd else 0, falls=0.02 if is_odd else 0.0)
        for name in names
    ]  # fmt: skip
    joins = {market.name: start + (rnd.randrange(5) * MINUTE if rnd.random() < 0.3 else 0) for market in markets}
    writer = Writer(start)
    run, heard = 1, set[str]()
    straggling: list[tuple[int, wire.Tick]] = []
    for _ in range(rnd.randrange(20) if is_odd else 0):
        writer.now += rnd.randrange(4_000)
        writer.put(writer.tick(rnd.choice(markets)))
    writer.mark(run)
    while writer.now < start + minutes * MINUTE:
        writer.now += rnd.randrange(200, 4_000)
        if is_sparse and rnd.random() < 0.3:
            writer.now += rnd.choice((MINUTE, 3 * MINUTE, 10 * MINUTE))
            writer.mark(run)
        for at, straggler in [entry for entry in straggling if entry[0] <= writer.now]:
            straggling.remove((at, straggler))
            if f"{straggler.exchange}:{straggler.symbol}" in heard:
                writer.put(straggler)
        if is_odd and rnd.random() < 0.05:
            _put_odd(writer, rnd, markets, run, heard)
        market, chance = rnd.choice(markets), rnd.random()
        if market.name not in heard:
            if writer.now >= joins[market.name]:
                writer.put(writer.tick(market, is_baseline=True))
                writer.mark(run, (market.name, "heard", writer.now))
                heard.add(market.name)
        elif chance < 0.04:
            writer.mark(run, (market.name, "deaf", writer.now - rnd.randrange(1_500)))
            heard.remove(market.name)
        elif chance < 0.05:
            run, heard = run + 1, set()
            writer.now += rnd.randrange(5_000, 40_000)
            writer.mark(run)
        elif chance < 0.06:
            before, run = run, run + 1
            changes = []
            for other in markets:
                if other.name in heard:
                    writer.put(writer.tick(other, is_baseline=True))
                    changes.append((other.name, "heard", writer.now))
            writer.mark(run, *changes)
            writer.now += rnd.randrange(1, 400)
            writer.mark(before)
        elif chance < 0.065 and market.name == changing:
            market.delay_s = 900 - market.delay_s
        else:
            one = writer.tick(market)
            if chance < 0.2:
                late_by = rnd.choice((500, 5_000, MINUTE, 3 * MINUTE, 8 * MINUTE))
                straggling.append((writer.now + rnd.randrange(late_by), one))
            else:
                writer.put(one)
            if chance > 0.97:
                writer.put(one)
        if rnd.random() < 0.5:
            writer.mark(run)
    for gap in (0, 2 * MINUTE, 20 * MINUTE, 5 * HOUR):
        writer.now += gap
        writer.mark(run)
    return writer.log


def _put_odd(writer: Writer, rnd: random.Random, markets: Sequence[Market], run: int, heard: set[str]) -> None:
    """Something that happens seldom; `heard` changes with it."""
    market = rnd.choice(markets)
    kind = rnd.randrange(4)
    if kind == 0:
        ahead = rnd.choice((30_000, 59_000, 61_000, HOUR))
        at = writer.now + ahead
        writer.put(msgspec.structs.replace(writer.tick(market), event_time=at, trading_day=market.day_of(at)))
    elif kind == 1:
        writer.mark(run, ("*", "deaf", writer.now - rnd.randrange(3_000)))
        heard.clear()
    elif kind == 2:
        writer.mark(run, (market.name, "left", writer.now))
        heard.discard(market.name)
    else:
        writer.mark(run, ahead=rnd.choice((0, 5, 2_000, HOUR)))
