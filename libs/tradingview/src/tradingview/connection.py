"""One connection to TradingView apart from what is asked over it: greeting, identity, heartbeats, silence, its end.

Sessions stand on it. All instants are epoch milliseconds of the caller's own clock, given as arguments.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tradingview.codec import Heartbeat, Hello, Message, Packet, decode_with, encode, heartbeat, packet_of, render
from tradingview.errors import BadFrame, Misuse

ANONYMOUS = "unauthorized_user_token"
"""The token of nobody: most exchanges are then delayed (`update_mode`)."""

BAD_TOKEN = "bad auth token"  # noqa: S105 - the server's words


class HelloReceived(msgspec.Struct, frozen=True):
    """The server has greeted. The difference of the two clocks estimates ours against theirs, network time included."""

    server_time_ms: int | None
    received_at_ms: int
    server_session_id: str


class ConnectionRefused(msgspec.Struct, frozen=True):
    """The server does not take our token; it closes now, and trying again with the same token is in vain."""

    reason: str


class ProtocolFailed(msgspec.Struct, frozen=True):
    """The server says that we broke the protocol (`protocol_error`), and closes now."""

    reason: str


class Stalled(msgspec.Struct, frozen=True):
    """The connection does not live; close it and open another.

    `no_hello`: no greeting in time. `silence`: no packet at all, not even a heartbeat. `no_data`: heartbeats, but no
    answer to what was asked (an expired token can cause it, protocol §3.1). `data_stopped`: heartbeats, but no data for
    much longer than usual. `deadline`: the answer is not complete in time. `last_packet_ms` is when the last packet
    came (for `data_stopped` the last data; for `no_hello` and before any packet: when the socket opened).
    """

    reason: str
    last_packet_ms: int


class Rejected(msgspec.Struct, frozen=True):
    """Something that could not be read: put it aside and go on.

    `raw` is the whole frame, or the part at fault, framed again. `cause` is fit for a label of a counter; `position` is
    where `raw` cannot be read, see `BadFrame`.
    """

    cause: str
    position: int
    detail: str
    raw: str | bytes


ConnectionEvent = HelloReceived | ConnectionRefused | ProtocolFailed | Stalled | Rejected


class Connection:
    """What every session needs of its socket; a session feeds it and passes its events on.

    `hello_ms` and `silence_ms` are the longest waits for the greeting and for any packet (heartbeats come every 10 s).
    """

    def __init__(
        self,
        opened_at_ms: int,
        *,
        auth_token: str = ANONYMOUS,
        locale: tuple[str, str] = ("en", "US"),
        hello_ms: int = 10_000,
        silence_ms: int = 25_000,
    ) -> None:
        if not auth_token:
            raise Misuse("the token is empty; without an account it is ANONYMOUS")
        self.last_packet_ms = opened_at_ms
        self.is_over = False
        """A protocol error or a stall has ended it: nothing is due any more."""
        self._is_greeted = False
        self._hello_at_ms = opened_at_ms + hello_ms
        self._silence_ms = silence_ms
        self._outgoing: list[str] = [encode("set_auth_token", auth_token), encode("set_locale", *locale)]

    def authenticate(self, auth_token: str) -> None:
        """Send a token again."""
        if not auth_token:
            raise Misuse("the token is empty; without an account it is ANONYMOUS")
        self.send(encode("set_auth_token", auth_token))

    def send(self, frame: str) -> None:
        """Queue a frame."""
        self._outgoing.append(frame)

    @property
    def has_frames_to_send(self) -> bool:
        """Whether a frame is queued."""
        return bool(self._outgoing)

    def frames_to_send(self) -> list[str]:
        """All frames queued since the last call, in order; they are the caller's to send."""
        frames, self._outgoing = self._outgoing, []
        return frames

    def read(
        self,
        received: str | bytes | Sequence[Packet],
        now_ms: int,
        straight: Callable[[str], Any] = packet_of,
    ) -> tuple[Sequence[Any], list[Rejected]]:
        """The packets of a frame (or those given) and what of it could not be read; `straight` is for `decode_with`."""
        rejected: list[Rejected] = []
        packets: Sequence[Any]
        if isinstance(received, (str, bytes)):
            try:
                packets = decode_with(straight, received)
            except BadFrame as error:
                packets = error.packets
                rejected.append(Rejected(error.cause, error.position, error.detail, received))
        else:
            packets = received
        if packets:
            self.last_packet_ms = max(self.last_packet_ms, now_ms)
        return packets, rejected

    def handle(self, packet: Packet, now_ms: int) -> ConnectionEvent | None:
        """Deal with a packet that belongs to no session; others are passed over."""
        if isinstance(packet, Heartbeat):
            self.send(heartbeat(packet.n))
        elif isinstance(packet, Hello):
            self._is_greeted = True
            return HelloReceived(packet.timestamp_ms, now_ms, packet.session_id)
        elif isinstance(packet, Message) and packet.method == "protocol_error":
            self.is_over = True
            reason = str(packet.params[0]) if packet.params else ""
            return ConnectionRefused(reason) if reason == BAD_TOKEN else ProtocolFailed(reason)
        return None

    def next_deadline(self) -> int | None:
        """When `expire` has something to say, unless packets come; None once the connection is over."""
        if self.is_over:
            return None
        silence_at_ms = self.last_packet_ms + self._silence_ms
        return silence_at_ms if self._is_greeted else min(self._hello_at_ms, silence_at_ms)

    def expire(self, now_ms: int) -> list[ConnectionEvent]:
        """What has not come in time. Give it packets that wait in the socket before, or they count as not come."""
        deadline = self.next_deadline()
        if deadline is None or now_ms < deadline:
            return []
        return [self.stall("no_hello" if deadline == self._hello_at_ms and not self._is_greeted else "silence")]

    def stall(self, reason: str) -> Stalled:
        """Give the connection up."""
        self.is_over = True
        return Stalled(reason, self.last_packet_ms)


def reject(packet: Message, detail: str) -> Rejected:
    """A message of a known method that does not have the shape of that method."""
    return Rejected("unexpected_shape", 0, detail, render(packet))
