"""Bars of markets that close: their grids, their closes, auctions, and what happens outside sessions."""

from collections.abc import Iterable

import pytest

from contracts import wire
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CLOSE, MIDNIGHT, NEW_YORK, OPENING, utc
from tests.support.folds import all_bars, bars_of, begun, completes_of, fold_of, listed, put
from tests.support.records import mark, tick
from tests.support.tick_logs import Record

LATE = 900 * 1_000

STOCK = listed(session="0930-1600", timezone=NEW_YORK, at=OPENING - DAY)
TAIPEI = "1500F1-0500S0845-1345:3456|1500F3-0500F2S0845-1345:2"
HONG_KONG = "0930-1200A0900E0920-1206U1300-1600E1300-1611"


def spans(bars: Iterable[wire.Bar], interval: str) -> list[tuple[int, int]]:
    return [(bar.open_time, bar.close_time) for bar in bars if bar.interval == interval]


def traded(calendar: wire.Calendar, *instants: int, is_estimated: bool = False) -> list[wire.Bar]:
    """All bars of ticks at these instants, covered throughout; the clock goes on until all have closed."""
    begin = instants[0] - DAY
    log: list[Record] = [calendar, mark(begin), mark(begin, ("SIM:A", "covered", begin))]
    for place, at in enumerate(instants):
        log += [tick(at, 10.0 + place, 100.0 + place, event_time_estimated=is_estimated), mark(at + 60)]
    return all_bars(fold_of(*log, mark(instants[-1] + 40 * DAY)))


@pytest.mark.parametrize(
    ("timezone", "session", "at", "interval", "opens", "closes"),
    [
        ("Asia/Kolkata", "0915-1530", "2026-03-04T03:50", "30m", "2026-03-04T03:45", "2026-03-04T04:15"),
        ("Asia/Kolkata", "0915-1530", "2026-03-04T09:59", "4h", "2026-03-04T07:45", "2026-03-04T10:00"),
        (NEW_YORK, "0930-1600", "2026-07-01T13:40", "1h", "2026-07-01T13:30", "2026-07-01T14:30"),
        (NEW_YORK, "0930-1600", "2026-07-01T19:45", "1h", "2026-07-01T19:30", "2026-07-01T20:00"),
        ("Asia/Tokyo", "0900-1130,1230-1530", "2026-03-04T03:31", "1h", "2026-03-04T03:00", "2026-03-04T04:00"),
        ("Asia/Hong_Kong", HONG_KONG, "2026-03-04T01:31", "1h", "2026-03-04T01:30", "2026-03-04T02:00"),
        ("Asia/Hong_Kong", HONG_KONG, "2026-03-04T05:01", "4h", "2026-03-04T05:00", "2026-03-04T08:11"),
        ("Asia/Taipei", TAIPEI, "2026-03-06T07:01", "1h", "2026-03-06T07:00", "2026-03-06T08:00"),
        ("Asia/Taipei", TAIPEI, "2026-03-06T20:30", "4h", "2026-03-06T19:00", "2026-03-06T21:00"),
        ("America/Chicago", "1700-1600", "2026-03-04T00:01", "4h", "2026-03-03T23:00", "2026-03-04T03:00"),
        ("America/Chicago", "1700-1600", "2026-03-04T21:59", "4h", "2026-03-04T19:00", "2026-03-04T22:00"),
    ],
)  # fmt: skip
def test_an_intraday_bar_opens_on_the_grid_of_its_session(
    timezone: str, session: str, at: str, interval: str, opens: str, closes: str
) -> None:
    bars = traded(listed(session=session, timezone=timezone), utc(at))
    assert spans(bars, interval) == [(utc(opens), utc(closes))]
    assert spans(bars, "1m") == [(utc(at), utc(at) + MINUTE)]


def test_a_bar_may_lie_across_a_break_that_does_not_move_the_grid() -> None:
    tokyo = listed(session="0900-1130,1230-1530", timezone="Asia/Tokyo")
    bars = traded(tokyo, utc("2026-03-04T02:29"), utc("2026-03-04T03:31"))
    assert spans(bars, "2h") == [(utc("2026-03-04T02:00"), utc("2026-03-04T04:00"))]
    (across,) = [bar for bar in bars if bar.interval == "2h"]
    assert (across.open, across.close, across.tick_count, across.gap_ms) == (10.0, 11.0, 2, 0)


def test_an_auction_at_the_beginning_of_a_break_has_bars_of_its_own_that_last_a_minute() -> None:
    tokyo, closed = listed(session="0900-1130,1230-1530", timezone="Asia/Tokyo"), utc("2026-03-04T02:30")
    bars = traded(tokyo, closed - 30_000, closed + 20_000)
    in_break = {bar.interval: bar.close_time for bar in bars if bar.open_time == closed}
    assert in_break == dict.fromkeys(("1m", "3m", "5m", "15m", "30m"), closed + MINUTE)
    assert [bar.tick_count for bar in bars if bar.interval == "1h"] == [2], "its bar goes on after the break"


def test_a_break_that_moves_the_grid_parts_the_bars_of_the_morning_from_those_of_the_afternoon() -> None:
    hong_kong = listed(session=HONG_KONG, timezone="Asia/Hong_Kong")
    bars = traded(hong_kong, utc("2026-03-04T03:59"), utc("2026-03-04T05:01"))
    assert [opened for opened, _ in spans(bars, "4h")] == [utc("2026-03-04T01:30"), utc("2026-03-04T05:00")]


@pytest.mark.parametrize(
    ("timezone", "session", "night", "day"),
    [
        ("Asia/Taipei", TAIPEI, "2026-03-06T08:00", "2026-03-09T00:00"),
        ("America/Chicago", "1700-1600", "2026-03-08T23:00", "2026-03-09T00:00"),
    ],
)
def test_a_night_session_belongs_to_the_trading_day_in_which_it_ends(
    timezone: str, session: str, night: str, day: str
) -> None:
    bars = traded(listed(session=session, timezone=timezone), utc(night))
    assert {bar.interval: bar.open_time for bar in bars if not Interval(bar.interval).is_intraday} == {
        "1d": utc(day), "1w": utc(day), "1M": utc("2026-03-01T00:00"),
    }  # fmt: skip
    assert {bar.trading_day for bar in bars if bar.interval in {"1m", "1h", "1d"}} == {utc(day)}


def test_days_weeks_and_months_close_with_their_last_session_and_are_labelled_by_midnight() -> None:
    bars = traded(STOCK, OPENING)
    assert spans(bars, "1d") == [(MIDNIGHT, CLOSE)]
    assert spans(bars, "1w") == [(MIDNIGHT - 2 * DAY, CLOSE + 2 * DAY)]
    assert spans(bars, "1M") == [(utc("2026-03-01T00:00"), utc("2026-03-31T20:00"))]


def test_a_change_of_clocks_moves_the_grid_with_the_session() -> None:
    winter, summer = utc("2026-03-06T14:30"), utc("2026-03-09T13:30")
    bars = traded(STOCK, winter, summer)
    assert spans(bars, "1h") == [(winter, winter + HOUR), (summer, summer + HOUR)]
    assert spans(bars, "1d")[1] == (utc("2026-03-09T00:00"), utc("2026-03-09T20:00"))


def session_of(*more: Record) -> list[Record]:
    """A stock that trades in its last minute, then some more ticks, each with a mark."""
    begin = CLOSE - HOUR
    log: list[Record] = [STOCK, mark(begin), tick(begin, 10.0, 100.0, is_baseline=True)]
    log += [mark(begin + 60, ("SIM:A", "covered", begin)), tick(CLOSE - 30_000, 10.0, 101.0)]
    return [*log, *more]


def test_a_silent_symbols_longer_bars_close_at_the_end_of_the_session() -> None:
    fold = begun(*session_of())
    fold.take()
    issues = put(fold, mark(CLOSE + 1_999))
    assert all_bars(issues) == []
    closed = [bar.interval for bar in all_bars(put(fold, mark(CLOSE + 2_000)))]
    assert closed == ["1m", "3m", "5m", "15m", "30m", "45m", "1h", "2h", "3h", "4h", "1d"]
    assert [bar.interval for bar in all_bars(put(fold, mark(CLOSE + 2 * DAY + 1_999)))] == []
    assert [bar.interval for bar in all_bars(put(fold, mark(CLOSE + 2 * DAY + 2_000)))] == ["1w"]


def test_a_closing_auction_has_a_minute_of_its_own_and_changes_the_bars_that_closed_before_it() -> None:
    auction = tick(CLOSE + 8_000, 12.0, 111.0)
    fold = begun(*session_of(mark(CLOSE + 2_500), auction))
    before = {bar.interval: bar for bar in all_bars(fold.take())}
    assert (before["1d"].volume, before["1d"].close_time) == (1.0, CLOSE)
    after = all_bars(put(fold, mark(CLOSE + MINUTE + 2_000)))
    assert [(bar.interval, bar.open_time, bar.close_time, bar.volume) for bar in after if not bar.revision] == [
        (interval, CLOSE, CLOSE + MINUTE, 10.0) for interval in ("1m", "3m", "5m", "15m", "30m")
    ]
    assert [(bar.interval, bar.revision, bar.reason, bar.high, bar.volume) for bar in after if bar.revision] == [
        (interval, 1, "auction", 12.0, 11.0) for interval in ("45m", "1h", "2h", "3h", "4h", "1d")
    ]
    assert {bar.trading_day for bar in after} == {MIDNIGHT}


def test_an_auction_that_is_closed_because_the_delay_fell_changes_the_bars_that_closed_before_it() -> None:
    begin, fall = CLOSE - HOUR, CLOSE + 55_000
    fold = begun(
        STOCK, mark(begin),
        tick(begin, 10.0, 100.0, is_baseline=True, delay=900, received_at=begin + LATE),
        mark(begin + LATE + 60, ("SIM:A", "covered", begin)),
        tick(fall - LATE, 10.0, 101.0, delay=900, received_at=fall - 1_000), mark(fall - 500),
        tick(CLOSE + 50_000, 12.0, 111.0, received_at=fall), mark(fall + 500),
    )  # fmt: skip
    at_close = {bar.interval: bar for bar in all_bars(put(fold, mark(CLOSE + LATE + 2_000)))}
    assert (at_close["1d"].revision, at_close["1d"].tick_count) == (0, 1)
    after = all_bars(put(fold, mark(fall + LATE + 500)))
    assert [(bar.open_time, bar.tick_count) for bar in after if bar.interval == "1m"] == [(CLOSE, 1)]
    assert [(bar.revision, bar.reason, bar.tick_count) for bar in after if bar.interval == "1d"] == [(1, "auction", 2)]


def test_prints_of_an_auction_up_to_the_end_of_the_grace_period_are_in_its_minute() -> None:
    prints = [tick(CLOSE + at, 12.0, 102.0 + place) for place, at in enumerate((3_000, 299_000))]
    issues = fold_of(*session_of(*prints), mark(CLOSE + 6 * MINUTE))
    (auction,) = [bar for bar in bars_of(issues) if bar.open_time == CLOSE]
    assert (auction.tick_count, auction.volume, auction.last_tick_time) == (2, 2.0, CLOSE + 299_000)


def test_a_print_that_follows_the_auctions_minute_is_a_late_tick_of_it() -> None:
    fold = begun(*session_of(tick(CLOSE + 8_000, 12.0, 111.0), mark(CLOSE + 2 * MINUTE)))
    fold.take()
    again = all_bars(put(fold, tick(CLOSE + 200_000, 13.0, 112.0), mark(CLOSE + 4 * MINUTE)))
    assert {bar.reason for bar in again} == {"late_tick"}
    assert [(bar.interval, bar.open_time, bar.high) for bar in again][:2] == [("1m", CLOSE, 13.0), ("3m", CLOSE, 13.0)]
    assert [bar.volume for bar in again if bar.interval == "1d"] == [12.0]


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(
            tick(CLOSE + 8_000, 99.0, 150.0, event_time_estimated=True), id="an estimated time after the close"
        ),
        pytest.param(tick(CLOSE + 5 * MINUTE, 99.0, 150.0), id="after the grace period"),
        pytest.param(tick(CLOSE + 3 * HOUR, 99.0, 150.0), id="post-market"),
        pytest.param(tick(OPENING + DAY - HOUR, 99.0, 150.0), id="pre-market"),
    ],
)
def test_an_observation_outside_sessions_makes_no_bar(one: wire.Tick) -> None:
    issues = fold_of(*session_of(one), mark(one.received_at), mark(CLOSE + 2 * DAY))
    assert [bar.open_time for bar in bars_of(issues)] == [CLOSE - MINUTE]
    assert [(bar.volume, bar.high) for bar in bars_of(issues, "1d")] == [(1.0, 10.0)]
    assert {issue.kind for issue in issues} == {"bar", "complete"}


def test_volume_outside_sessions_is_followed_and_is_no_bars() -> None:
    opening = OPENING + DAY
    issues = fold_of(
        *session_of(tick(CLOSE + HOUR, 10.0, 150.0), tick(opening - HOUR, 10.0, 30.0)),
        tick(opening - MINUTE, 10.0, 40.0), tick(opening + 1_000, 10.0, 45.0), mark(opening + HOUR),
    )  # fmt: skip
    assert [(bar.open_time, bar.volume) for bar in bars_of(issues)] == [(CLOSE - MINUTE, 1.0), (opening, 5.0)]


def test_an_index_does_not_open_with_a_time_that_came_without_its_price_before_the_session() -> None:
    """A quote that names no time of its own before the opening is outside; the first in the session opens the bar."""
    index = listed(session="0930-1600", timezone=NEW_YORK, has_volume=False)
    issues = fold_of(
        index, mark(OPENING - HOUR), tick(OPENING - 1_000, 19_967.94, event_time_estimated=True),
        tick(OPENING + 1_000, 19_709.64), mark(OPENING + 2 * MINUTE),
    )  # fmt: skip
    assert [(bar.open, bar.volume) for bar in bars_of(issues)] == [(19_709.64, None)]


def test_a_symbol_without_volume_has_none_though_its_ticks_carry_counters() -> None:
    index = listed(session="0930-1600", timezone=NEW_YORK, has_volume=False)
    bars = traded(index, OPENING, OPENING + 1_000)
    assert {bar.volume for bar in bars} == {None}
    assert len(bars) == 13


def test_completeness_goes_on_while_a_market_is_closed() -> None:
    fold = begun(*session_of(mark(CLOSE + HOUR)))
    fold.take()
    issues = put(fold, mark(CLOSE + 5 * HOUR + 2_000))
    assert [(record.closed_through, record.count) for record in completes_of(issues)] == [(CLOSE + 5 * HOUR, 0)]


def test_markets_of_different_calendars_close_side_by_side() -> None:
    crypto = tick(CLOSE - 30_000, 5.0, 7.0, symbol="SIM:B")
    issues = fold_of(*session_of(crypto), listed("SIM:B"), crypto, mark(CLOSE + 2_000))
    closed = [(bar.symbol, bar.interval) for bar in all_bars(issues) if bar.close_time == CLOSE]
    assert closed[:11] == [
        ("A", name) for name in ("1m", "3m", "5m", "15m", "30m", "45m", "1h", "2h", "3h", "4h", "1d")
    ]
    assert closed[11:] == [("B", name) for name in ("1m", "3m", "5m", "15m", "30m", "45m", "1h", "3h")]


def test_ticks_before_1970_make_bars() -> None:
    opening = utc("1969-12-30T14:30")
    bars = traded(STOCK, opening, opening + MINUTE)
    assert spans(bars, "1m") == [(opening, opening + MINUTE), (opening + MINUTE, opening + 2 * MINUTE)]
    assert spans(bars, "1h") == [(opening, opening + HOUR)]
    assert spans(bars, "1d") == [(utc("1969-12-30T00:00"), opening + 390 * MINUTE)]
