"""The provider's side of the feed: as many lines to TradingView as the symbols need, and what they have in common."""

import asyncio
from collections.abc import Callable
from random import Random

from chassis import logs
from chassis.clock import now_ms
from chassis.probes import Readiness
from chassis.stop import Stop
from contracts.errors import Unavailable
from contracts.feed import SymbolState
from ingest_ws import metrics
from ingest_ws.connection import Line
from ingest_ws.core.clock import FeedClock
from ingest_ws.core.feed import Feed
from ingest_ws.core.placement import Placement
from ingest_ws.endings import Ending
from ingest_ws.reports import Reports
from ingest_ws.tokens import Tokens, Unauthorized

TRADINGVIEW = "TradingView"
"""How the provider is called in logs and as a condition of readiness."""
PULSE_S = 0.02
"""How often what is held is looked through, and lines are brought to what is wanted."""
RENEW_EVERY_S = 5.0
"""How often the secrets are looked at."""
SPACING_S = 0.25
"""Between two openings: many at once are answered 429 (protocol §9)."""

_log = logs.get("ingest_ws.provider")


class Provider:
    """Keeps lines up while the feed shall run and symbols are wanted. A refusal of one is the refusal of all."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        symbols_per_line: int,
        *,
        feed: Feed,
        clock: FeedClock,
        reports: Reports,
        wake: Callable[[], None],
    ) -> None:
        self.url = url
        self.feed = feed
        self.clock = clock
        self.reports = reports
        self.wake = wake
        self.random = Random()  # noqa: S311 - jitter needs no secrecy
        self.placement = Placement(symbols_per_line)
        self.is_running = True
        self.connections = 0
        """How many were opened; each has its number."""
        self.newest_token: str | None = None
        """Who we are; None as long as nobody has asked."""
        self._tokens = tokens
        self._refusal: Ending | None = None
        self._refused_token: str | None = None
        self._lines: dict[int, tuple[Line, asyncio.Task[None]]] = {}
        self._version = -1
        self._opens_at = 0.0
        self._is_ready: bool | None = None
        self._reason = ""

    async def token(self) -> str:
        """The token for a new connection: see `Tokens.current`. Connections that live are given it too."""
        self.newest_token = await self._tokens.current()
        return self.newest_token

    def now(self) -> int:
        """The feed's instant."""
        return self.clock.read(now_ms())

    def present(self) -> int:
        """The feed's instant, at which something happens: what a process that was away has missed is uncovered."""
        now = self.now()
        away_ms = self.feed.present(now)
        if away_ms is not None:
            metrics.AWAY.inc(away_ms / 1000)
            _log.warning("this process did not run for a while: that time is uncovered", away_ms=away_ms)
        return now

    @property
    def may_run(self) -> bool:
        """Whether lines shall be up at all."""
        return self.is_running and self._refusal is None

    def set_running(self, is_running: bool, *, is_said_anew: bool) -> None:
        """Run or stop the feed; a new order ends a refusal."""
        self.is_running = is_running
        if is_said_anew:
            self._refusal = None
            self._tokens.forget()

    def refuse(self, ending: Ending, token: str | None) -> None:
        """TradingView does not want us, on whatever line: the feed stops until somebody does something.

        `token`: the one that was refused; another one ends the refusal.
        """
        if self._refusal is None:
            _log.error("TradingView refuses us", reason=ending.reason)
        self._refusal, self._refused_token = ending, token

    def hold_back(self, seconds: float) -> None:
        """No line opens a connection for so long."""
        self._opens_at = max(self._opens_at, asyncio.get_running_loop().time() + seconds)

    async def turn_to_open(self, stop: Stop) -> None:
        """Wait until it is a line's turn to open a connection."""
        loop = asyncio.get_running_loop()
        while not stop.is_set and (wait_s := self._opens_at - loop.time()) > 0:
            await stop.sleep(wait_s)
        self._opens_at = loop.time() + SPACING_S

    def line_states(self, now: int) -> Callable[[str], SymbolState | None]:
        """How the line of a symbol stands at this instant; None where it lives."""
        if not self.is_running:
            return lambda name: SymbolState.STOPPED
        if self._refusal is not None:
            return lambda name: SymbolState.UNAUTHORIZED
        live = {number for number, (line, _) in self._lines.items() if line.is_live(now)}
        return lambda name: None if self.placement.line_of(name) in live else SymbolState.STALLED

    async def run(self, ready: Readiness, stop: Stop) -> None:
        """Until the process shall end; raises what a line raised."""
        renewing = asyncio.create_task(self._renew(stop))
        try:
            while not await stop.sleep(PULSE_S):
                now = self.present()
                self.feed.expire(now)
                self.wake()
                if self.feed.version != self._version:
                    self._version = self.feed.version
                    self.placement.follow(self.feed.symbols)
                self._keep_lines(stop)
                self._report_readiness(ready)
                if renewing.done():
                    renewing.result()
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            tasks = [task for _, task in self._lines.values()]
            done, late = await asyncio.wait(tasks, timeout=5) if tasks else (set(), set())
            for task in late:
                task.cancel()
            await asyncio.gather(*done, *late, return_exceptions=True)
            for task in done:
                task.result()

    async def _renew(self, stop: Stop) -> None:
        """Look for a newer token now and then; another one than was refused ends the refusal."""
        reported = ""
        while not await stop.sleep(RENEW_EVERY_S):
            if self.newest_token is None and self._refusal is None:
                continue
            try:
                if await self.token() != self._refused_token and self._refusal is not None:
                    _log.info("there is another token: trying again")
                    self._refusal = None
                reported = ""
            except (Unavailable, Unauthorized) as error:
                if str(error) != reported:
                    reported = str(error)
                    _log.warning("no newer token", reason=reported)

    def _keep_lines(self, stop: Stop) -> None:
        for number, (_, task) in list(self._lines.items()):
            if task.done():
                task.result()
                del self._lines[number]
        for number in self.placement.lines.keys() - self._lines.keys() if self.may_run else ():
            line = Line(number, self)
            self._lines[number] = (line, asyncio.create_task(line.run(stop)))

    def _report_readiness(self, ready: Readiness) -> None:
        """Say whether the feed is as it shall be, where that has changed."""
        down = [line for line, _ in self._lines.values() if not line.is_up]
        is_ready, reason = not down, ""
        if self._refusal is not None and self.is_running:
            is_ready, reason = False, self._refusal.reason
        elif down:
            reason = f"{len(down)} of {len(self._lines)} connections are not up: {down[0].trouble}"
        if (is_ready, reason) != (self._is_ready, self._reason):
            self._is_ready, self._reason = is_ready, reason
            ready.set(TRADINGVIEW, is_ready, reason)
