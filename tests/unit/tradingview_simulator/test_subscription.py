"""A subscription alone, over a feed whose values the test sets."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tradingview_simulator.journal import Sent
from tradingview_simulator.mischief import Mischief
from tradingview_simulator.model.market import Market
from tradingview_simulator.quotes.feed import Feed
from tradingview_simulator.quotes.subscription import Subscription
from tradingview_simulator.timers import Timers

NAME = "BINANCE:BTCUSDT"


class Watched:
    """A subscription to everything of one symbol; `sent` holds the fields of its messages."""

    def __init__(self) -> None:
        timers = Timers(lambda: 1_795_435_200_000)
        tape = Market(1).tape(NAME)
        assert tape is not None
        self.feed = Feed(tape, timers, Random(1), (5, 50))
        self.sent: list[dict[str, Any]] = []
        self.subscription = Subscription(
            NAME,
            self.feed,
            wants=lambda field: field != "bid",
            send=self._send,
            completed=lambda name: None,
            timers=timers,
            chance=Random(1),
            mischief=Mischief(),
            slow_interval_s=15,
        )

    def _send(self, name: str, fields: Mapping[str, object], sent: Sent) -> None:
        self.sent.append(dict(fields))


def test_nothing_is_sent_before_the_snapshot() -> None:
    watched = Watched()
    watched.subscription.flush(("lp",))
    assert watched.sent == []


def test_only_what_changed_and_is_wanted_is_sent_and_only_once() -> None:
    watched = Watched()
    watched.subscription.send_snapshot()
    watched.sent.clear()
    watched.feed.values |= {"lp": 1.5, "bid": 1.25}
    for _ in range(2):
        watched.subscription.flush(("lp", "volume", "bid"))
    assert watched.sent == [{"lp": 1.5}]


def test_what_is_forgotten_is_sent_even_where_it_equals_what_was_sent() -> None:
    watched = Watched()
    watched.subscription.send_snapshot()
    watched.sent.clear()
    watched.subscription.forget(("open_price", "high_price"))
    watched.subscription.flush(("lp", "open_price", "high_price", "low_price", "prev_close_price"))
    assert [fields.keys() for fields in watched.sent] == [{"open_price", "high_price"}]


def test_a_closed_subscription_sends_no_snapshot() -> None:
    watched = Watched()
    watched.subscription.close()
    watched.subscription.send_snapshot()
    assert watched.sent == []
