"""What the provider says of a symbol apart from its prices: its trading calendar, and texts for people.

The calendar comes from the metadata of a complete snapshot (protocol §5.4). Where they name none, the market never
closes: `24x7`, UTC. Where they name one that cannot be read, or stop naming one, the last good one stays in use; if
there was none it is `24x7` too, since the engine makes no bars of ticks without a calendar.
"""

from typing import Any, cast

import msgspec

from contracts import wire
from contracts.calendar import ALWAYS, Calendar
from contracts.errors import BadData
from contracts.feed import SymbolInfo
from contracts.symbols import SymbolId
from contracts.ticks import CalendarRecord
from ingest_ws.core.fields import Rest

LONGEST = {
    name: next(part.max_length for part in CalendarRecord.model_fields[name].metadata if hasattr(part, "max_length"))
    for name in ("timezone", "session", "holidays", "corrections")
}
"""Characters of each text of a calendar, at most."""


class Description:
    """In: `merge`, `forget`, `complete`. Out: `calendar`, `has_volume`, and the records that carry them.

    `version` is incremented whenever the records change; 0: nothing is known yet.
    """

    __slots__ = ("_last", "_named", "_texts", "calendar", "fault", "has_volume", "is_current", "version")

    def __init__(self) -> None:
        self.calendar: Calendar = ALWAYS
        self.has_volume = False
        self.version = 0
        self.fault: BadData | None = None
        """Why the calendar that the metadata name is not in use."""
        self._last: tuple[Any, ...] = ()
        self.forget()

    def forget(self) -> None:
        """A new snapshot will bring everything again; the last good calendar stays in use."""
        self._named: dict[str, str | BadData | None] = {}
        self._texts: dict[str, str | float | None] = {}
        self.is_current = False
        """Whether `calendar` and the records contain all that was merged."""

    def merge(self, rest: Rest) -> None:
        """Merge the metadata of a message."""
        if rest.texts or rest.calendar:
            self._texts.update(rest.texts)
            self._named.update(rest.calendar)
            self.is_current = False

    def complete(self, *, has_volume: bool) -> None:
        """The snapshot is complete, or metadata have changed since: update `calendar`, `fault` and `version`."""
        self.is_current = True
        self.has_volume = has_volume
        self.fault = None
        try:
            self.calendar = self._named_calendar() or self.calendar
        except BadData as error:
            self.fault = error
        found = (self.calendar, has_volume, self.fault and self.fault.cause, *sorted(self._texts.items()))
        if found != self._last or not self.version:
            self.version += 1
            self._last = found

    def text(self, name: str) -> str | None:
        """A text for people, by its name in `SymbolInfo`."""
        return cast("str | None", self._texts.get(name))

    def record(self, identity: SymbolId, at: int) -> wire.Calendar:
        """The calendar as it stands in the log."""
        calendar = self.calendar
        return wire.Calendar(
            exchange=identity.exchange,
            symbol=identity.symbol,
            timezone=calendar.timezone,
            session=calendar.session,
            holidays=calendar.holidays,
            corrections=calendar.corrections,
            has_volume=self.has_volume,
            at=at,
        )

    def info(self, identity: SymbolId, at: int) -> SymbolInfo:
        """The metadata for `market.symbols`."""
        texts: dict[str, Any] = self._texts
        calendar = self.calendar
        return SymbolInfo(
            exchange=identity.exchange,
            symbol=identity.symbol,
            timezone=calendar.timezone,
            session=calendar.session,
            holidays=calendar.holidays,
            corrections=calendar.corrections,
            has_volume=self.has_volume,
            at=at,
            **{name: value for name, value in texts.items() if value is not None},
        )

    def named(self) -> bytes:
        """The calendar that the metadata name, as they write it, for a person to read."""
        return msgspec.json.encode({name: str(value) for name, value in self._named.items() if value is not None})

    def _named_calendar(self) -> Calendar | None:
        """The calendar that the metadata name; None if they name none, `BadData` if it cannot be read."""
        texts: dict[str, str] = {}
        for name, longest in LONGEST.items():
            value = self._named.get(name)
            if isinstance(value, BadData):
                raise value
            if value is not None and len(value) > longest:
                raise BadData(f"{name}: longer than {longest} characters", kind="invalid_calendar")
            texts[name] = value or ""
        if not texts["timezone"] or not texts["session"]:
            return None
        calendar = Calendar.parse(**texts)
        # Symbols of one exchange have equal texts: keep them once.
        self._named = {name: getattr(calendar, name) for name in texts}
        return calendar
