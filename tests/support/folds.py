"""Folds of logs that a test writes down: which records go in, and what was emitted, by kind."""

from collections.abc import Iterable

from aggregator.core.emission import Issue, Refused
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import wire
from contracts.intervals import HOUR
from tests.support.records import T0, calendar, key, mark, tick
from tests.support.tick_logs import Log, Record

SECOND = 1_000
NOON = T0 + 12 * HOUR
"""Bars of every intraday interval open at this instant, round the clock; the trading day goes on over it."""
COVERED = ("SIM:A", "covered", NOON - HOUR)


def listed(symbol: str = "SIM:A", session: str = "24x7", timezone: str = "Etc/UTC", **more: str | int) -> wire.Calendar:
    """The calendar record of a symbol."""
    return calendar(symbol, session, timezone, **more)[1]  # type: ignore[arg-type]


def entries(*records: Record) -> Log:
    """Records as a log: with their keys, appended when they were received (marks: when their watermark was reached)."""
    log: Log = []
    for record in records:
        if isinstance(record, wire.Mark):
            log.append((b"!", record, record.watermark))
        else:
            name = key(f"{record.exchange}:{record.symbol}")
            is_tick = isinstance(record, wire.Tick)
            log.append((name, record, record.received_at) if is_tick else (b"!" + name, record, record.at))  # type: ignore[union-attr]
    return log


def put(fold: PartitionFold, *records: Record) -> list[Issue]:
    """What a fold emits when it takes the next records."""
    fold.feed(entries(*records))
    return fold.take()


def begun(*records: Record, rules: Rules | None = None) -> PartitionFold:
    """A fold that has taken some records; symbols without a calendar record among them trade round the clock."""
    names = {f"{one.exchange}:{one.symbol}" for one in records if isinstance(one, wire.Tick)}
    names -= {f"{one.exchange}:{one.symbol}" for one in records if isinstance(one, wire.Calendar)}
    fold = PartitionFold(rules or Rules())
    fold.feed(entries(*(listed(name) for name in sorted(names)), *records))
    return fold


def fold_of(*records: Record, rules: Rules | None = None) -> list[Issue]:
    """What a log emits; symbols without a calendar record of their own trade round the clock."""
    return begun(*records, rules=rules).take()


def start(cumulative: float | None = 10.0) -> tuple[wire.Mark, wire.Tick, wire.Mark]:
    """SIM:A is covered from the minute before noon on."""
    return (
        mark(NOON - 30_000),
        tick(NOON - 20_000, 9.0, cumulative, is_baseline=True),
        mark(NOON - 19_000, COVERED),
    )


def bars_of(issues: Iterable[Issue], interval: str = "1m", symbol: str | None = None) -> list[wire.Bar]:
    """The bars of an interval, in the order in which they were emitted."""
    return [one for one in all_bars(issues) if one.interval == interval and symbol in {None, one.symbol}]


def all_bars(issues: Iterable[Issue]) -> list[wire.Bar]:
    """The bars of every interval."""
    return [issue.record for issue in issues if isinstance(issue.record, wire.Bar)]


def gaps_of(issues: Iterable[Issue]) -> list[wire.GapEvent]:
    """The gap events."""
    return [issue.record for issue in issues if isinstance(issue.record, wire.GapEvent)]


def completes_of(issues: Iterable[Issue], delay: int | None = None) -> list[wire.BarsComplete]:
    """What was said to be complete, of one delay class or of all."""
    found = [issue.record for issue in issues if isinstance(issue.record, wire.BarsComplete)]
    return [record for record in found if delay in {None, record.delay}]


def late_of(issues: Iterable[Issue]) -> list[wire.LateTick]:
    """The ticks that were too late."""
    return [issue.record for issue in issues if isinstance(issue.record, wire.LateTick)]


def dead_of(issues: Iterable[Issue]) -> list[Refused]:
    """Why records were put aside."""
    return [issue.record for issue in issues if isinstance(issue.record, Refused)]


def restarted(fold: PartitionFold, changelog: dict[bytes, bytes], position: int) -> PartitionFold:
    """A fold that goes on from what this one saves into a changelog."""
    for name, value in fold.save(position):
        if value is None:
            changelog.pop(name, None)
        else:
            changelog[name] = value
    gone_on, reached = PartitionFold.restored(Rules(), changelog)
    assert reached == position
    return gone_on
