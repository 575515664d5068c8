"""The codec: framing in UTF-16 units, kinds of packets, and what happens to anything unreadable."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingview.codec import (
    Heartbeat,
    Hello,
    Message,
    Other,
    Packet,
    decode,
    encode,
    encode_packet,
    heartbeat,
    render,
)
from tradingview.errors import BadFrame, Misuse, RemoteFault

text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("😀𝕏~m0123456789"))
numbers = st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=6,
)
messages = st.builds(
    Message,
    text,
    st.lists(values, max_size=4).map(tuple),
    st.none() | st.integers(0, 2**40),
    st.none() | st.integers(0, 2**50),
)
packets: st.SearchStrategy[Packet] = (
    st.builds(Heartbeat, st.integers(0, 10**18 - 1)) | messages | st.builds(Other, text.map(lambda body: "~j~" + body))
)


@given(st.lists(packets, max_size=5))
def test_what_is_encoded_decodes_to_the_same_packets(sent: list[Packet]) -> None:
    frame = "".join(map(render, sent))
    assert decode(frame) == sent
    assert decode(frame.encode()) == sent


@given(text)
def test_a_length_counts_utf_16_code_units(payload: str) -> None:
    _, length, rest = encode_packet(payload).split("~m~", 2)
    assert rest == payload
    assert int(length) == len(payload.encode("utf-16-le")) // 2


@given(st.text() | st.text('~mh0123456789{}[]",:😀\ud800') | st.binary())
def test_anything_at_all_is_packets_or_a_bad_frame(frame: str | bytes) -> None:
    try:
        assert isinstance(decode(frame), list)
    except BadFrame as error:
        assert 0 <= error.position <= 2 * len(frame)


@given(st.lists(packets, min_size=1, max_size=4), st.data())
def test_a_mutated_frame_is_packets_or_a_bad_frame(sent: list[Packet], data: st.DataObject) -> None:
    frame = "".join(map(render, sent))
    at = data.draw(st.integers(0, len(frame)))
    until = data.draw(st.integers(at, min(len(frame), at + 3)))
    with contextlib.suppress(BadFrame):
        decode(frame[:at] + data.draw(st.text(max_size=3)) + frame[until:])


@given(st.lists(packets, min_size=1, max_size=4), st.data())
def test_a_truncated_tail_costs_only_the_packet_it_cuts(sent: list[Packet], data: st.DataObject) -> None:
    rendered = [render(packet) for packet in sent]
    cut = data.draw(st.integers(1, len(rendered[-1]) - 1))
    with pytest.raises(BadFrame) as failure:
        decode("".join(rendered)[:-cut])
    assert failure.value.packets == tuple(sent[:-1])


def test_an_unreadable_payload_does_not_cost_its_neighbours() -> None:
    with pytest.raises(BadFrame) as failure:
        decode(heartbeat(1) + encode_packet("{oops}") + heartbeat(2))
    assert failure.value.packets == (Heartbeat(1), Heartbeat(2))
    assert failure.value.cause == "not_json"
    assert failure.value.position == len(heartbeat(1)) + len("~m~6~m~")


@pytest.mark.parametrize(
    ("frame", "cause", "position"),
    [
        ("hello", "no_header", 0),
        ("~m~~m~", "no_header", 0),
        ("~m~-1~m~x", "no_header", 0),
        ("~m~9999999999~m~x", "no_header", 0),
        ("~m~٤~m~~h~1", "no_header", 0),
        ("~m~4~m~~h~1~m~5", "no_header", 11),
        ("~m~4~m~~h~1~m~5~m~~h~1", "truncated", 11),
        ("~m~0~m~", "not_json", 7),
        ("~m~4~m~~h~x", "bad_heartbeat", 7),
        ("~m~2~m~[]", "unexpected_shape", 7),
        ("~m~7~m~{\"m\":1}", "unexpected_shape", 7),
        ("~m~15~m~{\"m\":\"a\",\"p\":1}", "unexpected_shape", 8),
        ("~m~4~m~\"\ud83d\"", "truncated", 0),
        ("~m~3~m~\"\ud83d\"", "not_json", 7),
        (b"~m~4~m~\x08\x96\x01\xff", "not_utf8", 8),
        ("~m~100000~m~" + "[" * 100_000, "not_json", 12),
        ("~m~100005~m~" + '{"z":' + "[" * 100_000, "not_json", 12),
        ("~m~10000~m~" + "9" * 10_000, "not_json", 11),
    ],
)  # fmt: skip
def test_a_bad_frame_says_why_and_where(frame: str | bytes, cause: str, position: int) -> None:
    with pytest.raises(BadFrame) as failure:
        decode(frame)
    assert (failure.value.cause, failure.value.position) == (cause, position)
    assert isinstance(failure.value, RemoteFault)
    assert cause in str(failure.value)


def test_positions_count_utf_16_units_behind_astral_characters() -> None:
    first = encode("x", "😀")
    with pytest.raises(BadFrame) as failure:
        decode(first + "junk")
    assert failure.value.position == len(first) + 1


def test_many_packets_share_a_frame_with_a_heartbeat() -> None:
    frame = '~m~13~m~{"m":"a","p":[]}~m~4~m~~h~7~m~15~m~{"m":"b","p":[1]}'.replace("~m~13", "~m~16").replace(
        "15~", "17~"
    )
    assert decode(frame) == [Message("a", ()), Heartbeat(7), Message("b", (1,))]


def test_an_empty_frame_holds_no_packets() -> None:
    assert decode("") == []


def test_a_message_keeps_its_stamps_and_whether_a_number_is_whole() -> None:
    [message] = decode(
        encode_packet('{"m":"du","p":["cs",{"v":[2851.0,48899973,1e+100,8004.7700000000004366]}],"t":7,"t_ms":7001}')
    )
    assert isinstance(message, Message)
    assert (message.method, message.t, message.t_ms) == ("du", 7, 7001)
    assert [repr(value) for value in message.params[1]["v"]] == ["2851.0", "48899973", "1e+100", "8004.77"]


def test_the_hello_is_json_without_a_method() -> None:
    [hello] = decode(
        encode_packet('{"session_id":"0.1_x","timestamp":1700000000,"timestampMs":1700000000123,"protocol":"json"}')
    )
    assert isinstance(hello, Hello)
    assert (hello.session_id, hello.timestamp_ms, hello.fields["protocol"]) == ("0.1_x", 1700000000123, "json")
    assert decode(render(hello)) == [hello]


def test_a_hello_without_milliseconds_has_whole_seconds_or_no_time() -> None:
    assert decode(encode_packet('{"session_id":"a","timestamp":17}')) == [
        Hello("a", 17_000, {"session_id": "a", "timestamp": 17})
    ]
    assert decode(encode_packet('{"session_id":"a","timestamp":"x"}'))[0].timestamp_ms is None  # type: ignore[union-attr]


def test_other_payloads_pass_as_they_are() -> None:
    assert decode(encode_packet('~j~{"a":1}') + encode_packet('{"n":"X"}')) == [Other('~j~{"a":1}'), Other('{"n":"X"}')]


def test_a_message_without_params_has_none() -> None:
    assert decode(encode_packet('{"m":"x"}')) == [Message("x", ())]


def test_json_goes_out_compact_and_raw() -> None:
    payload = '{"m":"qsd","p":["qs",{"n":"KRX:1","v":{"local_description":"삼성","lp":2.0}}],"t":1,"t_ms":1999}'
    assert encode("qsd", "qs", {"n": "KRX:1", "v": {"local_description": "삼성", "lp": 2.0}}, t_ms=1999) == (
        f"~m~{len(payload)}~m~{payload}"
    )
    assert json.loads(payload)["t"] == 1
    assert encode("x") == '~m~16~m~{"m":"x","p":[]}'


@pytest.mark.parametrize("value", [object(), "\ud800", {1j: 2}])
def test_what_json_cannot_carry_is_our_own_misuse(value: object) -> None:
    with pytest.raises(Misuse):
        encode("x", value)
    with pytest.raises(Misuse):
        encode_packet("\ud800")


def test_a_lone_surrogate_is_unreadable_also_beside_pairs() -> None:
    with pytest.raises(BadFrame) as failure:
        decode('~m~3~m~"\ud83d"' + encode("x", "😀"))
    assert failure.value.cause == "not_json"
    assert failure.value.packets == (Message("x", ("😀",)),)
