"""One running system for all stories."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from candlewick_local.folders import LOCAL
from tests.support.parts import unique
from tests.support.system import System, running_system


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """The whole system, started as a user starts it; its folder is kept when it does not stop cleanly."""
    folder = LOCAL / "test" / unique("system")
    folder.mkdir(parents=True)
    with running_system(folder) as running:
        yield running
        children = running.children()
    assert running.process.returncode == 0, (folder / "run.err").read_text()[-3000:]
    assert all(not _lives(pid) for pid in children.values()), "Ctrl-C leaves no process"
    shutil.rmtree(folder)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
