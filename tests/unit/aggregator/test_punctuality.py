"""The engine says when bars do not wait long enough for the ticks that come."""

from typing import Any

from structlog.testing import capture_logs

from aggregator.engine import metrics
from aggregator.engine.punctuality import Punctuality
from contracts import wire
from tests.support.records import T0, tick


def received_after(milliseconds: int, **more: Any) -> wire.Tick:
    return tick(T0, 1.0, received_at=T0 + milliseconds, **more)


def told(ticks: list[wire.Tick]) -> list[float]:
    """The shares that were warned of, lateness being 2 s."""
    punctuality = Punctuality(2_000)
    with capture_logs() as said:
        for one in ticks:
            punctuality.see(one)
    return [entry["share"] for entry in said]


def test_more_than_one_tick_in_a_hundred_beyond_the_lateness_is_told() -> None:
    assert told([received_after(2_000)] * 494 + [received_after(2_001)] * 6) == [0.012]
    assert metrics.OVER_LATENESS._value.get() == 0.012


def test_few_that_come_late_are_no_news() -> None:
    assert told([received_after(900)] * 495 + [received_after(60_000)] * 5) == []
    assert metrics.OVER_LATENESS._value.get() == 0.01


def test_the_delay_of_the_feed_and_what_tells_an_old_trade_do_not_count() -> None:
    delayed = received_after(901_000, delay=900)
    old = [received_after(3_600_000, is_baseline=True), received_after(60_000, event_time_estimated=True)]
    assert told([delayed] * 500 + old * 500) == []
    assert metrics.OVER_LATENESS._value.get() == 0.0
