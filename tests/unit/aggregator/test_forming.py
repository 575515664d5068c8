"""Forming bars: what would close now, of every interval, given out once for each change."""

from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CLOSE, MIDNIGHT, NEW_YORK
from tests.support.folds import NOON, begun, listed, put, start
from tests.support.records import T0, key, mark, tick


def by_interval(forming: wire.Forming) -> dict[str, wire.FormingBar]:
    return {bar.interval: bar for bar in forming.bars}


def test_forming_bars_are_what_would_close_now_and_are_given_once() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 10.0, 11.0), tick(NOON + MINUTE + 500, 12.0, 14.5))
    ((name, forming),) = [*fold.forming()]
    assert name == key()
    bars = by_interval(forming)
    assert list(bars) == [interval.value for interval in Interval]
    assert (bars["1m"].open_time, bars["1m"].close_time, bars["1m"].volume) == (NOON + MINUTE, NOON + 2 * MINUTE, 3.5)
    assert (bars["1h"].open, bars["1h"].close, bars["1h"].volume) == (10.0, 12.0, 4.5)
    assert (bars["1d"].open_time, bars["1d"].close_time, bars["1d"].trading_day) == (T0, T0 + DAY, T0)
    assert [*fold.forming()] == []
    put(fold, tick(NOON + MINUTE + 900, 13.0, 14.5))
    assert len([*fold.forming()]) == 1


def test_what_ticks_of_the_short_way_show_is_in_the_forming_bars() -> None:
    fold = begun(*start())
    put(fold, tick(NOON + 1_000, 10.0, 11.0, day_high=10.0, day_low=9.0))
    put(fold, tick(NOON + 2_000, 10.0, 12.0, day_high=15.0, day_low=9.0))
    put(fold, tick(NOON + 3_000, 10.0, 14.0, day_high=15.0, day_low=8.0))
    ((_, forming),) = fold.forming()
    minute = by_interval(forming)["1m"]
    assert (minute.high, minute.low, minute.volume, minute.tick_count) == (15.0, 8.0, 4.0, 3)
    (closed,) = [issue.record for issue in put(fold, mark(NOON + MINUTE + 2_000)) if isinstance(issue.record, wire.Bar)]
    assert (closed.high, closed.low, closed.volume, closed.tick_count) == (15.0, 8.0, 4.0, 3)


def test_forming_bars_count_as_a_gap_only_what_is_over_and_known() -> None:
    ticks = [
        tick(NOON + 1_000, 10.0, 11.0),
        tick(NOON + 2_000, 10.0, 13.0, is_baseline=True),
        tick(NOON + 3_000, 10.0, 14.0),
    ]
    fold = begun(*start(), mark(NOON + 500), *ticks)
    ((_, forming),) = fold.forming()
    minute = forming.bars[0]
    assert minute.gap_ms == 0, "nobody has said yet that it was uncovered"
    put(fold, mark(NOON + 30_000), mark(NOON + 50_000, ("SIM:A", "uncovered", NOON + 31_000)))
    put(fold, tick(NOON + 46_000, 10.0, 14.0, received_at=NOON + 50_500))
    ((_, forming),) = fold.forming()
    gaps = {name: bar.gap_ms for name, bar in by_interval(forming).items()}
    assert gaps["1m"] == gaps["4h"] == 19_000, "from 2 s before 0:31, which may have come after it, up to 0:48"


def test_a_late_tick_is_seen_in_the_forming_bars_at_once() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 10.0, 11.0), mark(NOON + 62_500), tick(NOON + 63_000, 10.0, 12.0))
    assert len(list(fold.forming())) == 1
    assert list(fold.forming()) == []
    put(fold, tick(NOON + 2_000, 99.0, 12.5, received_at=NOON + 64_000), mark(NOON + 64_500))
    ((_, forming),) = fold.forming()
    assert by_interval(forming)["1h"].high == 99.0


def test_forming_bars_know_how_the_session_cuts_them() -> None:
    stock = listed(session="0930-1600", timezone=NEW_YORK)
    fold = begun(stock, mark(CLOSE - HOUR), tick(CLOSE - 10 * MINUTE, 10.0, 1.0))
    ((_, forming),) = fold.forming()
    bars = by_interval(forming)
    assert (bars["1h"].open_time, bars["1h"].close_time) == (CLOSE - 30 * MINUTE, CLOSE)
    assert (bars["1d"].open_time, bars["1d"].close_time) == (MIDNIGHT, CLOSE)


def test_symbols_without_an_open_minute_have_no_forming_bars() -> None:
    fold = begun(*start(), tick(NOON + 1_000, 10.0, 11.0), mark(NOON + MINUTE + 2_000))
    assert list(fold.forming()) == []
    assert list(begun(*start()).forming()) == [], "a baseline is no tick"


def test_records_may_be_fed_between_two_symbols() -> None:
    fold = begun(mark(NOON), *(tick(NOON + 1_000, 10.0, 1.0, symbol=name) for name in ("SIM:A", "SIM:B")))
    found = fold.forming()
    name, _ = next(found)
    put(fold, tick(NOON + 2_000, 77.0, 2.0, symbol="SIM:A"), tick(NOON + 2_000, 77.0, 2.0, symbol="SIM:B"))
    other, forming = next(found)
    assert (name, other) == (b"SIM:A", b"SIM:B")
    assert forming.bars[0].close == 77.0
    assert [name for name, _ in fold.forming()] == [b"SIM:A"]


def test_asking_for_forming_bars_changes_nothing_of_what_is_emitted() -> None:
    ticks = [
        tick(NOON + second * 1_000, 10.0 + second % 7, 11.0 + second, day_high=18.0 + second) for second in range(1, 90)
    ]
    asked, quiet = begun(*start()), begun(*start())
    for one in ticks:
        put(asked, one)
        list(asked.forming())
        put(quiet, one)
    assert put(asked, mark(NOON + HOUR)) == put(quiet, mark(NOON + HOUR))
