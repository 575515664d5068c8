"""The ways of a status."""

from itertools import pairwise

import pytest

from contracts.history import SyncStatus
from history_sync.core.transitions import steps

PENDING, SYNCING, COMPLETED, ERROR = SyncStatus


@pytest.mark.parametrize("current", [None, *SyncStatus])
@pytest.mark.parametrize("wanted", SyncStatus)
def test_every_way_is_legal_and_ends_where_it_shall(current: SyncStatus | None, wanted: SyncStatus) -> None:
    way = steps(current, wanted)
    assert way == () if current is wanted else way[-1] is wanted
    walked = [PENDING, *way[1:]] if current is None else [current, *way]
    assert all(before.may_become(after) for before, after in pairwise(walked))


def test_a_finished_series_is_pending_before_it_is_worked_on_again() -> None:
    assert steps(COMPLETED, SYNCING) == steps(ERROR, SYNCING) == (PENDING, SYNCING)
    assert steps(None, SYNCING) == (PENDING, SYNCING)
    assert steps(PENDING, SYNCING) == (SYNCING,)
    assert steps(SYNCING, PENDING) == (PENDING,)
