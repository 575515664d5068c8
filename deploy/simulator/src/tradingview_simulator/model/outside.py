"""Trading before and after the market: a day's node for each, near the close before it, lively in proportion."""

from math import exp

from tradingview_simulator.model.days import FEWEST_TRADES, Days
from tradingview_simulator.model.draws import draw, unit
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.nodes import Node

SHARE_OF_TRADES = 0.1
"""How often it trades, compared with the session."""
SHARE_OF_VOLUME = 0.02
"""Of the day's volume, for each of both."""


class OutsideDays(Days):
    """The days of one part outside the session, whose calendar `instrument` has; `main` are those of the session."""

    def __init__(self, seed: int, instrument: Instrument, main: Days, name: str) -> None:
        super().__init__(seed, instrument)
        self._main = main
        self._name = name

    def _node(self, day: int) -> Node | None:
        session = self.session(day)
        if session is None or self._main.session(day) is None:
            return None
        instrument = self._instrument
        around = self.close(self.previous(day)) if self._name == "premarket" else self.close(day)
        first, last, up, down, busy, size = map(unit, draw(f"{self._key}|{self._name}|{day}", 6))
        reach = around * instrument.volatility * 0.2
        opened, close = (max(5, around + round(reach * (share - 0.5))) for share in (first, last))
        high, low = max(opened, close) + round(reach * up), max(1, min(opened, close) - round(reach * down))
        rate = instrument.trades_per_second * SHARE_OF_TRADES * (0.9 + 0.2 * busy)
        count = max(FEWEST_TRADES, round(session.seconds * rate))
        volume = max(count, round(instrument.day_volume * SHARE_OF_VOLUME * exp(size - 0.5)))
        return Node(session.start, session.end, opened, high, low, close, volume if instrument.has_volume else 0, count)
