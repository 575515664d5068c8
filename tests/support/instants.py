"""Instants written as the exchange's clock shows them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from contracts.calendar import zones


def at(text: str, zone: str = "Etc/UTC") -> int:
    """`2025-01-03 09:30` on the clock of a zone, as milliseconds of UTC; of a time that occurs twice the first."""
    place: ZoneInfo = zones.zone(zone)
    return round(datetime.fromisoformat(text).replace(tzinfo=place).timestamp() * 1000)


def shown(instant_ms: int, zone: str = "Etc/UTC") -> str:
    """The inverse: `2025-01-03 09:30`, with seconds where there are some."""
    text = datetime.fromtimestamp(instant_ms / 1000, zones.zone(zone)).strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(":00")
