"""Which bars a query means."""

import pytest

from contracts.http import ProblemCode
from query_api.core.ranges import Sort, bar_query
from query_api.core.refusal import Refusal


def test_without_a_start_the_newest_bars_are_meant() -> None:
    assert not bar_query(None, "2026-01-31", 10, Sort.DESCENDING).from_start


def test_with_a_start_the_bars_nearest_to_it_are_meant() -> None:
    assert bar_query("2026-01-31", None, 10, Sort.DESCENDING).from_start


@pytest.mark.parametrize(("start", "end"), [("2026-01-31", "2026-01-31"), ("2026-02-01", "2026-01-31")])
def test_a_range_that_holds_nothing_is_refused(start: str, end: str) -> None:
    with pytest.raises(Refusal) as refused:
        bar_query(start, end, 10, Sort.ASCENDING)
    assert refused.value.code is ProblemCode.INVALID_RANGE
    assert "start <= open_time < end" in refused.value.faults[0].message


def test_queries_that_mean_the_same_share_a_cache_field() -> None:
    spelled = bar_query("2026-01-31", "2026-02-01T00:00:00Z", 10, Sort.ASCENDING)
    counted = bar_query("1769817600", "1769904000000", 10, Sort.ASCENDING)
    assert spelled.field == counted.field


def test_queries_that_differ_have_different_cache_fields() -> None:
    queries = [
        bar_query(start, end, limit, sort)
        for start in (None, "1")
        for end in (None, "100")
        for limit in (1, 10)
        for sort in Sort
    ]
    assert len({query.field for query in queries}) == len(queries)
