"""`run.json`: where a running system is, for tests, tools and the next start. Touches the file system."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from candlewick_local.folders import write_atomically


@dataclass(frozen=True, slots=True)
class RunState:
    """What runs: the supervisor, the addresses, the file of the API key (none if it was given), children."""

    pid: int
    data: str
    logs: str
    api: str
    api_key_file: str | None
    kafka: str
    mongo: str
    redis: str
    tradingview: str
    tradingview_http: str
    children: Mapping[str, int]

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def write_state(path: Path, state: RunState) -> None:
    write_atomically(path, state.as_json() + "\n")


def read_state(path: Path) -> RunState | None:
    """What the file says; None if there is none, or none that this version wrote."""
    try:
        return RunState(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
