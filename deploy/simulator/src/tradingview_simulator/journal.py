"""What was sent: every `qsd`, numbered, in a ring of bounded size."""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple


class Sent(NamedTuple):
    """One `qsd`: what it said of which symbol.

    trade_time_ms: the true instant of the last trade behind the price, volume or time it carries; None where it
    carries none of them. snapshot: part of a full snapshot, not an update. fault: the one that made it up, where one
    did. unsent_trades_ms: the true instants of the trades since the update before that coalescing never sent.
    """

    symbol: str
    fields: Mapping[str, object]
    trade_time_ms: int | None
    snapshot: bool
    fault: str | None = None
    unsent_trades_ms: tuple[int, ...] = ()


class Journal:
    """The newest `limit` entries."""

    def __init__(self, limit: int) -> None:
        self._entries: deque[tuple[int, int, int, Sent]] = deque(maxlen=limit)
        self._last = 0

    def record(self, connection: int, sent_at_ms: int, sent: Sent) -> None:
        """What goes out on a connection, and when it was there to be sent: at the same instant on every connection."""
        self._last += 1
        self._entries.append((self._last, connection, sent_at_ms, sent))

    def page(self, after: int, limit: int, symbol: str | None) -> dict[str, object]:
        """Up to `limit` entries (of one symbol) with a number above `after`, oldest first.

        next: pass it as `after` to go on; dropped: how many entries above `after` the ring has let go.
        """
        oldest = self._last - len(self._entries) + 1
        entries: list[dict[str, object]] = []
        reached = max(after, oldest - 1)
        for number, connection, sent_at_ms, sent in islice(self._entries, max(0, after + 1 - oldest), None):
            if len(entries) >= limit:
                break
            reached = number
            if symbol is not None and sent.symbol != symbol:
                continue
            entries.append(
                {
                    "number": number,
                    "connection": connection,
                    "sent_at_ms": sent_at_ms,
                    "symbol": sent.symbol,
                    "fields": sent.fields,
                    "trade_time_ms": sent.trade_time_ms,
                    "snapshot": sent.snapshot,
                    "fault": sent.fault,
                    "unsent_trades_ms": sent.unsent_trades_ms,
                }
            )
        return {"entries": entries, "next": reached, "last": self._last, "dropped": max(0, oldest - 1 - max(after, 0))}
