"""Trading days in time: nights, clock changes, holidays and merged days, and who owns what two days claim."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import Calendar, Segment
from contracts.errors import BadData
from contracts.intervals import DAY, HOUR, Interval
from tests.support.instants import at, shown

CHICAGO, NEW_YORK, TAIPEI = "America/Chicago", "America/New_York", "Asia/Taipei"
TAIFEX = "1500F1-0500S0845-1345:3456|1500F3-0500F2S0845-1345:2"


def hours(calendar: Calendar, day: str) -> list[str]:
    """The segments of a trading day on the exchange's clock, as `06-03 09:30 to 06-03 16:00`."""
    return [
        " to ".join(shown(instant, calendar.timezone)[5:] for instant in segment[:2])
        for segment in calendar.segments(at(day))
    ]


def test_a_day_session_stands_in_exchange_time_and_moves_in_utc_when_clocks_change() -> None:
    calendar = Calendar.parse(NEW_YORK, "0930-1600")
    assert calendar.segments(at("2025-03-07")) == (
        Segment(at("2025-03-07 14:30"), at("2025-03-07 21:00"), at("2025-03-07 14:30")),
    )
    assert calendar.segments(at("2025-03-10"))[0].open_ms == at("2025-03-10 13:30")
    assert calendar.segments(at("2025-03-09")) == ()
    assert calendar.segments(at("2025-03-10 17:12")) == calendar.segments(at("2025-03-10")), "it rounds down"


def test_a_night_session_belongs_to_the_day_on_which_it_ends() -> None:
    calendar = Calendar.parse(CHICAGO, "1700-1600")
    assert hours(calendar, "2025-06-02") == ["06-01 17:00 to 06-02 16:00"]
    assert calendar.trading_day(at("2025-06-01 17:00", CHICAGO)) == at("2025-06-02")
    assert calendar.trading_day(at("2025-06-02 15:59", CHICAGO)) == at("2025-06-02")
    assert calendar.trading_day(at("2025-06-02 17:00", CHICAGO)) == at("2025-06-03")


def test_a_merged_holiday_belongs_to_the_next_trading_day() -> None:
    calendar = Calendar.parse(
        CHICAGO,
        "1700-1600",
        "20241128,20250120,20250704",
        "1700F2-1200F1,1700-1215:20241129;1700F2-1200F1,1700-1600:20250121;1700F4-1200F3,1700-1600:20250707",
    )
    assert hours(calendar, "2025-01-20") == []
    assert hours(calendar, "2025-01-21") == ["01-19 17:00 to 01-20 12:00", "01-20 17:00 to 01-21 16:00"]
    assert hours(calendar, "2025-07-07") == ["07-03 17:00 to 07-04 12:00", "07-06 17:00 to 07-07 16:00"]
    assert calendar.label_of_provider(Interval.D1, 1_732_748_400_000) == (
        at("2024-11-29"),
        at("2024-11-29 12:15", CHICAGO),
        True,
    )


def test_a_segment_that_follows_a_break_of_the_merged_day_keeps_its_anchor() -> None:
    calendar = Calendar.parse(CHICAGO, "1700-1600", "20250120", "1700F2-1200F1,1700-1600:20250121")
    first, second = calendar.segments(at("2025-01-21"))
    assert first.anchor_ms == second.anchor_ms == at("2025-01-19 17:00", CHICAGO)


def test_a_night_session_opens_on_the_evening_of_the_previous_trading_day() -> None:
    calendar = Calendar.parse(TAIPEI, TAIFEX, "20251010,20251024,20251225")
    assert hours(calendar, "2025-10-09") == ["10-08 15:00 to 10-09 05:00", "10-09 08:45 to 10-09 13:45"]
    assert hours(calendar, "2025-10-10") == []
    assert hours(calendar, "2025-10-13") == ["10-09 15:00 to 10-10 05:00", "10-13 08:45 to 10-13 13:45"]
    assert hours(calendar, "2025-10-20") == ["10-17 15:00 to 10-18 05:00", "10-20 08:45 to 10-20 13:45"]
    assert hours(calendar, "2025-12-26") == ["12-24 15:00 to 12-25 05:00", "12-26 08:45 to 12-26 13:45"]
    assert calendar.trading_day(at("2025-12-24 23:00", TAIPEI)) == at("2025-12-26")


def test_a_night_session_opens_before_a_long_row_of_holidays() -> None:
    holidays = ",".join(f"202602{day:02d}" for day in (12, 13, 16, 17, 18, 19, 20))
    calendar = Calendar.parse(TAIPEI, TAIFEX, holidays)
    assert hours(calendar, "2026-02-23") == ["02-11 15:00 to 02-12 05:00", "02-23 08:45 to 02-23 13:45"]
    assert calendar.bar(Interval.H1, at("2026-02-15")) == (
        at("2026-02-23 08:45", TAIPEI),
        at("2026-02-23 09:45", TAIPEI),
    )
    assert calendar.bar(Interval.D1, at("2026-02-11 15:00", TAIPEI))[0] == at("2026-02-23")


def test_a_correction_names_its_evening_exactly() -> None:
    without = Calendar.parse(TAIPEI, TAIFEX, "20251006")
    assert hours(without, "2025-10-07")[0] == "10-03 15:00 to 10-04 05:00"
    corrected = Calendar.parse(TAIPEI, TAIFEX, "20251006", "1500F1-0500S0845-1345:20251007")
    assert hours(corrected, "2025-10-07")[0] == "10-06 15:00 to 10-07 05:00"


def test_a_sunday_opening_stays_on_sunday_after_a_friday_without_trading() -> None:
    index = Calendar.parse(NEW_YORK, "1900-1900:3456|1700F-1900:2", "20250418")
    assert hours(index, "2025-04-21") == ["04-20 17:00 to 04-21 19:00"]
    two = Calendar.parse(NEW_YORK, "1800F-2000F,0930-1600:2|0930-1600:3456", "20250418")
    assert hours(two, "2025-04-21")[0] == "04-20 18:00 to 04-20 20:00"
    future = Calendar.parse(CHICAGO, "1700-1600", "20250418")
    assert hours(future, "2025-04-21") == ["04-20 17:00 to 04-21 16:00"]


def test_a_whole_day_that_opens_the_evening_before_does_not_move_over_a_holiday() -> None:
    calendar = Calendar.parse(CHICAGO, "1700F1-1600", "20250603")
    assert hours(calendar, "2025-06-04") == ["06-03 17:00 to 06-04 16:00"]


def test_a_saturday_can_trade_by_a_correction() -> None:
    calendar = Calendar.parse("Asia/Ho_Chi_Minh", "0900-1500", "20250430", "0900-1500:20250426")
    assert hours(calendar, "2025-04-26") == ["04-26 09:00 to 04-26 15:00"]
    assert hours(calendar, "2025-04-30") == []


def test_hours_change_from_one_trading_day_to_the_next() -> None:
    calendar = Calendar.parse("Europe/London", "0100-2300|2300F-2300:2#20241104/0000-2200|2200F-2200:2")
    assert hours(calendar, "2024-11-01") == ["11-01 01:00 to 11-01 23:00"]
    assert hours(calendar, "2024-11-04") == ["11-03 22:00 to 11-04 22:00"]


def test_an_early_close_that_is_taken_back_brings_back_the_break_and_the_afternoon() -> None:
    full = Calendar.parse("Asia/Hong_Kong", "0930-1200,1300-1600")
    half = Calendar.parse("Asia/Hong_Kong", "0930-1200,1300-1600", corrections="0930-1200:20251124")
    announced = full.changed_to(half, at("2025-11-24 10:30", "Asia/Hong_Kong"))
    assert hours(announced, "2025-11-24") == ["11-24 09:30 to 11-24 12:00"]
    taken_back = announced.changed_to(full, at("2025-11-24 11:00", "Asia/Hong_Kong"))
    assert hours(taken_back, "2025-11-24") == hours(full, "2025-11-24")
    assert taken_back.segments(at("2025-11-24")) == full.segments(at("2025-11-24"))


def test_a_closing_auction_belongs_to_its_segment_and_moves_no_grid() -> None:
    calendar = Calendar.parse("Asia/Hong_Kong", "0930-1200A0900E0920-1206U1300-1600E1300-1611")
    assert hours(calendar, "2025-03-03") == ["03-03 09:30 to 03-03 12:06", "03-03 13:00 to 03-03 16:11"]
    assert [shown(one.anchor_ms, "Asia/Hong_Kong")[11:] for one in calendar.segments(at("2025-03-03"))] == [
        "09:00",
        "13:00",
    ]


def test_an_auction_never_reaches_into_the_next_segment() -> None:
    calendar = Calendar.parse("UTC", "0900-1000E0900-1130,1100-1200")
    assert hours(calendar, "2025-06-03") == ["06-03 09:00 to 06-03 11:00", "06-03 11:00 to 06-03 12:00"]


def test_time_that_two_trading_days_claim_belongs_to_the_earlier_one() -> None:
    calendar = Calendar.parse("UTC", "0900-1700", "", "1500F1-1600:20250604")
    assert hours(calendar, "2025-06-03") == ["06-03 09:00 to 06-03 17:00"]
    assert hours(calendar, "2025-06-04") == ["06-03 17:00 to 06-04 16:00"]
    assert calendar.segments(at("2025-06-04"))[0].anchor_ms == at("2025-06-03 15:00")


def test_a_session_over_a_change_of_clocks_counts_elapsed_time_from_its_anchor() -> None:
    calendar = Calendar.parse(NEW_YORK, "0000-0000:1234567")
    assert not calendar.is_always
    [spring], [autumn] = calendar.segments(at("2025-03-09")), calendar.segments(at("2025-11-02"))
    assert spring.close_ms - spring.open_ms == 23 * HOUR
    assert autumn.close_ms - autumn.open_ms == 25 * HOUR
    openings = [opening for opening, _ in calendar.bars(Interval.H4, spring.open_ms, spring.close_ms)]
    assert [shown(opening, NEW_YORK)[11:] for opening in openings] == [
        "00:00",
        "05:00",
        "09:00",
        "13:00",
        "17:00",
        "21:00",
    ]
    *_, last = calendar.bars(Interval.H4, autumn.open_ms, autumn.close_ms)
    assert last == (autumn.close_ms - HOUR, autumn.close_ms)


def test_a_time_that_the_clock_skips_is_read_with_the_offset_before_the_change() -> None:
    calendar = Calendar.parse(NEW_YORK, "0230-0400:1234567")
    assert hours(calendar, "2025-03-09") == ["03-09 03:30 to 03-09 04:00"]
    inside = Calendar.parse(NEW_YORK, "0200-0300:1234567")
    assert inside.segments(at("2025-03-09")) == (), "nothing is left of it"
    twice = Calendar.parse(NEW_YORK, "0130-0400:1234567")
    assert twice.segments(at("2025-11-02"))[0].open_ms == at("2025-11-02 05:30")


def test_times_before_1970_are_times_like_any_other() -> None:
    calendar = Calendar.parse(NEW_YORK, "0930-1600")
    assert hours(calendar, "1969-12-31") == ["12-31 09:30 to 12-31 16:00"]
    assert calendar.trading_day(at("1969-12-31 10:00", NEW_YORK)) == at("1969-12-31") == -DAY
    assert calendar.label_of_provider(Interval.D1, at("1928-10-01 09:30", NEW_YORK))[::2] == (at("1928-10-01"), True)
    assert calendar.bar(Interval.H1, -1) == (at("1970-01-01 09:30", NEW_YORK), at("1970-01-01 10:30", NEW_YORK))


@pytest.mark.parametrize("instant", [10**15, -(10**15), 253_402_300_800_000, -62_135_596_800_000])
def test_a_time_beyond_all_years_is_refused(instant: int) -> None:
    calendar = Calendar.parse(NEW_YORK, "0930-1600")
    for ask in (calendar.trading_day, calendar.segments, calendar.is_open, calendar.next_open):
        with pytest.raises(BadData) as refused:
            ask(instant)
        assert refused.value.kind == "invalid_time"


@given(st.integers(-200_000_000_000_000 // DAY, 250_000_000_000_000 // DAY))
def test_trading_days_follow_each_other_without_an_overlap(number: int) -> None:
    for calendar in (
        Calendar.parse(TAIPEI, TAIFEX, "20251010,20251024"),
        Calendar.parse(NEW_YORK, "1900-1900:3456|1700F-1900:2"),
        Calendar.parse("UTC", "1700F5-1600:1234567"),
    ):
        day = max(number, -60_000_000_000_000 // DAY) * DAY
        segments = [segment for offset in range(4) for segment in calendar.segments(day + offset * DAY)]
        assert all(segment.open_ms < segment.close_ms for segment in segments)
        assert all(a.close_ms <= b.open_ms for a, b in pairwise(segments))
