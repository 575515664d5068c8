"""The JSON Schema of every record on a topic, by file name; exported to `contracts/schemas/` and reviewed as a diff."""

import json
from typing import Any

from pydantic import TypeAdapter

from contracts import bars, feed, history, marks, ticks

RECORDS: dict[str, Any] = {
    "QuoteTick": ticks.QuoteTick,
    "CalendarRecord": ticks.CalendarRecord,
    "FeedMark": marks.FeedMark,
    "LateTick": ticks.LateTick,
    "Quote": ticks.Quote,
    "Bar": bars.Bar,
    "BarsComplete": bars.BarsComplete,
    "Forming": bars.Forming,
    "SymbolInfo": feed.SymbolInfo,
    "Subscription": feed.Subscription,
    "FeedControl": feed.FeedControl,
    "SymbolStatus": feed.SymbolStatus,
    "FeedEvent": feed.FeedEvent,
    "SyncRequest": history.SyncRequest,
    "HistoryEvent": history.HistoryEvent,
}


def schemas() -> dict[str, str]:
    """File name → the schema as text, in one canonical form."""
    return {
        f"{name}.schema.json": json.dumps(TypeAdapter(record).json_schema(), indent=2, ensure_ascii=False) + "\n"
        for name, record in RECORDS.items()
    }
