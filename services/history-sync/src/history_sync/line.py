"""The socket under tvDatafeed: ours in URL, Origin and deadline; it answers heartbeats and reads along. Touches
TradingView's WebSocket."""

import socket
from contextlib import suppress

import websocket

from history_sync.core.answer import Answer
from history_sync.provider import Call
from tradingview.codec import Heartbeat, decode, heartbeat
from tradingview.errors import BadFrame

ORIGIN = "https://www.tradingview.com"
CONNECT_WITHIN_S = 10.0
SILENCE_S = 25.0
"""Two heartbeats missed (protocol §1.5)."""
LONGEST_ANSWER = 32 * 1024 * 1024
"""Characters of all frames of one answer; 5,000 bars have half a million."""


class Line(websocket.WebSocket):
    """One connection for one call. What it hears goes to the `Answer`; it ends the wait when there is no more to come.

    tvDatafeed takes any exception of `recv` for the end of the answer; who called it asks the `Answer` what that was.
    """

    def __init__(self, call: Call, answer: Answer) -> None:
        super().__init__()
        self._call = call
        self._answer = answer
        self._heard = 0
        call.when_cut(self.cut)

    def recv(self) -> str:
        """The next frame. Raises a `WebSocketException` at the deadline and when the provider has refused."""
        self.settimeout(self._patience_s())
        frame = super().recv()
        text = frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame
        self._heard += len(text)
        if not text:
            raise websocket.WebSocketConnectionClosedException("the provider closed the connection")
        if self._heard > LONGEST_ANSWER:
            raise websocket.WebSocketPayloadException("the answer does not end")
        try:
            packets = decode(text)
        except BadFrame as error:
            packets = list(error.packets)
        for packet in packets:
            if isinstance(packet, Heartbeat):
                self.send(heartbeat(packet.n))
            else:
                self._answer.observe(packet)
        if self._answer.is_over and not self._answer.is_complete:
            raise websocket.WebSocketException("the provider will send no bars")
        return text

    def cut(self) -> None:
        """End whatever wait another thread is in."""
        if (sock := self.sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _patience_s(self) -> float:
        left = self._call.remaining_s()
        if left <= 0:
            raise websocket.WebSocketTimeoutException("the deadline has passed")
        return min(left, SILENCE_S)


def connect(url: str, call: Call, answer: Answer) -> Line:
    """A line to the provider. Raises `WebSocketException` or `OSError`."""
    within = min(call.remaining_s(), CONNECT_WITHIN_S)
    if within <= 0:
        raise websocket.WebSocketTimeoutException("the deadline has passed")
    line = Line(call, answer)
    line.settimeout(within)
    line.connect(url, origin=ORIGIN, redirect_limit=0)  # type: ignore[no-untyped-call]  # typed in part only
    return line
