"""The log folded once more for a replay: the same bars as the engine's, where it says that they are certain."""

from collections.abc import Sequence

import pytest

from aggregator.core.comparison import Compared, Range
from aggregator.core.fold import PartitionFold
from aggregator.core.refold import NotRetainedError, Refold
from aggregator.core.rules import Rules
from contracts import topics, wire
from contracts.intervals import DAY, HOUR, MINUTE
from tests.support.records import T0, calendar, key, mark, tick
from tests.support.tick_logs import Log

FRIDAY, MONDAY = T0 + DAY, T0 + 4 * DAY
NIGHTS = "1700-1600"
"""Chicago's futures: a session belongs to the trading day in which it ends."""


def log_of(ticks: Sequence[wire.Tick], until: int, *, session: str = "24x7", timezone: str = "Etc/UTC") -> Log:
    """Ticks of symbols that are covered throughout; a mark every ten minutes, and once an hour their calendars."""
    began = ticks[0].event_time - HOUR
    names = sorted({f"{one.exchange}:{one.symbol}" for one in ticks})
    covered = [(name, "covered", began) for name in names]
    marks = [mark(at, *covered if at % HOUR == began % HOUR else ()) for at in range(began, until + 1, 10 * MINUTE)]
    log: Log = [
        (*calendar(name, session, timezone, at=at), at) for name in names for at in range(began, until + 1, HOUR)
    ]
    log += [(topics.MARK_KEY, one, one.watermark) for one in marks]
    log += [(key(f"{one.exchange}:{one.symbol}"), one, one.received_at) for one in ticks]
    return sorted(log, key=lambda record: record[2])


def from_when(log: Log, at: int) -> int:
    """The offset of the first record that was appended at an instant or later."""
    return next(offset for offset, (_, _, timestamp) in enumerate(log) if timestamp >= at)


def session(start: int, day: int, *, price: float, traded: float = 0.0, minutes: int = 90) -> list[wire.Tick]:
    """A tick a minute, whose cumulative volume goes on from what the day has traded."""
    return [
        tick(start + n * MINUTE + 5_000, price + n % 7, traded + 10.0 * (n + 1), trading_day=day)
        for n in range(minutes)
    ]


def replayed(log: Log, within: Range, *, retained: int = 0, taken: int | None = None) -> tuple[Compared, int]:
    """What a replay finds that has the log from one offset on, when engines have taken it up to another.

    The second figure: bars that are not certain.
    """
    engine = PartitionFold(Rules())
    engine.feed(log[:taken])
    issues = [issue.record for issue in engine.take()]
    refold = Refold(Rules(), within, {0: retained})
    for name, record, timestamp in log[retained:]:
        refold.take(0, name, wire.encode(record), timestamp)
    for complete in issues:
        if isinstance(complete, wire.BarsComplete):
            refold.passed(0, complete)
    return refold.compared(bar for bar in issues if isinstance(bar, wire.Bar) and within.holds(bar))


def test_after_a_weekend_the_volume_goes_on_from_friday() -> None:
    ticks = session(FRIDAY + 15 * HOUR, FRIDAY, price=50) + session(MONDAY + 15 * HOUR, MONDAY, price=60)
    compared, left_out = replayed(log_of(ticks, MONDAY + DAY + HOUR), Range(MONDAY, MONDAY + DAY))
    assert (compared.differences, left_out) == ([], 0)
    assert compared.bars > 90


def test_a_sunday_night_belongs_to_the_bar_of_monday() -> None:
    ticks = session(MONDAY - 30 * MINUTE, MONDAY, price=50, minutes=30)
    ticks += session(MONDAY + HOUR, MONDAY, price=60, traded=300.0)
    log = log_of(ticks, MONDAY + DAY + HOUR, session=NIGHTS, timezone="America/Chicago")
    compared, left_out = replayed(log, Range(MONDAY, MONDAY + DAY))
    assert compared.bars > 90
    assert (compared.differences, left_out) == ([], 0)


def test_a_day_before_the_range_is_enough_of_a_symbol_that_trades_every_day() -> None:
    ticks = [one for n in range(4) for one in session(T0 + n * DAY, T0 + n * DAY, price=50, minutes=1_439)]
    log = log_of(ticks, T0 + 4 * DAY + HOUR)
    within = Range(T0 + 2 * DAY, T0 + 4 * DAY)
    compared, left_out = replayed(log, within, retained=from_when(log, T0 + 23 * HOUR))
    assert (compared.differences, left_out) == ([], 0)
    with pytest.raises(NotRetainedError) as refused:
        replayed(log, within, retained=from_when(log, T0 + 25 * HOUR))
    assert T0 + 49 * HOUR <= refused.value.needed <= T0 + 49 * HOUR + 10 * MINUTE


def test_the_first_retained_day_of_a_symbol_is_left_out() -> None:
    ticks = session(T0 + HOUR, T0, price=50) + session(MONDAY + HOUR, MONDAY, price=60)
    ticks += session(MONDAY + DAY + HOUR, MONDAY + DAY, price=70)
    log = log_of(ticks, MONDAY + 3 * DAY)
    within = Range(MONDAY, MONDAY + 2 * DAY)
    whole, none = replayed(log, within)
    assert (whole.differences, none) == ([], 0)
    cut, left_out = replayed(log, within, retained=from_when(log, T0 + 2 * DAY))
    assert cut.differences == []
    assert cut.bars == left_out == whole.bars / 2


def test_what_engines_are_not_past_is_left_out() -> None:
    log = log_of(session(T0, T0, price=50), T0 + 3 * HOUR)
    within = Range(T0, T0 + 2 * HOUR)
    whole, none = replayed(log, within)
    assert (whole.differences, none) == ([], 0)
    part, left_out = replayed(log, within, taken=from_when(log, T0 + HOUR))
    assert part.differences == []
    assert 40 <= part.bars == whole.bars - left_out
    assert replayed(log, within, taken=1) == (Compared(0, [], 0), whole.bars)


def test_what_late_ticks_may_correct_is_left_out() -> None:
    log = log_of(session(T0, T0, price=50, minutes=120), T0 + 2 * HOUR + MINUTE)
    compared, left_out = replayed(log, Range(T0, T0 + 2 * HOUR))
    assert compared.differences == []
    assert left_out == 14, "six of 1m, two of 3m and of 5m, and of 15m, 30m, 1h and 2h the one that closed at 2:00"
