"""Whether bars wait long enough: how long after their event ticks are received, compared with the close delay."""

from aggregator.engine import metrics
from chassis import logs
from contracts import wire

_SHARE = 0.01
"""If more than this share of ticks comes too late, the close delay is too short."""
_ENOUGH = 500
"""The share is computed over so many ticks."""

_log = logs.get("aggregator.engine")


class Punctuality:
    """Sees a sample of the ticks. A tick that comes later than the close delay is late: its bar is emitted again."""

    def __init__(self, close_delay_ms: int) -> None:
        self._close_delay_ms = close_delay_ms
        self._seen = 0
        self._over = 0

    def see(self, tick: wire.Tick) -> None:
        """Count a tick's `received_at - event_time`, less its feed's delay; a baseline shows an old trade again."""
        if tick.is_baseline or tick.event_time_estimated:
            return
        age_ms = tick.received_at - tick.event_time - tick.delay * 1000
        metrics.TICK_AGE.observe(max(0, age_ms) / 1000)
        self._seen += 1
        self._over += age_ms > self._close_delay_ms
        if self._seen >= _ENOUGH:
            self._judge()

    def _judge(self) -> None:
        share, self._seen, self._over = self._over / self._seen, 0, 0
        metrics.OVER_LATENESS.set(share)
        if share > _SHARE:
            _log.warning(
                "ticks come later than bars wait for them; a longer CLOSE_DELAY_MS gives fewer revisions",
                share=round(share, 3),
                close_delay_ms=self._close_delay_ms,
            )
