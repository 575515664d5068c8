"""One symbol as one quote session asked for it: what was sent of it, and what is therefore still to be sent."""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from tradingview_simulator.journal import Sent
from tradingview_simulator.mischief import Mischief
from tradingview_simulator.quotes.feed import Feed
from tradingview_simulator.quotes.values import FIGURE_KEYS, LIVE_KEYS, TRADE_KEYS, pieces
from tradingview_simulator.timers import Timers

_UNSENT = object()

Send = Callable[[str, Mapping[str, object], Sent], None]
"""(name as asked for, the `v` of a qsd, its journal entry)."""


class Subscription:
    """A snapshot first, then partial updates: at the feed's own pace when fast, now and then when slow."""

    def __init__(
        self,
        name: str,
        feed: Feed,
        *,
        wants: Callable[[str], bool],
        send: Send,
        completed: Callable[[str], None],
        timers: Timers,
        chance: Random,
        slow_interval_s: float,
        mischief: Mischief,
    ) -> None:
        self.name = name
        self.feed = feed
        self.is_fast = True
        self.wants = wants
        self._send = send
        self._completed = completed
        self._timers = timers
        self._chance = chance
        self._slow_interval_s = slow_interval_s
        self._mischief = mischief
        self._gathered: set[str] | None = None
        """The fields that wait for a coalesced update; None while none is planned."""
        self._sent: dict[str, object] | None = None
        self._closed = False
        self._slow_round = 0
        feed.join(self)

    def close(self) -> None:
        self._closed = True
        self.feed.leave(self)

    def plan_snapshot(self, delay_ms: float) -> None:
        """Send the whole state after a delay; until then no update goes out."""
        self._sent = None
        self._timers.after(delay_ms, self.send_snapshot)

    def send_snapshot(self) -> None:
        """Send every wanted field now, unless a snapshot planned earlier has done it meanwhile."""
        if self._closed or self._sent is not None:
            return
        values = {key: value for key, value in self.feed.values.items() if self.wants(key)}
        self._sent = dict(values)
        for part in pieces(values, self._chance):
            self._emit(part, snapshot=True)
        self._completed(self.name)

    def set_pace(self, *, fast: bool, snapshot_delay_ms: float) -> None:
        """Change class; a change is followed by the snapshot again (protocol §4.6)."""
        if fast == self.is_fast:
            return
        self.is_fast = fast
        self._slow_round += 1
        if not fast:
            self._plan_slow_flush(self._slow_round)
        if self._sent is not None:
            self.plan_snapshot(snapshot_delay_ms)

    def day_rolled(self) -> None:
        """The figures of the old day are void: send those of the new one even where they are equal."""
        if self._sent is not None:
            for key in (*FIGURE_KEYS, "volume", "open_time"):
                self._sent.pop(key, None)

    def flush(self, keys: Iterable[str]) -> None:
        """Send those of `keys` that are wanted and differ from what was sent; coalesced, where that fault is on."""
        if self._gathered is not None:
            self._gathered.update(keys)
            return
        if self._mischief.coalesce_ms:
            self._gathered = set(keys)
            self._timers.after(self._mischief.coalesce_ms, self._flush_gathered)
            return
        self._flush(keys)

    def _flush_gathered(self) -> None:
        gathered, self._gathered = self._gathered, None
        if gathered and not self._closed:
            self._flush([key for key in self.feed.values if key in gathered])

    def repeat_the_past(self) -> None:
        """Send a price, volume and last time from before what was sent last, with the snapshot's end (§4.3)."""
        sent = self._sent
        if sent is not None and {"lp", "lp_time"} <= sent.keys():
            past: dict[str, Any] = {"lp": _less(sent["lp"], 0.99), "lp_time": _less(sent["lp_time"], 1) - 30}
            if "volume" in sent:
                past["volume"] = _less(sent["volume"], 0.99)
            self._send(self.name, past, Sent(self.feed.instrument.name, past, None, snapshot=False, fault="past"))
            self._completed(self.name)

    def regress(self) -> None:
        """Send a lower cumulative volume than was sent last."""
        sent = self._sent
        if sent is not None and "volume" in sent:
            fell = {"volume": _less(sent["volume"], 0.5)}
            sent.update(fell)
            self._send(self.name, fell, Sent(self.feed.instrument.name, fell, None, snapshot=False, fault="regression"))

    def _flush(self, keys: Iterable[str]) -> None:
        sent = self._sent
        if sent is None:
            return
        values = self.feed.values
        changed = {
            key: values[key]
            for key in keys
            if key in values and sent.get(key, _UNSENT) != values[key] and self.wants(key)
        }
        if changed:
            sent.update(changed)
            self._emit(changed, snapshot=False)

    def _emit(self, fields: Mapping[str, object], *, snapshot: bool) -> None:
        true_time = self.feed.last_trade_ms if TRADE_KEYS & fields.keys() else None
        self._send(self.name, fields, Sent(self.feed.instrument.name, fields, true_time, snapshot))

    def _plan_slow_flush(self, round_: int) -> None:
        def flush() -> None:
            if not self._closed and round_ == self._slow_round:
                self.flush((*LIVE_KEYS, *self.feed.bbo_keys))
                self._plan_slow_flush(round_)

        self._timers.after(self._slow_interval_s * 1_000 * self._chance.uniform(0.8, 1.2), flush)


def _less(value: object, factor: float) -> Any:
    return round(value * factor, 2) if isinstance(value, (int, float)) else value
