"""The chart session, driven by tables of frames and instants."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tradingview.server import BAD_TOKEN, BEAT, HELLO, UNKNOWN_SESSION, calls
from tradingview.charts import Bar, ChartSession, SeriesFailed, SeriesLoaded
from tradingview.codec import encode, heartbeat
from tradingview.connection import ConnectionRefused, HelloReceived, ProtocolFailed, Rejected, Stalled
from tradingview.errors import Misuse
from tradingview.resolutions import resolution

LOADING = encode("series_loading", "cs_1", "sds_1", "s1", t_ms=1)
RESOLVED = encode(
    "symbol_resolved", "cs_1", "sds_sym_1", {"pro_name": "NSE:ABC", "pricescale": 100, "minmov": 5}, t_ms=1
)
AXIS_ONLY = encode("timescale_update", "cs_1", {}, {"index": 300, "zoffset": 0, "changes": [1.0], "marks": []})
EMPTY = encode(
    "timescale_update", "cs_1", {"sds_1": {"s": [], "ns": {"d": "", "indexes": []}, "t": "s1"}}, {"index": 0}
)
STUDY = encode("du", "cs_1", {"st1": {"node": "x", "st": [], "ns": {"d": "", "indexes": []}, "t": "s1_st1"}})


def a_session(**options: Any) -> ChartSession:
    return ChartSession("cs_1", "NSE:ABC", "1D", 300, 1_000, **options)


def update(*values: Any, method: str = "timescale_update", series: str = "sds_1", tag: str = "s1") -> str:
    elements = [{"i": index, "v": value} for index, value in enumerate(values)]
    data = {
        series: {"node": "x", "s": elements, "ns": {"d": "", "indexes": []}, "t": tag, "lbs": {"bar_close_time": 9}}
    }
    return encode(method, "cs_1", data, {"index": 0, "zoffset": 0, "changes": [], "marks": []}, t_ms=1)


def done(about: Any = None, tag: str = "s1") -> str:
    return encode(
        "series_completed", "cs_1", "sds_1", "streaming", tag, {"rt_update_period": 0} if about is None else about
    )


def test_it_asks_for_one_series_without_waiting_for_answers() -> None:
    assert calls(a_session(auth_token="a.b.c").frames_to_send()) == [
        ("set_auth_token", ("a.b.c",)),
        ("set_locale", ("en", "US")),
        ("chart_create_session", ("cs_1", "")),
        ("resolve_symbol", ("cs_1", "sds_sym_1", "NSE:ABC")),
        ("create_series", ("cs_1", "sds_1", "s1", "sds_sym_1", "1D", 300, "")),
    ]


def test_bars_come_in_order_of_time_each_once_with_what_is_known_of_the_symbol() -> None:
    session = a_session()
    assert session.receive(HELLO, 1_010) == [HelloReceived(1700000000123, 1_010, "0.7.1_site-charts-free-1-tvbs-pod-1")]
    frames = [
        LOADING + RESOLVED + EMPTY,
        AXIS_ONLY + STUDY + update([120.0, 2, 4, 1.5, 3, 10.5], [180.0, 3, 3, 3, 3, 1e100]),
        update([60.0, 1, 2, 1, 2]) + BEAT + update([180.0, 3, 5, 3, 4, 7], method="du"),
    ]
    assert [event for frame in frames for event in session.receive(frame, 2_000)] == []
    [loaded] = session.receive(done(), 3_000)
    assert isinstance(loaded, SeriesLoaded)
    assert loaded.bars == (
        Bar(60, 1.0, 2.0, 1.0, 2.0, None),
        Bar(120, 2.0, 4.0, 1.5, 3.0, 10.5),
        Bar(180, 3.0, 5.0, 3.0, 4.0, 7.0),
    )
    assert (loaded.update_mode, loaded.data_completed) == ("streaming", None)
    assert loaded.symbol_info is not None
    assert loaded.symbol_info.tick_size == 0.05
    assert session.is_over
    assert session.next_deadline() is None
    assert session.frames_to_send()[-1] == BEAT


@pytest.mark.parametrize(
    ("about", "said"),
    [({"rt_update_period": 5, "data_completed": "limit"}, "limit"), (1558000000, None), ({"data_completed": 1}, None)],
)
def test_the_completion_says_why_there_are_fewer_bars(about: Any, said: str | None) -> None:
    [loaded] = a_session().receive(done(about), 2_000)
    assert isinstance(loaded, SeriesLoaded)
    assert (loaded.bars, loaded.data_completed, loaded.symbol_info) == ((), said, None)


@pytest.mark.parametrize(
    ("frame", "end"),
    [
        (
            encode("symbol_error", "cs_1", "sds_sym_1", "invalid symbol"),
            SeriesFailed("symbol_error", "invalid symbol", ""),
        ),
        (
            encode("symbol_error", "cs_1", "sds_sym_1", "permission denied", "group", "economics_paid"),
            SeriesFailed("symbol_error", "permission denied", "group, economics_paid"),
        ),
        (
            encode("series_error", "cs_1", "sds_1", "s1", "resolve error", "srv@srv"),
            SeriesFailed("series_error", "resolve error", "srv@srv"),
        ),
        (
            encode("series_error", "cs_1", "sds_1", "s1", {"error": "seconds_not_entitled", "ctx": "1S"}),
            SeriesFailed("series_error", "seconds_not_entitled", "1S"),
        ),
        (encode("series_error", "cs_1", "sds_1"), SeriesFailed("series_error", "", "")),
        (
            encode("critical_error", "cs_1", "invalid parameters", "method: create_series"),
            SeriesFailed("critical_error", "invalid parameters", "method: create_series"),
        ),
        (BAD_TOKEN, ConnectionRefused("bad auth token")),
        (UNKNOWN_SESSION, ProtocolFailed('{unknown_session_id,<<"create_series">>,<<"cs_x">>,[]}')),
    ],
)
def test_it_ends_once_on_any_refusal(frame: str, end: object) -> None:
    session = a_session()
    assert session.receive(LOADING + frame + frame + done(), 2_000) == [end]
    assert session.is_over
    assert session.next_deadline() is None
    assert session.expire(10**9) == []
    session.frames_to_send()
    assert session.receive(heartbeat(2) + BAD_TOKEN, 3_000) == []
    assert session.frames_to_send() == [heartbeat(2)]


@pytest.mark.parametrize(
    "frame",
    [
        encode("critical_error", "qs_9", "invalid_parameters", "quote_add_symbols"),
        encode("symbol_error", "cs_1", "sds_sym_9", "invalid symbol"),
        encode("series_error", "cs_1", "sds_9", "s1", "resolve error"),
        encode("series_completed", "cs_9", "sds_1", "streaming", "s1"),
        done(tag="s2"),
        LOADING,
        encode("study_error", "cs_1", "st1", "s1_st1", "text", "srv@srv"),
    ],
)
def test_what_is_not_about_us_is_counted_and_ignored(frame: str) -> None:
    session = a_session()
    assert session.receive(frame, 2_000) == []
    assert session.ignored_messages == 1
    assert not session.is_over


def test_bars_of_another_series_or_turn_are_not_ours() -> None:
    session = a_session()
    assert (
        session.receive(update([60.0, 1, 1, 1, 1], series="sds_2") + update([60.0, 1, 1, 1, 1], tag="s2"), 2_000) == []
    )
    [loaded] = session.receive(done(), 2_000)
    assert isinstance(loaded, SeriesLoaded)
    assert loaded.bars == ()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [60.0, 1, 1, 1],
        [60.5, 1, 1, 1, 1],
        ["60", 1, 1, 1, 1],
        [60, True, 1, 1, 1],
        [60, None, 1, 1, 1],
        [60, 1, 1e100, 1, 1],
        [60, 1, 1, 1, 1, "5"],
        [60, 1, 10**400, 1, 1, 5],
    ],
)
def test_a_bar_that_makes_no_sense_is_put_aside_and_the_others_are_used(value: Any) -> None:
    session = a_session()
    [rejected] = session.receive(update(value, [120.0, 1, 1, 1, 1, 0]), 2_000)
    assert isinstance(rejected, Rejected)
    assert rejected.cause == "unexpected_shape"
    [loaded] = session.receive(done(), 2_000)
    assert isinstance(loaded, SeriesLoaded)
    assert [bar.time_s for bar in loaded.bars] == [120]


@pytest.mark.parametrize(
    "frame",
    [
        encode("timescale_update", "cs_1"),
        encode("timescale_update", "cs_1", 5),
        encode("timescale_update", "cs_1", {"sds_1": 5}),
        encode("timescale_update", "cs_1", {"sds_1": {"s": 5}}),
        encode("timescale_update", "cs_1", {"sds_1": {}}),
        encode("timescale_update", "cs_1", {"sds_1": {"s": [5]}}),
        encode("timescale_update", "cs_1", {"sds_1": {"s": [{"i": 0}]}}),
        encode("symbol_resolved", "cs_1", "sds_sym_1"),
        encode("series_completed"),
        "junk",
    ],
)
def test_a_message_of_another_shape_is_put_aside(frame: str) -> None:
    session = a_session()
    [rejected] = session.receive(frame, 2_000)
    assert isinstance(rejected, Rejected)
    assert not session.is_over


@pytest.mark.parametrize(
    ("received", "deadline", "end"),
    [
        ([], 11_000, Stalled("no_hello", 1_000)),
        ([(HELLO, 1_500)], 26_500, Stalled("silence", 1_500)),
        ([(HELLO, 1_500), (BEAT, 11_500), (BEAT, 21_500)], 31_000, Stalled("deadline", 21_500)),
    ],
)
def test_an_answer_that_does_not_come_is_found_by_deadline(
    received: list[tuple[str, int]], deadline: int, end: Stalled
) -> None:
    session = a_session()
    for frame, now_ms in received:
        session.receive(frame, now_ms)
    assert session.next_deadline() == deadline
    assert session.expire(deadline - 1) == []
    assert session.expire(deadline) == [end]
    assert session.expire(deadline + 1) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("", "NSE:ABC", "1D", 300, 0),
        ("cs_1", "", "1D", 300, 0),
        ("cs_1", "NSE:ABC", "1d", 300, 0),
        ("cs_1", "NSE:ABC", "1D", 0, 0),
    ],
)
def test_what_cannot_be_asked_is_our_misuse(arguments: tuple[str, str, str, int, int]) -> None:
    with pytest.raises(Misuse):
        ChartSession(*arguments)


@pytest.mark.parametrize(
    "text", ["1", "45", "240", "188", "1H", "4H", "1D", "D", "1W", "W", "1M", "M", "12M", "1S", "10T"]
)
def test_the_servers_words_for_resolutions_pass(text: str) -> None:
    assert resolution(text) == text


@pytest.mark.parametrize("text", ["", "0", "15m", "1h", "1d", "H", "S", "99999", "1D ", "٤", "-1"])
def test_other_words_for_resolutions_are_our_misuse(text: str) -> None:
    with pytest.raises(Misuse):
        resolution(text)


@given(
    st.lists(st.sampled_from([HELLO, BEAT, LOADING, RESOLVED, EMPTY, update([60.0, 1, 1, 1, 1]), done()]) | st.text())
)
def test_whatever_is_received_nothing_is_raised(frames: list[str]) -> None:
    session = a_session()
    for now_ms, frame in enumerate(frames):
        session.receive(frame, now_ms)
        session.receive(frame[1:], now_ms)
