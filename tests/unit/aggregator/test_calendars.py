"""Calendar records of the log: which one counts, what a change moves, and what cannot be read."""

import pytest

from aggregator.core.calendars import Calendars
from aggregator.core.emission import Issue
from aggregator.core.fold import PartitionFold
from aggregator.core.longer import Chain
from aggregator.core.rules import Rules
from contracts import wire
from contracts.base import MAX_MS, MIN_MS
from contracts.calendar import Calendar
from contracts.errors import BadData
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CLOSE, MIDNIGHT, NEW_YORK, OPENING
from tests.support.folds import (
    NOON,
    bars_of,
    begun,
    dead_of,
    fold_of,
    late_of,
    listed,
    put,
    restarted,
    start,
)
from tests.support.records import T0, key, mark, tick
from tests.support.tick_logs import Record

STOCK = listed(session="0930-1600", timezone=NEW_YORK)
HALF_PAST_TWO = OPENING + 5 * HOUR
ONE_O_CLOCK = OPENING + 3 * HOUR + 30 * MINUTE
EARLY = "0930-1300:20260304"


def stock(at: int, corrections: str = "") -> wire.Calendar:
    return listed(session="0930-1600", timezone=NEW_YORK, corrections=corrections, at=at)


def test_a_tick_before_its_symbols_calendar_is_put_aside_and_counts_for_nothing() -> None:
    fold = PartitionFold(Rules())
    issues = put(fold, mark(NOON), tick(NOON + 1_000, 10.0, 100.0))
    assert [(one.kind, one.cause) for one in dead_of(issues)] == [
        ("no_calendar", "no calendar of the symbol stands before it in the log")
    ]
    assert fold.open_minutes == 0
    issues = put(fold, listed(), tick(NOON + 2_000, 10.0, 150.0), tick(NOON + 3_000, 10.0, 151.0), mark(NOON + HOUR))
    assert [(bar.volume, bar.tick_count) for bar in bars_of(issues)] == [(1.0, 2)]


def test_a_dead_letter_names_the_record_that_is_put_aside() -> None:
    one, fold = tick(NOON + 1_000, 10.0), PartitionFold(Rules())
    (issue,) = put(fold, one)
    assert (issue.key, issue.source) == (key(), one)


@pytest.mark.parametrize(
    "changes",
    [{"timezone": "Mars/Olympus"}, {"session": "0930_1600"}, {"holidays": "2026-01-01"}, {"corrections": "0930:1"}],
)
def test_a_calendar_that_cannot_be_read_is_put_aside_and_the_one_before_goes_on(changes: dict[str, str]) -> None:
    bad = listed(**changes)
    fold = begun(*start(), tick(NOON + 1_000, 10.0, 11.0))
    (issue,) = put(fold, bad)
    (refused,) = dead_of([issue])
    assert (refused.kind, issue.key, issue.source) == ("invalid_calendar", key(), bad)
    issues = put(fold, tick(NOON + 2_000, 10.0, 12.0), mark(NOON + MINUTE + 2_000))
    assert [bar.volume for bar in bars_of(issues)] == [2.0]


def test_a_symbol_whose_only_calendar_cannot_be_read_has_none() -> None:
    issues = fold_of(mark(NOON), listed(timezone="Mars/Olympus"), tick(NOON + 1_000, 10.0))
    assert [one.kind for one in dead_of(issues)] == ["invalid_calendar", "no_calendar"]


def test_a_time_that_no_calendar_covers_is_put_aside() -> None:
    issues = fold_of(mark(NOON), STOCK, tick(MIN_MS, 10.0, received_at=NOON), tick(OPENING, 10.0, received_at=OPENING))
    assert [one.kind for one in dead_of(issues)] == ["invalid_time"]


def test_a_time_before_1970_is_late_and_its_baseline_begins_a_counter() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 10.0, 11.0))
    issues = put(fold, tick(-90_000, 10.0, 12.0, received_at=NOON + 2_000))
    assert [(one.bar_open_time, one.reason) for one in late_of(issues)] == [(-2 * MINUTE, "beyond_grace_period")]
    old = tick(-DAY - 1, 10.0, 500.0, symbol="SIM:B", is_baseline=True, received_at=NOON + 2_000)
    issues = put(fold, listed("SIM:B"), old, tick(NOON + 3_000, 10.0, 507.0, symbol="SIM:B"), mark(NOON + 2 * MINUTE))
    assert [bar.tick_count for bar in bars_of(issues)] == [1, 1]
    assert dead_of(issues) == []


def test_before_a_symbols_first_tick_the_newest_record_is_its_calendar_from_ever_on() -> None:
    fold = begun(mark(OPENING - HOUR), stock(OPENING - 2 * HOUR), listed(at=OPENING - HOUR))
    issues = put(fold, tick(OPENING - MINUTE, 10.0), mark(OPENING + 2 * MINUTE))
    assert [bar.open_time for bar in bars_of(issues)] == [OPENING - MINUTE]


def test_the_same_calendar_again_changes_nothing() -> None:
    def log(*again: wire.Calendar) -> list[Record]:
        ticks: list[Record] = [tick(NOON + 1_000, 10.0, 11.0), *again, tick(NOON + 2_000, 11.0, 12.0)]
        return [listed(), *start(), *ticks, mark(NOON + DAY)]

    assert fold_of(*log(listed(at=NOON + 1_500), listed(at=NOON + 1_600))) == fold_of(*log())


def test_a_symbol_that_gets_volume_has_it_in_what_is_emitted_from_then_on() -> None:
    issues = fold_of(
        listed(has_volume=False), *start(), tick(NOON + 1_000, 10.0, 11.0), mark(NOON + MINUTE + 2_000),
        listed(at=NOON + MINUTE + 3_000), tick(NOON + MINUTE + 4_000, 10.0, 12.0), mark(NOON + 2 * MINUTE + 2_000),
    )  # fmt: skip
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues) if not bar.revision] == [
        (NOON, None), (NOON + MINUTE, 1.0),
    ]  # fmt: skip


def trading(*changes: wire.Calendar, until: int = CLOSE + DAY) -> list[Issue]:
    """A stock that trades 1 every ten minutes while a market is open by its usual hours, and marks every minute."""
    begin = OPENING - HOUR
    log: list[Record] = [stock(begin), mark(begin), tick(begin, 10.0, 100.0, is_baseline=True)]
    log.append(mark(begin + 60, ("SIM:A", "covered", begin)))
    due = {change.at: change for change in changes}
    volume = 100.0
    for at in range(OPENING, until + MINUTE, MINUTE):
        if at in due:
            log.append(due[at])
        if at % (10 * MINUTE) == 0 and (OPENING <= at < CLOSE or OPENING + DAY <= at < CLOSE + DAY):
            volume += 1.0
            log.append(tick(at + 1_000, 10.0, volume))
        log.append(mark(at + 2_500))
    return fold_of(*log)


def ends(issues: list[Issue], interval: str) -> list[tuple[int, int, int, str | None, int]]:
    """Label, close, revision, reason and ticks of what was emitted of an interval."""
    return [
        (bar.open_time, bar.close_time, bar.revision, bar.reason, bar.tick_count) for bar in bars_of(issues, interval)
    ]


def test_an_early_close_announced_at_noon_ends_the_day_then_and_the_next_day_is_whole() -> None:
    issues = trading(stock(OPENING + 2 * HOUR, EARLY))
    assert ends(issues, "1d") == [
        (MIDNIGHT, ONE_O_CLOCK, 0, None, 21), (MIDNIGHT, ONE_O_CLOCK, 1, "auction", 22),
        (MIDNIGHT + DAY, CLOSE + DAY, 0, None, 39),
    ]  # fmt: skip
    assert ends(issues, "1h")[3] == (OPENING + 3 * HOUR, ONE_O_CLOCK, 0, None, 3)
    assert [bar.open_time for bar in bars_of(issues) if ONE_O_CLOCK < bar.open_time < CLOSE] == []


def test_an_early_close_announced_after_it_ends_the_day_when_it_is_announced() -> None:
    at = HALF_PAST_TWO
    issues = trading(stock(at, EARLY))
    assert ends(issues, "1d")[0] == (MIDNIGHT, at + MINUTE, 0, None, 31)
    hours = ends(issues, "1h")
    assert hours[4:6] == [
        (OPENING + 4 * HOUR, OPENING + 5 * HOUR, 0, None, 6), (OPENING + 5 * HOUR, at + MINUTE, 0, None, 1),
    ]  # fmt: skip
    assert hours[6] == (OPENING + DAY, OPENING + DAY + HOUR, 0, None, 6), "nothing of it is in the next day"


@pytest.mark.parametrize("taken_back_after", [-10 * MINUTE, 3 * MINUTE, 10 * MINUTE, 90 * MINUTE])
def test_an_early_close_that_is_taken_back_lets_the_day_go_on_under_higher_revisions(taken_back_after: int) -> None:
    issues = trading(stock(OPENING + 2 * HOUR, EARLY), stock(ONE_O_CLOCK + taken_back_after))
    days = ends(issues, "1d")
    label, close, revision, reason, ticks = days[-2]
    assert (label, close) == (MIDNIGHT, CLOSE)
    assert reason == (None if taken_back_after < 0 else "calendar")
    minutes = [bar for bar in bars_of(issues) if not bar.revision and bar.trading_day == MIDNIGHT]
    assert ticks == sum(bar.tick_count for bar in minutes) >= 39 - max(0, taken_back_after // (10 * MINUTE))
    assert revision == len(days) - 2
    for name in Interval:
        labels = [(bar.open_time, bar.revision) for bar in bars_of(issues, name.value)]
        assert len(labels) == len(set(labels)), f"a revision of {name} was emitted twice"


def test_a_close_that_moves_back_after_the_bars_closed_is_emitted_with_that_reason() -> None:
    longer = listed(session="0930-1600", timezone=NEW_YORK, corrections="0930-1602:20260304", at=CLOSE + MINUTE)
    issues = trading(longer)
    assert [(close, reason) for _, close, _, reason, _ in ends(issues, "1d")][:2] == [
        (CLOSE, None), (CLOSE + 2 * MINUTE, "calendar"),
    ]  # fmt: skip


def test_a_new_session_holds_from_the_next_trading_day_on() -> None:
    from_ten = listed(session="1000-1500", timezone=NEW_YORK, at=OPENING + HOUR)
    issues = trading(from_ten)
    assert ends(issues, "1d")[0][:2] == (MIDNIGHT, CLOSE - HOUR), "of the open day only the close moves"
    assert ends(issues, "1h")[0][:2] == (OPENING, OPENING + HOUR)
    (first,) = [bar for bar in bars_of(issues, "1h") if bar.open_time == OPENING + DAY + 30 * MINUTE]
    assert (first.close_time, first.tick_count) == (OPENING + DAY + 90 * MINUTE, 6)


def test_a_calendar_that_changed_is_gone_on_from_after_a_restart() -> None:
    begin = OPENING - HOUR
    log: list[Record] = [stock(begin), mark(begin), tick(OPENING, 10.0, 100.0), stock(OPENING + HOUR, EARLY)]
    log += [tick(OPENING + 2 * HOUR, 10.0, 101.0), mark(CLOSE), tick(OPENING + DAY, 10.0, 5.0), mark(CLOSE + 8 * DAY)]
    whole = fold_of(*log)
    fold, changelog, issues = PartitionFold(Rules()), dict[bytes, bytes](), list[Issue]()
    for position, record in enumerate(log, 1):
        issues += put(fold, record)
        fold = restarted(fold, changelog, position)
    assert issues == whole
    assert [bar.close_time for bar in bars_of(whole, "1d")] == [ONE_O_CLOCK, CLOSE + DAY]


def calendars() -> Calendars:
    return Calendars(Rules(), Chain(tuple(Interval)))


def test_symbols_of_equal_calendars_share_one_grid() -> None:
    known = calendars()
    for name in (b"SIM:A", b"SIM:B"):
        assert known.learn(name, STOCK, traded_until=None)
    known.learn(b"SIM:C", listed(), traded_until=None)
    assert known.grid(b"SIM:A") is known.grid(b"SIM:B") is not known.grid(b"SIM:C")
    assert known.grid(b"SIM:D") is None


@pytest.mark.parametrize(("corrections", "grids"), [("0930-1300:20261127", 1), (EARLY, 1), ("0930-1000:20260304", 2)])
def test_symbols_share_a_grid_that_changed_for_each_at_another_instant(corrections: str, grids: int) -> None:
    """Unless a close that was put in the past depends on the minute of the change."""
    known = calendars()
    names = [f"SIM:{number}".encode() for number in range(6)]
    for number, name in enumerate(names):
        known.learn(name, STOCK, traded_until=None)
        known.learn(name, stock(OPENING + HOUR + number * 20_000, corrections), traded_until=0)
    assert len({id(known.grid(name)) for name in names}) == grids


def test_a_change_counts_as_it_would_at_its_own_instant() -> None:
    for change in (EARLY, "0930-1000:20260304", "dayoff:20260304", "0930-1800:20260304", "dayoff:20260305"):
        for at in (OPENING - DAY, OPENING - HOUR, OPENING, OPENING + HOUR + 1, CLOSE - 1, CLOSE, CLOSE + 5 * HOUR):
            known = calendars()
            known.learn(b"SIM:A", STOCK, traded_until=None)
            known.learn(b"SIM:A", stock(at, change), traded_until=0)
            grid = known.grid(b"SIM:A")
            assert grid is not None
            old, new = (Calendar.parse(NEW_YORK, "0930-1600", "", texts) for texts in ("", change))
            exact = old.changed_to(new, at)
            for day in range(MIDNIGHT - 3 * DAY, MIDNIGHT + 4 * DAY, DAY):
                assert grid.calendar.segments(day) == exact.segments(day)


def test_grids_that_no_symbol_uses_any_more_are_dropped() -> None:
    known = calendars()
    known.learn(b"SIM:B", listed(), traded_until=None)
    always = known.grid(b"SIM:B")
    for day in range(1, 1_000):
        known.learn(
            b"SIM:A",
            stock(OPENING + day * DAY, f"0930-1300:2026010{day % 9 + 1}"),
            traded_until=T0 if day > 1 else None,
        )
        known.grid(b"SIM:A")
    assert len(known._grids) < 150
    assert known.grid(b"SIM:B") is always


@pytest.mark.parametrize("at", [MIN_MS, MAX_MS])
def test_a_change_at_a_time_that_no_calendar_covers_is_put_aside(at: int) -> None:
    fold = begun(mark(OPENING), stock(OPENING), tick(OPENING, 10.0, 11.0))
    assert [one.kind for one in dead_of(put(fold, stock(at, EARLY)))] == ["invalid_time"]
    issues = put(fold, tick(OPENING + 1_000, 10.0, 12.0), mark(OPENING + HOUR))
    assert [bar.volume for bar in bars_of(issues)] == [1.0]


def test_of_a_calendar_that_changes_often_the_newest_changes_are_remembered() -> None:
    known = calendars()
    for day in range(1, 10):
        record = stock(T0 + day * DAY, f"0930-1300:2026010{day}")
        known.learn(b"SIM:A", record, traded_until=T0 if day > 1 else None)
    found = known.known(b"SIM:A")
    assert found is not None
    assert [texts[3] for _, texts in found.history] == [f"0930-1300:2026010{day}" for day in (6, 7, 8, 9)]


def test_a_calendar_that_cannot_be_read_leaves_what_was_known() -> None:
    known = calendars()
    known.learn(b"SIM:A", STOCK, traded_until=0)
    known.changed.clear()
    with pytest.raises(BadData):
        known.learn(b"SIM:A", listed(session="?"), traded_until=0)
    assert known.changed == set()
    assert known.grid(b"SIM:A") is not None
