"""The feed of a process: symbols, partitions, and that its marks never vouch for what is not in the log."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import wire
from contracts.marks import Coverage
from contracts.symbols import SymbolId
from contracts.topics import MARK_KEY, partition_of
from ingest_ws.core.feed import GIVEN_UP_MS, HAND_OVER_MS, LAST_MARK_MS, REPEAT_MS, Feed, Link
from tests.support.records import T0

A, B, C = (SymbolId("SIM", name) for name in "ABC")
S0 = T0 // 1000


def a_feed(*wanted: SymbolId, partitions: int = 1, room: int = 10**6) -> Feed:
    feed = Feed(partitions, 7, room, T0)
    feed.assign(range(partitions), T0)
    for partition in range(partitions):
        feed.want(partition, wanted, T0)
    return feed


def snapshot(feed: Feed, identity: SymbolId, now: int, price: float = 1.0) -> None:
    feed.changed(str(identity), {"lp": price, "lp_time": now // 1000}, now)
    feed.completed(str(identity), now)


def records(feed: Feed, now: int, partition: int = 0) -> tuple[list[wire.Tick], wire.Mark | None]:
    """Take and acknowledge what is to be sent."""
    ticks, mark = [], None
    while (batch := feed.take(partition, now)) is not None:
        feed.acknowledged(partition)
        for key, value in batch.records():
            if key == MARK_KEY:
                mark = wire.decode_mark(value)
            elif not key.startswith(MARK_KEY):
                ticks.append(wire.decode_tick(value))
    return ticks, mark


def changes(mark: wire.Mark | None) -> list[tuple[str, str, int]]:
    assert mark is not None
    return [(change.symbol, change.state, change.at - T0) for change in mark.coverage]


def test_a_symbol_is_covered_from_its_first_complete_snapshot() -> None:
    feed = a_feed(A)
    feed.changed(str(A), {"lp": 1.0}, T0 + 100)
    assert changes(records(feed, T0 + 250)[1]) == []
    feed.completed(str(A), T0 + 300)
    ticks, mark = records(feed, T0 + 500)
    assert [tick.is_baseline for tick in ticks] == [True]
    assert changes(mark) == [("SIM:A", "covered", 300)]


def test_symbols_join_and_leave_by_the_difference() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    snapshot(feed, B, T0 + 10)
    assert feed.want(0, [B, C], T0 + 200) == (["SIM:C"], ["SIM:A"])
    served = feed.symbols["SIM:B"]
    _, mark = records(feed, T0 + 250)
    assert changes(mark) == [("SIM:A", "covered", 10), ("SIM:B", "covered", 10), ("SIM:A", "released", 200)]
    assert feed.symbols["SIM:B"] is served and served.feed.is_covered
    assert set(feed.symbols) == {"SIM:B", "SIM:C"}


def test_each_partition_has_its_own_symbols_and_epoch() -> None:
    many = [SymbolId("SIM", f"S{n}") for n in range(20)]
    feed = a_feed(*many, partitions=3)
    for each in many:
        assert feed.symbols[str(each)].partition == partition_of(each.key, 3)
        snapshot(feed, each, T0 + 10)
    epochs = set()
    for partition in range(3):
        ticks, mark = records(feed, T0 + 250, partition)
        assert mark is not None
        epochs.add(mark.epoch)
        here = {str(each) for each in many if partition_of(each.key, 3) == partition}
        assert {f"{tick.exchange}:{tick.symbol}" for tick in ticks} == here == {name for name, _, _ in changes(mark)}
    assert len(epochs) == 3


def test_who_gives_a_partition_away_serves_its_symbols_no_more_and_writes_nothing_more() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    assert feed.assign((), T0 + 20) == []
    end = T0 + 20 + HAND_OVER_MS
    assert feed.assign((), end, is_anew=False) == ["SIM:A"]
    assert not feed.symbols and not feed.assigned
    feed.changed("SIM:A", {"lp": 2.0}, end)
    feed.completed("SIM:A", end)
    feed.failed("SIM:A", "no_such_symbol", end)
    ticks, mark = records(feed, end + 1)
    assert [tick.price for tick in ticks] == [1.0]
    assert changes(mark) == [("SIM:A", "covered", 10), ("SIM:A", "uncovered", 20 + HAND_OVER_MS)]
    assert records(feed, end + 250) == ([], None), "a last mark is the last"
    assert feed.assign((), end + 251, is_anew=False) == []
    assert not feed.owned


def test_a_connection_that_is_silent_when_its_partition_goes_was_covered_up_to_its_last_packet_only() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    snapshot(feed, B, T0 + 10)
    silent = Link(T0 + 1_000)
    feed.symbols["SIM:A"].link = silent
    feed.want(0, [A], T0 + 1_500)
    records(feed, T0 + 2_000)
    feed.assign((), T0 + 2_000)
    feed.assign((), T0 + 2_000 + HAND_OVER_MS, is_anew=False)
    _, mark = records(feed, T0 + 2_250 + HAND_OVER_MS)
    assert changes(mark) == [("SIM:A", "uncovered", 1_000)]


def test_a_released_symbol_was_covered_up_to_the_last_packet_of_its_connection() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.symbols["SIM:A"].link = Link(T0 + 1_000)
    feed.want(0, [], T0 + 9_000)
    assert changes(records(feed, T0 + 9_250)[1]) == [("SIM:A", "covered", 10), ("SIM:A", "released", 1_000)]


def test_a_partition_that_comes_back_after_its_last_mark_begins_an_epoch() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    _, before = records(feed, T0 + 250)
    feed.assign((), T0 + 1_000)
    feed.assign((), T0 + 1_000 + HAND_OVER_MS, is_anew=False)
    feed.assign((0,), T0 + 1_100 + HAND_OVER_MS)
    assert feed.assigned == {0} and not feed.symbols
    _, after = records(feed, T0 + 1_500 + HAND_OVER_MS)
    assert before is not None and after is not None
    assert after.epoch > before.epoch


def test_who_gives_a_partition_away_has_its_room_again_and_counts_what_was_not_sent() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.take(0, T0 + 20)
    feed.changed(str(A), {"lp": 2.0, "lp_time": S0 + 1}, T0 + 1_000)
    assert feed.room.used > 0
    feed.assign((), T0 + 1_000)
    feed.assign((), T0 + 1_000 + HAND_OVER_MS, is_anew=False)
    feed.assign((), T0 + 1_000 + HAND_OVER_MS + LAST_MARK_MS, is_anew=False)
    assert (feed.room.used, feed.lost_ticks) == (0, 2)
    assert not feed.owned


def test_who_gives_a_partition_away_goes_on_for_a_while_so_that_nothing_is_missed() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.assign((), T0 + 1_000)
    feed.changed(str(A), {"lp": 2.0, "lp_time": S0 + 1}, T0 + HAND_OVER_MS)
    assert feed.assign((), T0 + 999 + HAND_OVER_MS, is_anew=False) == []
    ticks, mark = records(feed, T0 + 999 + HAND_OVER_MS)
    assert [tick.price for tick in ticks] == [1.0, 2.0]
    assert mark is not None
    assert mark.watermark == T0 + 998 + HAND_OVER_MS
    assert feed.owned == {0}


def test_a_further_rebalance_gives_the_next_owner_its_time_again() -> None:
    feed = a_feed(A)
    feed.assign((), T0)
    feed.assign((), T0 + 4_000)
    assert feed.assign((), T0 + 3_999 + HAND_OVER_MS, is_anew=False) == []
    assert feed.assign((), T0 + 4_000 + HAND_OVER_MS, is_anew=False) == ["SIM:A"]


def test_a_partition_that_comes_back_meanwhile_goes_on_in_the_same_epoch() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    _, before = records(feed, T0 + 250)
    feed.assign((), T0 + 1_000)
    feed.assign((0,), T0 + 2_000)
    assert feed.assign((0,), T0 + 3_000 + HAND_OVER_MS) == []
    _, after = records(feed, T0 + 3_000 + HAND_OVER_MS)
    assert before is not None and after is not None
    assert after.epoch == before.epoch
    assert not after.coverage


def test_after_a_long_absence_all_is_uncovered_and_no_connection_from_before_is_read() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.present(T0 + 20)
    assert feed.present(T0 + 20 + GIVEN_UP_MS) == GIVEN_UP_MS
    assert feed.generation == 1
    assert changes(records(feed, T0 + 20 + GIVEN_UP_MS)[1]) == [("SIM:A", "covered", 10), ("SIM:A", "uncovered", 20)]
    assert not feed.symbols["SIM:A"].feed.is_covered


def test_an_epoch_that_outlives_the_log_writes_again_since_when_it_covers() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    records(feed, T0 + 250)
    assert changes(records(feed, T0 + REPEAT_MS - 1)[1]) == []
    _, mark = records(feed, T0 + REPEAT_MS + 250)
    assert changes(mark) == [("SIM:A", "covered", 10)]
    assert changes(records(feed, T0 + REPEAT_MS + 500)[1]) == []
    assert mark is not None
    late = Coverage()
    late.apply(mark, T0 + REPEAT_MS + 250)
    assert late.covered("SIM:A", 0, 2**53) == [(T0 + 10, mark.watermark)]


def test_what_could_not_be_read_may_have_been_about_any_symbol_of_the_connection() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    snapshot(feed, B, T0 + 10)
    feed.missed(["SIM:A", "SIM:C"], T0 + 100, T0 + 200)
    ticks, mark = records(feed, T0 + 250)
    assert changes(mark)[2:] == [("SIM:A", "uncovered", 100), ("SIM:A", "covered", 200)]
    assert [(tick.symbol, tick.is_baseline) for tick in ticks] == [("A", True), ("B", True), ("A", True)]


def test_a_refused_symbol_stays_wanted_with_its_reason() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.failed(str(A), "permission_denied", T0 + 100)
    assert feed.symbols["SIM:A"].error == "permission_denied"
    assert changes(records(feed, T0 + 250)[1]) == [("SIM:A", "covered", 10), ("SIM:A", "uncovered", 100)]


def test_a_lost_connection_is_uncovered_from_its_last_packet_on_and_what_was_held_is_kept() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    records(feed, T0 + 250)
    feed.changed(str(A), {"lp": 5.0}, T0 + 300)
    feed.uncover(["SIM:A", "SIM:B"], T0 + 300, T0 + 400)
    ticks, mark = records(feed, T0 + 500)
    assert [tick.price for tick in ticks] == [5.0]
    assert changes(mark) == [("SIM:A", "uncovered", 300)]


def test_what_is_held_holds_the_marks_back_until_it_is_expired() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.changed(str(A), {"lp": 5.0}, T0 + 200)
    _, mark = records(feed, T0 + 250)
    assert mark is not None and mark.watermark == T0 + 199
    feed.expire(T0 + 450)
    ticks, mark = records(feed, T0 + 500)
    assert [tick.price for tick in ticks] == [5.0]
    assert mark is not None and mark.watermark == T0 + 499


def test_a_process_that_was_away_declares_that_time_uncovered() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    feed.present(T0 + 200)
    records(feed, T0 + 250)
    assert feed.present(T0 + 900) is None
    assert feed.present(T0 + 5_000) == 4_100
    ticks, mark = records(feed, T0 + 5_250)
    assert [tick.is_baseline for tick in ticks] == [True]
    assert changes(mark) == [("SIM:A", "uncovered", 900), ("SIM:A", "covered", 5_000)]


def test_a_price_that_makes_no_sense_is_a_fault_and_the_symbol_uncovered_until_there_is_one() -> None:
    feed = a_feed(A)
    snapshot(feed, A, T0 + 10)
    feed.symbols["SIM:A"].link = Link(T0 + 900)
    fault = feed.changed(str(A), {"lp": "much", "volume": 3}, T0 + 1_000)
    assert fault is not None and fault.kind == "senseless"
    assert feed.changed(str(A), {"volume": 4}, T0 + 2_000) is None
    ticks, mark = records(feed, T0 + 2_250)
    assert [tick.price for tick in ticks] == [1.0]
    assert changes(mark) == [("SIM:A", "covered", 10), ("SIM:A", "uncovered", 900)]
    assert feed.changed(str(A), {"lp": 5.0}, T0 + 3_000) is None
    ticks, mark = records(feed, T0 + 3_250)
    assert [(tick.price, tick.cumulative_volume, tick.is_baseline) for tick in ticks] == [(5.0, 4.0, True)]
    assert changes(mark) == [("SIM:A", "covered", 3_000)]


def test_a_snapshot_without_a_price_makes_no_symbol_covered() -> None:
    feed = a_feed(A)
    assert feed.changed(str(A), {"lp": 100.0, "ask_size": -1}, T0 + 10) is not None
    feed.changed(str(B), {"volume": 2.0}, T0 + 10)
    feed.completed(str(A), T0 + 20)
    feed.want(0, [A, B], T0 + 30)
    feed.changed(str(B), {"lp": None, "volume": 2.0}, T0 + 40)
    feed.completed(str(B), T0 + 50)
    ticks, mark = records(feed, T0 + 250)
    assert [(tick.symbol, tick.price, tick.ask_size) for tick in ticks] == [("A", 100.0, None)]
    assert changes(mark) == [("SIM:A", "covered", 20)]


def test_changed_quotes_are_those_of_symbols_that_are_served() -> None:
    feed = a_feed(A, B)
    snapshot(feed, A, T0 + 10)
    feed.changed(str(C), {"lp": 1.0}, T0 + 10)
    assert feed.changed_quotes == {"SIM:A"}
    feed.want(0, [B], T0 + 20)
    assert feed.changed_quotes == set()


ACTION = st.sampled_from(
    ["price", "price", "price", "timed", "timed", "time", "quote", "drop", "back", "take", "take", "take", "done",
     "done", "fail", "fail_but_there", "expire", "expire", "sleep", "leave"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.tuples(ACTION, st.integers(0, 1), st.sampled_from([0, 1, 7, 30, 120, 400])), max_size=120))
def test_what_a_mark_vouches_for_stands_before_it_in_the_log(actions: list[tuple[str, int, int]]) -> None:
    """Whatever comes, is held, waits, fails or finds no room: a covered stretch holds every change received in it."""
    feed = a_feed(A, B, room=2_500)
    names = ["SIM:A", "SIM:B"]
    now, last_packet, price = T0, T0, 10.0
    offered: list[tuple[str, int, float]] = []
    log: list[tuple[bytes, bytes, int]] = []
    under_way: list[tuple[bytes, bytes]] | None = None
    for name in names:
        feed.changed(name, {"lp": 1.0, "lp_time": S0}, now)
        feed.completed(name, now)

    def append(batch: list[tuple[bytes, bytes]]) -> None:
        log.extend((key, value, now) for key, value in batch)

    def finish() -> None:
        nonlocal under_way
        if under_way is not None:
            append(under_way)
            feed.acknowledged(0)
            under_way = None

    def start() -> None:
        nonlocal under_way
        feed.present(now)
        if under_way is None and (batch := feed.take(0, now)) is not None:
            under_way = batch.records()

    for action, which, wait in actions:
        now += wait
        name = names[which]
        if action == "sleep":
            now += 1_500
        feed.present(now)
        feed.expire(now)
        if action in {"price", "timed", "time", "quote"}:
            price += 1.0
            messages: dict[str, dict[str, Any]] = {
                "price": {"lp": price},
                "timed": {"lp": price, "lp_time": now // 1000},
                "time": {"lp_time": now // 1000},
                "quote": {"bid": price},
            }
            message = messages[action]
            if name in feed.symbols:
                last_packet = now
                if feed.symbols[name].feed.is_covered and "lp" in message:
                    offered.append((name, now, price))
                feed.changed(name, message, now)
        elif action == "drop":
            feed.uncover(feed.symbols, last_packet, now)
        elif action == "back" and name in feed.symbols:
            last_packet = now
            feed.changed(name, {"lp": 1.0, "lp_time": now // 1000}, now)
            feed.completed(name, now)
        elif action == "leave":
            feed.want(0, [A] if B in [s.feed.identity for s in feed.symbols.values()] else [A, B], now)
        elif action == "take":
            start()
        elif action == "done":
            finish()
        elif action.startswith("fail") and under_way is not None:
            if action == "fail_but_there":
                append(under_way)
            feed.delivery_failed(0)
            under_way = None
    feed.close(now)
    for _ in range(12):
        finish()
        now += 250
        start()
    finish()

    coverage, told, described = Coverage(), set[tuple[str, float]](), set[bytes]()
    for key, value, timestamp in log:
        if key.startswith(MARK_KEY) and key != MARK_KEY:
            described.add(key[1:])
            continue
        if key != MARK_KEY:
            tick = wire.decode_tick(value)
            assert key in described, "a tick without a calendar counts for nothing"
            told.add((key.decode(), tick.price))
            continue
        mark = wire.decode_mark(value)
        coverage.apply(mark, timestamp)
        for name, received_at, said in offered:
            if received_at <= mark.watermark and coverage.covered(name, received_at, received_at + 1):
                assert (name, said) in told
    assert feed.waiting_ticks == 0
    for name in feed.symbols:
        if feed.symbols[name].feed.is_covered:
            assert coverage.covered(name, now - 500, now - 251), "coverage goes on after whatever was lost"
