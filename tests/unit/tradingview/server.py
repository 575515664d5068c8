"""What TradingView's server says, as hand-written frames in the shapes of protocol §1.4-§6."""

from typing import Any

from tradingview.codec import Message, decode, encode, encode_packet, heartbeat

HELLO = encode_packet(
    '{"session_id":"0.7.1_site-charts-free-1-tvbs-pod-1","timestamp":1700000000,"timestampMs":1700000000123,'
    '"release":"release_1","studies_metadata_hash":"00","auth_scheme_vsn":2,"protocol":"json","via":"0.0.0.0:443",'
    '"javastudies":["3.66"]}'
)
BAD_TOKEN = encode("protocol_error", "bad auth token")
UNKNOWN_SESSION = encode("protocol_error", '{unknown_session_id,<<"create_series">>,<<"cs_x">>,[]}')
BEAT = heartbeat(1)

SNAPSHOT = {
    "volume": 2851.0,
    "update_mode": "delayed_streaming_900",
    "type": "stock",
    "pro_name": "NSE:ABC",
    "pricescale": 100,
    "minmov": 5,
    "lp_time": 1700000000,
    "lp": 253.42,
    "description": "Ein Hotel 호텔 🏨",
    "current_session": "market",
    "chp": -1.98,
    "ch": -5.15,
}


def qsd(symbol: str, fields: dict[str, Any], session: str = "qs_1") -> str:
    """Data of one symbol."""
    return encode("qsd", session, {"n": symbol, "s": "ok", "v": fields})


def completed(symbol: str, session: str = "qs_1") -> str:
    """The end of a snapshot."""
    return encode("quote_completed", session, symbol)


def no_such_symbol(symbol: str, session: str = "qs_1") -> str:
    """The refusal of an unknown symbol."""
    return encode("qsd", session, {"n": symbol, "s": "error", "errmsg": "no_such_symbol", "v": {}})


def permission_denied(symbol: str, session: str = "qs_1") -> str:
    """The refusal of a symbol that has to be paid for, and the completion that follows it."""
    data = {
        "n": symbol,
        "s": "permission_denied",
        "errmsg": "Permission denied",
        "v": {"alternative": "economics_paid"},
    }
    return encode("qsd", session, data) + completed(symbol, session)


def calls(frames: list[str]) -> list[tuple[str, tuple[Any, ...]]]:
    """What a client's frames say: method and parameters of each message, one packet in each frame."""
    said = []
    for frame in frames:
        [packet] = decode(frame)
        assert isinstance(packet, Message)
        said.append((packet.method, packet.params))
    return said
