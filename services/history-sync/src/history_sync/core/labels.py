"""Under which open_time a provider's bar is stored: intraday as stamped, longer ones by their trading day."""

from contracts.intervals import DAY, HOUR, Interval

OPENING_TO_DAY_MS = 6 * HOUR
"""A session that opens the evening before belongs to the day that this lies after its opening instant."""


def label(interval: Interval, stamped_ms: int) -> int | None:
    """The open_time of a bar that the provider stamped with this instant; None if no bar can begin there.

    Intraday stamps are true instants (protocol §5.3) and have to align with the epoch. A daily bar is stamped with the
    opening instant of its session, a longer one with the first opening of its period: New York's Monday of a future
    opens on Sunday at 22:00Z or 23:00Z, Sydney's stocks at 23:00Z or 00:00Z. Six hours later all are in their day.
    """
    if interval.is_intraday:
        return stamped_ms if interval.is_label(stamped_ms) else None
    instant = stamped_ms + OPENING_TO_DAY_MS
    found = interval.open_time(instant, instant - instant % DAY)
    return found if interval.is_label(found) else None
