"""Which bar an instant belongs to, which bars to expect, and what is open: by rule, and by property."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.calendar import ALWAYS, Calendar
from contracts.errors import BadData
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.instants import at, shown

NEW_YORK, TOKYO, HONG_KONG, CHICAGO, KOLKATA = (
    "America/New_York",
    "Asia/Tokyo",
    "Asia/Hong_Kong",
    "America/Chicago",
    "Asia/Kolkata",
)
US = Calendar.parse(NEW_YORK, "0930-1600", "20250704", "0930-1300:20250703")
TSE = Calendar.parse(TOKYO, "0900-1130,1230-1530")
OSE = Calendar.parse(TOKYO, "1700F1-0600,0845-1545:3456|1700F3-0600F2,0845-1545:2")
HKEX = Calendar.parse(HONG_KONG, "0930-1200A0900E0920-1206U1300-1600E1300-1611")
ES = Calendar.parse(CHICAGO, "1700-1600")
GRACE = 5 * MINUTE


def times(calendar: Calendar, interval: Interval, start: str, end: str) -> list[str]:
    """The openings of the bars to expect, on the exchange's clock."""
    zone = calendar.timezone
    return [shown(opening, zone)[11:] for opening, _ in calendar.bars(interval, at(start, zone), at(end, zone))]


def bar(calendar: Calendar, interval: Interval, instant: str, grace_ms: int = 0) -> str:
    """The bar of an instant on the exchange's clock, as `15:30 to 16:00`."""
    found = calendar.bar(interval, at(instant, calendar.timezone), grace_ms)
    return " to ".join(shown(one, calendar.timezone)[11:] for one in found)


def test_equal_strings_are_one_calendar() -> None:
    assert Calendar.parse(NEW_YORK, "0930-1600") is Calendar.parse(NEW_YORK, "0930-1600", "", "")
    assert Calendar.parse(NEW_YORK, "0930-1600") is not Calendar.parse(NEW_YORK, "0930-1600", "20250704")
    assert repr(US) == "Calendar('America/New_York', '0930-1600')"


def test_a_bar_opens_with_the_session_and_the_last_one_is_cut_by_the_close() -> None:
    assert times(US, Interval.H1, "2025-06-03", "2025-06-04") == [f"{hour:02d}:30" for hour in range(9, 16)]
    assert bar(US, Interval.H1, "2025-06-03 09:30") == "09:30 to 10:30"
    assert bar(US, Interval.H1, "2025-06-03 15:59") == "15:30 to 16:00"
    assert bar(US, Interval.M45, "2025-06-03 15:59") == "15:30 to 16:00"
    assert bar(US, Interval.M1, "2025-06-03 15:59") == "15:59 to 16:00"
    nse = Calendar.parse(KOLKATA, "0915-1530")
    assert bar(nse, Interval.M30, "2025-06-03 09:20") == "09:15 to 09:45"


def test_a_half_day_is_the_same_grid_cut_short() -> None:
    assert times(US, Interval.H1, "2025-07-03", "2025-07-05") == ["09:30", "10:30", "11:30", "12:30"]
    assert bar(US, Interval.H1, "2025-07-03 12:45") == "12:30 to 13:00"


def test_a_bar_may_open_in_a_break() -> None:
    assert times(TSE, Interval.H1, "2025-06-03", "2025-06-04") == [f"{hour:02d}:00" for hour in range(9, 16)]
    assert bar(TSE, Interval.H1, "2025-06-03 12:30") == "12:00 to 13:00"
    assert times(OSE, Interval.H1, "2025-06-03 04:00", "2025-06-03 10:00") == ["04:00", "05:00", "08:00", "09:00"]
    assert bar(OSE, Interval.H1, "2025-06-03 08:45") == "08:00 to 09:00"


def test_a_bar_that_lies_in_a_break_is_not_expected() -> None:
    assert times(TSE, Interval.M30, "2025-06-03 11:00", "2025-06-03 13:30") == ["11:00", "12:30", "13:00"]
    assert times(TSE, Interval.M5, "2025-06-03 11:20", "2025-06-03 12:40") == ["11:20", "11:25", "12:30", "12:35"]


def test_the_range_of_bars_is_by_opening_also_where_that_is_in_a_break() -> None:
    assert times(TSE, Interval.H1, "2025-06-03 11:01", "2025-06-03 12:01") == ["12:00"]
    assert times(TSE, Interval.H1, "2025-06-03 12:01", "2025-06-03 13:00") == []
    assert times(TSE, Interval.H1, "2025-06-03 13:00", "2025-06-03 13:00") == []
    assert times(TSE, Interval.H1, "2025-06-03 14:00", "2025-06-03 13:00") == []


def test_a_market_that_starts_a_new_anchor_has_a_grid_of_its_own_for_the_afternoon() -> None:
    assert times(HKEX, Interval.H1, "2025-03-03", "2025-03-04") == [
        "09:30",
        "10:00",
        "11:00",
        "13:00",
        "14:00",
        "15:00",
    ]
    assert times(HKEX, Interval.H4, "2025-03-03", "2025-03-04") == ["09:30", "13:00"]
    assert bar(HKEX, Interval.H1, "2025-03-03 09:31") == "09:30 to 10:00"


def test_a_closing_auction_inside_the_session_is_in_its_last_bar() -> None:
    assert bar(HKEX, Interval.H1, "2025-03-03 16:08") == "15:00 to 16:11"
    assert bar(HKEX, Interval.M1, "2025-03-03 16:08") == "15:59 to 16:11"
    assert bar(HKEX, Interval.M1, "2025-03-03 16:12", GRACE) == "15:59 to 16:11"
    assert bar(HKEX, Interval.H1, "2025-03-03 12:05") == "11:00 to 12:06"
    assert bar(HKEX, Interval.M1, "2025-03-03 09:25") == "09:30 to 09:31", "the opening auction is before the session"


def test_a_print_after_the_close_opens_a_bar_there_if_the_grid_has_one() -> None:
    assert bar(TSE, Interval.M1, "2025-06-03 15:30:03", GRACE) == "15:30 to 15:31"
    assert bar(TSE, Interval.M1, "2025-06-03 15:33", GRACE) == "15:30 to 15:31"
    assert bar(TSE, Interval.M30, "2025-06-03 15:30:03", GRACE) == "15:30 to 15:31"
    assert bar(TSE, Interval.H1, "2025-06-03 15:30:03", GRACE) == "15:00 to 15:30"
    assert bar(TSE, Interval.M30, "2025-06-03 11:31", GRACE) == "11:30 to 11:31"
    assert bar(TSE, Interval.H1, "2025-06-03 11:31", GRACE) == "11:00 to 12:00"
    assert bar(OSE, Interval.H1, "2025-06-03 06:00:01", GRACE) == "06:00 to 06:01"
    assert bar(US, Interval.M30, "2025-06-03 16:00:10", GRACE) == "16:00 to 16:01"
    assert bar(US, Interval.H1, "2025-06-03 16:00:10", GRACE) == "15:30 to 16:00"


def test_the_minute_of_a_closing_auction_rolls_into_the_bars_that_its_print_belongs_to() -> None:
    for calendar, close in ((TSE, "2025-06-03 15:30"), (TSE, "2025-06-03 11:30"), (OSE, "2025-06-03 06:00")):
        instant = at(close, calendar.timezone)
        minute, _ = calendar.bar(Interval.M1, instant + 3000, GRACE)
        assert minute == instant
        for interval in Interval:
            assert calendar.bar(interval, minute) == calendar.bar(interval, instant + 3000, GRACE)


def test_an_auction_bar_ends_where_the_next_segment_opens() -> None:
    calendar = Calendar.parse("UTC", "0900-1200U1201-1500")
    assert bar(calendar, Interval.M30, "2025-06-03 12:00:30", GRACE) == "12:00 to 12:01"
    assert bar(calendar, Interval.M30, "2025-06-03 12:01", GRACE) == "12:01 to 12:31"


def test_outside_sessions_an_instant_belongs_to_the_next_segment_beyond_the_grace_period() -> None:
    assert bar(US, Interval.H1, "2025-06-03 16:05", GRACE) == "15:30 to 16:00", "at the grace period"
    assert bar(US, Interval.H1, "2025-06-03 16:05:01", GRACE) == "09:30 to 10:30"
    assert bar(US, Interval.H1, "2025-06-03 16:00") == "15:30 to 16:00", "at the close"
    assert bar(US, Interval.H1, "2025-06-03 16:00:01") == "09:30 to 10:30"
    assert bar(TSE, Interval.H1, "2025-06-03 11:45") == "12:00 to 13:00"
    friday = at("2025-06-06 17:00", NEW_YORK)
    assert US.bar(Interval.M1, friday)[0] == at("2025-06-09 09:30", NEW_YORK)
    assert US.trading_day(friday) == at("2025-06-09")
    assert US.trading_day(friday, HOUR) == at("2025-06-06")
    assert US.trading_day(friday + 22 * HOUR, DAY) == at("2025-06-06"), "the longest grace period is a day"
    west = Calendar.parse("Pacific/Pago_Pago", "1000-2300E1000-0500")
    assert west.trading_day(at("2025-06-08 14:00"), DAY) == at("2025-06-06"), "closed on 7 June, 16:00 UTC"


def test_days_weeks_and_months_are_labelled_by_trading_day_and_close_with_their_last_session() -> None:
    instant = at("2025-06-03 10:00", NEW_YORK)
    assert US.bar(Interval.D1, instant) == (at("2025-06-03"), at("2025-06-03 16:00", NEW_YORK))
    assert US.bar(Interval.W1, instant) == (at("2025-06-02"), at("2025-06-06 16:00", NEW_YORK))
    assert US.bar(Interval.MO1, instant) == (at("2025-06-01"), at("2025-06-30 16:00", NEW_YORK))
    assert US.bar(Interval.W1, at("2025-07-01 10:00", NEW_YORK)) == (at("2025-06-30"), at("2025-07-03 13:00", NEW_YORK))


def test_a_day_that_ends_before_midnight_utc_still_closes_after_its_label() -> None:
    calendar = Calendar.parse(TOKYO, "0600-0800")
    assert calendar.segments(at("2025-06-03"))[0].close_ms == at("2025-06-02 23:00")
    assert calendar.bar(Interval.D1, at("2025-06-03 07:00", TOKYO)) == (at("2025-06-03"), at("2025-06-03 00:01"))


def test_a_sunday_evening_is_of_mondays_week_and_of_its_month() -> None:
    evening = at("2025-08-31 18:00", CHICAGO)
    assert ES.bar(Interval.W1, evening) == (at("2025-09-01"), at("2025-09-05 16:00", CHICAGO))
    assert ES.bar(Interval.MO1, evening) == (at("2025-09-01"), at("2025-09-30 16:00", CHICAGO))


def test_a_week_begins_on_the_weekday_that_the_session_names() -> None:
    sunday = Calendar.parse("Etc/UTC", "1;24x7")
    assert sunday.is_always
    assert sunday.bar(Interval.W1, at("2025-06-07 12:00")) == (at("2025-06-01"), at("2025-06-08"))
    saturday = Calendar.parse("Asia/Riyadh", "7;1000-1500:12345")
    assert saturday.bar(Interval.W1, at("2025-06-03 12:00"))[0] == at("2025-05-31")


def test_the_close_of_a_label_is_known_also_off_the_grid_and_without_a_session() -> None:
    opening = at("2025-06-03 15:30", NEW_YORK)
    assert US.close_of(Interval.H1, opening) == opening + 30 * MINUTE
    assert US.close_of(Interval.H1, opening + MINUTE) == opening + MINUTE + HOUR
    assert TSE.close_of(Interval.H1, at("2025-06-03 12:00", TOKYO)) == at("2025-06-03 13:00", TOKYO)
    assert US.close_of(Interval.D1, at("2025-07-03")) == at("2025-07-03 13:00", NEW_YORK)
    assert US.close_of(Interval.D1, at("2025-07-04")) == at("2025-07-05")
    assert US.close_of(Interval.W1, at("2025-06-30")) == at("2025-07-03 13:00", NEW_YORK)


def test_an_intraday_bar_of_the_provider_keeps_its_instant() -> None:
    opening = at("2025-06-03 15:30", NEW_YORK)
    assert US.label_of_provider(Interval.H1, opening) == (opening, opening + 30 * MINUTE, True)
    assert US.label_of_provider(Interval.H1, opening - MINUTE) == (opening - MINUTE, opening - MINUTE + HOUR, False)
    night = at("2025-06-03 03:00", NEW_YORK)
    assert US.label_of_provider(Interval.H1, night) == (night, night + HOUR, False)
    auction = at("2025-06-03 15:30", TOKYO)
    assert TSE.label_of_provider(Interval.M30, auction) == (auction, auction + MINUTE, True)
    in_break = at("2025-06-03 12:00", TOKYO)
    assert TSE.label_of_provider(Interval.H1, in_break)[2]
    assert not TSE.label_of_provider(Interval.M30, in_break)[2]


@pytest.mark.parametrize(
    ("interval", "stamp", "label", "on_grid"),
    [
        (Interval.D1, "2025-06-03 09:30", "2025-06-03", True),
        (Interval.D1, "2025-06-03 09:31", "2025-06-03", False),
        (Interval.D1, "2025-06-03 00:00", "2025-06-03", False),
        (Interval.D1, "2025-06-07 00:00", "2025-06-09", False),
        (Interval.D1, "2025-06-03 16:00", "2025-06-04", False),
        (Interval.W1, "2025-06-02 09:30", "2025-06-02", True),
        (Interval.W1, "2025-06-03 09:30", "2025-06-02", False),
        (Interval.MO1, "2025-06-02 09:30", "2025-06-01", True),
        (Interval.MO1, "2025-06-01 09:30", "2025-06-01", False),
    ],
)
def test_a_longer_bar_of_the_provider_gets_our_label(interval: Interval, stamp: str, label: str, on_grid: bool) -> None:
    found = US.label_of_provider(interval, at(stamp, NEW_YORK))
    assert found == (at(label), US.close_of(interval, at(label)), on_grid)


def test_a_week_after_a_holiday_monday_is_stamped_on_tuesday() -> None:
    calendar = Calendar.parse(NEW_YORK, "0930-1600", "20250526")
    assert calendar.label_of_provider(Interval.W1, at("2025-05-27 09:30", NEW_YORK))[::2] == (at("2025-05-26"), True)


def test_a_market_says_when_it_is_open_and_when_it_opens_next() -> None:
    friday = at("2025-06-06 15:59", NEW_YORK)
    assert US.is_open(friday)
    assert not US.is_open(friday + MINUTE)
    assert US.next_open(friday) == US.next_open(friday + 2 * DAY) == at("2025-06-09 09:30", NEW_YORK)
    assert US.next_open(at("2025-06-09 09:30", NEW_YORK)) == at("2025-06-10 09:30", NEW_YORK)
    assert not TSE.is_open(at("2025-06-03 12:00", TOKYO))


def test_session_time_is_what_of_a_range_lies_in_segments() -> None:
    assert TSE.session_ms(at("2025-06-03", TOKYO), at("2025-06-04", TOKYO)) == 5 * HOUR + 30 * MINUTE
    assert TSE.session_ms(at("2025-06-03 11:00", TOKYO), at("2025-06-03 13:00", TOKYO)) == HOUR
    assert US.session_ms(at("2025-06-07"), at("2025-06-08")) == 0
    assert US.session_ms(at("2025-06-08"), at("2025-06-07")) == 0
    assert US.session_ms(at("2025-06-02"), at("2025-06-09")) == 5 * (6 * HOUR + 30 * MINUTE)


def test_a_calendar_without_a_session_near_says_so_and_still_labels_what_a_provider_sends() -> None:
    mondays = [shown(at("2024-01-01") + week * 7 * DAY)[:10].replace("-", "") for week in range(150)]
    never = Calendar.parse("UTC", "0900-1000:2", ",".join(mondays))
    instant = at("2025-06-02 09:30")
    with pytest.raises(BadData) as refused:
        never.bar(Interval.M1, instant)
    assert refused.value.kind == "no_session"
    assert never.bar(Interval.M1, at("2023-12-25 10:01"), GRACE) == (at("2023-12-25 10:00"), at("2023-12-25 10:01"))
    assert never.next_open(instant) is None
    assert not never.is_open(instant)
    assert never.label_of_provider(Interval.M5, instant) == (instant, instant + 5 * MINUTE, False)
    assert never.label_of_provider(Interval.D1, instant) == (at("2025-06-02"), at("2025-06-03"), False)
    assert list(never.bars(Interval.H1, instant - DAY, instant + DAY)) == []


def test_only_utc_without_an_exception_is_always_open() -> None:
    assert ALWAYS.is_always
    assert Calendar.parse("UTC", "2;0000-0000:1234567").is_always
    assert not Calendar.parse("Etc/UTC", "24x7", "20250101").is_always
    assert not Calendar.parse("Etc/UTC", "24x7", "", "dayoff:20250101").is_always
    assert not Calendar.parse("Europe/London", "24x7").is_always
    assert not Calendar.parse("UTC", "0000-0000").is_always
    assert not Calendar.parse("UTC", "2200-2200:1234567").is_always


@given(st.integers(-100_000 * DAY, 100_000 * DAY), st.sampled_from(Interval))
def test_arithmetic_and_segments_agree_about_a_market_that_never_closes(instant: int, interval: Interval) -> None:
    slow = Calendar.parse("Etc/UTC", "24x7", "19000101")
    if slow.bar(interval, instant)[0] // DAY in range(-25_600, -25_500):
        return
    assert ALWAYS.bar(interval, instant) == slow.bar(interval, instant)
    assert ALWAYS.trading_day(instant) == instant - instant % DAY
    assert ALWAYS.is_open(instant)
    assert ALWAYS.next_open(instant) == slow.next_open(instant) == instant - instant % DAY + DAY
    assert ALWAYS.session_ms(instant, instant + 3 * DAY) == 3 * DAY
    assert ALWAYS.segments(instant) == slow.segments(instant)
    ahead = 3 * (interval.step_ms or 31 * DAY)
    assert list(ALWAYS.bars(interval, instant, instant + ahead)) == list(slow.bars(interval, instant, instant + ahead))


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Calendars with breaks, nights, auctions, holidays and half days, in zones with and without clock changes."""
    count = draw(st.integers(1, 3))
    minutes = sorted(draw(st.sets(st.integers(1, 287), min_size=2 * count, max_size=2 * count)))
    parts = [f"{clock(a * 5)}-{clock(b * 5)}" for a, b in zip(minutes[::2], minutes[1::2], strict=True)]
    parts[-1] += draw(st.sampled_from(["", f"E{clock(minutes[-2] * 5)}-{clock(min(minutes[-1] * 5 + 4, 1439))}"]))
    session = parts[0] + "".join(draw(st.sampled_from(",US")) + part for part in parts[1:])
    night = draw(st.sampled_from(["", "night", "over"]))
    if night == "night":
        session = f"{clock(minutes[-1] * 5 + 4)}F-0000F{draw(st.sampled_from(',US'))}{session}"
    elif night == "over":
        session = f"{clock(minutes[-1] * 5)}-{clock(minutes[0] * 5)}"
    days = draw(st.sampled_from(["", ":1234567", ":12345"]))
    holidays = ",".join(f"202503{day:02d}" for day in sorted(draw(st.sets(st.integers(3, 28), max_size=6))))
    zone = draw(st.sampled_from(["UTC", NEW_YORK, KOLKATA, "Pacific/Auckland", "Australia/Lord_Howe"]))
    return Calendar.parse(zone, session + days, holidays)


def clock(minute: int) -> str:
    return f"{minute // 60:02d}{minute % 60:02d}"


MARCH = range(at("2025-03-01") // DAY, at("2025-04-12") // DAY)


@settings(deadline=None)
@given(calendars(), st.sampled_from(Interval), st.sampled_from(MARCH))
def test_the_bars_to_expect_are_those_of_every_minute_in_session(cal: Calendar, interval: Interval, day: int) -> None:
    start, end = day * DAY, (day + 2) * DAY
    if interval.is_intraday:
        instants = [minute for minute in range(start - DAY, end + DAY, MINUTE) if cal.is_open(minute)]
    else:
        instants = [one.open_ms for offset in range(42) for one in cal.segments(start + offset * DAY)]
    of_instants = {cal.bar(interval, instant) for instant in instants}
    expected = list(cal.bars(interval, start, end))
    assert expected == sorted(one for one in of_instants if start <= one[0] < end)


@settings(deadline=None)
@given(calendars(), st.sampled_from(Interval), st.sampled_from(MARCH))
def test_bars_lie_side_by_side_and_hold_all_session_time(cal: Calendar, interval: Interval, day: int) -> None:
    before = 4 if interval.is_intraday else 62
    bars = list(cal.bars(interval, (day - before) * DAY, (day + 3) * DAY))
    assert all(opening < close for opening, close in bars)
    assert all(opening < later for (opening, _), (later, _) in pairwise(bars))
    assert not interval.is_intraday or all(close <= later for (_, close), (later, _) in pairwise(bars))
    if interval.is_intraday:
        held = sum(cal.session_ms(*one) for one in bars)
        assert held == (cal.session_ms(bars[0][0], bars[-1][1]) if bars else 0)
    for opening, close in bars[-20:]:
        assert cal.close_of(interval, opening) == close
        if interval.is_intraday:
            assert cal.bar(interval, opening) == (opening, close)
            assert cal.label_of_provider(interval, opening) == (opening, close, True)


@settings(deadline=None)
@given(calendars(), st.integers(MARCH[0] * DAY, MARCH[-1] * DAY), st.sampled_from([0, MINUTE, GRACE]))
def test_labels_never_go_back_and_all_intervals_agree(cal: Calendar, instant: int, grace: int) -> None:
    day = cal.trading_day(instant, grace)
    assert cal.segments(day)
    minute, closes = cal.bar(Interval.M1, instant, grace)
    assert not cal.is_open(instant) or minute <= instant < closes
    for interval in Interval:
        opening, close = cal.bar(interval, instant, grace)
        assert cal.bar(interval, minute) == (opening, close), "a minute rolls into the bar of its observation"
        later, _ = cal.bar(interval, instant + 7 * HOUR, grace)
        assert later >= opening
        if not interval.is_intraday:
            assert cal.bar(interval, cal.segments(day)[0].open_ms)[0] == opening
            assert close >= cal.segments(day)[-1].close_ms


def test_after_a_change_no_bar_of_a_new_trading_day_has_the_label_of_one_of_the_open_day() -> None:
    """By the new calendar the next trading day has opened already: it begins where the open one ends."""
    chicago = Calendar.parse("America/Chicago", "1700-1600")
    announced = at("2026-07-22 23:30")
    changed = ALWAYS.changed_to(chicago, announced)
    ends = announced + MINUTE
    assert changed.trading_day(ends - 1) + DAY == changed.trading_day(ends)
    for interval in Interval:
        if interval.is_intraday:
            label, close = changed.bar(interval, ends - 1)
            assert label < ends == close
            assert changed.bar(interval, ends) == (ends, chicago.bar(interval, ends)[1])
    assert changed.bar(Interval.H4, ends + 5 * HOUR) == chicago.bar(Interval.H4, ends + 5 * HOUR)
