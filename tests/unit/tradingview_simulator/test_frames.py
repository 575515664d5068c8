"""The stream without sockets: what it says at the true instants folds to the bars that history serves."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from tradingview_simulator import Market, frames
from tradingview_simulator.model.days import AUCTION_S

MINUTE = 60


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def fold(
    market: Market, name: str, start: str, end: str, announcements: Sequence[tuple[int, str]] = ()
) -> list[list[float]]:
    """Minutes of the regular session from a stream: prices by the true instants of trades, volumes by their steps."""
    tape = market.tape(name)
    assert tape is not None
    auction_s = AUCTION_S if tape.instrument.has_auction else 0
    state: dict[str, Any] = {}
    seen: dict[int, tuple[float, float]] = {}
    for frame in frames(market, name, instant(start), instant(end), announcements=announcements):
        state |= frame.fields
        if frame.trade_time_ms is not None and "lp" in state:
            seen[frame.trade_time_ms] = (state["lp"], state["volume"])
    bars: dict[int, list[float]] = {}
    before: float | None = None
    for at_ms, (price, volume) in sorted(seen.items()):
        session = tape.calendar.session(tape.day_at(at_ms))
        assert session is not None
        if before is not None and session.start * 1_000 <= at_ms < (session.end + auction_s) * 1_000:
            open_s = session.segment_at(at_ms // 1_000).stamp(at_ms // 1_000, MINUTE)
            bar = bars.setdefault(open_s, [float(open_s), price, price, price, price, 0.0])
            bar[2], bar[3], bar[4] = max(bar[2], price), min(bar[3], price), price
            bar[5] = round(bar[5] + (volume - before if volume >= before else volume), 6)
        before = volume
    return list(bars.values())


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("BINANCE:BTCUSDT", "2026-11-23T23:50:30", "2026-11-24T00:10"),
        ("BINANCE:币安人生USDT.P", "2026-11-23T23:50:30", "2026-11-24T00:10"),
        ("NASDAQ:AAPL", "2026-11-23T08:50:30", "2026-11-23T14:50"),
        ("NASDAQ:AAPL", "2026-11-27T17:40:30", "2026-11-27T18:40"),
        ("NYSE:BAC/PL", "2026-11-23T14:00:30", "2026-11-23T21:30"),
        ("TSE:7203", "2026-11-20T02:20:30", "2026-11-20T06:50"),
        ("HKEX:700", "2026-11-20T07:50:30", "2026-11-23T01:40"),
        ("TAIFEX:MXF1!", "2026-11-20T20:50:30", "2026-11-23T00:55"),
        ("CME_MINI:ES1!", "2025-01-20T17:50:30", "2025-01-20T23:10"),
        ("OANDA:EURUSD", "2026-11-23T21:50:30", "2026-11-23T22:10"),
        ("CME_MINI:ES1!", "2026-11-01T22:50:30", "2026-11-01T23:20"),  # the clocks changed that morning
        ("NYMEX:CL1!", "2026-11-19T21:50:30", "2026-11-19T23:40"),  # a contract roll
        ("NSE:NIFTY", "2026-11-23T03:40:30", "2026-11-23T04:05"),
    ],
)
def test_the_stream_folds_to_the_minutes_of_history(name: str, start: str, end: str) -> None:
    market = Market(1)
    folded = fold(market, name, start, end)[1:]
    tape = market.tape(name)
    assert tape is not None
    history = market.bars(name, "1", instant(end) - 1 - tape.instrument.delay_s * 1_000, 5_000)
    assert len(folded) >= 10
    # The last trade may be on its way when the stream ends.
    assert folded[:-1] == [bar for bar in history if bar[0] >= folded[0][0]][: len(folded) - 1]
    assert folded[-1][0] == history[-1][0]


def test_an_early_close_announced_meanwhile_ends_the_stream_and_history_alike() -> None:
    market, name = Market(1), "NASDAQ:AAPL"
    noon = instant("2026-11-23T17:00")
    folded = fold(market, name, "2026-11-23T16:50:30", "2026-11-23T19:00", [(noon, "0930-1300:20261123")])[1:]
    assert folded[-1][0] * 1_000 == instant("2026-11-23T17:59")
    assert folded == market.bars(name, "1", instant("2026-11-23T20:00"), len(folded))


def test_the_same_market_and_instants_give_the_same_frames() -> None:
    first, second = (
        list(frames(Market(1), "NASDAQ:AAPL", instant("2026-11-23T14:29"), instant("2026-11-23T14:32"), fields=["lp"]))
        for _ in range(2)
    )
    assert first == second
    assert {key for frame in first for key in frame.fields} == {"lp"}
    assert [frame.is_snapshot for frame in first[:3]] == [True, True, False]
    assert first[1].completes
    assert first[0].sent_at_ms > instant("2026-11-23T14:29")


def test_a_symbol_is_flushed_at_most_once_a_second() -> None:
    sent = [
        frame.trade_time_ms
        for frame in frames(Market(1), "NASDAQ:AAPL", instant("2026-11-23T20:58"), instant("2026-11-23T21:05"))
        if not frame.is_snapshot and frame.trade_time_ms is not None
    ]
    distinct = sorted(set(sent))
    assert len(distinct) > 100
    assert min(later - earlier for earlier, later in pairwise(distinct)) >= 950


def test_an_unknown_symbol_is_refused() -> None:
    with pytest.raises(KeyError):
        list(frames(Market(1), "FOO:BAR", 0, 1))
