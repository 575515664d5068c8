"""Unmodified `tvDatafeed`, pointed at another TradingView: what any of its users would see."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import websocket

with warnings.catch_warnings():
    # Its source has invalid escape sequences, of which Python warns wherever it compiles it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tvDatafeed import Interval, TvDatafeed

DEADLINE_S = 20
__all__ = ["FeedBar", "Interval", "Redirected", "datafeed", "fetch"]


class FeedBar(NamedTuple):
    """A bar as the provider tells it; `open_time` in milliseconds."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Redirected(TvDatafeed):  # type: ignore[misc]  # the package has no types
    """tvDatafeed with another address and nothing else changed (protocol §7.2)."""

    url: str

    def _TvDatafeed__create_connection(self) -> None:
        self.ws = websocket.create_connection(self.url, timeout=DEADLINE_S)


@contextmanager
def datafeed(url: str) -> Iterator[Redirected]:
    """One instance for one call: it never closes its socket by itself."""
    feed = Redirected()
    feed.url = url
    yield feed
    feed.ws.close()


def fetch(url: str, exchange: str, symbol: str, interval: Interval, count: int) -> list[FeedBar]:
    """The newest bars, oldest first; the last one may still be forming."""
    with datafeed(url) as feed:
        frame = feed.get_hist(symbol, exchange, interval, n_bars=count)
    assert frame is not None, f"tvDatafeed found nothing for {exchange}:{symbol}"
    return [
        FeedBar(round(row.Index.to_pydatetime().timestamp()) * 1000, row.open, row.high, row.low, row.close, row.volume)
        for row in frame.itertuples()
    ]
