"""Faults on demand: what can be ordered, with which parameters, and what an order does.

A fault of a moment acts on open connections; a lasting one is on for some time, for some occasions, or until it is
ended. Sections are those of the protocol notes.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tradingview.codec import encode, encode_packet
from tradingview_simulator.mischief import Lasting, Mischief
from tradingview_simulator.model.market import CorrectionError
from tradingview_simulator.signin import FAILURES
from tradingview_simulator.timers import Timers

if TYPE_CHECKING:
    from tradingview_simulator.connection import Connection

HUGE = 1_500_000
"""Characters of a huge frame: more than clients allow by default."""
LONGEST_S = 3_600
LONGEST_MS = 60_000
MOST_TIMES = 1_000_000
LONGEST_TEXT = 1_000
CLOSE_CODES = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
"""Those that a server may send."""

_NEEDED = object()


class FaultError(ValueError):
    """An order that does not exist, or not like this; says what does."""


class Parameter(NamedTuple):
    """What a parameter must be, in words and as a test, and what it is when absent."""

    says: str
    fits: Callable[[Any], bool]
    default: object = _NEEDED


def _number(least: float, greatest: float, default: object = _NEEDED) -> Parameter:
    def fits(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= greatest

    return Parameter(f"a number from {least:g} to {greatest:g}", fits, default)


def _whole(least: int, greatest: int, default: object = _NEEDED) -> Parameter:
    def fits(value: object) -> bool:
        return type(value) is int and least <= value <= greatest

    return Parameter(f"a whole number from {least} to {greatest}", fits, default)


def _text(default: object = _NEEDED) -> Parameter:
    def fits(value: object) -> bool:
        return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT

    return Parameter(f"a text of 1 to {LONGEST_TEXT} characters", fits, default)


def _one_of(*values: object) -> Parameter:
    return Parameter(
        f"one of {', '.join(map(str, values))}", lambda value: type(value) is type(values[0]) and value in values
    )


_TIMES = {"count": _whole(1, MOST_TIMES, None)}
_SYMBOL = {"symbol": _text(None)}

LASTING: Mapping[str, Mapping[str, Parameter]] = {
    "bad_token": _TIMES,
    "coalesce": {"ms": _whole(1, LONGEST_MS, 1_000)},
    "duplicate": {"chance": _number(0, 1, 1.0)},
    "expired_token": {},
    "heartbeat_only": {},
    "permission_denied": {"symbol": _text(), "group": _text("economics_paid"), **_TIMES},
    "refuse": {"status": _one_of(401, 403, 429), **_TIMES},
    "signin": {"how": _one_of(*FAILURES), **_TIMES},
    "silent": {},
    "slow": {"ms": _whole(1, LONGEST_MS, 500)},
}
MOMENTARY: Mapping[str, Mapping[str, Parameter]] = {
    "binary": {},
    "close": {
        "code": Parameter(
            "a close code that a server may send: 1000 to 1003, 1007 to 1014, 3000 to 4999",
            lambda value: type(value) is int and value in CLOSE_CODES,
            1001,
        )
    },
    "drop": {},
    "garbage": {},
    "huge": {},
    "out_of_order": _SYMBOL,
    "protocol_error": {"text": _text("wrong data")},
    "session_killed": {},
    "truncated": {},
    "unknown_method": {},
    "volume_regression": _SYMBOL,
}
ALWAYS_LASTING = {
    "seconds": _number(0.001, LONGEST_S, None),
    "off": Parameter("true", lambda value: value is True, None),
}
ALWAYS_MOMENTARY = {"connection": _whole(1, 1 << 53, None)}
CORRECTION = {"symbol": _text(), "corrections": _text()}
"""What an exchange announces: it meets the symbol itself, its history and all who watch it."""
NAMES = sorted([*LASTING, *MOMENTARY, "correction", "none"])

Correct = Callable[[str, str], None]
"""(symbol, corrections). Raises `CorrectionError`."""


class Faults:
    """Does what is ordered. `connections` are the open ones; `seconds` pass on the clock of `timers`."""

    def __init__(
        self, mischief: Mischief, timers: Timers, connections: Mapping[int, "Connection"], correct: Correct
    ) -> None:
        self._mischief = mischief
        self._timers = timers
        self._connections = connections
        self._correct = correct

    @property
    def on(self) -> list[dict[str, object]]:
        """The lasting faults that are on, as they were ordered; `count` is how many times are left."""
        return [
            {"fault": fault.name, **fault.parameters}
            | ({} if fault.left is None else {"count": fault.left})
            | ({} if fault.until_ms is None else {"until_ms": fault.until_ms})
            for fault in self._mischief.on
        ]

    @property
    def known(self) -> dict[str, dict[str, str]]:
        """What can be ordered: the parameters of each fault, in words."""
        lasting = {name: {**own, **ALWAYS_LASTING} for name, own in LASTING.items()}
        momentary = {name: {**own, **ALWAYS_MOMENTARY} for name, own in MOMENTARY.items()}
        return {
            name: {each: parameter.says for each, parameter in parameters.items()}
            for name, parameters in (lasting | momentary | {"correction": CORRECTION, "none": {}}).items()
        }

    def do(self, body: Mapping[str, Any]) -> dict[str, object]:
        """`{"fault": name, …}`: begin or end a lasting fault, do one of a moment, correct a calendar, or end all.

        What was done: the numbers of the connections that a fault of a moment struck, or the lasting ones now on.
        Raises `FaultError`.
        """
        name = body.get("fault")
        if name == "none":
            _checked(name, body, {})
            self._mischief.end(lambda fault: True)
        elif name == "correction":
            given = _checked(name, body, CORRECTION)
            try:
                self._correct(given["symbol"], given["corrections"])
            except CorrectionError as error:
                raise FaultError(str(error)) from None
        elif isinstance(name, str) and name in LASTING:
            self._last(name, body)
        elif isinstance(name, str) and name in MOMENTARY:
            return {"fault": name, "connections": self._strike(name, body)}
        else:
            raise FaultError(f"fault is one of {', '.join(NAMES)}")
        return {"fault": name, "on": self.on}

    def _last(self, name: str, body: Mapping[str, Any]) -> None:
        if body.get("off") is True:
            symbol = _checked(name, body, {**_SYMBOL} if "symbol" in LASTING[name] else {}, ("off",)).get("symbol")
            self._mischief.end(lambda fault: fault.name == name and symbol in (None, fault.parameters.get("symbol")))
            return
        given = _checked(name, body, {**LASTING[name], **ALWAYS_LASTING})
        given.pop("off")
        left, seconds = given.pop("count", None), given.pop("seconds")
        fault = Lasting(name, given, left, None if seconds is None else self._timers.now() + int(seconds * 1_000))
        self._mischief.begin(fault, given.get("symbol", ""))
        if fault.until_ms is not None:
            self._timers.at(fault.until_ms, lambda: self._mischief.end(lambda one: one is fault))

    def _strike(self, name: str, body: Mapping[str, Any]) -> list[int]:
        given = _checked(name, body, {**MOMENTARY[name], **ALWAYS_MOMENTARY})
        wanted = given["connection"]
        struck = [number for number in self._connections if wanted in (None, number)]
        if wanted is not None and not struck:
            raise FaultError(f"there is no connection {wanted}; open are {sorted(self._connections)}")
        for number in struck:
            _do(name, self._connections[number], given)
        return struck


def _do(name: str, connection: "Connection", given: Mapping[str, Any]) -> None:
    match name:
        case "binary":
            connection.send_raw(b"\x08\x96\x01 protobuf")
        case "close":
            connection.close(given["code"])
        case "drop":
            connection.drop()
        case "garbage":
            connection.send_raw("no packet at all")
        case "huge":
            connection.send_raw(encode("nobody_knows", "x" * HUGE))
        case "out_of_order":
            connection.repeat_the_past(given["symbol"])
        case "protocol_error":
            connection.fail(given["text"])
        case "session_killed":
            connection.kill_sessions()
        case "truncated":
            connection.send_raw(_truncated())
        case "unknown_method":
            connection.send_raw(encode("nobody_knows", "qs", 1))
        case "volume_regression":
            connection.regress(given["symbol"])


def _truncated() -> str:
    """A whole packet and one that is cut, as a server that dies in mid-sentence would leave."""
    cut = encode_packet('{"m":"qsd","p":["qs",{"n":"A:B","s":"ok","v":{"lp":1.0}}]}')[:-9]
    return encode("nobody_knows", "qs") + cut


def _checked(
    name: str, body: Mapping[str, Any], parameters: Mapping[str, Parameter], besides: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The parameters of an order, with defaults. Raises `FaultError`."""
    unknown = [each for each in body if each not in {"fault", *parameters, *besides}]
    if unknown:
        takes = ", ".join(sorted([*parameters, *besides])) or "nothing"
        raise FaultError(f"{name} takes {takes}; not {', '.join(map(repr, unknown))}")
    given = {}
    for each, parameter in parameters.items():
        value = body.get(each, parameter.default)
        if value is _NEEDED or (each in body and not parameter.fits(value)):
            raise FaultError(f"{each} of {name} is {parameter.says}")
        given[each] = value
    return given
