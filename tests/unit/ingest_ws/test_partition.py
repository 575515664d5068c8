"""One partition as its owner writes it: batches, marks, what is lost, runs."""

from contracts import wire
from contracts.marks import Hearing, Hears
from contracts.topics import MARK_KEY
from ingest_ws.core.clock import RunNumbers
from ingest_ws.core.partition import (
    GRID_MS,
    MOST_CHANGES,
    MOST_TICKS,
    MOST_WAITING_CHANGES,
    RESTART_MS,
    Batch,
    PartitionLog,
    Room,
)
from tests.support.records import T0, key, tick

A, B = "SIM:A", "SIM:B"


def a_log(room: int = 10**6) -> PartitionLog:
    """A log whose run begins at T0."""
    return PartitionLog(RunNumbers(7), Room(room), T0)


def mark_of(batch: Batch | None) -> wire.Mark:
    assert batch is not None and batch.mark is not None
    return wire.decode_mark(batch.mark)


def changes(mark: wire.Mark) -> list[tuple[str, str, int]]:
    return [(change.symbol, change.state, change.at - T0) for change in mark.changes]


def put(log: PartitionLog, received_at: int, now: int | None = None, price: float = 1.0) -> bool:
    return log.put(tick(received_at - 50, price), key(), received_at if now is None else now)


def test_a_mark_comes_on_each_turn_of_the_grid_also_when_nothing_happens() -> None:
    log = a_log()
    assert log.take(T0 + GRID_MS - 1, None) is None
    for turn in (1, 2, 3):
        batch = log.take(T0 + turn * GRID_MS, None)
        assert mark_of(batch) == wire.Mark(run=log.run, through=T0 + turn * GRID_MS - 1)
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
    assert mark_of(batch).through == T0 + 249


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
    assert mark_of(log.take(T0 + 250, T0 + 100)).through == T0 + 99
    log.acknowledged()
    for n in range(MOST_TICKS):
        put(log, T0 + 200 + n)
    put(log, T0 + 150, T0 + 900)
    put(log, T0 + 900)
    assert mark_of(log.take(T0 + 1_000, None)).through == T0 + 149
    log.acknowledged()
    assert mark_of(log.take(T0 + 1_250, None)).through == T0 + 1_249


def test_a_change_goes_with_the_first_mark_that_has_reached_it() -> None:
    log = a_log()
    log.say(A, Hears.HEARD, T0 + 20)
    log.say(A, Hears.DEAF, T0 + 240)
    log.say(A, Hears.HEARD, T0 + 250)
    assert changes(mark_of(log.take(T0 + 250, None))) == [(A, "heard", 20), (A, "deaf", 240)]
    log.acknowledged()
    assert changes(mark_of(log.take(T0 + 500, None))) == [(A, "heard", 250)]


def test_many_changes_need_several_marks_of_which_only_the_last_moves_on() -> None:
    log = a_log()
    for n in range(MOST_CHANGES + 1):
        log.say(f"SIM:{n}", Hears.HEARD, T0)
    first = mark_of(log.take(T0 + 300, None))
    log.acknowledged()
    second = mark_of(log.take(T0 + 301, None))
    assert (len(first.changes), first.through) == (MOST_CHANGES, T0 - 1)
    assert (len(second.changes), second.through) == (1, T0 + 300)


def test_what_finds_no_room_ends_the_run_before_it_once_the_rest_is_in_the_log() -> None:
    log = a_log(room=500)
    assert put(log, T0 + 10)
    while put(log, T0 + 20):
        pass
    assert not put(log, T0 + 30)
    assert (log.lost_ticks, log.needs_restart(T0 + RESTART_MS)) == (2, False)
    batch = log.take(T0 + 250, None)
    assert mark_of(batch).through == T0 + 19
    assert not log.needs_restart(T0 + RESTART_MS)
    log.acknowledged()
    assert not log.needs_restart(T0 + RESTART_MS - 1), "a run lasts for a while, or the next may end at once too"
    assert log.needs_restart(T0 + RESTART_MS)
    before, now = log.run, T0 + RESTART_MS
    log.restart(now, [A])
    assert (log.run > before, log.needs_restart(now)) == (True, False)
    assert put(log, now)
    assert changes(mark_of(log.take(now + 100, None))) == [(A, "heard", RESTART_MS)]


def test_room_is_given_back_when_a_batch_is_done() -> None:
    room = Room(10**6)
    log = PartitionLog(RunNumbers(7), room, T0)
    put(log, T0 + 1)
    used = room.used
    log.take(T0 + 1, None)
    assert room.used == used > 0
    log.acknowledged()
    assert room.used == 0


def test_a_batch_that_failed_begins_a_run_and_what_left_is_said_again() -> None:
    log = a_log()
    put(log, T0 + 10)
    log.say(A, Hears.LEFT, T0 + 20)
    log.say(B, Hears.HEARD, T0 + 30)
    log.take(T0 + 250, None)
    put(log, T0 + 260)
    log.failed()
    assert (log.needs_restart(T0 + 251), log.lost_ticks) == (True, 1)
    log.restart(T0 + 300, [B])
    assert (log.take(T0 + 400, None) or Batch((), None)).farewells
    log.acknowledged()
    batch = log.take(T0 + 500, None)
    assert batch is not None and len(batch.ticks) == 1
    assert changes(mark_of(batch)) == [(A, "left", 20), (B, "heard", 300)]


def test_a_new_run_does_not_vouch_for_older_ticks_that_still_wait() -> None:
    log = a_log()
    for n in range(2 * MOST_TICKS + 1):
        put(log, T0 + n)
    log.take(T0 + 240, None)
    log.failed()
    log.restart(T0 + 8_000, [A])
    assert mark_of(log.take(T0 + 8_250, None)).through == T0 + 2 * MOST_TICKS - 1


def test_changes_without_end_end_the_run() -> None:
    log = a_log()
    for _ in range(MOST_WAITING_CHANGES + 1):
        log.say(A, Hears.HEARD, T0 + 5)
    hearing = Hearing()
    now = T0 + 250
    while not log.needs_restart(now):
        hearing.apply(mark_of(log.take(now, None)), now)
        log.acknowledged()
        now += GRID_MS
    assert hearing.clock == T0 + 4


def test_the_last_batch_does_not_wait_for_the_grid() -> None:
    log = a_log()
    put(log, T0 + 10)
    assert mark_of(log.take(T0 + 12, None, is_last=True)).through == T0 + 11


def test_what_a_run_had_to_say_of_its_end_is_said_though_its_batch_failed() -> None:
    log, fold = a_log(), Hearing()

    def deliver(batch: Batch | None) -> None:
        for name, value in (batch or Batch((), None)).records():
            if name == MARK_KEY:
                fold.apply(wire.decode_mark(value), T0 + 60_000)
        log.acknowledged()

    log.say(A, Hears.HEARD, T0 + 100)
    deliver(log.take(T0 + 250, None))
    deliver(log.take(T0 + 25_000, None))
    log.say(A, Hears.DEAF, T0 + 1_000)
    assert log.take(T0 + 25_250, None) is not None
    log.failed()
    log.restart(T0 + 25_300, [])
    deliver(log.take(T0 + 25_500, None))
    assert fold.unheard(A, T0 + 100, T0 + 25_500) == [(T0 + 1_000, T0 + 25_500)], "silence found out is not forgotten"
    deliver(log.take(T0 + 25_750, None))
    assert [name for name, _ in (log.take(T0 + 26_000, None) or Batch((), None)).records()] == [MARK_KEY], "said once"
