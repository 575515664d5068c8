"""Framing and messages: a WebSocket frame to packets and back.

A frame is a sequence of packets `~m~<length>~m~<payload>`; the length counts UTF-16 code units, as JavaScript does.
A payload is a heartbeat `~h~<n>`, a JSON message `{"m": method, "p": params}` (with `t` and `t_ms` where a chart
is concerned), or the hello: JSON without `m`, the server's first packet. Both ends of a connection speak alike.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from tradingview.errors import BadFrame, Cause, Misuse

HEADER = re.compile(r"~m~([0-9]{1,9})~m~")
ASTRAL = re.compile("[\U00010000-\U0010ffff]")
HEARTBEAT = re.compile(r"~h~([0-9]{1,18})")


class Heartbeat(msgspec.Struct, frozen=True):
    """`~h~n`: the server's sign of life about every 10 s; a client answers with the same packet at once."""

    n: int


class Hello(msgspec.Struct, frozen=True):
    """The server's first packet; `fields` is all of it, `timestamp_ms` its clock in epoch milliseconds."""

    session_id: str
    timestamp_ms: int | None
    fields: dict[str, Any]


class Message(msgspec.Struct, frozen=True, omit_defaults=True, rename={"method": "m", "params": "p"}):
    """A JSON message. `t` (epoch seconds) and `t_ms` (epoch milliseconds) come with messages about charts only.

    Numbers in `params` are `int` or `float` as they were written: one field may be `2851.0` once and `48899973` the
    next time. Members other than these four are not part of the protocol and are not kept.
    """

    method: str
    params: tuple[Any, ...]
    t: int | None = None
    t_ms: int | None = None


class Other(msgspec.Struct, frozen=True):
    """A well framed payload of a kind that nobody is known to use, such as `~j~`; it may be ignored."""

    raw: str


Packet = Heartbeat | Hello | Message | Other

_messages = msgspec.json.Decoder(Message)
_values = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> list[Packet]:
    """All packets of one WebSocket frame, in their order. Raises `BadFrame` and nothing else.

    Bytes are the UTF-8 of a text frame. The binary frames of the protobuf mode of 2019 are no protocol of today: they
    end in a `BadFrame` like any other unreadable frame, which is a reason to count it and to go on, not to disconnect.
    A packet is never continued in the next frame, so a truncated tail is a `BadFrame` too. A packet with an unreadable
    payload does not cost its neighbours: `BadFrame.packets` holds all that could be read.
    """
    return decode_with(packet_of, frame)


def decode_with(straight: Callable[[str], Any], frame: str | bytes) -> list[Any]:
    """`decode` with another reader of payloads, for some kind of them: what it gives takes the place of the packet.

    It raises `ValueError` for payloads of any other kind.
    """
    if isinstance(frame, bytes):
        try:
            frame = frame.decode()
        except UnicodeDecodeError as error:
            raise BadFrame("not_utf8", error.start, error.reason) from None
    payloads = _payloads(frame)
    if payloads is not None:
        try:
            return _packets(straight, payloads)
        except BadFrame:
            pass  # The scan says where the fault is, and what can be read beside it.
    return _scan(straight, frame)


def _payloads(frame: str) -> list[str] | None:
    """The payloads of a frame of the plain kind: ASCII, whole, and with `~m~` in its headers only; None of another."""
    pieces = frame.split("~m~")
    payloads = pieces[2::2]
    if pieces[0] or pieces[1::2] != [str(len(payload)) for payload in payloads] or not frame.isascii():
        return None
    return payloads


def _packets(straight: Callable[[str], Any], payloads: list[str]) -> list[Any]:
    try:
        return [*map(straight, payloads)]
    except (ValueError, RecursionError):
        packets = []
    for payload in payloads:
        try:
            packets.append(straight(payload))
        except (ValueError, RecursionError):
            packets.append(packet_of(payload))
    return packets


def _scan(straight: Callable[[str], Any], frame: str) -> list[Any]:
    """The packets of any frame, header by header."""
    has_pairs = not frame.isascii() and ASTRAL.search(frame) is not None
    # One character per UTF-16 code unit from here on, so that lengths and positions are plain indices.
    units = ASTRAL.sub(_pair, frame) if has_pairs else frame
    packets: list[Any] = []
    fault: tuple[Cause, int, str] | None = None
    position, end = 0, len(units)
    while position < end:
        header = HEADER.match(units, position)
        if header is None:
            fault = fault or ("no_header", position, "no ~m~<length>~m~ here")
            break
        start = header.end()
        stop = start + int(header[1])
        if stop > end:
            fault = fault or ("truncated", position, f"{header[1]} units announced, {end - start} present")
            break
        payload = units[start:stop]
        try:
            packets += _packets(straight, [_joined(payload) if has_pairs else payload])
        except BadFrame as error:
            fault = fault or (error.cause, start, error.detail)
        position = stop
    if fault is not None:
        raise BadFrame(*fault, tuple(packets))
    return packets


def encode(method: str, *params: Any, t_ms: int | None = None) -> str:
    """One message as a frame: compact JSON, non-ASCII text raw. `t_ms` adds the server's stamps `t` and `t_ms`.

    Raises `Misuse` for what JSON cannot carry; NaN and infinities become null.
    """
    return render(Message(method, params, None if t_ms is None else t_ms // 1000, t_ms))


def render(packet: Packet) -> str:
    """Any packet as a frame; `decode` gives it back. Concatenate frames to put several packets into one."""
    if isinstance(packet, Heartbeat):
        return heartbeat(packet.n)
    if isinstance(packet, Other):
        return encode_packet(packet.raw)
    try:
        payload = _encoder.encode(packet.fields if isinstance(packet, Hello) else packet)
    except (TypeError, ValueError, RecursionError) as error:
        raise Misuse(f"not expressible in JSON: {error}") from None
    return encode_packet(payload.decode())


def encode_packet(payload: str) -> str:
    """The payload with its header. Raises `Misuse` for text that is not Unicode (a lone surrogate)."""
    if payload.isascii():
        return f"~m~{len(payload)}~m~{payload}"
    try:
        return f"~m~{len(payload.encode('utf-16-le')) // 2}~m~{payload}"
    except UnicodeEncodeError as error:
        raise Misuse(f"not Unicode text: {error.reason}") from None


def heartbeat(n: int) -> str:
    """The heartbeat `n` as a frame."""
    return encode_packet(f"~h~{n}")


def packet_of(payload: str) -> Packet:
    """The packet with this payload. Raises `BadFrame`, whose position is then that of the payload."""
    try:
        return _messages.decode(payload)
    except (ValueError, RecursionError):
        return _rare_packet(payload)


def _rare_packet(payload: str) -> Packet:
    """What is no message of the usual shape."""
    if payload.startswith("~"):
        beat = HEARTBEAT.fullmatch(payload)
        if beat is not None:
            return Heartbeat(int(beat[1]))
        if payload.startswith("~h~"):
            raise BadFrame("bad_heartbeat", 0, "a heartbeat without a number")
        return Other(payload)
    try:
        value = _values.decode(payload)
    except (ValueError, RecursionError) as error:
        raise BadFrame("not_json", 0, str(error)) from None
    if not isinstance(value, dict):
        raise BadFrame("unexpected_shape", 0, "neither a JSON object nor a packet that begins with ~")
    method = value.get("m")
    if method is None and isinstance(value.get("session_id"), str):
        return Hello(value["session_id"], _hello_time_ms(value), value)
    if method is None:
        return Other(payload)
    if isinstance(method, str) and "p" not in value:
        return Message(method, ())
    raise BadFrame("unexpected_shape", 0, "m is not a text, p not a list, or t not a whole number")


def _hello_time_ms(fields: dict[str, Any]) -> int | None:
    for name, factor in (("timestampMs", 1), ("timestamp", 1000)):
        if isinstance(value := fields.get(name), int) and not isinstance(value, bool):
            return value * factor
    return None


def _pair(found: re.Match[str]) -> str:
    over = ord(found[0]) - 0x10000
    return chr(0xD800 + (over >> 10)) + chr(0xDC00 + (over & 0x3FF))


def _joined(units: str) -> str:
    return units if units.isascii() else units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
