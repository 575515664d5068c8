"""Ports on loopback: free ones, and who a port that is taken was meant for. Touches sockets."""

import secrets
import socket
from collections.abc import Iterable, Mapping

from candlewick_local.errors import Refusal

HOST = "127.0.0.1"
_LOWEST, _HIGHEST = 15_000, 32_000
"""Below the range from which systems take the ports of outgoing connections, so that none of those is in the way."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback right now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int, taken: Iterable[int] = ()) -> list[int]:
    """Different free ports, chosen at random so that several callers at once seldom meet."""
    avoid, found = set(taken), list[int]()
    for _ in range(200 * count + 200):
        if len(found) == count:
            return found
        port = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST)
        if port not in avoid and is_free(port):
            avoid.add(port)
            found.append(port)
    raise Refusal(f"found no {count} free ports between {_LOWEST} and {_HIGHEST} on {HOST}")


def require_free(ports: Mapping[str, int]) -> None:
    """Raise `Refusal` that names every port that is in use, by the variable that sets it, and every one given twice."""
    names: dict[int, str] = {}
    for name, port in ports.items():
        if port in names:
            raise Refusal(f"{name} and {names[port]} are both {port}; give each a port of its own")
        names[port] = name
    taken = [f"{port} ({name})" for name, port in ports.items() if not is_free(port)]
    if taken:
        raise Refusal(
            f"in use on {HOST}: port {', port '.join(taken)}; stop what listens there, "
            "choose another port by that variable, or use free ones with --free-ports"
        )
