"""What the feed shall do and what it says of itself, each folded from the records of one compacted topic.

A fold takes records in the order of their partition; None as value ends a key; `BadData` leaves it as it was.
"""

from typing import Protocol

from contracts.errors import BadData
from contracts.feed import FeedControl, Subscription, SymbolStatus
from contracts.symbols import SymbolId
from contracts.topics import CONTROL_KEY


class Fold(Protocol):
    """The last word of each key of a topic."""

    def apply(self, key: bytes, value: bytes | None) -> None: ...


class Wanted:
    """The subscribed symbols, from `market.subscriptions`."""

    def __init__(self) -> None:
        self.subscriptions: dict[SymbolId, Subscription] = {}

    def __contains__(self, identity: object) -> bool:
        return identity in self.subscriptions

    def apply(self, key: bytes, value: bytes | None) -> None:
        identity = SymbolId.of_key(key)
        if value is None:
            self.subscriptions.pop(identity, None)
            return
        subscription = Subscription.decode(value)
        if subscription.identity != identity:
            raise BadData("the key is not that of the symbol in the value", kind="wrong_key")
        self.subscriptions[identity] = subscription

    def sorted(self) -> list[SymbolId]:
        """The symbols in the order of their identities."""
        return sorted(self.subscriptions, key=str)


class Control:
    """Whether the feed shall run, from `market.control`; no record means that it runs."""

    def __init__(self) -> None:
        self.is_running = True

    def apply(self, key: bytes, value: bytes | None) -> None:
        if key != CONTROL_KEY:
            raise BadData("no such key is known on this topic", kind="unknown_key")
        self.is_running = value is None or FeedControl.decode(value).running


class Statuses:
    """The last report of each replica on each of its symbols, from `market.status`."""

    def __init__(self) -> None:
        self.reports: dict[bytes, SymbolStatus] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.reports.pop(key, None)
            return
        status = SymbolStatus.decode(value)
        if status.key != key:
            raise BadData("the key is not that of the status in the value", kind="wrong_key")
        self.reports[key] = status
