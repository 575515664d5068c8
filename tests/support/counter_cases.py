"""Logs of one symbol whose right volumes and extremes are known, as a table that any fold can be held against.

Each case names what the bars of some minutes and days must hold. Its log is complete: calendar, coverage, ticks, and
marks that close everything. `differences` compares what a fold made of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.records import calendar, key, mark, tick
from tests.support.tick_logs import Log

SYMBOL = "SIM:A"
SECOND = 1_000
NEW_YORK = "America/New_York"


def utc(text: str) -> int:
    """`2026-03-04T14:30` as milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


MIDNIGHT = utc("2026-03-04T00:00")
"""A Wednesday."""
NOON = MIDNIGHT + 12 * HOUR
OPENING = utc("2026-03-04T14:30")
"""New York opens on that Wednesday, by winter time."""
CLOSE = OPENING + 6 * HOUR + 30 * MINUTE


class Values(Protocol):
    """A bar as any fold gives it."""

    @property
    def volume(self) -> float | None: ...
    @property
    def high(self) -> float: ...
    @property
    def low(self) -> float: ...


class Expected(NamedTuple):
    """What a bar must hold; an extreme that is None may be anything."""

    volume: float | None
    high: float | None = None
    low: float | None = None


class Case(NamedTuple):
    """A log and what its bars must hold, by interval and open time (milliseconds)."""

    name: str
    log: Log
    expected: Mapping[tuple[str, int], Expected]

    def differences(self, bars: Mapping[tuple[str, int], Values]) -> list[str]:
        """What is wrong with the last values of the bars of this log, one line each."""
        found = []
        for (interval, open_time), expected in self.expected.items():
            bar = bars.get((interval, open_time))
            label = f"{interval} {datetime.fromtimestamp(open_time / 1000, UTC):%d %H:%M}"
            if bar is None:
                found.append(f"{label} is missing")
                continue
            values = Expected(
                bar.volume,
                None if expected.high is None else bar.high,
                None if expected.low is None else bar.low,
            )
            if values != expected:
                found.append(f"{label} is {values}, not {expected}")
        return found


class Script:
    """Writes the log of one symbol, observation by observation, with a mark after each."""

    def __init__(self, start: int, *, session: str = "24x7", timezone: str = "Etc/UTC") -> None:
        self.log: Log = []
        name, record = calendar(SYMBOL, session, timezone, at=start - MINUTE)
        self.log.append((name, record, start - MINUTE))
        self.put_mark(start - MINUTE, 1, (SYMBOL, "covered", start - MINUTE))
        self._price = 100.0
        self._now = start - MINUTE
        self._sequence = 0

    def see(
        self, at: int, counter: float | None, *, epoch: int = 1, is_baseline: bool = False, received: int | None = None,
        price: float | None = None, estimated: bool = False, day: tuple[float, float, float] | None = None,
        is_marked: bool = True,
    ) -> None:  # fmt: skip
        """An observation with event time `at`; `day` is the day's open, high and low that it shows."""
        self._now = max(self._now, at + 50 if received is None else received)
        self._sequence = max(self._sequence + 1, self._now * 4096)
        opened, high, low = day or (None, None, None)
        one = tick(at, self._price if price is None else price, counter, received_at=self._now, epoch=epoch,
                   sequence=self._sequence, is_baseline=is_baseline, event_time_estimated=estimated, day_open=opened,
                   day_high=high, day_low=low)  # fmt: skip
        self.log.append((key(SYMBOL), one, self._now + 5))
        if is_marked:
            self.put_mark(self._now, epoch)

    def put_mark(self, watermark: int, epoch: int = 1, *changes: tuple[str, str, int]) -> None:
        """A mark of an epoch up to an instant."""
        self.log.append((b"!", mark(watermark, *changes, epoch=epoch), watermark + 5))
        self._now = watermark

    def close(self, epoch: int = 1, after: int = 8 * DAY) -> Log:
        """The log with marks that close everything."""
        for gap in (3 * SECOND, MINUTE, 10 * MINUTE, HOUR, after):
            self.put_mark(self._now + gap, epoch)
        return self.log


def minutes(*volumes: float | None, start: int) -> dict[tuple[str, int], Expected]:
    """Volumes of minutes that follow each other."""
    return {("1m", start + place * MINUTE): Expected(volume) for place, volume in enumerate(volumes)}


def _walk(script: Script, values: Iterable[tuple[float, float]], start: int) -> None:
    """Observations `(seconds after start, counter)`."""
    for seconds, counter in values:
        script.see(start + round(seconds * SECOND), counter)


def _within_a_minute(name: str, values: Sequence[float], total: float) -> Case:
    """A baseline and values that follow it, 5 s apart, in one minute."""
    script = Script(NOON)
    script.see(NOON - SECOND, values[0], is_baseline=True)
    _walk(script, ((5 * place, value) for place, value in enumerate(values[1:], 1)), NOON)
    expected = {("1m", NOON): Expected(total), ("1h", NOON): Expected(total), ("1d", MIDNIGHT): Expected(total)}
    return Case(name, script.close(), expected)


def _midnight(name: str, *untidy: tuple[int, float, bool], old: float = 0, new: float = 6) -> Case:
    """BTCUSDT stands at 20,060; `untidy`: milliseconds after midnight, a total of the old day, has no time."""
    script = Script(MIDNIGHT - MINUTE)
    script.see(MIDNIGHT - 3 * SECOND, 20_050.0, is_baseline=True)
    _walk(script, [(-2, 20_059.0), (-1, 20_060.0)], MIDNIGHT)
    for after, counter, is_estimated in untidy:
        at = MIDNIGHT + after
        script.see(at, counter, estimated=is_estimated, received=at + (0 if is_estimated else 50))
    first = max((after for after, _, _ in untidy), default=0) // SECOND + 1
    _walk(script, [(first, new - 5), (first + 2, new - 2), (59, new), (61, new + 1), (100, new + 3.5)], MIDNIGHT)
    expected = minutes(10, old + new, 3.5, start=MIDNIGHT - MINUTE)
    return Case(name, script.close(), expected | {("1d", MIDNIGHT): Expected(old + new + 3.5)})


def _thin_day() -> Case:
    script = Script(MIDNIGHT - MINUTE)
    script.see(MIDNIGHT - 50 * SECOND, 1_000.0, is_baseline=True)
    _walk(script, [(-30, 1_010.0)], MIDNIGHT)
    script.see(MIDNIGHT + 50, 1_010.0, estimated=True)
    script.see(MIDNIGHT + 7 * MINUTE + 10 * SECOND, 1_010.0, price=101.0)
    script.see(MIDNIGHT + 7 * MINUTE + 10 * SECOND + 100, 6.0, price=101.0, estimated=True)
    _walk(script, [(1_000, 8.0)], MIDNIGHT)
    expected = minutes(10, start=MIDNIGHT - MINUTE) | minutes(6, start=MIDNIGHT + 7 * MINUTE)
    name = "A thin symbol trades seven minutes into the day, first under the old total"
    return Case(name, script.close(), expected | {("1d", MIDNIGHT): Expected(8)})


def _correction() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    _walk(script, ((second, 1_001.0 + second) for second in range(61)), NOON)
    _walk(script, ((second, 500.0 + second) for second in range(61, 240)), NOON)
    return Case("A correction of 1061 to 561", script.close(), minutes(60, 59, 60, 60, start=NOON))


def _spike(spike: float) -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    values = ((second, spike if second == 90 else 1_001.0 + second) for second in range(240))
    _walk(script, values, NOON)
    return Case(f"One observation of {spike:g}", script.close(), minutes(60, 60, 60, 60, start=NOON))


def _huge() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1e12, is_baseline=True)
    _walk(script, [(10, 1e12 + 1), (70, 1e12 + 3), (130, 1e12 + 6)], NOON)
    return Case("A day of 1e12, then 1, 2 and 3", script.close(),
                minutes(1, 2, 3, start=NOON) | {("1h", NOON): Expected(6), ("1d", MIDNIGHT): Expected(6)})  # fmt: skip


def _handed_over(name: str, behind_s: int, *, is_killed: bool, epoch_1_behind_s: int = 0) -> Case:
    """One unit a second; the second epoch begins at 12:01:10 and the first ends at 12:01:15."""
    script = Script(NOON)
    begins, ends = 70, 75
    script.see(NOON - SECOND - epoch_1_behind_s * SECOND, 1_000.0 - epoch_1_behind_s, is_baseline=True)
    for second in range(180):
        received = NOON + second * SECOND + 50
        if second <= ends:
            at = second - epoch_1_behind_s
            script.see(NOON + at * SECOND, 1_001.0 + at, received=received)
        if second >= begins:
            at = second - behind_s
            script.see(NOON + at * SECOND, 1_001.0 + at, received=received, epoch=2, is_baseline=second == begins,
                       is_marked=second > begins)  # fmt: skip
        if second == begins:
            script.put_mark(received, 2, (SYMBOL, "covered", received))
        if second == ends and not is_killed:
            script.put_mark(received, 1, ("*", "uncovered", received))
    last = 180 - behind_s - 120
    return Case(name, script.close(epoch=2), minutes(60, 60, last, start=NOON))


def _stock(name: str, first: float, second: float, expected: float, *untidy: tuple[int, float]) -> Case:
    """A stock's day ends at a total; `untidy`: ms after the next opening and a total of the old day; then a total."""
    script = Script(CLOSE - DAY - MINUTE, session="0930-1600", timezone=NEW_YORK)
    script.see(CLOSE - DAY - 50 * SECOND, first - 10, is_baseline=True, day=(100, 101, 99))
    script.see(CLOSE - DAY - 20 * SECOND, first, day=(100, 101, 99))
    for after, counter in untidy:
        script.see(OPENING + after, counter, estimated=after < 0, day=(100, 101, 99))
    script.see(OPENING + 50 * SECOND, second, day=(102, 102, 102), price=102.0)
    script.see(OPENING + 70 * SECOND, second + 5, day=(102, 102, 102), price=102.0)
    return Case(name, script.close(), {
        ("1m", CLOSE - DAY - MINUTE): Expected(10), ("1m", OPENING): Expected(expected),
        ("1m", OPENING + MINUTE): Expected(5), ("1d", MIDNIGHT): Expected(expected + 5),
    })  # fmt: skip


def _five_ten_seven() -> Case:
    script = Script(MIDNIGHT - MINUTE)
    script.see(MIDNIGHT - 50 * SECOND, 5.0, is_baseline=True)
    _walk(script, [(-30, 10.0), (20, 7.0), (80, 8.0)], MIDNIGHT)
    return Case("5 and 10, and 7 on the next day", script.close(), minutes(5, 7, 1, start=MIDNIGHT - MINUTE))


def _hidden_extremes() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 10.0, is_baseline=True, price=100.5, day=(100, 101, 99))
    script.see(NOON + 30 * SECOND, 11.0, price=101.0, day=(100, 110, 99))
    script.see(NOON + 90 * SECOND, 12.0, price=100.0, day=(100, 110, 90))
    return Case("Extremes between two observations", script.close(), {
        ("1m", NOON): Expected(1, 110, 101), ("1m", NOON + MINUTE): Expected(1, 100, 90),
        ("1d", MIDNIGHT): Expected(2, 110, 90),
    })  # fmt: skip


def _split() -> Case:
    script = Script(CLOSE - DAY - MINUTE, session="0930-1600", timezone=NEW_YORK)
    script.see(CLOSE - DAY - 50 * SECOND, 500.0, is_baseline=True, price=400.0, day=(395, 410, 390))
    script.see(CLOSE - DAY - 20 * SECOND, 510.0, price=400.0, day=(395, 410, 390))
    script.see(OPENING + SECOND, 510.0, price=101.0, day=(395, 410, 390))
    script.see(OPENING + 50 * SECOND, 6.0, price=101.0, day=(395, 410, 390))
    script.see(OPENING + 70 * SECOND, 7.0, price=100.0, day=(100, 102, 99.5))
    script.see(OPENING + 130 * SECOND, 8.0, price=100.0, day=(100, 102, 99.5))
    return Case("Yesterday's high over a split", script.close(), {
        ("1m", CLOSE - DAY - MINUTE): Expected(10, 400, 400), ("1m", OPENING): Expected(6, 101, 101),
        ("1m", OPENING + MINUTE): Expected(1, 102, 99.5), ("1m", OPENING + 2 * MINUTE): Expected(1, 100, 100),
        ("1d", MIDNIGHT): Expected(8, 102, 99.5),
    })  # fmt: skip


def _around_a_session() -> Case:
    script = Script(CLOSE - DAY - MINUTE, session="0930-1600", timezone=NEW_YORK)
    script.see(CLOSE - DAY - 50 * SECOND, 500.0, is_baseline=True)
    script.see(CLOSE - DAY - 20 * SECOND, 510.0)
    script.see(CLOSE - DAY + 8 * SECOND, 700.0, price=105.0)
    script.see(CLOSE - DAY + 299 * SECOND, 701.0, price=105.0)
    script.see(CLOSE - DAY + 300 * SECOND, 750.0)
    script.see(CLOSE - DAY + HOUR, 900.0, estimated=True)
    script.see(OPENING - HOUR, 40.0, estimated=True)
    script.see(OPENING - MINUTE, 60.0)
    script.see(OPENING + SECOND, 75.0)
    script.see(OPENING + 70 * SECOND, 80.0)
    return Case("An auction's print, and volume before and after the session", script.close(), {
        ("1m", CLOSE - DAY - MINUTE): Expected(10), ("1m", CLOSE - DAY): Expected(191, 105, 105),
        ("1d", MIDNIGHT - DAY): Expected(201), ("1m", OPENING): Expected(15), ("1m", OPENING + MINUTE): Expected(5),
        ("1d", MIDNIGHT): Expected(20),
    })  # fmt: skip


def _gap() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    _walk(script, [(10, 1_010.0), (20, 1_020.0)], NOON)
    script.put_mark(NOON + 21 * SECOND, 1, (SYMBOL, "uncovered", NOON + 21 * SECOND))
    script.see(NOON + 40 * SECOND, 1_100.0, is_baseline=True, is_marked=False)
    script.put_mark(NOON + 40 * SECOND + 50, 1, (SYMBOL, "covered", NOON + 40 * SECOND + 50))
    _walk(script, [(50, 1_105.0), (65, 1_106.0)], NOON)
    return Case("What moved in a gap", script.close(), minutes(25, 1, start=NOON))


def _correction_in_a_gap() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    _walk(script, [(10, 1_010.0), (20, 1_020.0)], NOON)
    script.see(NOON + 50 * SECOND, 700.0, epoch=2, is_baseline=True, is_marked=False)
    script.put_mark(NOON + 51 * SECOND, 2, (SYMBOL, "covered", NOON + 50 * SECOND + 50))
    script.see(NOON + 55 * SECOND, 705.0, epoch=2)
    script.see(NOON + 65 * SECOND, 706.0, epoch=2)
    return Case("A correction in a gap between epochs", script.close(epoch=2), minutes(25, 1, start=NOON))


def _covered_baseline() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    _walk(script, [(10, 1_010.0)], NOON)
    script.see(NOON + 40 * SECOND, 1_100.0, is_baseline=True)
    _walk(script, [(65, 1_106.0)], NOON)
    return Case("A baseline without a gap", script.close(), minutes(10, 96, start=NOON))


def _fall_that_stands() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    _walk(script, [(10, 1_010.0), (20, 600.0)], NOON)
    script.put_mark(NOON + 5 * MINUTE + 62 * SECOND)
    _walk(script, [(400, 1_020.0)], NOON)
    return Case("A fall whose minute was final before the next observation", script.close(),
                minutes(10, start=NOON) | minutes(420, start=NOON + 6 * MINUTE))  # fmt: skip


def _spike_that_stands() -> Case:
    script = Script(NOON)
    script.see(NOON - SECOND, 1_000.0, is_baseline=True)
    _walk(script, [(10, 1_010.0), (20, 5_000.0)], NOON)
    script.put_mark(NOON + 5 * MINUTE + 62 * SECOND)
    _walk(script, [(400, 1_020.0), (410, 1_025.0)], NOON)
    return Case("A spike whose minute was final before the next observation", script.close(),
                minutes(4_000, start=NOON) | minutes(5, start=NOON + 6 * MINUTE))  # fmt: skip


_DRAFTS: tuple[Callable[[], Case], ...] = (
    lambda: _midnight("The old total without a time, 50 ms after midnight", (50, 20_060.0, True)),
    lambda: _midnight("The old total with a time of midnight, before the reset", (0, 20_060.0, False)),
    lambda: _midnight("Both of them", (0, 20_060.0, False), (50, 20_060.0, True)),
    lambda: _midnight("A reset at once"),
    lambda: _midnight("The old total grows for 45 s", (500, 20_061.0, False), (45_000, 20_064.0, False), old=4),
    _thin_day,
    _correction,
    lambda: _spike(1e12),
    lambda: _spike(1_500.0),
    _huge,
    lambda: _handed_over("A hand-over to an epoch 3 s behind", 3, is_killed=False),
    lambda: _handed_over("A hand-over to an epoch 3 s behind, of one that is killed", 3, is_killed=True),
    lambda: _handed_over("A hand-over between equals", 0, is_killed=False),
    lambda: _handed_over("A hand-over to an epoch 3 s ahead", 0, is_killed=False, epoch_1_behind_s=3),
    lambda: _within_a_minute("An older update in between", [1_000, 1_012, 1_010, 1_012, 1_015], 15),
    lambda: _within_a_minute("A much older update in between", [1_000, 1_005, 1_012, 1_003, 1_012, 1_015], 15),
    lambda: _within_a_minute("A cancelled trade", [1_000, 1_061, 1_005, 1_006], 6),
    lambda: _stock("An illiquid new day passes yesterday's total at once", 500, 800, 800),
    lambda: _stock("A new day below yesterday's total", 500, 300, 300),
    lambda: _stock("The old total after the opening, then a new day above it", 500, 800, 800, (20_000, 500)),
    lambda: _stock("The old total after the opening, then a new day below it", 500, 300, 300, (20_000, 500)),
    _five_ten_seven,
    _hidden_extremes,
    _split,
    _around_a_session,
    _gap,
    _correction_in_a_gap,
    _covered_baseline,
    _fall_that_stands,
    _spike_that_stands,
)

CASES: tuple[Case, ...] = tuple(draft() for draft in _DRAFTS)
