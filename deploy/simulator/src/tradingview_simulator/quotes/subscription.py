"""One symbol as one quote session asked for it: what was sent of it, and what is therefore still to be sent."""

from collections.abc import Callable, Collection, Iterable, Mapping
from random import Random

from tradingview_simulator.journal import Sent
from tradingview_simulator.mischief import Mischief
from tradingview_simulator.quotes.feed import Feed
from tradingview_simulator.quotes.values import LIVE_KEYS, OUTSIDE_KEYS, TRADE_KEYS, pieces
from tradingview_simulator.timers import Timers

_UNKNOWN = object()
_UNSENT = object()
PAST_MS = 30_000
"""How old the state at least is that a snapshot out of order tells."""
AFTER_MUTE_MS = (20, 500)
"""When the snapshots leave that a mute time held up."""

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
        self._gathered_trades: set[int | None] = set()
        self._told_trade_ms: int | None = None
        """The newest trade of the coalesced update before."""
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
        """Send every wanted field now, unless a snapshot planned earlier has done it; once data may leave."""
        if self._closed or self._sent is not None:
            return
        if self._mischief.is_mute:
            delay = self._chance.randint(*AFTER_MUTE_MS)
            self._mischief.after_mute(lambda: self._timers.after(delay, self.send_snapshot))
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

    def forget(self, keys: Collection[str]) -> None:
        """Send these fields with their next update even where they are equal to what was sent."""
        if self._sent is not None:
            for key in keys:
                self._sent.pop(key, None)

    def flush(self, keys: Collection[str]) -> None:
        """Send those of `keys` that are wanted and differ from what was sent; coalesced, where that fault is on."""
        if self._gathered is None:
            if not self._mischief.coalesce_ms:
                self._flush(keys)
                return
            self._gathered = set()
            self._timers.after(self._mischief.coalesce_ms, self._flush_gathered)
        self._gathered.update(keys)
        if "lp" in keys:
            self._gathered_trades.add(self.feed.last_trade_ms)

    def _flush_gathered(self) -> None:
        gathered, self._gathered = self._gathered, None
        trades, self._gathered_trades = self._gathered_trades, set()
        if gathered and not self._closed:
            trades -= {self._told_trade_ms, self.feed.last_trade_ms}
            if "lp" in gathered:
                self._told_trade_ms = self.feed.last_trade_ms
            self._flush(
                [key for key in self.feed.values if key in gathered],
                tuple(sorted(each for each in trades if each is not None)),
            )

    def repeat_the_past(self) -> None:
        """Send the snapshot as it was some time before, where a client can tell by `lp_time` (§4.3)."""
        earlier = self.feed.earlier(PAST_MS)
        if self._sent is None or "lp_time" not in self._sent or earlier is None:
            return
        at_ms, past = earlier
        fields = {key: past.get(key, value) for key, value in self._sent.items()}
        self._send(self.name, fields, Sent(self.feed.instrument.name, fields, at_ms, snapshot=True, fault="past"))
        self._completed(self.name)

    def regress(self) -> None:
        """Send a lower cumulative volume than was sent last, where the instrument has a volume."""
        if self._sent is None or not self.feed.instrument.has_volume:
            return
        volume = self._sent.get("volume")
        if isinstance(volume, float) and volume > 0:
            fell = {"volume": volume / 2}
            self._sent.update(fell)
            self._send(self.name, fell, Sent(self.feed.instrument.name, fell, None, snapshot=False, fault="regression"))

    def _flush(self, keys: Iterable[str], unsent_trades_ms: tuple[int, ...] = ()) -> None:
        sent = self._sent
        if sent is None or self._mischief.is_mute:
            return
        values = self.feed.values
        changed = {}
        for key in keys:
            value = values.get(key, _UNKNOWN)
            if value is not _UNKNOWN and sent.get(key, _UNSENT) != value and self.wants(key):
                changed[key] = value
        if changed:
            sent.update(changed)
            self._emit(changed, snapshot=False, unsent_trades_ms=unsent_trades_ms)

    def _emit(self, fields: Mapping[str, object], *, snapshot: bool, unsent_trades_ms: tuple[int, ...] = ()) -> None:
        true_time = self.feed.last_trade_ms if TRADE_KEYS & fields.keys() else None
        sent = Sent(self.feed.instrument.name, fields, true_time, snapshot, unsent_trades_ms=unsent_trades_ms)
        self._send(self.name, fields, sent)

    def _plan_slow_flush(self, round_: int) -> None:
        def flush() -> None:
            if not self._closed and round_ == self._slow_round:
                self.flush((*LIVE_KEYS, *OUTSIDE_KEYS, *self.feed.bbo_keys))
                self._plan_slow_flush(round_)

        self._timers.after(self._slow_interval_s * 1_000 * self._chance.uniform(0.8, 1.2), flush)
