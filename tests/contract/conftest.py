"""Leaves out the tests of recorded messages and full series where there are none, and says so."""

from tests.support import grids, recordings

_ABSENT = {"test_recordings.py": recordings.absence(), "test_grids.py": grids.absence()}

collect_ignore = [name for name, absence in _ABSENT.items() if absence]


def pytest_report_collectionfinish() -> list[str]:
    return [absence for absence in _ABSENT.values() if absence]
