"""Session strings: every form is read, and what cannot be read is refused with its reason."""

import pytest

from contracts.calendar.session import NO_SESSION, SegmentSpec, parse, weekday
from contracts.errors import BadData
from contracts.intervals import DAY
from tests.support.instants import at

SUNDAY, MONDAY, TUESDAY, FRIDAY, SATURDAY = (at(f"2025-06-{day:02d}") // DAY for day in (1, 2, 3, 6, 7))
HOUR = 60


def segments(session: str, day: int = TUESDAY) -> list[tuple[int, int]]:
    return [(one.open, one.close) for one in parse(session, "", "").spec(day)]


def test_weekdays_count_from_sunday() -> None:
    assert [weekday(day) for day in (SUNDAY, MONDAY, FRIDAY, SATURDAY)] == [0, 1, 5, 6]
    assert weekday(-1) == 3, "31 December 1969 was a Wednesday"


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ("0930-1600", [(570, 960)]),
        ("0900-1130,1230-1530", [(540, 690), (750, 930)]),
        ("1700-1600", [(-420, 960)]),
        ("1700-1700", [(-420, 1020)]),
        ("0000-0000", [(0, 1440)]),
        ("1800-0000", [(1080, 1440)]),
        ("0000-2400", [(0, 1440)]),
        ("24x7", [(0, 1440)]),
        ("1700F-1900", [(-420, 1140)]),
        ("1700F2-1200F1,1700-1215", [(-1860, -720), (-420, 735)]),
        ("1700F4-1200F3,1700-1600", [(-4740, -3600), (-420, 960)]),
        ("1500F1-0500S0845-1345", [(-540, 300), (525, 825)]),
        ("0330-1300", [(210, 780)]),
        ("1700-0600F1", [(-1860, -1080)]),
        ("0930-1600F1", [(-870, -480)]),
    ],
)
def test_segments_are_minutes_from_the_midnight_that_begins_their_trading_day(
    session: str, expected: list[tuple[int, int]]
) -> None:
    assert segments(session) == expected


def test_a_comma_keeps_the_grid_and_u_and_s_begin_a_new_one() -> None:
    assert [one.new_group for one in parse("0900-1000,1030-1100U1200-1300S1400-1500", "", "").spec(TUESDAY)] == [
        True,
        False,
        True,
        True,
    ]


def test_an_anchor_and_an_auction_are_read_in_either_order() -> None:
    first, second = parse("0930-1200A0900E0920-1206U1300-1600E1300-1611", "", "").spec(TUESDAY)
    assert first == SegmentSpec(open=570, close=720, extended=726, anchor=540, new_group=True, lead=0)
    assert second == SegmentSpec(open=780, close=960, extended=971, anchor=None, new_group=True, lead=0)
    assert parse("0930-1200E0920-1206A0900", "", "").spec(TUESDAY) == (first,)


def test_an_anchor_after_the_opening_is_of_the_evening_before() -> None:
    [segment] = parse("0930-1600A1700", "", "").spec(TUESDAY)
    assert segment.anchor == 17 * HOUR - 24 * HOUR


def test_an_anchor_after_a_comma_begins_a_new_grid() -> None:
    assert [one.new_group for one in parse("0900-1000,1030-1100A1000", "", "").spec(TUESDAY)] == [True, True]


def test_sessions_are_of_monday_to_friday_unless_weekdays_are_named() -> None:
    schedule = parse("0930-1600", "", "")
    assert [bool(schedule.spec(day)) for day in range(SUNDAY, SUNDAY + 7)] == [False, *[True] * 5, False]
    assert [bool(parse("24x7", "", "").spec(day)) for day in range(SUNDAY, SUNDAY + 7)] == [True] * 7
    assert segments("0930-1600:1", SUNDAY)
    assert not segments("0930-1600:1", MONDAY)


def test_a_section_with_weekdays_goes_before_one_without() -> None:
    assert segments("0900-1630|0900-1400:2", MONDAY) == segments("0900-1400:2|0900-1630", MONDAY) == [(540, 840)]
    assert segments("0900-1630|0900-1400:2", TUESDAY) == [(540, 990)]
    assert segments("1900-1900:3456|1700F-1900:2", MONDAY) == [(-420, 1140)]


def test_the_first_day_of_the_week_is_named_or_monday() -> None:
    assert parse("0930-1600", "", "").first_weekday == 1
    assert parse("1;0930-1600", "", "").first_weekday == 0
    assert parse("2;0000-0000:1234567", "", "").first_weekday == 1
    assert parse("7;24x7", "", "").first_weekday == 6


def test_hours_change_on_the_date_that_is_named() -> None:
    schedule = parse("0915-1530#20250603/0915-1515#20250606/1000-1100", "", "")
    closes = [schedule.spec(day)[0].close for day in (MONDAY, TUESDAY, TUESDAY + 1, FRIDAY)]
    assert closes == [930, 915, 915, 660]


def test_holidays_have_no_session_and_corrections_go_before_them() -> None:
    schedule = parse("0930-1600", "20250602,20250603", "0930-1300:20250603,20250607;dayoff:20250606")
    assert schedule.spec(MONDAY) == NO_SESSION
    assert schedule.spec(TUESDAY)[0].close == 780
    assert schedule.spec(SATURDAY)[0].close == 780
    assert schedule.spec(FRIDAY) == NO_SESSION
    assert schedule.spec(TUESDAY + 1)[0].close == 960


@pytest.mark.parametrize(
    ("session", "cause"),
    [
        ("", "not a segment"),
        ("09:30-16:00", "digits 1 to 7|not a segment"),
        ("0930-1600,", "not a segment"),
        ("0930", "not a segment"),
        ("930-1600", "not a segment"),
        ("0960-1600", "not a time of day"),
        ("2401-1600", "not a time of day"),
        ("0930-1600:8", "weekdays"),
        ("0930-1600:", "weekdays"),
        ("8;0930-1600", "first day of the week"),
        (";0930-1600", "first day of the week"),
        ("0930-1600#20250101", "without '/'"),
        ("0930-1600#20250230/0930-1500", "not a date"),
        ("0930-1600#20250201/0930-1500#20250101/0930-1400", "do not ascend"),
        ("0930-1200,1100-1300", "overlap"),
        ("1300-1400,0900-1000", "overlap"),
        ("0930F1-0900F1", "ends before it opens"),
        ("1700F32-1600", "more than 31 days"),
        ("1700F-1200F2", "ends before it opens"),
        ("0930-1600X", "not a segment"),
        ("２400-1600", "not a segment"),
        ("0930-1600" + "," * 5000, "more than 4096"),
    ],
)
def test_a_session_that_cannot_be_read_is_refused_with_its_reason(session: str, cause: str) -> None:
    with pytest.raises(BadData, match=cause) as refused:
        parse(session, "", "")
    assert refused.value.kind == "invalid_calendar"


@pytest.mark.parametrize(
    ("holidays", "corrections", "cause"),
    [
        ("2025-01-01", "", "not a date"),
        ("20250229", "", "not a date"),
        ("２0250101", "", "not a date"),
        ("20250101," * 10_000, "", "more than 65536"),
        ("", "0930-1600", "without dates"),
        ("", "0930:20250101", "not a segment"),
        ("", "...;0930-1600:20250101", "without dates"),
        ("", "dayoff:yesterday", "not a date"),
        ("", "dayoff:20250101;" * 10_000, "more than 65536"),
    ],
)
def test_dates_that_cannot_be_read_are_refused_with_their_reason(holidays: str, corrections: str, cause: str) -> None:
    with pytest.raises(BadData, match=cause) as refused:
        parse("0930-1600", holidays, corrections)
    assert refused.value.kind == "invalid_calendar"


def test_blanks_and_empty_parts_of_lists_do_no_harm() -> None:
    schedule = parse(" 0930-1600 ", " 20250602, ,20250603,", "0930-1300:20250606; ;")
    assert len(schedule.holidays) == 2
    assert len(schedule.corrections) == 1
