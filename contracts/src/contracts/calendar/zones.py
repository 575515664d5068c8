"""Time zones of the pinned `tzdata` package, never of the host, so that one log gives one answer everywhere."""

from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata

from contracts.errors import BadData

TZDATA_VERSION: str = tzdata.IANA_VERSION
"""The release of the IANA database in use, such as `2026f`."""


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset((files(tzdata) / "zones").read_text("utf-8").split())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name; aliases such as `UTC` and `Etc/UTC` are names too. `BadData` for any other."""
    if name not in _names():
        raise BadData(f"{name[:64]!r} is not a time zone of the IANA database", kind="invalid_calendar")
    with files(tzdata).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
