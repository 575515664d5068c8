"""The whole model: the tape of every symbol, over caches of a bounded size that all symbols share."""

from dataclasses import replace
from functools import lru_cache

from tradingview_simulator.model.bars import RESOLUTIONS, bars, values_of
from tradingview_simulator.model.calendars import DAY_S, Calendar
from tradingview_simulator.model.hours import parse_corrections, write_corrections
from tradingview_simulator.model.nodes import Node, Trade
from tradingview_simulator.model.registry import find
from tradingview_simulator.model.tape import Tape

CACHED_CUTS = 16_384
CACHED_MINUTES = 4_096


class CorrectionError(ValueError):
    """A correction that says nothing, or that would change what has traded."""


class Market:
    """Tapes by name. Safe to read from several threads.

    activity: how often symbols trade, compared with what `registry` says; less of it makes whole weeks quick to run.
    """

    def __init__(self, seed: int, activity: float = 1.0) -> None:
        self.seed = seed
        self._activity = activity
        self._tapes: dict[str, Tape] = {}
        self._cut = lru_cache(maxsize=CACHED_CUTS)(_cut_node)
        self._trades = lru_cache(maxsize=CACHED_MINUTES)(_draw_trades)

    def tape(self, name: str) -> Tape | None:
        """The tape of `EXCHANGE:SYMBOL`, None where there is no such symbol."""
        tape = self._tapes.get(name)
        if tape is None:
            instrument = find(name)
            if instrument is None:
                return None
            instrument = replace(instrument, trades_per_second=instrument.trades_per_second * self._activity)
            tape = self._tapes.setdefault(name, Tape(self.seed, instrument, self._cut, self._trades))
        return tape

    def bars(self, name: str, resolution: str, until_ms: int, count: int) -> list[list[float]]:
        """History as a chart session serves it: the newest `count` bars of what had traded by `until_ms`.

        Each is [time in seconds, open, high, low, close, volume], without the volume where there is none. `until_ms`
        is the exchange's time. Raises `KeyError` for an unknown symbol or resolution.
        """
        tape = self.tape(name)
        if tape is None:
            raise KeyError(name)
        return [values_of(tape.instrument, bar) for bar in bars(tape, RESOLUTIONS[resolution], until_ms, count)]

    def correct(self, name: str, corrections: str, at_ms: int) -> Calendar:
        """Add corrections (`spec:dates;…`) to a symbol's calendar as the exchange announces them at `at_ms`.

        The trading day in progress can only end earlier, and no earlier than now. Raises `CorrectionError`.
        """
        tape = self.tape(name)
        if tape is None:
            raise CorrectionError(f"there is no symbol {name}")
        old, at_s = tape.calendar, at_ms // 1_000
        try:
            given = parse_corrections(corrections)
            calendar = old.with_corrections(write_corrections(parse_corrections(old.corrections_spec) | given))
        except ValueError as error:
            raise CorrectionError(str(error)) from None
        if not given or old.is_always_open:
            raise CorrectionError("a correction has a date, and a market that is always open has none")
        today = tape.day_at(at_ms)
        for day in sorted(Calendar(old.timezone, old.spec, "", corrections).corrected):
            before, after = old.session(day), calendar.session(day)
            if day == today and before is not None:
                is_right = after is not None and before.start == after.start and at_s <= after.end <= before.end
            else:
                is_right = day > today and (after is None or after.start > at_s)
            if not is_right:
                raise CorrectionError(f"what has traded stays: {corrections!r} at {at_s} is too late for {day * DAY_S}")
        tape.days.correct(calendar, today)
        self._cut.cache_clear()
        self._trades.cache_clear()
        return calendar


def _cut_node(tape: Tape, level: int, node: Node) -> tuple[Node, ...]:
    return tape.cut_node(level, node)


def _draw_trades(tape: Tape, minute: Node) -> tuple[Trade, ...]:
    return tape.draw_trades(minute)
