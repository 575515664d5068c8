"""Instants as callers write them."""

import pytest

from contracts.http import ProblemCode
from query_api.core.instants import instant_of
from query_api.core.refusal import Refusal

NOON = 1_769_860_800_000  # 2026-01-31T12:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00.000Z",
        "2026-01-31 12:00:00",
        "2026-01-31T12:00:00",
        "2026-01-31T14:00:00+02:00",
        "2026-01-31T14:00:00 02:00",  # what a query string makes of an unescaped +
        "2026-01-31T07:00:00-05:00",
        "1769860800",
        "1769860800000",
        " 1769860800 ",
    ],
)
def test_every_common_spelling_of_an_instant_is_understood(text: str) -> None:
    assert instant_of(text, "start") == NOON


def test_a_date_is_its_midnight_in_utc() -> None:
    assert instant_of("2026-01-31", "start") == NOON - 12 * 3_600_000


def test_milliseconds_are_kept_and_what_is_below_is_cut_off() -> None:
    assert instant_of("2026-01-31T12:00:00.123987Z", "start") == NOON + 123


def test_magnitude_tells_seconds_from_milliseconds() -> None:
    assert instant_of("99999999999", "start") == 99_999_999_999_000
    assert instant_of("100000000000", "start") == 100_000_000_000


@pytest.mark.parametrize("text", ["1969-12-31", "1969-12-31T00:00:00Z", "-86400", "1969-12-31T01:00:00+01:00"])
def test_instants_before_1970_are_negative(text: str) -> None:
    assert instant_of(text, "start") == -86_400_000


def test_a_negative_count_far_from_1970_is_in_milliseconds() -> None:
    assert instant_of("-2208988800", "start") == instant_of("1900-01-01", "start") == -2_208_988_800_000
    assert instant_of("-2208988800000", "start") == -2_208_988_800_000


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-02-30", "2026-13-01T00:00:00Z", "2026-01-31T25:00:00Z", "--1", "-", "1.5", "nan", "1e9",
        "9999999999999999", "-99999999999999", "0000-12-31", "2026-01-31T00:00:00+99:00", "٢٠٢٦-٠١-٣١", "2026-01-31T12",
        "2026-W05",
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-05:00", "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_instant_is_refused_with_what_would_be_valid(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        instant_of(text, "end")
    assert refused.value.code is ProblemCode.INVALID_RANGE
    assert refused.value.faults[0].where == "end"
    assert "write 2026-01-31T09:30:00Z" in refused.value.faults[0].message
