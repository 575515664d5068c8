"""The provider `tvdatafeed`: PyPI's tradingview-datafeed behind an adapter where its faults end. Touches TradingView.

It asks and parses as published. Ours are its connection (`line`), what it never notices (a refusal, an answer cut
short, bars it did not read) and the meaning of what it hands out: naive local times, zeros for unknown volumes.
Protocol §7 has its behaviour as it was measured.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import websocket

from chassis.errors import Misconfigured
from contracts.calendar import ALWAYS, Calendar
from contracts.errors import BadData
from contracts.history import Series
from contracts.intervals import Interval
from history_sync.core.answer import Answer
from history_sync.core.failures import AFTER_TOO_MANY_MS, ErrorCode, JobError
from history_sync.core.rows import Row, closed_until
from history_sync.core.volumes import with_known_volumes
from history_sync.line import Line, connect
from history_sync.provider import Call, Fetched, ProviderUnavailable, Refused

with warnings.catch_warnings():
    # Its source has invalid escape sequences, of which Python warns wherever it compiles it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tvDatafeed import Interval as FeedInterval
    from tvDatafeed import TvDatafeed

INTERVALS = {
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


class TvDatafeedProvider:
    """A `Provider`; every call has an instance and a socket of its own, so calls may run in parallel threads.

    The process must run in UTC, since tvDatafeed hands out local times; `Misconfigured` if it does not.
    """

    def __init__(self, url: str, auth_token: str, now_ms: Callable[[], int]) -> None:
        if time.timezone != 0 or time.daylight:
            raise Misconfigured("tvDatafeed tells bars in local time: run this process with TZ=UTC")
        logging.getLogger("tvDatafeed").setLevel(logging.CRITICAL)  # what it logs as errors, this adapter raises
        self._url = url
        self._auth_token = auth_token
        self._now_ms = now_ms

    def fetch(self, series: Series, bars: int, call: Call) -> Fetched:
        """See `Provider.fetch`."""
        feed = _Feed()
        answer = Answer(feed.chart_session)
        feed.token = self._auth_token
        feed.connect = lambda: connect(self._url, call, answer)
        try:
            with _typed_errors(answer, call):
                frame = feed.get_hist(series.symbol, series.exchange, INTERVALS[series.interval], n_bars=bars)
        finally:
            if feed.ws is not None:
                feed.ws.close(timeout=0)
        _insist(answer, call)
        answered_at = self._now_ms()
        rows = [] if frame is None else _rows(frame)
        if not rows:
            raise Refused(JobError(ErrorCode.NO_DATA, "the provider has no bars of this series"))
        return Fetched(
            rows=tuple(_checked(rows, answer)),
            calendar=_calendar(answer),
            closed_until=closed_until(answer.provider_now or answered_at, answer.delay_ms, answer.pace_ms),
            answered_at=answered_at,
            last_closes=answer.last_closes,
        )


class _Feed(TvDatafeed):  # type: ignore[misc]  # the package has no types
    """tvDatafeed with a connection of ours and nothing else changed (protocol §7.2)."""

    connect: Callable[[], Line]
    ws: Line | None

    def _TvDatafeed__create_connection(self) -> None:  # noqa: N802 - the name that it calls
        self.ws = self.connect()


@contextmanager
def _typed_errors(answer: Answer, call: Call) -> Iterator[None]:
    """What tvDatafeed lets through, by what it means; it swallows whatever happens after it has asked."""
    try:
        yield
    except websocket.WebSocketBadStatusException as error:
        detail = f"the connection was refused with {error.status_code}"
        if error.status_code in {401, 403}:
            raise Refused(JobError(ErrorCode.UNAUTHORIZED, detail)) from error
        at_least = AFTER_TOO_MANY_MS if error.status_code == 429 else 0
        raise ProviderUnavailable("refused", detail, at_least) from error
    except (websocket.WebSocketException, OSError) as error:
        raise ProviderUnavailable("unreachable", f"{type(error).__name__}: {error}"[:300]) from error
    except (ValueError, IndexError) as error:
        _insist(answer, call)
        raise ProviderUnavailable("unreadable", f"{type(error).__name__}: {error}"[:300]) from error


def _insist(answer: Answer, call: Call) -> None:
    """Raise what the answer was if it was not a complete one."""
    if answer.refusal is not None:
        raise Refused(answer.refusal)
    if answer.failure is not None:
        raise ProviderUnavailable("failed", answer.failure)
    if not answer.is_complete and call.remaining_s() <= 0:
        raise ProviderUnavailable("deadline", f"no complete answer within {call.within_s:g} s")
    if not answer.is_complete:
        raise ProviderUnavailable("partial", "the connection ended before the answer was complete")


def _calendar(answer: Answer) -> Calendar:
    """The calendar that the symbol's metadata name; that of a market that never closes where they name none."""
    if not answer.is_resolved:
        raise ProviderUnavailable("partial", "the answer came without the metadata of the symbol")
    if answer.hours is None:
        return ALWAYS
    try:
        return Calendar.parse(*answer.hours)
    except BadData as error:
        raise Refused(
            JobError(ErrorCode.UNREADABLE_CALENDAR, f"its trading hours cannot be read: {error.cause}")
        ) from None


def _rows(frame: Any) -> list[Row]:
    """The rows of a data frame; its naive index is UTC, in which the process runs."""
    return [
        Row(round(row.Index.timestamp() * 1000), row.open, row.high, row.low, row.close, row.volume)
        for row in frame.itertuples()
    ]


def _checked(rows: list[Row], answer: Answer) -> list[Row]:
    """The rows as far as they are the provider's: held against the stamps of the bars that the line has read.

    It reads the first update with bars only, so bars of a second one are missing: the answer is partial. A number that
    it cannot read becomes 0.0: such a row is made unusable, to be put aside.
    """
    read = {row.stamped_ms for row in rows}
    if missing := len(answer.stamps - read):
        raise ProviderUnavailable("partial", f"{missing} of {len(answer.stamps)} bars were not read")
    spoiled = [stamp for stamp in (answer.spoiled_from_ms, *(read - answer.stamps)) if stamp is not None]
    known = with_known_volumes(rows, answer.has_volume, min(spoiled, default=None))
    return [row if row.stamped_ms in answer.stamps else row._replace(close=math.nan) for row in known]
