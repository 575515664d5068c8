"""The quote session, driven by tables of frames and instants."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tradingview.server import (
    BAD_TOKEN,
    BEAT,
    HELLO,
    SNAPSHOT,
    UNKNOWN_SESSION,
    calls,
    completed,
    no_such_symbol,
    permission_denied,
    qsd,
)
from tradingview.codec import decode, encode, encode_packet, heartbeat
from tradingview.connection import ConnectionRefused, HelloReceived, ProtocolFailed, Rejected, Stalled
from tradingview.errors import Misuse
from tradingview.quote_fields import FIELDS
from tradingview.quotes import (
    QuoteChanged,
    QuoteSession,
    SessionLost,
    SnapshotCompleted,
    SymbolFailed,
)

ABC, XYZ = "NSE:ABC", "BINANCE:XYZ"
PROLOGUE = ["set_auth_token", "set_locale", "quote_create_session", "quote_set_fields"]


def a_session(*symbols: str, opened_at_ms: int = 0, **options: Any) -> QuoteSession:
    """A greeted session whose frames so far, the fast list among them, have been sent."""
    session = QuoteSession("qs_1", opened_at_ms, **options)
    session.receive(HELLO, opened_at_ms)
    session.add(symbols, opened_at_ms)
    session.expire(opened_at_ms + 250)
    session.frames_to_send()
    return session


def changes(session: QuoteSession, frame: str, now_ms: int = 1_000) -> list[QuoteChanged]:
    return [event for event in session.receive(frame, now_ms) if isinstance(event, QuoteChanged)]


def test_it_begins_with_identity_session_and_fields_without_waiting_for_the_hello() -> None:
    session = QuoteSession("qs_1", 0, auth_token="a.b.c", locale=("de", "DE"), fields=("lp", "volume"))
    assert calls(session.frames_to_send()) == [
        ("set_auth_token", ("a.b.c",)),
        ("set_locale", ("de", "DE")),
        ("quote_create_session", ("qs_1",)),
        ("quote_set_fields", ("qs_1", "lp", "volume")),
    ]
    assert session.frames_to_send() == []


def test_without_a_token_it_is_anonymous_and_asks_for_the_fields_of_market_data() -> None:
    said = dict(calls(QuoteSession("qs_1", 0).frames_to_send()))
    assert said["set_auth_token"] == ("unauthorized_user_token",)
    assert said["quote_set_fields"] == ("qs_1", *FIELDS)
    assert {"open_time", "lp_time", "volume", "bid_size", "timezone"} <= set(FIELDS)


def test_symbols_are_added_in_batches_of_fifty_and_then_listed_as_fast_in_one_message() -> None:
    session = QuoteSession("qs_1", 0)
    symbols = [f"EX:S{n}" for n in range(120)]
    session.add(symbols, 1_000)
    said = calls(session.frames_to_send())
    assert [method for method, _ in said] == [*PROLOGUE, *["quote_add_symbols"] * 3]
    assert [len(params) - 1 for _, params in said[4:]] == [50, 50, 20]
    assert session.next_deadline() == 1_250
    assert session.expire(1_249) == []
    assert session.frames_to_send() == []
    assert session.expire(1_250) == []
    assert calls(session.frames_to_send()) == [("quote_fast_symbols", ("qs_1", *symbols))]


def test_the_fast_list_waits_for_further_changes_but_not_for_ever() -> None:
    session = QuoteSession("qs_1", 0)
    for now_ms in range(0, 1_000, 200):
        session.add([f"EX:S{now_ms}"], now_ms)
        assert session.next_deadline() == min(now_ms + 250, 1_000)
    session.expire(1_000)
    assert [method for method, _ in calls(session.frames_to_send())].count("quote_fast_symbols") == 1


def test_the_fast_list_can_go_out_with_the_adds_so_that_a_joining_symbol_is_never_slow() -> None:
    session = a_session(ABC, fast_list_ms=0)
    session.add([XYZ], 5_000)
    session.expire(5_000)
    assert calls(session.frames_to_send()) == [
        ("quote_add_symbols", ("qs_1", XYZ)),
        ("quote_fast_symbols", ("qs_1", ABC, XYZ)),
    ]


def test_removing_tells_the_server_and_lists_what_is_left() -> None:
    session = a_session(ABC, XYZ)
    session.remove([XYZ, "EX:NEVER"], 5_000)
    session.expire(5_250)
    assert calls(session.frames_to_send()) == [
        ("quote_remove_symbols", ("qs_1", XYZ)),
        ("quote_fast_symbols", ("qs_1", ABC)),
    ]
    assert session.symbols == (ABC,)


def test_with_nothing_left_it_hibernates_instead_of_sending_an_empty_list() -> None:
    session = a_session(ABC)
    session.remove([ABC], 5_000)
    session.expire(5_250)
    assert calls(session.frames_to_send())[-1] == ("quote_hibernate_all", ("qs_1",))


def test_adding_again_what_is_wanted_says_nothing() -> None:
    session = a_session(ABC)
    session.add([ABC, ABC], 5_000)
    session.remove(["EX:NEVER"], 5_000)
    assert session.frames_to_send() == []
    assert session.next_deadline() != 5_250


@pytest.mark.parametrize("symbol", ["", None, {"flags": ["force_permission"]}.keys()])
def test_what_is_no_symbol_is_our_misuse_and_changes_nothing(symbol: Any) -> None:
    session = QuoteSession("qs_1", 0)
    with pytest.raises((Misuse, TypeError)):
        session.add([ABC, symbol], 0)
    assert session.symbols == ()


@pytest.mark.parametrize("options", [{"session_id": ""}, {"auth_token": ""}])
def test_an_empty_id_or_token_is_our_misuse(options: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        QuoteSession(**{"session_id": "qs_1", "opened_at_ms": 0, **options})


def test_every_heartbeat_is_echoed_also_among_data() -> None:
    session = a_session(ABC)
    events = session.receive(qsd(ABC, {"lp": 1}) + heartbeat(41) + qsd(ABC, {"lp": 2}) + heartbeat(42), 1_000)
    assert len(events) == 2
    assert session.has_frames_to_send
    assert session.frames_to_send() == [heartbeat(41), heartbeat(42)]
    assert not session.has_frames_to_send


def test_the_hello_tells_the_servers_clock() -> None:
    session = QuoteSession("qs_1", 0)
    assert session.receive(HELLO, 70) == [HelloReceived(1700000000123, 70, "0.7.1_site-charts-free-1-tvbs-pod-1")]


def test_an_event_is_what_the_message_said_and_does_not_change_afterwards() -> None:
    session = a_session(ABC)
    [first] = changes(session, qsd(ABC, SNAPSHOT))
    [second] = changes(session, qsd(ABC, {"lp": 253, "volume": None}))
    [third] = changes(session, qsd(ABC, {"volume": 1e100}))
    assert second.changed == {"lp": 253, "volume": None}
    assert third.changed == {"volume": None}
    assert first.changed == SNAPSHOT


def test_the_first_state_may_come_in_pieces_and_ends_when_completed() -> None:
    session = a_session(ABC)
    events = session.receive(
        qsd(ABC, {"lp_time": 7}) + qsd(ABC, SNAPSHOT) + completed(ABC) + qsd(ABC, {"lp": 1}), 1_000
    )
    assert [getattr(event, "is_snapshot", "completed") for event in events] == [True, True, "completed", False]


def test_a_state_that_is_sent_again_later_is_an_observation() -> None:
    session = a_session(ABC)
    session.receive(qsd(ABC, SNAPSHOT) + completed(ABC), 1_000)
    again = session.receive(qsd(ABC, SNAPSHOT) + completed(ABC), 2_000)
    assert again == [QuoteChanged(ABC, SNAPSHOT, False, 2_000), SnapshotCompleted(ABC)]


@pytest.mark.parametrize("phase", [["market"], {"market": 1}, 7, None])
def test_a_phase_that_is_no_text_is_none(phase: object) -> None:
    session = a_session(ABC)
    session.receive(qsd(ABC, SNAPSHOT) + completed(ABC), 1_000)
    session.receive(qsd(ABC, {"current_session": phase}), 1_100)
    for n in range(60):
        session.receive(qsd(ABC, {"lp": n}), 2_000 + 100 * n)
    assert session.is_late(60_000)
    assert session.expire(1_000_000)


def test_a_snapshot_that_is_never_completed_ends_by_itself() -> None:
    session = a_session(ABC)
    session.receive(qsd(ABC, SNAPSHOT), 1_000)
    assert changes(session, qsd(ABC, {"lp": 1}), 5_999)[0].is_snapshot
    assert session.receive(qsd(ABC, {"lp": 2}), 6_000) == [
        SnapshotCompleted(ABC),
        QuoteChanged(ABC, {"lp": 2}, False, 6_000),
    ]


def test_each_spelling_of_an_instrument_has_its_own_state() -> None:
    spec = '={"adjustment":"splits","symbol":"NSE:ABC"}'
    session = a_session(ABC, spec)
    events = session.receive(qsd(spec, {"lp": 1}) + qsd(ABC, {"volume": 2}) + qsd(spec, {"ch": 3}), 1_000)
    assert isinstance(events[2], QuoteChanged)
    assert events[2].symbol == spec
    assert events[2].changed == {"ch": 3}


@pytest.mark.parametrize(
    ("frame", "failure"),
    [
        (no_such_symbol(ABC), SymbolFailed(ABC, "no_such_symbol", "no_such_symbol")),
        (permission_denied(ABC), SymbolFailed(ABC, "permission_denied", "economics_paid")),
        (encode("qsd", "qs_1", {"n": ABC, "s": "error"}), SymbolFailed(ABC, "error", "")),
        (encode("qsd", "qs_1", {"n": ABC, "s": "later", "errmsg": "x"}), SymbolFailed(ABC, "later", "x")),
    ],
)
def test_a_symbol_may_fail_alone(frame: str, failure: SymbolFailed) -> None:
    session = a_session(ABC, XYZ)
    assert session.receive(frame + qsd(XYZ, {"lp": 1}), 9)[:1] == [failure]
    assert changes(session, qsd(XYZ, {"lp": 2}))[0].changed["lp"] == 2


def test_a_symbol_that_is_refused_after_it_was_served_is_not_completed_by_what_follows() -> None:
    session = a_session(ABC)
    session.receive(qsd(ABC, {"lp": 1, "bid": 1}) + completed(ABC), 9)
    (failed,) = session.receive(permission_denied(ABC) + completed(ABC), 10)
    assert isinstance(failed, SymbolFailed)
    served_again = session.receive(qsd(ABC, {"lp": 2}) + completed(ABC), 11)
    assert isinstance(served_again[0], QuoteChanged)
    assert (served_again[0].changed, served_again[0].is_snapshot) == ({"lp": 2}, True)
    assert served_again[1] == SnapshotCompleted(ABC)


@pytest.mark.parametrize(
    "frame",
    [
        qsd("EX:REMOVED", {"lp": 1}),
        completed("EX:REMOVED"),
        no_such_symbol("EX:REMOVED"),
        qsd(ABC, {"lp": 1}, session="qs_other"),
        encode("critical_error", "qs_other", "invalid_parameters", "quote_add_symbols"),
        encode("studies_metadata", "cs_1", {}),
        completed(ABC),
    ],
)
def test_what_is_not_about_us_is_counted_and_ignored(frame: str) -> None:
    session = a_session(ABC)
    assert session.receive(frame, 1_000) == []
    assert session.ignored_messages == 1


def test_a_removed_symbol_begins_anew_when_it_is_added_again() -> None:
    session = a_session(ABC)
    session.receive(qsd(ABC, SNAPSHOT) + completed(ABC), 1_000)
    session.remove([ABC], 2_000)
    session.add([ABC], 3_000)
    [change] = changes(session, qsd(ABC, {"lp": 1}))
    assert change.changed == {"lp": 1}
    assert change.is_snapshot


@pytest.mark.parametrize(
    "frame",
    [
        encode("qsd"),
        encode("qsd", "qs_1"),
        encode("qsd", "qs_1", [ABC]),
        encode("qsd", "qs_1", {"n": ABC}),
        encode("qsd", "qs_1", {"n": [ABC], "s": "ok", "v": {}}),
        encode("qsd", "qs_1", {"n": ABC, "s": "ok", "v": [1]}),
        encode("qsd", "qs_1", {"n": ABC, "s": "ok", "v": None}),
        encode("quote_completed", "qs_1"),
        encode("quote_completed", "qs_1", {"n": ABC}),
        encode("critical_error"),
    ],
)
def test_a_message_of_another_shape_is_put_aside_with_its_text(frame: str) -> None:
    session = a_session(ABC)
    events = session.receive(frame + qsd(ABC, {"lp": 1}), 1_000)
    assert isinstance(events[0], Rejected)
    assert (events[0].cause, events[0].raw) == ("unexpected_shape", frame)
    assert isinstance(events[1], QuoteChanged)


def test_an_unreadable_frame_is_put_aside_and_its_readable_packets_are_used() -> None:
    session = a_session(ABC)
    frame = qsd(ABC, {"lp": 1}) + encode_packet("{") + heartbeat(3) + "~m~99~m~{"
    rejected, change = session.receive(frame, 1_000)
    assert isinstance(rejected, Rejected)
    assert (rejected.cause, rejected.raw) == ("not_json", frame)
    assert rejected.position == len(qsd(ABC, {"lp": 1})) + len("~m~1~m~")
    assert isinstance(change, QuoteChanged)
    assert session.frames_to_send() == [heartbeat(3)]
    [binary] = session.receive(b"~m~3~m~\x08\xff\x01", 1_000)
    assert isinstance(binary, Rejected)


def test_packets_that_somebody_else_decoded_are_as_good_as_a_frame() -> None:
    frame = qsd(ABC, SNAPSHOT) + completed(ABC) + heartbeat(3)
    assert a_session(ABC).receive(decode(frame), 5) == a_session(ABC).receive(frame.encode(), 5)


def test_a_bad_token_is_a_refusal_and_any_other_protocol_error_a_failure() -> None:
    refused, failed = a_session(ABC), a_session(ABC)
    assert refused.receive(BAD_TOKEN, 9) == [ConnectionRefused("bad auth token")]
    [failure] = failed.receive(UNKNOWN_SESSION, 9)
    assert isinstance(failure, ProtocolFailed)
    assert failure.reason.startswith("{unknown_session_id")
    for session in (refused, failed):
        assert session.is_over
        assert session.next_deadline() is None
        assert session.expire(10**9) == []


def test_a_lost_session_goes_on_under_another_id_with_the_same_symbols() -> None:
    session = a_session(ABC, XYZ)
    session.receive(qsd(ABC, SNAPSHOT) + completed(ABC), 1_000)
    lost = encode("critical_error", "qs_1", "invalid_parameters", "quote_add_symbols")
    assert session.receive(lost, 2_000) == [SessionLost("qs_1", "invalid_parameters", "quote_add_symbols")]
    session.add(["EX:NEW"], 2_100)
    session.remove([XYZ], 2_100)
    assert session.frames_to_send() == []
    assert session.receive(qsd(ABC, {"lp": 1}), 2_200) == []

    session.recreate("qs_2", 3_000)
    session.expire(3_250)
    assert calls(session.frames_to_send()) == [
        ("quote_create_session", ("qs_2",)),
        ("quote_set_fields", ("qs_2", *FIELDS)),
        ("quote_add_symbols", ("qs_2", ABC, "EX:NEW")),
        ("quote_fast_symbols", ("qs_2", ABC, "EX:NEW")),
    ]
    [change] = changes(session, qsd(ABC, {"lp": 1}, session="qs_2"))
    assert (change.changed, change.is_snapshot) == ({"lp": 1}, True)


def test_a_session_that_lives_is_deleted_when_another_takes_its_place() -> None:
    session = a_session(ABC)
    session.frames_to_send()
    session.recreate("qs_2", 1_000)
    session.expire(1_250)
    assert [name for name, _ in calls(session.frames_to_send())] == [
        "quote_delete_session", "quote_create_session", "quote_set_fields", "quote_add_symbols", "quote_fast_symbols",
    ]  # fmt: skip
    assert changes(session, qsd(ABC, {"lp": 1})) == [], "the old one says nothing any more"
    [change] = changes(session, qsd(ABC, {"lp": 1}, session="qs_2"))
    assert change.is_snapshot


@pytest.mark.parametrize(
    ("received", "deadline", "reason"),
    [
        ([], 11_000, Stalled("no_hello", 1_000)),
        ([(BEAT, 5_000)], 11_000, Stalled("no_hello", 5_000)),
        ([(HELLO, 1_500)], 26_500, Stalled("silence", 1_500)),
        ([(HELLO, 1_500), (BEAT, 11_500)], 36_500, Stalled("silence", 11_500)),
        ([(HELLO, 1_500), ("garbage", 11_500)], 26_500, Stalled("silence", 1_500)),
    ],
)
def test_a_connection_that_does_not_live_is_found_by_deadline(
    received: list[tuple[str, int]], deadline: int, reason: Stalled
) -> None:
    session = QuoteSession("qs_1", 1_000)
    for frame, now_ms in received:
        session.receive(frame, now_ms)
    assert session.next_deadline() == deadline
    assert session.expire(deadline - 1) == []
    assert session.expire(deadline) == [reason]
    assert session.is_over
    assert session.next_deadline() is None
    assert session.expire(deadline + 1) == []


def test_heartbeats_without_data_are_a_stall_too() -> None:
    session = a_session(ABC)
    session.receive(BEAT, 19_000)
    assert session.next_deadline() == 20_000
    assert session.expire(20_000) == [Stalled("no_data", 19_000)]


@pytest.mark.parametrize("answer", [qsd(ABC, {"lp": 1}), completed(ABC), no_such_symbol(ABC)])
def test_any_answer_about_a_symbol_is_data(answer: str) -> None:
    session = a_session(ABC)
    session.receive(answer, 10_000)
    session.add([XYZ], 11_000)
    session.expire(11_250)
    assert session.next_deadline() == 35_000


def test_no_data_is_due_when_nothing_is_wanted() -> None:
    session = a_session(ABC)
    session.remove([ABC], 500)
    session.expire(750)
    assert session.next_deadline() == 25_000


fields = st.dictionaries(st.sampled_from(["lp", "volume", "bid"]), st.none() | st.integers() | st.just(1e100))


@given(st.lists(st.tuples(st.sampled_from([ABC, XYZ]), fields), max_size=20), st.data())
def test_the_state_is_the_last_word_on_every_field_however_packets_share_frames(
    said: list[tuple[str, dict[str, Any]]], data: st.DataObject
) -> None:
    session = a_session(ABC, XYZ)
    expected: dict[str, dict[str, Any]] = {ABC: {}, XYZ: {}}
    frame, seen = "", []
    for symbol, partial in said:
        expected[symbol].update({name: None if value == 1e100 else value for name, value in partial.items()})
        frame += qsd(symbol, partial)
        if data.draw(st.booleans()):
            seen += changes(session, frame)
            frame = ""
    seen += changes(session, frame)
    assert len(seen) == len(said)
    told: dict[str, dict[str, Any]] = {ABC: {}, XYZ: {}}
    for change in seen:
        told[change.symbol].update(change.changed)
    assert told == expected


@given(st.lists(st.sampled_from([HELLO, BEAT, qsd(ABC, {"lp": 1}), completed(ABC), "~m~", "\ud800"]) | st.text()))
def test_whatever_is_received_nothing_is_raised(frames: list[str]) -> None:
    session = a_session(ABC)
    for now_ms, frame in enumerate(frames):
        session.receive(frame, now_ms)
        session.receive(frame[1:], now_ms)
