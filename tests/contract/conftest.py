"""Leaves out the tests of recorded messages where there are no recordings, and says so."""

from tests.support.recordings import absence

collect_ignore = ["test_recordings.py"] if absence() else []


def pytest_report_collectionfinish() -> str | None:
    return absence()
