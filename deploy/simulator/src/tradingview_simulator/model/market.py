"""The whole model: the tape of every symbol, over caches of a bounded size that all symbols share."""

from functools import lru_cache

from tradingview_simulator.model.nodes import Node, Trade
from tradingview_simulator.model.registry import find
from tradingview_simulator.model.tape import Tape

CACHED_CUTS = 16_384
CACHED_MINUTES = 4_096


class Market:
    """Tapes by name. Safe to read from several threads."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
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
            tape = self._tapes.setdefault(name, Tape(self.seed, instrument, self._cut, self._trades))
        return tape


def _cut_node(tape: Tape, level: int, node: Node) -> tuple[Node, ...]:
    return tape.cut_node(level, node)


def _draw_trades(tape: Tape, minute: Node) -> tuple[Trade, ...]:
    return tape.draw_trades(minute)
