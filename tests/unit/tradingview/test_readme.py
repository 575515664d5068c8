"""The library's README does what it shows."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tradingview.server import HELLO, SNAPSHOT, calls, completed, qsd

README = Path(__file__).parents[3] / "libs" / "tradingview" / "README.md"


class ScriptedSocket:
    """A socket whose server says what the script says, at its instants, and then falls silent."""

    def __init__(self, script: list[tuple[int, str]]) -> None:
        self.script = script
        self.now = 0
        self.sent: list[str] = []

    def now_ms(self) -> int:
        return self.now

    def send(self, frame: str) -> None:
        self.sent.append(frame)

    def receive(self, until_ms: int) -> str | None:
        if self.script and self.script[0][0] < until_ms:
            self.now, frame = self.script.pop(0)
            return frame
        self.now = until_ms
        return None


def test_the_example_watches_quotes_until_the_connection_dies(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 16
    names: dict[str, Any] = {}
    exec(example, names)
    session = "qs_a1B2c3D4e5F6"
    snapshot = qsd("NSE:ABC", SNAPSHOT, session) + completed("NSE:ABC", session)
    socket = ScriptedSocket([(50, HELLO), (90, snapshot), (1_000, qsd("NSE:ABC", {"lp": 254}, session))])

    names["watch"](socket, socket.now_ms, ["NSE:ABC"])

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("HelloReceived")
    assert said[1:] == [
        "NSE:ABC 253.42 2851.0",
        "SnapshotCompleted(symbol='NSE:ABC')",
        "NSE:ABC 254 None",
        "Stalled(reason='silence', last_packet_ms=1000)",
    ]
    assert calls(socket.sent)[-1] == ("quote_fast_symbols", (session, "NSE:ABC"))
