"""The model: levels agree, any instant can be computed alone, what is streamed folds to what is served."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradingview_simulator.model.bars import RESOLUTIONS, bars, close_time, is_first
from tradingview_simulator.model.calendars import day_date, day_number
from tradingview_simulator.model.market import Market
from tradingview_simulator.model.nodes import Node, merge, of_trades
from tradingview_simulator.model.registry import LISTED
from tradingview_simulator.model.tape import DAY, HOUR, MINUTE, QUARTER, Tape

NAMES = [instrument.name for instrument in LISTED]
NOON = 1_795_435_200_000  # Monday 2026-11-23T12:00Z
AFTERNOON = NOON + 4 * 3_600_000
CODES = ["1", "3", "5", "15", "30", "45", "60", "120", "180", "240", "1D", "1W", "1M"]
MARKET = Market(1)

names = st.sampled_from(NAMES)
instants = st.integers(1_640_000_000_000, 1_900_000_000_000)


def tape_of(name: str, market: Market = MARKET) -> Tape:
    tape = market.tape(name)
    assert tape is not None
    return tape


def fold(tape: Tape, start_ms: int, end_ms: int) -> tuple[int, ...] | None:
    """Open, high, low, close, volume, trades of [start_ms, end_ms): whole minutes, and trades of the cut ones."""
    parts: list[Node] = []
    last = tape.day_at(end_ms)
    for day in (tape.days.previous(last), last):
        for minute in tape.nodes(day, MINUTE):
            if start_ms <= minute.start * 1_000 and minute.end * 1_000 <= end_ms:
                parts.append(minute)
            elif minute.start * 1_000 < end_ms and start_ms < minute.end * 1_000:
                trades = [trade for trade in tape.trades(minute) if start_ms <= trade.time_ms < end_ms]
                parts += [of_trades(minute.start, minute.end, trades)] if trades else []
    return merge(parts)[2:] if parts else None


@pytest.mark.parametrize("name", NAMES)
def test_each_level_of_a_day_merges_to_the_day_and_its_trades_fold_to_it(name: str) -> None:
    tape = tape_of(name)
    day = tape.day_at(NOON)
    node = tape.days.node(day)
    assert node is not None
    for level in (HOUR, QUARTER, MINUTE):
        assert merge(tape.nodes(day, level))[2:] == node[2:]
    for minute in tape.nodes(day, MINUTE):
        assert of_trades(minute.start, minute.end, tape.trades(minute)) == minute


@given(names, instants)
@settings(max_examples=30, deadline=None)
def test_trades_lie_in_their_minutes_in_distinct_seconds_about_a_second_apart(name: str, at_ms: int) -> None:
    tape = tape_of(name)
    day = tape.day_at(at_ms)
    for minute in list(tape.nodes(day, MINUTE))[:30]:
        times = [trade.time_ms for trade in tape.trades(minute)]
        assert all(minute.start * 1_000 <= time < minute.end * 1_000 for time in times)
        assert all(later - earlier >= 950 for earlier, later in pairwise(times))
        assert len({time // 1_000 for time in times}) == len(times)


@given(names, instants)
@settings(max_examples=30, deadline=None)
def test_an_instant_asked_alone_agrees_with_the_minutes_and_trades_before_it(name: str, at_ms: int) -> None:
    tape = tape_of(name)
    state = tape_of(name, Market(1)).state_at(at_ms)
    if state is None:
        return
    assert state.node[2:] == fold(tape, state.node.start * 1_000, min(at_ms + 1, state.node.end * 1_000))
    assert state.last.time_ms <= at_ms
    assert state.last.price == state.node.close
    previous = tape.days.node(tape.days.previous(state.day))
    assert previous is None or state.previous_close == previous.close


@given(names, instants)
@settings(max_examples=30, deadline=None)
def test_going_on_from_an_instant_yields_exactly_the_trades_after_it(name: str, at_ms: int) -> None:
    tape = tape_of(name)
    ahead = tape.minutes_after(at_ms)
    day, first = next(ahead)
    minutes = [minute for minute in tape.nodes(day, MINUTE) if minute.end * 1_000 > at_ms]
    expected = [trade for minute in minutes[:2] for trade in tape.trades(minute) if trade.time_ms > at_ms]
    assert list(first) == expected[: len(first)]
    if len(first) == len(expected):
        return
    assert next(ahead) == (day, tuple(expected[len(first) :]))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", NAMES)
def test_longer_bars_are_merges_of_minutes_and_history_asked_twice_agrees(name: str, code: str) -> None:
    tape, resolution = tape_of(name), RESOLUTIONS[code]
    found = bars(tape, resolution, AFTERNOON, 40)
    assert found == bars(tape_of(name, Market(1)), resolution, AFTERNOON, 40)
    assert [bar.time for bar in found] == sorted({bar.time for bar in found})
    if resolution.seconds is None:
        return
    ends = [*(bar.time * 1_000 for bar in found[1:]), AFTERNOON + 1]
    for bar, end_ms in zip(found[-3:], ends[-3:], strict=True):
        assert bar.node[2:] == fold(tape, bar.time * 1_000, end_ms)


def test_the_forming_bar_has_only_what_has_traded() -> None:
    tape = tape_of("BINANCE:BTCUSDT")
    last = bars(tape, RESOLUTIONS["1"], NOON + 30_000, 1)[-1]
    assert last.time == NOON // 1_000
    assert last.node[2:] == fold(tape, NOON, NOON + 30_001)
    assert last.node.trades < bars(tape, RESOLUTIONS["1"], NOON + 60_000, 2)[0].node.trades


def test_daily_weekly_and_monthly_bars_are_stamped_with_the_first_opening_of_their_period() -> None:
    stock, future = tape_of("NASDAQ:AAPL"), tape_of("NYMEX:CL1!")
    monday = day_number(date(2026, 11, 23)) * 86_400
    assert bars(stock, RESOLUTIONS["D"], AFTERNOON, 1)[0].time == monday + 14 * 3_600 + 1_800
    assert bars(stock, RESOLUTIONS["W"], AFTERNOON, 1)[0].time == monday + 14 * 3_600 + 1_800
    assert bars(future, RESOLUTIONS["D"], AFTERNOON, 1)[0].time == monday - 3_600
    first = day_number(date(2026, 11, 2)) * 86_400
    assert bars(stock, RESOLUTIONS["M"], AFTERNOON, 1)[0].time == first + 14 * 3_600 + 1_800


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    tape = tape_of("BINANCE:BTCUSDT")
    mondays = [bar.time // 86_400 % 7 for bar in bars(tape, RESOLUTIONS["W"], NOON, 20)]
    assert set(mondays) == {day_number(date(2026, 11, 23)) % 7}
    months = [day_date(bar.time // 86_400) for bar in bars(tape, RESOLUTIONS["M"], NOON, 20)]
    assert {day.day for day in months} == {1}
    assert len(months) == len(set(months)) == 20


def test_the_volume_of_a_day_is_the_sum_of_its_minutes_also_as_the_protocols_numbers() -> None:
    tape = tape_of("BINANCE:BTCUSDT")
    day = tape.day_at(NOON)
    before = 0.0
    cumulative = 0
    for minute in tape.nodes(day, MINUTE):
        cumulative += minute.volume
        number = tape.instrument.volume(cumulative)
        assert round(number - before, 8) == tape.instrument.volume(minute.volume)
        before = number


def test_history_ends_at_the_listing_and_says_so() -> None:
    tape = tape_of("KRAKEN:RAREUSD")
    found = bars(tape, RESOLUTIONS["D"], NOON, 5_000)
    assert found[0].time == day_number(date(2021, 11, 4)) * 86_400
    assert is_first(tape, found[0])
    assert not is_first(tape, found[1])
    assert bars(tape, RESOLUTIONS["1"], found[0].time * 1_000 - 1, 10) == []
    assert tape.state_at(found[0].time * 1_000 - 1) is None


def test_a_minute_without_a_trade_has_no_bar() -> None:
    tape = tape_of("KRAKEN:RAREUSD")
    found = bars(tape, RESOLUTIONS["1"], NOON, 100)
    assert found[-1].time - found[0].time > 100 * 300


def test_days_open_near_the_close_before() -> None:
    for name in NAMES:
        tape = tape_of(name)
        found = bars(tape, RESOLUTIONS["D"], NOON, 50)
        for before, after in pairwise(found):
            if tape.days.is_roll(tape.day_at(after.time * 1_000)):
                continue
            assert abs(after.node.open - before.node.close) <= before.node.close * tape.instrument.volatility * 0.5


def test_another_seed_is_another_history() -> None:
    one, two = (tape_of("NASDAQ:AAPL", Market(seed)).days.node(20_700) for seed in (1, 2))
    assert one != two


def test_quarter_hours_are_cut_from_the_hour_that_holds_them() -> None:
    tape = tape_of("NASDAQ:AAPL")
    day = tape.day_at(AFTERNOON)
    first = tape.nodes(day, HOUR)[0]
    assert (first.start % 3_600, first.end % 3_600) == (1_800, 0)
    assert [node.start for node in tape.children(HOUR, first)] == [first.start, first.start + 900]
    assert tape.nodes(day, DAY)[0] == tape.days.node(day)


def stamps(name: str, code: str, until: str, count: int) -> list[str]:
    """The newest bars of a symbol in its own local time."""
    until_ms = int(datetime.fromisoformat(until).replace(tzinfo=UTC).timestamp() * 1_000)
    tape = tape_of(name)
    zone = ZoneInfo(tape.calendar.timezone)
    return [
        datetime.fromtimestamp(bar.time, zone).strftime("%a %H:%M")
        for bar in bars(tape, RESOLUTIONS[code], until_ms, count)
    ]


@pytest.mark.parametrize(
    ("name", "code", "until", "expected"),
    [
        ("NSE:NIFTY", "30", "2026-11-23T10:30", ["Mon 14:15", "Mon 14:45", "Mon 15:15"]),
        ("NASDAQ:AAPL", "60", "2026-11-28T00:00", ["Wed 15:30", "Fri 09:30", "Fri 10:30", "Fri 11:30", "Fri 12:30"]),
        ("CME_MINI:ES1!", "240", "2025-01-21T12:00", ["Mon 09:00", "Mon 17:00", "Mon 21:00", "Tue 01:00", "Tue 05:00"]),
        ("CME_MINI:ES1!", "1D", "2025-01-22T12:00", ["Thu 17:00", "Sun 17:00", "Tue 17:00"]),
        ("CME_MINI:ES1!", "240", "2026-11-02T06:00", ["Fri 09:00", "Fri 13:00", "Sun 17:00", "Sun 21:00"]),
        ("TAIFEX:MXF1!", "60", "2026-11-23T01:00", ["Sat 03:00", "Sat 04:00", "Mon 08:45"]),
        ("TAIFEX:MXF1!", "1D", "2026-11-23T01:00", ["Wed 15:00", "Thu 15:00", "Fri 15:00"]),
        ("TVC:DXY", "240", "2026-11-24T03:00", ["Mon 13:00", "Mon 17:00", "Mon 19:00"]),
        ("OANDA:EURUSD", "240", "2026-11-22T23:00", ["Fri 09:00", "Fri 13:00", "Sun 17:00"]),
        ("NASDAQ:AAPL", "1W", "2026-09-09T20:00", ["Mon 09:30", "Mon 09:30", "Tue 09:30"]),
    ],
)
def test_bars_are_stamped_on_the_grid_of_the_session(name: str, code: str, until: str, expected: list[str]) -> None:
    assert stamps(name, code, until, len(expected)) == expected


def test_an_auction_opens_its_own_bar_at_the_close_where_the_grid_has_one_on_about_half_of_the_days() -> None:
    tape, own, last = tape_of("TSE:7203"), "30", "60"
    day, auctions = tape.day_at(NOON), 0
    for _ in range(40):
        session = tape.calendar.session(day)
        assert session is not None
        after = (session.end + 3_600) * 1_000
        newest = bars(tape, RESOLUTIONS[own], after, 1)[0]
        assert (newest.time == session.end) == tape.days.has_auction(day)
        if newest.time == session.end:
            auctions += 1
            assert newest.node.trades == 1
            assert newest.node.close == bars(tape, RESOLUTIONS["1D"], after, 1)[0].node.close
        assert bars(tape, RESOLUTIONS[last], after, 1)[0].time < session.end
        day = tape.days.previous(day)
    assert 8 <= auctions <= 32


def test_an_auction_that_the_session_string_has_is_in_the_last_bar() -> None:
    tape = tape_of("HKEX:700")
    days = [tape.day_at(NOON)]
    while len(days) < 20:
        days.append(tape.days.previous(days[-1]))
    with_auction = [day for day in days if tape.days.has_auction(day)]
    assert with_auction
    for day in with_auction:
        session = tape.calendar.session(day)
        assert session is not None
        newest = bars(tape, RESOLUTIONS["1"], (session.end + 3_600) * 1_000, 1)[0]
        assert newest.time == session.end - 60
        assert newest.node.close == bars(tape, RESOLUTIONS["1D"], (session.end + 3_600) * 1_000, 1)[0].node.close


def test_nothing_trades_in_a_break() -> None:
    tape = tape_of("TSE:7203")
    day = tape.day_at(NOON)
    session = tape.calendar.session(day)
    assert session is not None
    (_, morning_end, *_), (afternoon, *_) = session.segments
    assert afternoon - morning_end == 3_600
    starts = [minute.start for minute in tape.nodes(day, MINUTE)]
    assert not [start for start in starts if morning_end <= start < afternoon]
    assert [start for start in starts if start < morning_end]
    assert [start for start in starts if start >= afternoon]


def test_the_volume_of_a_day_counts_trading_outside_the_session_and_that_of_its_minutes_does_not() -> None:
    tape = tape_of("NASDAQ:AAPL")
    day = tape.day_at(AFTERNOON)
    night = (day * 24 + 26) * 3_600_000
    (daily,) = bars(tape, RESOLUTIONS["D"], night, 1)
    minutes = sum(minute.volume for minute in tape.nodes(day, MINUTE))
    outside = tape.outside_volume(day, night)
    assert daily.node.volume == minutes + outside
    assert 0.01 < outside / minutes < 0.2
    state = tape.state_at(night)
    assert state is not None
    assert state.counter == (day, daily.node.volume)


def test_the_counter_of_the_next_day_begins_before_the_market() -> None:
    tape = tape_of("NASDAQ:AAPL")
    state = tape.state_at(NOON)  # 07:00 New York
    assert state is not None
    today = NOON // 86_400_000
    assert (state.day, state.counter.day) == (today - 3, today)
    assert state.counter.units == tape.outside_volume(today, NOON)
    assert state.outside is not None
    assert state.outside.time_ms > state.last.time_ms


def test_a_continuous_future_jumps_in_price_and_volume_once_a_month() -> None:
    tape = tape_of("NYMEX:CL1!")
    found = bars(tape, RESOLUTIONS["D"], NOON, 250)
    rolls = [pair for pair in pairwise(found) if tape.days.is_roll(tape.day_at(pair[1].time * 1_000))]
    assert 11 <= len(rolls) <= 12
    for before, after in rolls:
        assert abs(after.node.open / before.node.close - 1) > 0.01
    assert sum(after.node.volume > 2 * before.node.volume for before, after in rolls) > 8


@pytest.mark.parametrize(
    ("name", "code", "until", "closes"),
    [
        ("TSE:7203", "60", "2026-11-20T06:29", "2026-11-20T06:30"),
        ("TSE:7203", "60", "2026-11-20T02:20", "2026-11-20T03:00"),
        ("NASDAQ:AAPL", "240", "2026-11-27T17:59", "2026-11-27T18:00"),
        ("NASDAQ:AAPL", "1D", "2026-11-27T17:59", "2026-11-27T18:00"),
        ("CME_MINI:ES1!", "240", "2025-01-20T17:59", "2025-01-20T19:00"),
        ("BINANCE:BTCUSDT", "45", "2026-11-23T12:01", "2026-11-23T12:45"),
    ],
)
def test_a_bar_closes_at_the_end_of_its_interval_or_with_its_grid(
    name: str, code: str, until: str, closes: str
) -> None:
    until_ms, close_s = (
        int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * scale
        for text, scale in ((until, 1_000), (closes, 1))
    )
    tape, resolution = tape_of(name), RESOLUTIONS[code]
    (bar,) = bars(tape, resolution, until_ms, 1)
    assert close_time(tape, resolution, bar) == close_s - 1
