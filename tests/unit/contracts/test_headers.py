"""The headers of `market.bars`: enough to skip a record without reading its value."""

import pytest

from contracts.headers import Headers, bar_headers, complete_headers, is_current
from contracts.intervals import Interval


def test_a_bar_names_its_kind_its_interval_the_contract_and_the_clock() -> None:
    assert bar_headers(Interval.MO1, 1_767_225_662_000) == [
        ("kind", b"bar"), ("interval", b"1M"), ("schema", b"2"), ("emitted_at", b"1767225662000"),
    ]  # fmt: skip


def test_what_completes_bars_has_no_interval() -> None:
    assert complete_headers(5) == [("kind", b"bars_complete"), ("schema", b"2"), ("emitted_at", b"5")]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (bar_headers("1m", 1), True),
        (complete_headers(1), True),
        ([("added later", b"x"), *bar_headers("1m", 1)], True),
        (None, False),
        ([], False),
        ([("kind", b"bar"), ("schema", b"1")], False),
        ([("interval", b"2")], False),
    ],
)
def test_a_record_of_another_contract_is_recognised(headers: Headers | None, *, expected: bool) -> None:
    assert is_current(headers) is expected


def test_headers_are_recognised_as_each_client_gives_them() -> None:
    assert is_current(tuple(bar_headers("1m", 1))), "aiokafka gives a tuple, confluent-kafka a list"
