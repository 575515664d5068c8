"""Zeros that tvDatafeed writes where there is no volume are told from zeros of the provider."""

from history_sync.core.volumes import with_known_volumes
from tests.unit.history_sync.builders import row


def volumes(given: list[float], has_volume: bool | None = None, spoiled_from_ms: int | None = None) -> list[object]:
    rows = [row(place, volume=volume) for place, volume in enumerate(given)]
    return [known.volume for known in with_known_volumes(rows, has_volume, spoiled_from_ms)]


def test_a_symbol_whose_metadata_know_no_volume_has_none() -> None:
    assert volumes([0.0, 0.0], has_volume=False) == [None, None]
    assert volumes([1.0, 0.0], has_volume=False) == [None, None]


def test_without_metadata_zeros_throughout_mean_no_volume() -> None:
    assert volumes([0.0, 0.0]) == [None, None]
    assert volumes([0.0, 2.0, 0.0]) == [0.0, 2.0, 0.0]


def test_a_symbol_with_volume_may_have_bars_of_zero() -> None:
    assert volumes([0.0, 0.0], has_volume=True) == [0.0, 0.0]


def test_from_the_first_bar_without_volume_on_nothing_is_known() -> None:
    assert volumes([5.0, 6.0, 0.0, 0.0], True, spoiled_from_ms=2) == [5.0, 6.0, None, None]


def test_the_providers_word_for_no_value_is_no_volume() -> None:
    assert volumes([5.0, 1e100, float("nan"), -1.0], has_volume=True) == [5.0, None, None, None]
