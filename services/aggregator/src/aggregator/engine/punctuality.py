"""Whether bars wait long enough: how long after their event ticks were received, held against the lateness."""

from aggregator.engine import metrics
from chassis import logs
from contracts import wire

_SHARE = 0.01
"""With more than this share of ticks coming too late, lateness is too short."""
_ENOUGH = 500
"""Ticks by which it is judged."""

_log = logs.get("aggregator.engine")


class Punctuality:
    """Sees some of the ticks. What comes later than bars wait is late: its bar is issued again."""

    def __init__(self, lateness_ms: int) -> None:
        self._lateness_ms = lateness_ms
        self._seen = 0
        self._over = 0

    def see(self, tick: wire.Tick) -> None:
        """Count a tick's `received_at - event_time`, less its feed's delay; a baseline tells an old trade again."""
        if tick.is_baseline or tick.event_time_estimated:
            return
        age_ms = tick.received_at - tick.event_time - tick.delay * 1000
        metrics.TICK_AGE.observe(max(0, age_ms) / 1000)
        self._seen += 1
        self._over += age_ms > self._lateness_ms
        if self._seen >= _ENOUGH:
            self._judge()

    def _judge(self) -> None:
        share, self._seen, self._over = self._over / self._seen, 0, 0
        metrics.OVER_LATENESS.set(share)
        if share > _SHARE:
            _log.warning(
                "ticks come later than bars wait for them; a longer LATENESS_MS gives fewer revisions",
                share=round(share, 3),
                lateness_ms=self._lateness_ms,
            )
