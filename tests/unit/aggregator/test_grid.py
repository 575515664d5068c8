"""A calendar as the fold asks it: the place of an observation, the labels of a minute, what closes when."""

from datetime import UTC, datetime

import pytest

from aggregator.core import grid as grid_module
from aggregator.core.grid import CalendarGrid, Place
from aggregator.core.longer import Chain
from contracts.calendar import ALWAYS, Calendar
from contracts.errors import BadData
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.counter_cases import CLOSE, MIDNIGHT, NEW_YORK, OPENING, utc

CHAIN = Chain(tuple(Interval))
GRACE = 5 * MINUTE
STOCK = Calendar.parse(NEW_YORK, "0930-1600")
TOKYO = Calendar.parse("Asia/Tokyo", "0900-1130,1230-1530")


def grid_of(calendar: Calendar) -> CalendarGrid:
    return CalendarGrid(calendar, CHAIN, GRACE)


def place_of(interval: Interval) -> int:
    return CHAIN.names.index(interval.value)


def ending(grid: CalendarGrid, boundary: int) -> list[str]:
    return [CHAIN.names[place] for place in grid.ending_at(boundary)]


def test_inside_a_session_an_observation_belongs_to_its_minute() -> None:
    grid = grid_of(STOCK)
    for is_estimated in (False, True):
        assert grid.place(OPENING, is_estimated=is_estimated)[:3] == (OPENING, OPENING + MINUTE, MIDNIGHT)
        assert grid.place(CLOSE - 1, is_estimated=is_estimated)[:3] == (CLOSE - MINUTE, CLOSE, MIDNIGHT)


def test_before_a_session_an_observation_makes_no_bar_and_is_of_the_coming_day() -> None:
    grid = grid_of(STOCK)
    assert grid.place(OPENING - 1, is_estimated=False)[:3] == (None, OPENING, MIDNIGHT)
    assert grid.place(CLOSE + 5 * HOUR + 1, is_estimated=False)[:3:2] == (None, MIDNIGHT + DAY)


@pytest.mark.parametrize(("after", "is_auction"), [(0, True), (GRACE - 1, True), (GRACE, False)])
def test_a_time_of_the_venues_own_within_the_grace_period_after_a_close_is_an_auctions(
    after: int, is_auction: bool
) -> None:
    grid = grid_of(STOCK)
    place = grid.place(CLOSE + after, is_estimated=False)
    assert place.open_time == (CLOSE if is_auction else None)
    assert grid.place(CLOSE + after, is_estimated=True).open_time is None
    if is_auction:
        assert place == Place(CLOSE, CLOSE + MINUTE, MIDNIGHT, OPENING, MIDNIGHT, CLOSE - DAY, is_session=False)


def test_a_print_after_the_morning_session_is_in_a_minute_of_the_break() -> None:
    closed = utc("2026-03-04T02:30")
    assert grid_of(TOKYO).place(closed + 20_000, is_estimated=False)[:3] == (closed, closed + MINUTE, MIDNIGHT)


def test_an_auction_that_the_session_names_is_in_the_last_minute() -> None:
    grid = grid_of(Calendar.parse("Asia/Hong_Kong", "0930-1200A0900E0920-1206U1300-1600E1300-1611"))
    last, end = utc("2026-03-04T07:59"), utc("2026-03-04T08:11")
    assert grid.place(utc("2026-03-04T08:08"), is_estimated=True)[:3] == (last, end, MIDNIGHT)
    assert grid.place(end + 60_000, is_estimated=False)[:3] == (last, end, MIDNIGHT)


def test_labels_are_those_of_the_calendar_for_every_minute_of_a_day_with_a_break() -> None:
    grid = grid_of(TOKYO)
    minutes = 0
    for segment in TOKYO.segments(MIDNIGHT):
        for minute in range(segment.open_ms, segment.close_ms, MINUTE):
            expected = tuple(TOKYO.bar(interval, minute)[0] for interval in Interval if interval is not Interval.M1)
            assert grid.labels(minute) == grid.labels(minute) == expected
            minutes += 1
    assert minutes == 330


def test_a_day_has_labels_of_a_week_and_a_month_only() -> None:
    labels = dict(zip(CHAIN.names, grid_of(STOCK).labels_of_day(MIDNIGHT), strict=True))
    assert labels == dict.fromkeys(CHAIN.names, 0) | {
        "1d": MIDNIGHT, "1w": MIDNIGHT - 2 * DAY, "1M": MIDNIGHT - 3 * DAY,
    }  # fmt: skip


def test_a_longer_bar_begins_with_its_first_session_and_ends_with_its_last() -> None:
    grid = grid_of(STOCK)
    assert grid.span(place_of(Interval.H1), OPENING) == (OPENING, OPENING + HOUR)
    assert grid.span(place_of(Interval.D1), MIDNIGHT) == (OPENING, CLOSE)
    assert grid.span(place_of(Interval.W1), MIDNIGHT - 2 * DAY) == (OPENING - 2 * DAY, CLOSE + 2 * DAY)


def test_at_a_close_every_interval_that_is_cut_by_it_ends() -> None:
    grid = grid_of(STOCK)
    assert ending(grid, OPENING + 30 * MINUTE) == ["3m", "5m", "15m", "30m"]
    assert ending(grid, CLOSE) == ["3m", "5m", "15m", "30m", "45m", "1h", "2h", "3h", "4h", "1d"]
    assert ending(grid, CLOSE + 2 * DAY)[-2:] == ["1d", "1w"]
    assert ending(grid, CLOSE - MINUTE) == []


def test_what_only_an_auction_opens_ends_a_minute_after_the_close() -> None:
    grid = grid_of(STOCK)
    assert ending(grid, CLOSE + MINUTE) == ["3m", "5m", "15m", "30m"]
    assert grid.span(place_of(Interval.M30), CLOSE) == (CLOSE, CLOSE + MINUTE)


def test_what_ends_with_a_session_stays_until_the_next_one_opens() -> None:
    grid, hour = grid_of(STOCK), place_of(Interval.H1)
    assert grid.final_at(hour, OPENING) == OPENING + HOUR + MINUTE
    assert grid.final_at(hour, CLOSE - 30 * MINUTE) == OPENING + DAY
    assert grid.final_at(place_of(Interval.M30), CLOSE) == OPENING + DAY
    assert grid.final_at(place_of(Interval.D1), MIDNIGHT + 2 * DAY) == utc("2026-03-09T13:30")
    assert grid_of(ALWAYS).final_at(place_of(Interval.D1), MIDNIGHT) == MIDNIGHT + DAY


def test_bars_become_final_at_an_opening_or_as_they_end() -> None:
    grid = grid_of(STOCK)
    assert list(grid.finishing_at(OPENING)) == CHAIN.places
    assert list(grid.finishing_at(OPENING + MINUTE)) == []
    assert [CHAIN.names[place] for place in grid.finishing_at(OPENING + 5 * MINUTE + MINUTE)] == ["5m"]
    assert grid_of(ALWAYS).finishing_at(MIDNIGHT + 9 * MINUTE) == (place_of(Interval.M3),)


@pytest.mark.parametrize("calendar", [ALWAYS, STOCK, TOKYO, Calendar.parse("America/Chicago", "1700-1600")])
def test_every_bar_of_a_week_ends_at_the_boundary_of_its_close_and_nowhere_else(calendar: Calendar) -> None:
    grid, begin, end = grid_of(calendar), MIDNIGHT - 4 * DAY, MIDNIGHT + 4 * DAY
    expected = {
        (interval.value, close)
        for interval in Interval if interval is not Interval.M1
        for _, close in calendar.bars(interval, begin - 32 * DAY, end)
        if begin < close <= end
    }  # fmt: skip
    found = {(name, at) for at in range(begin + MINUTE, end + 1, MINUTE) for name in ending(grid, at)}
    assert expected <= found
    extra = {at for _, at in found - expected}
    assert all(not calendar.is_open(at - MINUTE) for at in extra), "but for an auction's own bars"


def test_a_place_has_the_last_opening_and_the_close_before_it_of_trading_days() -> None:
    def openings(calendar: Calendar, instant: int) -> tuple[int, int]:
        place = grid_of(calendar).place(instant, is_estimated=True)
        return place.opening, place.closed_at

    assert openings(STOCK, OPENING) == (OPENING, CLOSE - DAY)
    assert openings(STOCK, OPENING + 59_999) == (OPENING, CLOSE - DAY)
    assert openings(STOCK, OPENING - 1) == (OPENING - DAY, CLOSE - 2 * DAY)
    assert openings(TOKYO, utc("2026-03-04T04:00")) == (MIDNIGHT, utc("2026-03-03T06:30"))
    assert openings(ALWAYS, MIDNIGHT + 1) == (MIDNIGHT, MIDNIGHT)


def test_times_before_1970_have_their_places() -> None:
    opening = utc("1969-12-30T14:30")
    place = grid_of(STOCK).place(opening + 1, is_estimated=False)
    assert place[:3] == (opening, opening + MINUTE, utc("1969-12-30T00:00"))
    assert grid_of(ALWAYS).place(-1, is_estimated=False)[:3] == (-MINUTE, 0, -DAY)


def test_a_time_that_no_calendar_covers_is_bad_data() -> None:
    with pytest.raises(BadData) as refused:
        grid_of(STOCK).place(int(datetime(9999, 6, 1, tzinfo=UTC).timestamp() * 1000), is_estimated=False)
    assert refused.value.kind == "invalid_time"


def test_answers_are_the_same_when_caches_are_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_module, "_MOST_CACHED", 3)
    small, large = grid_of(TOKYO), grid_of(TOKYO)
    for minute in range(MIDNIGHT - HOUR, MIDNIGHT + 7 * HOUR, 7 * MINUTE):
        assert small.place(minute, is_estimated=False) == large.place(minute, is_estimated=False)
        assert small.labels(minute) == large.labels(minute)
        assert small.day_of(minute) == large.day_of(minute)
        assert small.ending_at(minute) == large.ending_at(minute)
    assert max(len(small._inside), len(small._labels), len(small._days)) <= 3


def test_a_calendar_without_any_further_session_ends_its_last_bars_and_nothing_after() -> None:
    first = MIDNIGHT // DAY + 1
    holidays = ",".join(
        datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y%m%d") for day in range(first, first + 900)
    )
    grid = grid_of(Calendar.parse(NEW_YORK, "0930-1600", holidays))
    assert "1M" in ending(grid, CLOSE)
    assert ending(grid, CLOSE + HOUR) == ending(grid, CLOSE + 10 * DAY) == ending(grid, CLOSE + 450 * DAY) == []
