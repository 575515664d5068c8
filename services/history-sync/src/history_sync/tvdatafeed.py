"""The provider `tvdatafeed`: PyPI's tradingview-datafeed behind an adapter where its faults end. Touches TradingView.

It parses and asks as published; ours are the connection (URL, Origin, timeout, closed afterwards), what it never
notices (refusals, an answer cut short, the feed's delay, bars without volume) and the deadline (protocol §7).
"""

import asyncio
import logging
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import websocket

from contracts.history import Series
from contracts.intervals import Interval
from history_sync.core.retries import ProviderUnavailable, SeriesRefused
from history_sync.core.rows import Row
from history_sync.provider import Fetched
from tradingview.codec import Message, decode
from tradingview.errors import BadFrame
from tradingview.quote_fields import delay_s

with warnings.catch_warnings():
    # Its source has invalid escape sequences, of which Python warns wherever it compiles it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tvDatafeed import Interval as FeedInterval
    from tvDatafeed import TvDatafeed

THREADS = 4
ORIGIN = "https://www.tradingview.com"
_CONNECT_WITHIN_S = 10.0

_INTERVALS = {
    Interval.M1: FeedInterval.in_1_minute,
    Interval.M3: FeedInterval.in_3_minute,
    Interval.M5: FeedInterval.in_5_minute,
    Interval.M15: FeedInterval.in_15_minute,
    Interval.M30: FeedInterval.in_30_minute,
    Interval.M45: FeedInterval.in_45_minute,
    Interval.H1: FeedInterval.in_1_hour,
    Interval.H2: FeedInterval.in_2_hour,
    Interval.H3: FeedInterval.in_3_hour,
    Interval.H4: FeedInterval.in_4_hour,
    Interval.D1: FeedInterval.in_daily,
    Interval.W1: FeedInterval.in_weekly,
    Interval.MO1: FeedInterval.in_monthly,
}


class Socket:
    """The socket that tvDatafeed is given: it reads along, and ends the wait when the provider has refused."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._ws = websocket.create_connection(url, origin=ORIGIN, timeout=timeout_s)
        self.is_complete = False
        self.refusal: str | None = None
        self.update_mode: object = None
        self.has_volume = False

    def send(self, text: str) -> None:
        self._ws.send(text)

    def recv(self) -> str:
        """The next frame. Raises as websocket-client does, and when the series is refused."""
        frame = self._ws.recv()
        if not isinstance(frame, str):
            return ""
        try:
            packets = decode(frame)
        except BadFrame as error:
            packets = list(error.packets)
        for packet in packets:
            if isinstance(packet, Message):
                self._hear(packet)
        if self.refusal is not None:
            raise websocket.WebSocketException("the series is refused")
        return frame

    def _hear(self, message: Message) -> None:
        match message.method, message.params:
            case "series_completed", (_, _, update_mode, *_):
                self.is_complete, self.update_mode = True, update_mode
            case ("symbol_error" | "series_error" | "protocol_error") as method, params:
                self.refusal = f"{method}: {', '.join(str(param) for param in params[1:] or params)}"[:300]
            case "critical_error", (session, *reasons) if str(session).startswith("cs_"):
                self.refusal = f"critical_error: {', '.join(map(str, reasons))}"[:300]
            case "timescale_update", (_, dict(series), *_):
                bars = series.get("s1", {}).get("s", []) if isinstance(series.get("s1"), dict) else []
                self.has_volume = self.has_volume or any(len(bar.get("v", ())) > 5 for bar in bars)
            case _:
                pass

    def close(self) -> None:
        """Close without waiting for the other side."""
        self._ws.close(timeout=0)


class _Feed(TvDatafeed):  # type: ignore[misc]  # the package has no types
    """tvDatafeed with a connection of ours (protocol §7.2)."""

    def __init__(self, connect: Callable[[], Socket], token: str | None) -> None:
        super().__init__()
        self._connect = connect
        if token:
            self.token = token

    def _TvDatafeed__create_connection(self) -> None:  # noqa: N802 - the name that it calls
        self.ws = self._connect()


class TvDatafeedProvider:
    """A `Provider`; each call has its own instance, socket and thread of a pool. The process must run in UTC."""

    def __init__(self, url: str, token: str | None, deadline_s: float, now_ms: Callable[[], int]) -> None:
        if time.timezone != 0 or time.daylight:
            raise RuntimeError("tvDatafeed answers in local time: run with TZ=UTC")
        logging.getLogger("tvDatafeed").setLevel(logging.CRITICAL)  # what it logs, this adapter raises
        self._url = url
        self._token = token
        self._deadline_s = deadline_s
        self._now_ms = now_ms
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tvdatafeed")

    async def fetch(self, series: Series, bars: int) -> Fetched:
        """See `Provider.fetch`. Takes at most the deadline: then its socket is closed under it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(self._fetch, series, bars))

    def close(self) -> None:
        """Wait for what is under way, which its deadlines bound."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, series: Series, bars: int) -> Fetched:
        deadline = time.monotonic() + self._deadline_s
        sockets: list[Socket] = []

        def connect() -> Socket:
            sockets.append(Socket(self._url, min(_CONNECT_WITHIN_S, max(0.1, deadline - time.monotonic()))))
            return sockets[-1]

        def cut() -> None:
            for socket in sockets:
                socket.close()

        guard = threading.Timer(self._deadline_s, cut)
        guard.daemon = True
        guard.start()
        try:
            frame: Any = _Feed(connect, self._token).get_hist(
                series.symbol, series.exchange, _INTERVALS[series.interval], n_bars=bars
            )
            return self._answer(sockets[0], frame)
        except (websocket.WebSocketException, OSError) as error:
            raise ProviderUnavailable("provider_unreachable", f"{type(error).__name__}: {error}"[:300]) from error
        except (ValueError, IndexError) as error:
            self._refuse(sockets)
            raise ProviderUnavailable("provider_unreadable", f"{type(error).__name__}: {error}"[:300]) from error
        finally:
            guard.cancel()
            cut()

    def _answer(self, socket: Socket, frame: Any) -> Fetched:
        """The rows of a data frame, if the answer was complete."""
        self._refuse([socket])
        if not socket.is_complete:
            raise ProviderUnavailable("provider_incomplete", "the answer ended before it was complete")
        delay = delay_s(socket.update_mode)
        rows = () if frame is None else frame.itertuples(index=True)
        return Fetched(
            rows=tuple(
                Row(
                    round(row.Index.timestamp() * 1000),
                    *(row.open, row.high, row.low, row.close),
                    row.volume if socket.has_volume else None,
                )
                for row in rows
            ),
            delay_ms=None if delay is None else delay * 1000,
            complete_at=self._now_ms(),
        )

    def _refuse(self, sockets: list[Socket]) -> None:
        for socket in sockets:
            if socket.refusal is not None:
                code = "symbol_refused" if socket.refusal.startswith(("symbol", "series")) else "provider_refused"
                raise SeriesRefused(code, socket.refusal)
