"""Recorded messages of TradingView's server, read from a folder beside the project; they are never part of it."""

import base64
import json
import os
from pathlib import Path
from typing import NamedTuple

VARIABLE = "CANDLEWICK_RECORDINGS"
_DEFAULT = "../shared/tradingview"
_ROOT = Path(__file__).parents[2]


class Recording(NamedTuple):
    """One recorded text: a whole frame, one packet, or (`is_payload`) what stood behind a header that is lost."""

    source: str
    raw: str | bytes
    is_from_server: bool
    at_ms: int | None
    note: str

    @property
    def is_payload(self) -> bool:
        return isinstance(self.raw, str) and not self.raw.startswith("~m~")


def recordings_file() -> Path:
    """Where the recordings are expected; a relative folder counts from the root of the repository."""
    return _ROOT / os.environ.get(VARIABLE, _DEFAULT) / "samples.jsonl"


def absence() -> str | None:
    """One line that says that there are no recordings here, and what follows from that; None if there are."""
    if recordings_file().is_file():
        return None
    return f"recordings: none at {recordings_file()}, so their tests are not collected ({VARIABLE} names the folder)"


def recordings() -> list[Recording]:
    """All of them, in the order of the file."""
    return [_recording(json.loads(line)) for line in recordings_file().read_text("utf-8").splitlines()]


def _recording(row: dict[str, str | float | None]) -> Recording:
    raw, at_s = row["raw"], row.get("t_rel")
    assert isinstance(raw, str)
    assert at_s is None or isinstance(at_s, (int, float))
    return Recording(
        source=str(row["source"]),
        raw=base64.b64decode(raw) if row.get("encoding") == "base64" else raw,
        is_from_server=row["dir"] == "s2c",
        at_ms=None if at_s is None else round(at_s * 1000),
        note=str(row.get("note") or ""),
    )
