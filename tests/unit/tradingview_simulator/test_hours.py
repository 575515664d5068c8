"""Session strings and corrections as the protocol writes them."""

import pytest

from tradingview_simulator.model.hours import Hours, parse_corrections, parse_hours, parse_weekly, write_corrections


def test_an_end_before_its_start_is_a_session_from_the_evening_before() -> None:
    assert parse_hours("1700-1600") == (Hours(-420, 960, -420, False, False),)


def test_f_says_how_many_days_before_a_segment_opens_and_closes() -> None:
    night, day = parse_hours("1500F3-0500F2S0845-1345")
    assert (night.opens, night.closes, night.is_evening) == (900 - 3 * 1440, 300 - 2 * 1440, True)
    assert (day.opens, day.anchor, day.continues, day.is_evening) == (525, 525, False, False)
    assert parse_hours("1700F-1900") == (Hours(1020 - 1440, 1140, 1020 - 1440, False, False),)


def test_a_comma_goes_on_with_a_grid_and_u_begins_another_which_a_anchors() -> None:
    assert [hours.continues for hours in parse_hours("0900-1130,1230-1530")] == [False, True]
    morning, afternoon = parse_hours("0930-1200A0900E0920-1206U1300-1600E1300-1611")
    assert (morning.opens, morning.anchor) == (570, 540)
    assert (afternoon.anchor, afternoon.continues) == (780, False)


def test_a_section_holds_for_its_weekdays_and_else_from_monday_to_friday() -> None:
    assert sorted(parse_weekly("0930-1600")) == [0, 1, 2, 3, 4]
    weekly = parse_weekly("1900-1900:3456|1700F-1900:2")
    assert {day: hours[0].opens for day, hours in weekly.items()} == {0: -420, 1: -300, 2: -300, 3: -300, 4: -300}


@pytest.mark.parametrize(
    "text", ["", "930-1600", "0930", "0930-1600:9", "0930-2560", "0900-1200;1300-1600", "1300-1600,0900-1200"]
)
def test_a_text_that_is_no_session_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_weekly(text)


def test_corrections_are_read_and_written_by_date() -> None:
    text = "0930-1300:20250703,20251128;dayoff:20250109"
    found = parse_corrections(text)
    assert found == {"20250703": "0930-1300", "20251128": "0930-1300", "20250109": "dayoff"}
    assert write_corrections(found) == text


@pytest.mark.parametrize("text", ["0930-1300", "0930-1300:2025", "9-13:20250703", ":20250703"])
def test_a_text_that_corrects_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_corrections(text)
