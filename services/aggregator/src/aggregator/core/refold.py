"""The retained log folded again for a replay, and for which bars the result is certain."""

from collections.abc import Iterable, Mapping

import msgspec

from aggregator.core.comparison import Compared, Range, compare, label_of, last_bars
from aggregator.core.fold import PartitionFold
from aggregator.core.rules import Rules
from contracts import topics, wire
from contracts.intervals import DAY, MINUTE, Interval


class NotRetainedError(Exception):
    """The log does not reach back far enough. `needed`: the earliest range that it reaches back for, milliseconds."""

    def __init__(self, retained_from: int) -> None:
        super().__init__(f"the log is retained from {retained_from} on")
        self.retained_from = retained_from
        self.needed = retained_from + DAY


class Known(msgspec.Struct):
    """What the log says of a symbol: its partition, its first trading day, its greatest delay.

    Where older ticks may have been deleted, its first day is not certain: volume and extremes of a bar depend on the
    observations before it. `first_day_until` is the end of that day's newest minute.
    """

    partition: int
    first_day: int
    first_day_until: int = 0
    delay_ms: int = 0


class Refold:
    """Takes every retained record of the log, then the `BarsComplete` of the engines; gives bars and their certainty.

    `beginnings`: the oldest retained offset of each partition. Bars are those that lie in `within`.
    """

    def __init__(self, rules: Rules, within: Range, beginnings: Mapping[int, int]) -> None:
        self._rules = rules
        self._within = within
        self._folds = {number: PartitionFold(rules) for number in beginnings}
        self._is_cut = {number: offset > 0 for number, offset in beginnings.items()}
        self._passed: dict[int, int] = {}
        self._known: dict[str, Known] = {}
        self.bars: list[wire.Bar] = []

    def take(self, number: int, key: bytes, value: bytes, timestamp: int) -> None:
        """Take the next record of a partition; what an engine puts aside is passed over. `NotRetainedError`."""
        fold = self._folds[number]
        try:
            record = wire.decode_log_record(key, value)
            if isinstance(record, wire.Mark):
                if not fold.clock and self._is_cut[number] and record.watermark > self._within.start - DAY:
                    raise NotRetainedError(record.watermark)
            elif isinstance(record, wire.Tick) and not self._is_usable(key, record, number):
                return
            fold.feed([(key, record, timestamp)])
        except wire.UNDECODABLE:
            return
        if fold.issues:
            found = (issue.record for issue in fold.take())
            self.bars += [record for record in found if isinstance(record, wire.Bar) and self._within.holds(record)]

    def passed(self, number: int, complete: wire.BarsComplete) -> None:
        """The engines have published everything of a partition up to this boundary."""
        clock = complete.closed_through + complete.delay * 1000 + self._rules.close_delay_ms
        self._passed[number] = max(self._passed.get(number, 0), clock)

    def compared(self, published: Iterable[wire.Bar]) -> tuple[Compared, int]:
        """Compare what was published with the fold where that is certain; also how many bars are not certain."""
        was, now = last_bars(published), last_bars(self.bars)
        uncertain = {label for of in (was, now) for label, bar in of.items() if not self.is_certain(bar)}
        known, folded = ({label: of[label] for label in of.keys() - uncertain} for of in (was, now))
        return compare(known, folded), len(uncertain)

    def is_certain(self, bar: wire.Bar) -> bool:
        """Whether no late tick can change a bar, engines are past it, and the log holds all that it depends on."""
        symbol = label_of(bar)[0]
        known = self._known.get(symbol)
        number = known.partition if known else topics.partition_of(symbol.encode(), len(self._folds))
        clock = min(self._folds[number].clock, self._passed.get(number, 0)) - (known.delay_ms if known else 0)
        # A closing auction has a minute after the close.
        if bar.close_time + MINUTE > clock - self._rules.close_delay_ms - self._rules.grace_ms:
            return False
        if not self._is_cut[number]:
            return True
        if known is None:
            return False
        is_intraday = Interval(bar.interval).is_intraday
        return bar.open_time >= known.first_day_until if is_intraday else bar.open_time > known.first_day

    def _is_usable(self, key: bytes, tick: wire.Tick, number: int) -> bool:
        """Whether a tick is folded; not so before its first calendar, which was in the deleted part of the log."""
        return self._folds[number].has_calendar(key) and self._is_in_place(key, tick, number)

    def _is_in_place(self, key: bytes, tick: wire.Tick, number: int) -> bool:
        """Whether a tick stands under its own key in its own partition; takes note of its symbol."""
        symbol = f"{tick.exchange}:{tick.symbol}"
        if key != symbol.encode():
            return False
        known = self._known.get(symbol)
        if known is None:
            if topics.partition_of(key, len(self._folds)) != number:
                return False
            known = self._known[symbol] = Known(number, tick.trading_day)
        if known.partition != number:
            return False
        known.delay_ms = max(known.delay_ms, tick.delay * 1000)
        if tick.trading_day <= known.first_day:
            known.first_day_until = max(known.first_day_until, tick.event_time - tick.event_time % MINUTE + MINUTE)
        return True
