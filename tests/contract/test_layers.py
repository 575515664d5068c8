"""The house's walls are checked by machine, and the check breaks when a wall is breached."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path.parent for path in ROOT.glob("*/src")] + [path.parent for path in ROOT.glob("*/*/src")]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of every package, so that a test may breach a wall in it."""
    for member in SOURCES:
        shutil.copytree(member / "src", tmp_path / "src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__py*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(house / "src")}
    return subprocess.run(
        [command, "--no-cache"], cwd=house, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_house_as_it_is_keeps_its_walls(house: Path) -> None:
    verdict = lint(house)
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.parametrize(
    ("file", "line", "breach"),
    [
        ("aggregator/core/fold.py", "import asyncio", "aggregator.core is not allowed to import asyncio"),
        ("contracts/bars.py", "import time", "contracts is not allowed to import time"),
        ("tradingview/codec.py", "import socket", "tradingview is not allowed to import socket"),
        ("query_api/app.py", "import aggregator.core.fold", "query_api is not allowed to import aggregator"),
        ("chassis/logs.py", "import ingest_ws", "chassis is not allowed to import ingest_ws"),
    ],
)
def test_a_breached_wall_is_found(house: Path, file: str, line: str, breach: str) -> None:
    source = house / "src" / file
    source.write_text(f"{source.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    verdict = lint(house)
    assert verdict.returncode == 1
    assert breach in " ".join(verdict.stdout.split())
