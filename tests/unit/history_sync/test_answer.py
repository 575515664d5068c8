"""What the packets around the bars say: complete or not, how old, and why there are none."""

from typing import Any

import pytest

from history_sync.core.answer import Answer
from history_sync.core.failures import ErrorCode, JobError
from tradingview.codec import Message, decode, encode

CS = "cs_abcdefghijkl"


def told(method: str, *params: Any, t_ms: int | None = None) -> Message:
    [packet] = decode(encode(method, *params, t_ms=t_ms))
    assert isinstance(packet, Message)
    return packet


def update(*values: list[Any]) -> Message:
    bars = [{"i": place, "v": value} for place, value in enumerate(values)]
    return told("timescale_update", CS, {"s1": {"node": "n", "s": bars, "t": "s1"}}, {"index": 0})


def completed(mode: Any = "streaming", about: Any = None, t_ms: int | None = None) -> Message:
    return told("series_completed", CS, "s1", mode, "s1", about or {"rt_update_period": 0}, t_ms=t_ms)


def answer(*messages: Message) -> Answer:
    found = Answer(CS)
    for message in messages:
        found.observe(message)
    return found


BAR = [1_766_029_500.0, 1.0, 2.0, 0.5, 1.5, 7.0]
LATER = [1_766_029_560.0, 1.0, 2.0, 0.5, 1.5]


def test_a_series_is_complete_when_the_server_says_so_and_not_before() -> None:
    assert not answer(update(BAR)).is_complete
    found = answer(update(BAR, LATER), completed("streaming", {"rt_update_period": 5}, t_ms=1_766_029_600_123))
    assert found.is_complete
    assert found.is_over
    assert found.stamps == {1_766_029_500_000, 1_766_029_560_000}
    assert (found.delay_ms, found.pace_ms, found.provider_now) == (0, 5_000, 1_766_029_600_123)


@pytest.mark.parametrize(
    ("mode", "delay_ms"), [("streaming", 0), ("delayed_streaming_900", 900_000), ("endofday", None), (None, None)]
)
def test_the_feeds_delay_is_what_its_mode_says(mode: str | None, delay_ms: int | None) -> None:
    assert answer(completed(mode)).delay_ms == delay_ms


@pytest.mark.parametrize("about", [1_557_000_000, {"rt_update_period": "5"}, {"rt_update_period": -1}])
def test_a_pace_that_makes_no_sense_is_none(about: Any) -> None:
    found = answer(completed(about=about))
    assert (found.is_complete, found.pace_ms) == (True, 0)


def test_the_first_bar_without_a_volume_is_known() -> None:
    assert answer(update(BAR)).spoiled_from_ms is None
    assert answer(update(BAR, LATER, [*BAR[:5], 1e100])).spoiled_from_ms == 1_766_029_560_000


@pytest.mark.parametrize(("plots", "has_volume"), [("ohlcv", True), ("ohlc", False), (None, None)])
def test_metadata_tell_whether_there_is_a_volume(plots: str | None, has_volume: bool | None) -> None:
    info = {} if plots is None else {"visible_plots_set": plots}
    assert answer(told("symbol_resolved", CS, "symbol_1", info)).has_volume is has_volume


def test_metadata_tell_the_trading_hours() -> None:
    assert not answer(update(BAR), completed()).is_resolved
    silent = answer(told("symbol_resolved", CS, "symbol_1", {}))
    assert (silent.is_resolved, silent.hours) == (True, None)
    info = {"timezone": "Asia/Kolkata", "session": "0915-1530", "session_holidays": "20260126"}
    assert answer(told("symbol_resolved", CS, "symbol_1", info)).hours == ("Asia/Kolkata", "0915-1530", "20260126", "")


@pytest.mark.parametrize(
    ("lbs", "last_closes"),
    [({"bar_close_time": 1_766_051_999}, 1_766_051_999_000), ({"bar_close_time": "1"}, None), ({}, None), (None, None)],
)
def test_the_provider_tells_when_its_last_bar_ends(lbs: Any, last_closes: int | None) -> None:
    series = {"s": [{"i": 0, "v": BAR}], "lbs": lbs}
    found = answer(told("timescale_update", CS, {"s1": series}, {"index": 0}))
    assert (found.last_closes, found.stamps) == (last_closes, {1_766_029_500_000})


@pytest.mark.parametrize(
    ("message", "code", "detail"),
    [
        (told("symbol_error", CS, "symbol_1", "invalid symbol"), ErrorCode.SYMBOL_REFUSED, "invalid symbol"),
        (
            told("symbol_error", CS, "symbol_1", "permission denied", "group", "economics_paid"),
            ErrorCode.SYMBOL_REFUSED,
            "permission denied, group, economics_paid",
        ),
        (told("series_error", CS, "s1", "s1", "resolve error", "x@y"), ErrorCode.SYMBOL_REFUSED, "resolve error, x@y"),
        (
            told("series_error", CS, "s1", "s1", "resolution_not_entitled", "x@y"),
            ErrorCode.SERIES_REFUSED,
            "resolution_not_entitled, x@y",
        ),
        (told("protocol_error", "bad auth token"), ErrorCode.UNAUTHORIZED, "bad auth token"),
        (told("symbol_error", CS, "symbol_1"), ErrorCode.SYMBOL_REFUSED, "no reason given"),
    ],
)
def test_a_refusal_has_a_stable_code_and_the_servers_words(message: Message, code: ErrorCode, detail: str) -> None:
    found = answer(message)
    assert found.refusal == JobError(code, detail)
    assert found.is_over
    assert not found.is_complete


def test_the_first_refusal_is_kept() -> None:
    first = told("symbol_error", CS, "symbol_1", "invalid symbol")
    found = answer(first, told("series_error", CS, "s1", "s1", "resolve error"), completed())
    assert found.refusal == JobError(ErrorCode.SYMBOL_REFUSED, "invalid symbol")
    assert not found.is_complete


@pytest.mark.parametrize(
    "message",
    [told("critical_error", CS, "invalid parameters", "method: x"), told("protocol_error", "{unknown_session_id}")],
)
def test_a_dead_session_is_a_failure_that_may_pass(message: Message) -> None:
    found = answer(message)
    assert found.refusal is None
    assert found.failure
    assert found.is_over


def test_the_quote_session_of_tvdatafeed_may_die_and_other_sessions_say_nothing() -> None:
    found = answer(
        told("critical_error", "qs_abc", "invalid_parameters", "quote_add_symbols"),
        told("symbol_error", "cs_other", "symbol_1", "invalid symbol"),
        told("series_completed", "cs_other", "s1", "streaming", "s1", {}),
        told("qsd", "qs_abc", {"n": "X:Y", "s": "error"}),
    )
    assert not found.is_over


@pytest.mark.parametrize(
    "message",
    [
        told("timescale_update", CS, []),
        told("timescale_update", CS, {"s1": None, "s2": {"s": "no"}, "s3": {"s": [None, {}, {"v": [1]}]}}),
        told("series_completed", CS),
        told("symbol_resolved", CS, "symbol_1", "no object"),
        told("series_error", CS, "s1"),
        Message("series_completed", ()),
    ],
)
def test_what_makes_no_sense_says_nothing(message: Message) -> None:
    found = answer(message)
    assert (found.is_over, found.stamps, found.has_volume) == (False, set(), None)
