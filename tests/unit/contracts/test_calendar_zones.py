"""Zones come from the pinned package, under every name that the IANA database knows."""

import pytest
import tzdata

from contracts.calendar import TZDATA_VERSION, zones
from contracts.errors import BadData


def test_the_version_is_that_of_the_package() -> None:
    assert tzdata.IANA_VERSION == TZDATA_VERSION
    assert TZDATA_VERSION[:2] == "20"


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "America/New_York", "Asia/Kolkata", "Asia/Calcutta", "US/Eastern"])
def test_names_and_aliases_are_zones(name: str) -> None:
    assert zones.zone(name).key == name
    assert zones.zone(name) is zones.zone(name)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../zones", "america/new_york", "America", "/etc/localtime", "a" * 999]
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(BadData, match="not a time zone") as refused:
        zones.zone(name)
    assert refused.value.kind == "invalid_calendar"


def test_zones_are_not_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    zones.zone.cache_clear()
    assert zones.zone("Asia/Tokyo").key == "Asia/Tokyo"
