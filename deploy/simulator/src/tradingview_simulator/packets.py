"""The simulator's use of TradingView's framing: messages out with the server's stamps, client packets in."""

import json
import re

_HEADER = re.compile(r"~m~([0-9]{1,9})~m~")


class MalformedFrameError(ValueError):
    """A client frame that is not a sequence of `~m~<length>~m~<payload>` packets."""


def frame(payload: str) -> str:
    """One packet; its length counts UTF-16 code units (protocol §1.3)."""
    return f"~m~{len(payload.encode('utf-16-le')) // 2}~m~{payload}"


def message(method: str, *params: object, at_ms: int | None = None) -> str:
    """One packet of compact JSON; `at_ms` adds the stamps `t` and `t_ms` that chart messages carry."""
    body: dict[str, object] = {"m": method, "p": params}
    if at_ms is not None:
        body |= {"t": at_ms // 1_000, "t_ms": at_ms}
    return frame(compact(body))


def compact(value: object) -> str:
    """JSON as TradingView's server writes it: no blanks, non-ASCII characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def heartbeat(number: int) -> str:
    """The packet `~h~<number>`."""
    return frame(f"~h~{number}")


def packets(text: str) -> list[str]:
    """The payloads of a client frame; MalformedFrameError where it is not a sequence of packets."""
    units = text.encode("utf-16-le", "surrogatepass")
    found = []
    at = 0
    while at < len(units):
        header = _HEADER.match(units[at : at + 2 * 16].decode("utf-16-le", "replace"))
        if header is None:
            raise MalformedFrameError("a packet does not begin with ~m~<length>~m~")
        start = at + 2 * header.end()
        at = start + 2 * int(header[1])
        if at > len(units):
            raise MalformedFrameError("a packet is shorter than its header says")
        found.append(units[start:at].decode("utf-16-le", "replace"))
    return found
