"""What a server can do wrong, on demand: faults that last until they are ended, and faults of a moment.

Lasting faults are values that the parts look at when it is their turn; faults of a moment act on open connections.
Sections are those of the protocol notes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradingview.codec import encode, encode_packet
from tradingview_simulator.signin import FAILURES, SignIn

if TYPE_CHECKING:
    from tradingview_simulator.connection import Connection

HUGE = 1_500_000
"""Characters of a huge frame: more than clients allow by default."""
LONGEST_MS = 60_000
REFUSALS = (401, 403, 429)


@dataclass
class Mischief:
    """The lasting faults that are on.

    refusal: the status of handshakes and how many more get it (None: all). is_silent: nothing is sent at all.
    is_dataless: no data, only heartbeats (§3.1). rejects_tokens (§3.1). doubled: the chance that an update is sent
    twice. slow_ms: how much later data leaves. coalesce_ms: the least time between two updates of a symbol; what lies
    between them is lost but for the day's high and low (§4.5). denied: symbols and the group that would do (§4.4).
    """

    refusal: tuple[int, int | None] | None = None
    is_silent: bool = False
    is_dataless: bool = False
    rejects_tokens: bool = False
    doubled: float = 0.0
    slow_ms: int = 0
    coalesce_ms: int = 0
    denied: dict[str, str] = field(default_factory=dict)

    def refuse(self) -> int | None:
        """The status that this handshake is answered with; None lets it through."""
        if self.refusal is None:
            return None
        status, left = self.refusal
        if left is not None:
            self.refusal = (status, left - 1) if left > 1 else None
        return status


class FaultError(ValueError):
    """A fault that does not exist, or not like this; says what does."""


class Faults:
    """Turns faults on and off by name. `connections` are the open ones."""

    def __init__(self, mischief: Mischief, sign_in: SignIn, connections: Mapping[int, "Connection"]) -> None:
        self._mischief = mischief
        self._sign_in = sign_in
        self._connections = connections
        self._lasting: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "refuse": self._refuse,
            "silent": lambda body: self._set("is_silent", True),
            "heartbeat_only": lambda body: self._set("is_dataless", True),
            "expired_token": lambda body: self._set("is_dataless", True),
            "bad_token": lambda body: self._set("rejects_tokens", True),
            "duplicate": lambda body: self._set("doubled", _number(body, "chance", 1.0, 0.0, 1.0)),
            "slow": lambda body: self._set("slow_ms", int(_number(body, "ms", 500, 1, LONGEST_MS))),
            "coalesce": lambda body: self._set("coalesce_ms", int(_number(body, "ms", 1_000, 1, LONGEST_MS))),
            "permission_denied": self._deny,
            "signin": self._fail_sign_in,
        }
        self._momentary: dict[str, Callable[[Connection, Mapping[str, Any]], None]] = {
            "drop": lambda connection, body: connection.drop(),
            "close": lambda connection, body: connection.close(int(_number(body, "code", 1001, 1000, 4999))),
            "protocol_error": lambda connection, body: connection.fail(_text(body, "text", "wrong data")),
            "session_killed": lambda connection, body: connection.kill_sessions(),
            "garbage": lambda connection, body: connection.send_raw("no packet at all"),
            "binary": lambda connection, body: connection.send_raw(b"\x08\x96\x01 protobuf"),
            "truncated": lambda connection, body: connection.send_raw(_truncated()),
            "huge": lambda connection, body: connection.send_raw(encode("nobody_knows", "x" * HUGE)),
            "unknown_method": lambda connection, body: connection.send_raw(encode("nobody_knows", "qs", 1)),
            "out_of_order": lambda connection, body: connection.repeat_the_past(),
            "volume_regression": lambda connection, body: connection.regress(),
        }

    @property
    def names(self) -> list[str]:
        return sorted([*self._lasting, *self._momentary, "none"])

    @property
    def on(self) -> dict[str, object]:
        """The lasting faults that are on, by the name of what they set."""
        lasting = {**vars(self._mischief), "signin": self._sign_in.failure}
        return {name: value for name, value in lasting.items() if value}

    def do(self, body: Mapping[str, Any]) -> None:
        """`{"fault": name, …}`: begin a lasting fault, do one of a moment, or end all (`none`)."""
        name = body.get("fault")
        wanted = body.get("connection")
        if name == "none":
            vars(self._mischief).update(vars(Mischief()))
            self._sign_in.failure = None
        elif name in self._lasting:
            self._lasting[name](body)
        elif name in self._momentary:
            for number in [each for each in self._connections if wanted in (None, each)]:
                self._momentary[name](self._connections[number], body)
        else:
            raise FaultError(f"fault is one of {', '.join(self.names)}")

    def _set(self, name: str, value: object) -> None:
        setattr(self._mischief, name, value)

    def _refuse(self, body: Mapping[str, Any]) -> None:
        status, count = body.get("status"), body.get("count")
        if status not in REFUSALS or not (count is None or (isinstance(count, int) and count > 0)):
            raise FaultError(f"status is one of {REFUSALS}; count is how many handshakes, or absent for all")
        self._mischief.refusal = (status, count)

    def _fail_sign_in(self, body: Mapping[str, Any]) -> None:
        if body.get("how") not in FAILURES:
            raise FaultError(f"how is one of {', '.join(FAILURES)}")
        self._sign_in.failure = body["how"]

    def _deny(self, body: Mapping[str, Any]) -> None:
        symbol = _text(body, "symbol", "")
        if not symbol:
            raise FaultError("symbol is EXCHANGE:TICKER")
        self._mischief.denied[symbol] = _text(body, "group", "economics_paid")


def _truncated() -> str:
    """A whole packet and one that is cut, as a server that dies in mid-sentence would leave."""
    return (
        encode("nobody_knows", "qs") + encode_packet('{"m":"qsd","p":["qs",{"n":"A:B","s":"ok","v":{"lp":1.0}}]}')[:-9]
    )


def _number(body: Mapping[str, Any], name: str, default: float, least: float, greatest: float) -> float:
    value = body.get(name, default)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not least <= value <= greatest:
        raise FaultError(f"{name} is a number from {least:g} to {greatest:g}")
    return value


def _text(body: Mapping[str, Any], name: str, default: str) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > 1_000:
        raise FaultError(f"{name} is a text")
    return value
