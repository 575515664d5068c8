"""Trading calendars: which bar, trading day and session an instant belongs to.

A calendar is TradingView's own metadata of a symbol: a time zone, a session string, holidays and corrections.
`Calendar.parse` reads them; everything else is arithmetic over the segments of trading days. `docs/calendars.md`
has the rules and how well each is supported by observed bars.

* `session` reads the strings, `days` places them in time, `calendar` answers questions about instants and bars.
* Instants are integer milliseconds of UTC and may be negative; a trading day is named by its midnight UTC.
"""

from contracts.calendar.calendar import ALWAYS, Calendar, Segment
from contracts.calendar.zones import TZDATA_VERSION

__all__ = ["ALWAYS", "TZDATA_VERSION", "Calendar", "Segment"]
