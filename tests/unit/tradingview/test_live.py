"""The straight road of the commonest message: whichever road a message takes, it says the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tradingview.server import HELLO, SNAPSHOT, completed, no_such_symbol, qsd
from tradingview.codec import decode, encode, encode_packet, heartbeat
from tradingview.connection import Rejected
from tradingview.errors import BadFrame
from tradingview.live import LiveFields
from tradingview.quotes import QuoteChanged, QuoteEvent, QuoteSession

ABC, XYZ = "NSE:ABC", "BINANCE:XYZ"
LIVE_NAMES = tuple(LiveFields.__struct_fields__)


def a_session() -> QuoteSession:
    session = QuoteSession("qs_1", 0)
    session.add([ABC, XYZ], 0)
    session.receive(HELLO, 0)
    return session


def by_the_general_road(session: QuoteSession, frame: str, now_ms: int) -> list[QuoteEvent]:
    try:
        return session.receive(decode(frame), now_ms)
    except BadFrame as error:
        rejected = Rejected(error.cause, error.position, error.detail, frame)
        return [rejected, *session.receive(error.packets, now_ms)]


def told(event: QuoteEvent) -> str:
    """All that an event says, also whether a number is written as whole."""
    if isinstance(event, QuoteChanged):
        return repr((event.symbol, sorted(event.changed.items()), event.is_snapshot, event.received_at_ms))
    return repr(event)


numbers = (
    st.integers(-(10**19), 10**19)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, -1, 1e15, 1.1e15, 10**18, 1e100, 0.0, -0.0])
)
values: st.SearchStrategy[Any] = numbers | st.none() | st.booleans() | st.text(max_size=3) | st.just([]) | st.just({})
said = st.dictionaries(st.sampled_from([*LIVE_NAMES, "high_price", "current_session", "trade_loaded"]), values)
live = st.dictionaries(st.sampled_from(LIVE_NAMES), st.floats(0, 1e15) | st.integers(0, 2 * 10**9) | st.none())
about = st.fixed_dictionaries(
    {},
    optional={
        "n": st.sampled_from([ABC, XYZ, "EX:GONE", 5]),
        "s": st.sampled_from(["ok", "ok", "error", None]),
        "v": said | live | st.none() | st.just([1]),
        "errmsg": st.text(max_size=3),
    },
)
odd = st.lists(st.just("qs_1") | st.just("qs_2") | about | st.none(), max_size=3).map(lambda ps: encode("qsd", *ps))
packets = (
    st.builds(qsd, st.sampled_from([ABC, XYZ, "EX:GONE"]), said | live, st.sampled_from(["qs_1", "qs_1", "qs_2"]))
    | st.builds(lambda fields: qsd(ABC, fields), live)
    | odd
    | st.sampled_from(
        [
            completed(ABC), no_such_symbol(ABC), heartbeat(3), HELLO, encode_packet("{"), "~m~0~m~", "~m~9~m~", "~m~",
            qsd(ABC, {"description": "~m~3~m~"}), qsd("EX:Ä😀", {"lp": 1}),
            encode("qsd", "qs_1", {"n": ABC, "s": "ok", "v": {"lp": 1}}, t_ms=5),
            encode_packet('{"m":"qsd","p":["qs_1",{"n":"NSE:ABC","s":"ok","v":{"lp":1,"lp":2}}],"t":"x"}'),
            encode_packet('{"p":["qs_1",{"v":{"lp":1,"lp":2.50,"lp_time":17.0},"s":"ok","n":"NSE:ABC"}],"m":"qsd"}'),
            encode_packet('{"m":"qsd","m":"x","p":["qs_1",{"n":"NSE:ABC","s":"ok","v":{"lp":1e400}}]}'),
            encode("critical_error", "qs_1", "reason"),
        ]
    )
)  # fmt: skip


@given(st.lists(st.tuples(st.lists(packets, max_size=5).map("".join), st.integers(0, 3_000)), max_size=8))
def test_the_two_roads_tell_the_same_of_any_frame(frames: list[tuple[str, int]]) -> None:
    straight, general = a_session(), a_session()
    now_ms = 0
    for frame, wait_ms in frames:
        now_ms += wait_ms
        assert [*map(told, straight.receive(frame, now_ms))] == [
            *map(told, by_the_general_road(general, frame, now_ms))
        ]
        assert straight.next_deadline() == general.next_deadline()
    assert straight.ignored_messages == general.ignored_messages
    assert straight.frames_to_send() == general.frames_to_send()


@pytest.mark.parametrize("name", LIVE_NAMES)
def test_the_commonest_messages_take_the_straight_road(name: str) -> None:
    for value in (5, None):
        [event] = a_session().receive(qsd(ABC, {name: value}), 9)
        assert isinstance(event, QuoteChanged)
        assert event.fields == LiveFields(**{name: value})
        assert event.changed == {name: value}


@pytest.mark.parametrize("fields", [{"lp": 1e16}, {"volume": -1}, {"volume": 1e100}, {"lp": "1"}, SNAPSHOT])
def test_what_breaks_a_bound_or_says_more_takes_the_general_road(fields: dict[str, Any]) -> None:
    [event] = a_session().receive(qsd(ABC, fields), 9)
    assert isinstance(event, QuoteChanged)
    assert not isinstance(event.fields, LiveFields)


def test_events_are_equal_that_say_the_same() -> None:
    general, straight = QuoteChanged(ABC, {"lp": 1}, False, 9), QuoteChanged(ABC, LiveFields(lp=1), False, 9)
    assert general == straight
    assert general != QuoteChanged(ABC, LiveFields(lp=2), False, 9)
    assert general != QuoteChanged(ABC, {"lp": 1}, True, 9)
