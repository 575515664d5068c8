"""One partition as its owner writes it: calendars, batches, marks, what is lost, epochs."""

from typing import Any

import pytest

from contracts import wire
from contracts.marks import Coverage, CoverageState
from contracts.symbols import SymbolId
from contracts.topics import MARK_KEY
from ingest_ws.core.clock import EpochNumbers
from ingest_ws.core.partition import (
    GRID_MS,
    MOST_CHANGES,
    MOST_RECORDS,
    MOST_REPEATED,
    MOST_WAITING_CHANGES,
    REPEAT_CALENDAR_MS,
    RESTART_MS,
    Batch,
    PartitionLog,
    Room,
)
from tests.support.records import T0, key, tick

A, B = "SIM:A", "SIM:B"


def a_log(room: int = 10**6, *, is_written: bool = True) -> PartitionLog:
    """A log whose epoch begins at T0; the calendar of A, and a baseline, are written."""
    log = PartitionLog(EpochNumbers(7), Room(room), T0)
    log.describe(key(), calendar(), T0)
    if is_written:
        put(log, T0)
        assert log.take(T0, None) is not None
        log.acknowledged()
    return log


def calendar(symbol: str = A, session: str = "24x7", at: int = T0, **more: Any) -> wire.Calendar:
    exchange, ticker = SymbolId.parse(symbol)
    return wire.Calendar(exchange=exchange, symbol=ticker, timezone="Etc/UTC", session=session, at=at, **more)


def contents(batch: Batch | None) -> list[wire.Tick | wire.Calendar]:
    """The ticks and calendars of a batch."""
    assert batch is not None
    return [
        wire.decode_calendar(value) if each.startswith(b"!") else wire.decode_tick(value)
        for each, value in batch.records()
        if each != MARK_KEY
    ]


def mark_of(batch: Batch | None) -> wire.Mark:
    assert batch is not None and batch.mark is not None
    return wire.decode_mark(batch.mark)


def changes(mark: wire.Mark) -> list[tuple[str, str, int]]:
    return [(change.symbol, change.state, change.at - T0) for change in mark.coverage]


def put(log: PartitionLog, received_at: int, now: int | None = None, price: float = 1.0) -> bool:
    return log.put(tick(received_at - 50, price), key(), received_at if now is None else now)


def test_a_mark_comes_on_each_turn_of_the_grid_also_when_nothing_happens() -> None:
    log = a_log()
    assert log.take(T0 + GRID_MS - 1, None) is None
    for turn in (1, 2, 3):
        batch = log.take(T0 + turn * GRID_MS, None)
        assert mark_of(batch) == wire.Mark(epoch=log.epoch, watermark=T0 + turn * GRID_MS - 1)
        log.acknowledged()
        assert log.take(T0 + turn * GRID_MS + 1, None) is None


def test_ticks_go_at_once_and_stand_before_the_mark_of_their_batch() -> None:
    log = a_log()
    put(log, T0 + 10)
    batch = log.take(T0 + 11, None)
    assert batch is not None and batch.mark is None
    log.acknowledged()
    put(log, T0 + 200)
    batch = log.take(T0 + 250, None)
    assert [each for each, _ in (batch or Batch((), None)).records()] == [key(), MARK_KEY]
    assert mark_of(batch).watermark == T0 + 249


def test_one_batch_is_under_way_at_a_time() -> None:
    log = a_log()
    put(log, T0 + 10)
    assert log.take(T0 + 10, None) is not None
    put(log, T0 + 20)
    assert log.take(T0 + 300, None) is None
    log.acknowledged()
    batch = log.take(T0 + 300, None)
    assert batch is not None and len(batch.ticks) == 1


def test_a_mark_does_not_vouch_for_what_is_held_back_or_waits() -> None:
    log = a_log()
    assert mark_of(log.take(T0 + 250, T0 + 100)).watermark == T0 + 99
    log.acknowledged()
    for n in range(MOST_RECORDS):
        put(log, T0 + 200 + n)
    put(log, T0 + 150, T0 + 900)
    put(log, T0 + 900)
    assert mark_of(log.take(T0 + 1_000, None)).watermark == T0 + 149
    log.acknowledged()
    assert mark_of(log.take(T0 + 1_250, None)).watermark == T0 + 1_249


def test_a_change_goes_with_the_first_mark_that_has_reached_it() -> None:
    log = a_log()
    log.set_coverage(A, CoverageState.COVERED, T0 + 20)
    log.set_coverage(A, CoverageState.UNCOVERED, T0 + 240)
    log.set_coverage(A, CoverageState.COVERED, T0 + 250)
    assert changes(mark_of(log.take(T0 + 250, None))) == [(A, "covered", 20), (A, "uncovered", 240)]
    log.acknowledged()
    assert changes(mark_of(log.take(T0 + 500, None))) == [(A, "covered", 250)]


def test_many_changes_need_several_marks_of_which_only_the_last_moves_on() -> None:
    log = a_log()
    for n in range(MOST_CHANGES + 1):
        log.set_coverage(f"SIM:{n}", CoverageState.COVERED, T0)
    first = mark_of(log.take(T0 + 300, None))
    log.acknowledged()
    second = mark_of(log.take(T0 + 301, None))
    assert (len(first.coverage), first.watermark) == (MOST_CHANGES, T0 - 1)
    assert (len(second.coverage), second.watermark) == (1, T0 + 300)


def test_what_finds_no_room_ends_the_epoch_before_it_once_the_rest_is_in_the_log() -> None:
    log = a_log(room=1_000)
    assert put(log, T0 + 10)
    while put(log, T0 + 20):
        pass
    assert not put(log, T0 + 30)
    assert (log.lost_ticks, log.needs_restart(T0 + RESTART_MS)) == (2, False)
    batch = log.take(T0 + 250, None)
    assert mark_of(batch).watermark == T0 + 19
    assert not log.needs_restart(T0 + RESTART_MS)
    log.acknowledged()
    assert not log.needs_restart(T0 + RESTART_MS - 1), "an epoch lasts for a while, or the next may end at once too"
    assert log.needs_restart(T0 + RESTART_MS)
    before, now = log.epoch, T0 + RESTART_MS
    log.restart(now, [A])
    assert (log.epoch > before, log.needs_restart(now)) == (True, False)
    assert put(log, now)
    assert changes(mark_of(log.take(now + 100, None))) == [(A, "covered", RESTART_MS)]


def test_room_is_given_back_when_a_batch_is_done() -> None:
    room = Room(10**6)
    log = PartitionLog(EpochNumbers(7), room, T0)
    log.describe(key(), calendar(), T0)
    put(log, T0 + 1)
    used = room.used
    log.take(T0 + 1, None)
    assert room.used == used > 0
    log.acknowledged()
    assert room.used == 0


def test_a_batch_that_failed_begins_an_epoch_and_what_was_released_is_written_again() -> None:
    log = a_log()
    put(log, T0 + 10)
    log.set_coverage(A, CoverageState.RELEASED, T0 + 20)
    log.set_coverage(B, CoverageState.COVERED, T0 + 30)
    log.take(T0 + 250, None)
    put(log, T0 + 260)
    log.failed()
    assert (log.needs_restart(T0 + 251), log.lost_ticks) == (True, 1)
    log.restart(T0 + 300, [B])
    assert (log.take(T0 + 400, None) or Batch((), None)).final_marks
    log.acknowledged()
    batch = log.take(T0 + 500, None)
    assert batch is not None and len(batch.ticks) == 1
    assert changes(mark_of(batch)) == [(A, "released", 20), (B, "covered", 300)]


def test_a_new_epoch_does_not_vouch_for_older_ticks_that_still_wait() -> None:
    log = a_log()
    for n in range(2 * MOST_RECORDS + 1):
        put(log, T0 + n)
    log.take(T0 + 240, None)
    log.failed()
    log.restart(T0 + 8_000, [A])
    assert mark_of(log.take(T0 + 8_250, None)).watermark == T0 + 2 * MOST_RECORDS - 2, "with the calendar"


def test_changes_without_end_end_the_epoch() -> None:
    log = a_log()
    for _ in range(MOST_WAITING_CHANGES + 1):
        log.set_coverage(A, CoverageState.COVERED, T0 + 5)
    coverage = Coverage()
    now = T0 + 250
    while not log.needs_restart(now):
        coverage.apply(mark_of(log.take(now, None)), now)
        log.acknowledged()
        now += GRID_MS
    assert coverage.clock == T0 + 4


def test_the_last_batch_does_not_wait_for_the_grid() -> None:
    log = a_log()
    put(log, T0 + 10)
    assert mark_of(log.take(T0 + 12, None, is_last=True)).watermark == T0 + 11


def test_the_end_of_coverage_is_written_though_its_batch_failed() -> None:
    log, fold = a_log(), Coverage()

    def deliver(batch: Batch | None) -> None:
        for name, value in (batch or Batch((), None)).records():
            if name == MARK_KEY:
                fold.apply(wire.decode_mark(value), T0 + 60_000)
        log.acknowledged()

    log.set_coverage(A, CoverageState.COVERED, T0 + 100)
    deliver(log.take(T0 + 250, None))
    deliver(log.take(T0 + 25_000, None))
    log.set_coverage(A, CoverageState.UNCOVERED, T0 + 1_000)
    assert log.take(T0 + 25_250, None) is not None
    log.failed()
    log.restart(T0 + 25_300, [])
    deliver(log.take(T0 + 25_500, None))
    assert fold.uncovered(A, T0 + 100, T0 + 25_500) == [(T0 + 1_000, T0 + 25_500)], "the silence stays uncovered"
    deliver(log.take(T0 + 25_750, None))
    assert [name for name, _ in (log.take(T0 + 26_000, None) or Batch((), None)).records()] == [MARK_KEY], (
        "written once"
    )


def test_a_calendar_stands_before_the_first_tick_of_each_epoch_and_that_tick_is_a_baseline() -> None:
    log = a_log(is_written=False)
    put(log, T0 + 10, price=1.0)
    put(log, T0 + 20, price=2.0)
    first, baseline, after = contents(log.take(T0 + 30, None))
    assert first == calendar()
    assert isinstance(baseline, wire.Tick) and isinstance(after, wire.Tick)
    assert (baseline.is_baseline, after.is_baseline) == (True, False)
    assert baseline.epoch == after.epoch == log.epoch
    log.failed()
    log.restart(T0 + 500, [A])
    put(log, T0 + 510, price=3.0)
    first, again = contents(log.take(T0 + 520, None))
    assert first == calendar()
    assert isinstance(again, wire.Tick)
    assert (again.is_baseline, again.epoch) == (True, log.epoch)


def test_a_tick_that_waited_across_an_epoch_carries_the_one_that_writes_it_after_its_calendar() -> None:
    log = a_log()
    log.describe(key(B), calendar(B), T0)
    put(log, T0 + 100, price=1.0)
    assert log.take(T0 + 110, None) is not None
    put(log, T0 + 120, price=2.0)
    put(log, T0 + 130, price=3.0)
    log.put(tick(T0 + 90, 7.0, symbol=B), key(B), T0 + 140)
    before = log.epoch
    log.failed()
    log.restart(T0 + 300, [A, B])
    batch = log.take(T0 + 500, None)
    found = contents(batch)
    ticks = [each for each in found if isinstance(each, wire.Tick)]
    assert [(each.price, each.is_baseline) for each in ticks] == [(2.0, True), (3.0, False), (7.0, True)]
    assert {each.epoch for each in ticks} == {mark_of(batch).epoch} == {log.epoch} != {before}
    assert [type(each) for each in found] == [wire.Calendar, wire.Tick, wire.Tick, wire.Calendar, wire.Tick]
    assert changes(mark_of(batch)) == [(A, "covered", 300), (B, "covered", 300)]


def test_a_calendar_that_changes_is_written_at_once_and_one_that_does_not_is_not() -> None:
    log = a_log()
    log.describe(key(), calendar(at=T0 + 5), T0 + 5)
    assert log.take(T0 + 10, None) is None
    log.describe(key(), calendar(session="0930-1300", at=T0 + 20), T0 + 20)
    assert contents(log.take(T0 + 20, None)) == [calendar(session="0930-1300", at=T0 + 20)]
    log.acknowledged()
    log.describe(key(B), calendar(B), T0 + 30)
    assert log.take(T0 + 30, None) is None, "before the first tick there is nothing to be true of"


def test_a_calendar_is_written_again_every_six_hours_a_few_at_each_mark() -> None:
    log = a_log(room=10**7, is_written=False)
    names = [f"SIM:N{number}" for number in range(MOST_REPEATED + 2)]
    for name in names:
        log.describe(key(name), calendar(name), T0)
        log.put(tick(T0 + 100, 1.0, symbol=name), key(name), T0 + 150)
    log.take(T0 + 250, None)
    log.acknowledged()
    assert contents(log.take(T0 + 149 + REPEAT_CALENDAR_MS, None)) == []
    log.acknowledged()
    at = T0 + 250 + REPEAT_CALENDAR_MS
    found = contents(log.take(at, None))
    assert found == [calendar(name) for name in names[:MOST_REPEATED]]
    log.acknowledged()
    assert contents(log.take(at + 250, None)) == [calendar(name) for name in names[MOST_REPEATED:]]
    log.acknowledged()
    assert contents(log.take(at + 500, None)) == []


def test_a_batch_with_the_largest_calendars_the_longest_names_and_a_full_mark_is_below_a_megabyte() -> None:
    ticker = "\U00020000" * 64
    log = PartitionLog(EpochNumbers(7), Room(10**8), T0)
    for number in range(MOST_RECORDS):
        name = f"{number:032}:{ticker}"
        dates = ",".join(["20260101"] * 7_281)
        record = calendar(name, session="0" * 4096, holidays=dates, corrections=dates)
        log.describe(key(name), record, T0)
        log.put(tick(T0 + 100, 1.0, symbol=name), key(name), T0 + 150)
        log.set_coverage(name, CoverageState.COVERED, T0)
    now, sizes = T0 + 250, []
    while (batch := log.take(now, None)) is not None:
        sizes.append(sum(len(name) + len(value) + 32 for name, value in batch.records()))
        log.acknowledged()
        now += 250
        if len(sizes) > 10 and not batch.entries:
            break
    assert len(sizes) > 100
    assert max(sizes) < 1_000_000


def test_a_symbol_that_is_not_served_any_more_is_described_again_when_it_comes_back() -> None:
    log = a_log()
    log.forget(key())
    log.describe(key(), calendar(session="0930-1300"), T0 + 10)
    assert log.take(T0 + 10, None) is None
    put(log, T0 + 20)
    assert [type(each) for each in contents(log.take(T0 + 30, None))] == [wire.Calendar, wire.Tick]


def test_a_tick_of_a_symbol_without_a_calendar_is_a_bug() -> None:
    with pytest.raises(KeyError):
        a_log().put(tick(T0, 1.0, symbol=B), key(B), T0)


def test_a_change_of_calendar_whose_batch_failed_is_written_before_the_next_tick() -> None:
    log = a_log()
    log.describe(key(), calendar(session="0930-1300"), T0 + 100)
    assert log.take(T0 + 100, None) is not None
    log.failed()
    log.restart(T0 + 300, [])
    assert log.lost_ticks == 0, "a calendar is no tick"
    put(log, T0 + 310)
    assert contents(log.take(T0 + 320, None))[0] == calendar(session="0930-1300")
