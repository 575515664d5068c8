"""The feeds of all symbols that somebody watches, shared by all quote sessions."""

from random import Random

from tradingview_simulator.mischief import Mischief
from tradingview_simulator.model.market import Market
from tradingview_simulator.quotes.feed import Feed
from tradingview_simulator.settings import SimulatorSettings
from tradingview_simulator.signin import SignIn
from tradingview_simulator.timers import Timers


class Hub:
    """Feeds by symbol, made when first asked for."""

    def __init__(self, market: Market, timers: Timers, settings: SimulatorSettings) -> None:
        self.market = market
        self.timers = timers
        self.settings = settings
        self.mischief = Mischief()
        self.sign_in = SignIn(settings.now, settings.token_seconds, self.mischief)
        self._feeds: dict[str, Feed] = {}

    def feed(self, symbol: str) -> Feed | None:
        """The feed of `EXCHANGE:SYMBOL`, None where there is no such symbol."""
        feed = self._feeds.get(symbol)
        if feed is None and (tape := self.market.tape(symbol)) is not None:
            chance = Random(f"{self.settings.seed}|{symbol}")  # noqa: S311 - repeatable, not secret
            feed = self._feeds[symbol] = Feed(tape, self.timers, chance, self.settings.delivery_ms)
        return feed

    def correct(self, symbol: str, corrections: str) -> None:
        """Have an exchange announce corrections of a symbol's sessions. Raises `CorrectionError`."""
        self.market.correct(symbol, corrections, self.settings.now())
        if (feed := self._feeds.get(symbol)) is not None:
            feed.calendar_changed()
