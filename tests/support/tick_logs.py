"""Logs of one partition as the contracts allow them, drawn at random: calendars, ticks and marks with times."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.markets import (
    CRYPTO,
    INDEX,
    NIGHT_FUTURE,
    SECOND,
    STOCK,
    STOCK_WITH_BREAK,
    Market,
    day_text,
    drawn_schedule,
    local_time,
)
from tests.support.naive_calendar import NaiveCalendar, Schedule
from tests.support.records import T0, calendar, key, mark, tick

Record = wire.Tick | wire.Mark | wire.Calendar
Log = list[tuple[bytes, Record, int]]

MONTH_END = T0 + 90 * DAY
"""Wednesday 2026-04-01T00:00Z: a day and a month begin, and Tokyo opens."""
AMERICAN_CLOCKS_CHANGE = T0 + 66 * DAY + 21 * HOUR
"""Sunday 2026-03-08T21:00Z: New York's first opening by summer time of a market that closed on Friday."""


class Owner(NamedTuple):
    """An epoch that writes the log, and how much later than others it hears of things."""

    epoch: int
    lag_ms: int
    covered: set[str]


class Writer:
    """Writes a log in arrival order: what it puts down has a time of receipt that only rises."""

    def __init__(self, start: int) -> None:
        self.now = start
        self.log: Log = []
        self._sequence = 0

    def tick(self, market: Market, owner: Owner, *, is_baseline: bool = False) -> wire.Tick:
        """What a provider tells an owner of a symbol now; `put` puts it down."""
        self._sequence = max(self._sequence + 1, self.now * 4096)
        told = market.told(self.now, owner.lag_ms)
        is_estimated = told.event_time is None
        event_time = self.now - market.delay_s * SECOND if told.event_time is None else told.event_time
        return tick(event_time, told.price, told.counter, symbol=market.name, received_at=self.now,
                    sequence=self._sequence, is_baseline=is_baseline, delay=market.delay_s, day_open=told.day_open,
                    day_high=told.day_high, day_low=told.day_low, event_time_estimated=is_estimated,
                    epoch=owner.epoch)  # fmt: skip

    def put(self, one: wire.Tick) -> None:
        self.log.append((key(f"{one.exchange}:{one.symbol}"), one, self.now + 5))

    def mark(self, owner: Owner, *changes: tuple[str, str, int], ahead: int = -1) -> None:
        """An owner vouches up to now, and so far more."""
        self.log.append((b"!", mark(self.now + ahead, *changes, epoch=owner.epoch), self.now + 5))

    def calendar(self, market: Market) -> None:
        schedule = market.schedule
        name, record = calendar(market.name, schedule.session, schedule.timezone, holidays=schedule.holidays,
                                corrections=schedule.corrections, has_volume=market.kind.has_volume,
                                at=self.now)  # fmt: skip
        self.log.append((name, record, self.now + 5))


NAMES = ("SIM:A", "SIM:B", "SIM:C", "SIM:D", "SIM:E")
KINDS = (CRYPTO, STOCK, INDEX, STOCK_WITH_BREAK, NIGHT_FUTURE)


def drawn_log(
    seed: int, minutes: int = 20, *, start: int | None = None, names: Sequence[str] = NAMES, is_sparse: bool = False,
    is_odd: bool = False,
) -> Log:  # fmt: skip
    """A log of some minutes, about an opening, a break, a close or a day roll, and marks that close all of it.

    Of five symbols: the first trades round the clock, the second is a stock with volume outside its session and now
    and then a half day, the third an index without volume, the fourth a delayed stock with a break at noon, the fifth
    has night sessions, and its delay falls now and then. Unless `start` is given it is about the end of a month
    or a change of clocks, and it may jump from a close to the next opening of a symbol.

    Counters fall and shoot up for a moment, older updates come in between; stragglers up to beyond the grace period,
    ticks put down twice, stretches uncovered that are announced at once, back-dated or left by an epoch that was
    killed, hand-overs in which a second epoch is some seconds behind or ahead, symbols that join.
    In a sparse one nothing but marks comes for minutes, again and again. In an odd one calendars change (an early close
    announced on the day itself), a delay rises, ticks come before the first mark, before the calendar or from the
    future, everybody is uncovered at once, symbols are left and taken up again, and marks vouch for more than the time
    at which they were appended.
    """
    return _Drawing(random.Random(seed), minutes, start, names, is_sparse=is_sparse, is_odd=is_odd).drawn()


class _Drawing:
    """One log while it is drawn."""

    def __init__(
        self, rnd: random.Random, minutes: int, start: int | None, names: Sequence[str], *, is_sparse: bool,
        is_odd: bool,
    ) -> None:  # fmt: skip
        self._rnd = rnd
        self._is_sparse, self._is_odd = is_sparse, is_odd
        some_hour = MONTH_END - rnd.randrange(1, 5) * DAY - rnd.randrange(24) * HOUR
        about = rnd.choice((MONTH_END, MONTH_END, some_hour, some_hour, some_hour, AMERICAN_CLOCKS_CHANGE))
        begin = start or about - rnd.randrange(30) * MINUTE
        span = minutes * MINUTE
        schedules = [drawn_schedule(kind, rnd, begin, begin + span) for kind in KINDS]
        self._end = begin + span
        stretches = [(begin - HOUR, begin + span + 6 * HOUR)]
        self._jump = None if start or rnd.random() < 0.6 else _drawn_jump(rnd, schedules, begin + span // 2)
        if self._jump is not None:
            before, after = self._jump
            self._end = after + span // 2
            stretches = [(begin - HOUR, before), (max(before, after - HOUR), self._end + 6 * HOUR)]
        self._markets = [
            Market(name, kind, schedule, rnd, stretches,
                   delay_s=900 if kind is STOCK_WITH_BREAK or (kind is NIGHT_FUTURE and rnd.random() < 0.6) else 0,
                   corrections=0.02 if is_odd else 0.003)
            for name, kind, schedule in zip(names, KINDS, schedules, strict=True)
        ]  # fmt: skip
        self._changing = names[-1]
        self._joins = {name: begin + (rnd.randrange(5) * MINUTE if rnd.random() < 0.3 else 0) for name in names}
        self._writer = Writer(begin)
        self._owner = Owner(1, 0, set())
        self._leaving: tuple[int, Owner] | None = None
        """Until when the owner before goes on too, and which it is."""
        self._straggling: list[tuple[int, wire.Tick]] = []

    def drawn(self) -> Log:
        """The whole log."""
        rnd, writer = self._rnd, self._writer
        if self._is_odd:
            for _ in range(rnd.randrange(20)):
                writer.now += rnd.randrange(4_000)
                writer.put(writer.tick(rnd.choice(self._markets), self._owner))
                if rnd.random() < 0.2:
                    writer.calendar(rnd.choice(self._markets))
        writer.mark(self._owner)
        for market in self._markets:
            writer.calendar(market)
        while writer.now < self._end:
            self._go_on()
        for gap in (0, 2 * MINUTE, 20 * MINUTE, 5 * HOUR):
            writer.now += gap
            writer.mark(self._owner)
        return writer.log

    def _go_on(self) -> None:
        rnd, writer = self._rnd, self._writer
        writer.now += rnd.randrange(200, 4_000)
        if self._jump is not None and writer.now >= self._jump[0]:
            self._cross()
        if self._is_sparse and self._leaving is None and rnd.random() < 0.3:
            writer.now += rnd.choice((MINUTE, 3 * MINUTE, 10 * MINUTE))
            writer.mark(self._owner)
        if self._leaving is not None and writer.now >= self._leaving[0]:
            self._leave()
        for at, straggler in [entry for entry in self._straggling if entry[0] <= writer.now]:
            self._straggling.remove((at, straggler))
            self._put_straggler(straggler)
        if self._is_odd and rnd.random() < 0.05:
            self._put_odd()
        self._happen(rnd.choice(self._markets), rnd.random())
        if rnd.random() < 0.5:
            writer.mark(self._owner)
        if self._leaving is not None and rnd.random() < 0.5:
            writer.mark(self._leaving[1])

    def _happen(self, market: Market, chance: float) -> None:
        rnd, writer, owner = self._rnd, self._writer, self._owner
        if market.name not in owner.covered:
            if writer.now >= self._joins[market.name]:
                self._take_up(market)
        elif chance < 0.03:
            writer.mark(owner, (market.name, "uncovered", writer.now - rnd.randrange(1_500)))
            owner.covered.remove(market.name)
        elif chance < 0.04:
            self._die()
        elif chance < 0.06:
            self._hand_over()
        elif chance < 0.08 and market.name == self._changing and (market.delay_s or self._is_odd):
            market.delay_s = 900 - market.delay_s
        elif chance < 0.072:
            writer.calendar(market)
        elif not market.may_move(writer.now) and rnd.random() < 0.8:
            pass  # Little is said of a market that is closed.
        else:
            self._observe(market, chance)

    def _observe(self, market: Market, chance: float) -> None:
        rnd, writer, owner = self._rnd, self._writer, self._owner
        if self._leaving is not None and rnd.random() < 0.4 and market.name in self._leaving[1].covered:
            owner = self._leaving[1]
        one = writer.tick(market, owner)
        counter = one.cumulative_volume
        if chance < 0.2:
            late_by = rnd.choice((500, 5_000, MINUTE, 3 * MINUTE, 8 * MINUTE))
            self._straggling.append((writer.now + rnd.randrange(late_by), one))
            return
        if chance < 0.21 and counter is not None:
            one = msgspec.structs.replace(one, cumulative_volume=rnd.choice((1e12, counter + 1_000, counter * 2)))
        elif chance < 0.23:
            older = market.told(writer.now - rnd.randrange(1_000, 6_000), owner.lag_ms)
            one = msgspec.structs.replace(
                one, price=older.price, cumulative_volume=older.counter,
                event_time=one.event_time if older.event_time is None else older.event_time,
            )  # fmt: skip
        writer.put(one)
        if chance > 0.97:
            writer.put(one)

    def _put_straggler(self, straggler: wire.Tick) -> None:
        """It comes if its symbol is covered and has its delay; by another epoch if its own is over."""
        name = f"{straggler.exchange}:{straggler.symbol}"
        delay_s = next(market.delay_s for market in self._markets if market.name == name)
        if delay_s == straggler.delay and name in self._owner.covered:
            is_own_over = self._leaving is None or straggler.epoch != self._leaving[1].epoch
            epoch = self._owner.epoch if is_own_over else straggler.epoch
            self._writer.put(msgspec.structs.replace(straggler, epoch=epoch))

    def _take_up(self, market: Market) -> None:
        writer = self._writer
        if self._rnd.random() < 0.3:
            writer.calendar(market)
        writer.put(writer.tick(market, self._owner, is_baseline=True))
        writer.mark(self._owner, (market.name, "covered", writer.now))
        self._owner.covered.add(market.name)

    def _die(self) -> None:
        """The owner is killed and says nothing any more; another one begins later, with nothing covered."""
        self._writer.now += self._rnd.randrange(5_000, 40_000)
        self._leaving = None
        self._owner = Owner(self._owner.epoch + 1, self._drawn_lag(), set())
        self._writer.mark(self._owner)

    def _hand_over(self) -> None:
        """A second owner begins while the first goes on for some seconds, unless a counter may begin anew meanwhile."""
        writer = self._writer
        if self._leaving is not None or any(market.may_begin_anew(writer.now) for market in self._markets):
            return
        before, self._owner = self._owner, Owner(self._owner.epoch + 1, self._drawn_lag(), set())
        changes = []
        for market in self._markets:
            if market.name in before.covered:
                writer.calendar(market)
                writer.put(writer.tick(market, self._owner, is_baseline=True))
                changes.append((market.name, "covered", writer.now))
                self._owner.covered.add(market.name)
        writer.mark(before, ahead=0)
        writer.mark(self._owner, *changes)
        self._leaving = (writer.now + self._rnd.randrange(1, 6_000), before)

    def _leave(self) -> None:
        assert self._leaving is not None
        _, owner = self._leaving
        said = (("*", "uncovered", self._writer.now),) if self._rnd.random() < 0.5 else ()
        self._writer.mark(owner, *said)
        self._leaving = None

    def _drawn_lag(self) -> int:
        return self._rnd.choice((0, 0, 500, 3_000))

    def _cross(self) -> None:
        """The jump: the owner goes on, or is killed and another one begins; marks may stand in between."""
        assert self._jump is not None
        writer, rnd = self._writer, self._rnd
        self._straggling.clear()
        if self._leaving is not None:
            self._leave()
        is_killed = rnd.random() < 0.4
        if not is_killed:
            writer.mark(self._owner)
            if rnd.random() < 0.5:
                writer.now += (self._jump[1] - writer.now) // 2
                writer.mark(self._owner)
        writer.now = max(writer.now, self._jump[1])
        self._jump = None
        if is_killed:
            self._die()
        else:
            writer.mark(self._owner)

    def _put_odd(self) -> None:
        """Something that happens seldom."""
        rnd, writer, owner = self._rnd, self._writer, self._owner
        market = rnd.choice(self._markets)
        kind = rnd.randrange(5)
        if kind == 0:
            at = writer.now + rnd.choice((30_000, 59_000, 61_000, HOUR))
            writer.put(msgspec.structs.replace(writer.tick(market, owner), event_time=at))
        elif kind == 1:
            writer.mark(owner, ("*", "uncovered", writer.now - rnd.randrange(3_000)))
            owner.covered.clear()
        elif kind == 2:
            writer.mark(owner, (market.name, "released", writer.now))
            owner.covered.discard(market.name)
        elif kind == 3:
            writer.mark(owner, ahead=rnd.choice((0, 5, 2_000, HOUR)))
        else:
            self._announce_early_close(market)

    def _announce_early_close(self, market: Market) -> None:
        """Today's session is to close minutes from now; the market goes on as if it knew nothing of it."""
        inside = market.calendar.open_segment(self._writer.now)
        if inside is None or market.schedule.session != "0930-1600":
            return
        local = local_time(market.schedule.timezone, self._writer.now + self._rnd.randrange(2, 8) * MINUTE)
        if "0930" < local < "1600":
            corrections = f"0930-{local}:{day_text(inside.day)}"
            market.schedule = market.schedule._replace(corrections=corrections)
            self._writer.calendar(market)


def _drawn_jump(rnd: random.Random, schedules: Sequence[Schedule], at: int) -> tuple[int, int] | None:
    """From an instant on nothing is written until shortly before the next opening of one of the symbols."""
    openings = NaiveCalendar(rnd.choice(schedules)).openings(at + HOUR, at + 4 * DAY)
    return (at, openings[0] - rnd.randrange(1, 4) * MINUTE) if openings else None
