"""One chart session of one connection: symbols resolved and series served (protocol §5.1, §5.2)."""

import asyncio
from collections.abc import Callable, Sequence

from tradingview.codec import encode
from tradingview_simulator.charts.info import symbol_info
from tradingview_simulator.charts.series import NODE, Series, timescale_update
from tradingview_simulator.model.bars import RESOLUTIONS, Bar
from tradingview_simulator.model.market import Market
from tradingview_simulator.model.tape import Tape
from tradingview_simulator.settings import SimulatorSettings
from tradingview_simulator.specs import symbol_of

SERVER = f"{NODE}@{NODE}"


class ChartSession:
    """Symbols and series by the ids the client chose. A dead session (after critical_error) does nothing."""

    def __init__(self, name: str, market: Market, settings: SimulatorSettings, put: Callable[[str], None]) -> None:
        self._name = name
        self._market = market
        self._settings = settings
        self._put = put
        self._symbols: dict[str, Tape | None] = {}
        self._series: dict[str, Series] = {}
        self._dead = False

    async def call(self, method: str, params: Sequence[object]) -> None:
        """Do what a client message asks for; `params` are those after the session's name."""
        if self._dead:
            return
        match method, list(params):
            case "resolve_symbol", [str(symbol_id), str(spec), *_]:
                self._resolve(symbol_id, spec)
            case "create_series", [str(series_id), str(turnaround), str(symbol_id), str(resolution), count, *_]:
                wanted = self._wanted(count)
                if wanted is None or resolution not in RESOLUTIONS:
                    self._refuse_series(method, series_id, turnaround, resolution, params)
                else:
                    await self._create(series_id, turnaround, symbol_id, resolution, wanted)
            case "request_more_data", [str(series_id), int(count), *_] if series_id in self._series and count > 0:
                await self._more(series_id, self._series[series_id], count)
            case "remove_series", [str(series_id), *_]:
                self._series.pop(series_id, None)
            case "switch_timezone", [str(_), *_]:
                pass  # the epoch times of bars do not depend on it (§5.1)
            case (("resolve_symbol" | "create_series" | "request_more_data" | "remove_series" | "switch_timezone"), _):
                self._critical(method, params)

    def _send(self, method: str, *params: object) -> None:
        self._put(encode(method, self._name, *params, t_ms=self._settings.now()))

    def _critical(self, method: str, params: Sequence[object]) -> None:
        arguments = ", ".join(str(param) for param in params)
        self._send("critical_error", "invalid parameters", f'method: {method}. args: "[{arguments}]"')
        self._dead = True
        self._series.clear()

    def _resolve(self, symbol_id: str, spec: str) -> None:
        tape = self._symbols[symbol_id] = self._market.tape(symbol_of(spec))
        if tape is None:
            self._send("symbol_error", symbol_id, "invalid symbol")
        else:
            self._send("symbol_resolved", symbol_id, symbol_info(tape.instrument, tape.calendar))

    def _wanted(self, count: object) -> tuple[int | None, int] | None:
        """(the instant in s where the bars end, None for now; how many), or None where `count` is neither form."""
        match count:
            case bool():
                return None
            case int() if count > 0:
                return None, min(count, self._settings.max_bars)
            case ["bar_count", int(until), int(bars)] if bars > 0:
                return until, min(bars, self._settings.max_bars)
        return None

    def _refuse_series(
        self, method: str, series_id: str, turnaround: str, resolution: str, params: Sequence[object]
    ) -> None:
        """A spelling that exists but is paid for is refused for the series, any other kills the session (§6)."""
        reasons = {"S": "seconds_not_entitled", "T": "ticks_not_entitled"}
        reason = "custom_resolution" if resolution.isdecimal() else reasons.get(resolution[-1:])
        if reason is None or not resolution.rstrip("ST").isdecimal():
            self._critical(method, params)
            return
        self._send("series_loading", series_id, turnaround)
        self._send("series_error", series_id, turnaround, reason, SERVER)

    async def _create(
        self, series_id: str, turnaround: str, symbol_id: str, resolution: str, wanted: tuple[int | None, int]
    ) -> None:
        until_s, count = wanted
        self._send("series_loading", series_id, turnaround)
        tape = self._symbols.get(symbol_id)
        if tape is None:
            self._send("series_error", series_id, turnaround, "resolve error", SERVER)
            return
        series = self._series[series_id] = Series(tape, RESOLUTIONS[resolution], turnaround)
        until_ms = self._settings.now() - tape.instrument.delay_s * 1_000
        if until_s is not None:
            until_ms = min(until_ms, until_s * 1_000 - 1)
        await self._serve(series_id, series, lambda: series.newest(until_ms, count), count)

    async def _more(self, series_id: str, series: Series, count: int) -> None:
        self._send("series_loading", series_id, series.turnaround)
        count = min(count, self._settings.max_bars - series.served)
        await self._serve(series_id, series, lambda: series.older(count) if count > 0 else [], count)

    async def _serve(self, series_id: str, series: Series, fetch: Callable[[], list[Bar]], count: int) -> None:
        """Send all bars in one `timescale_update`, then `series_completed`; work in a thread, ticks go on meanwhile."""

        def render() -> tuple[int, str | None]:
            found = fetch()
            if not found:
                return 0, None
            update, scale = timescale_update(series_id, series, found, -series.before)
            packet = encode("timescale_update", self._name, update, scale, t_ms=self._settings.now())
            return len(found), packet

        given, packet = await asyncio.to_thread(render)
        if packet is not None:
            self._put(packet)
        details: dict[str, object] = {"rt_update_period": 0}
        completed = series.data_completed(count, given, self._settings.max_bars)
        if completed is not None:
            details["data_completed"] = completed
        update_mode = series.tape.instrument.update_mode
        self._send("series_completed", series_id, update_mode, series.turnaround, details)
