"""A chart session: the history of one series over one connection (protocol §5).

It is driven like a quote session: after every `receive` and `expire` deal with the events, send `frames_to_send()`,
and call `expire` when `next_deadline()` is reached. It ends with exactly one `SeriesLoaded`, `SeriesFailed`,
`ConnectionRefused`, `ProtocolFailed` or `Stalled`. If the socket closes before, there is no answer, whatever has come.
"""

from collections.abc import Sequence
from typing import Any

from tradingview.chart_events import Bar, ChartEvent, SeriesFailed, SeriesLoaded, parse_bar
from tradingview.codec import Message, Packet, encode
from tradingview.connection import ANONYMOUS, Connection, reject
from tradingview.errors import Misuse
from tradingview.resolutions import resolution as checked_resolution
from tradingview.symbols import SymbolInfo, symbol_info

__all__ = ["Bar", "ChartEvent", "ChartSession", "SeriesFailed", "SeriesLoaded"]

SYMBOL_ID, SERIES_ID, TURNAROUND = "sds_sym_1", "sds_1", "s1"
"""The client's own names for the parts of a session; the server's answers repeat them."""


class ChartSession:
    """One series of bars; the module says how to drive it.

    `symbol` is `EXCHANGE:TICKER` or a spec (`symbols.symbol_spec`), `resolution` the server's word (`resolutions`),
    `bars` how many to ask for, counted back from the newest: the server may have fewer. `session_id` is `cs_` and 12
    random letters and digits. Instants are epoch milliseconds of the caller's clock; the answer has to be complete
    `deadline_ms` after `opened_at_ms`.
    """

    def __init__(
        self,
        session_id: str,
        symbol: str,
        resolution: str,
        bars: int,
        opened_at_ms: int,
        *,
        auth_token: str = ANONYMOUS,
        locale: tuple[str, str] = ("en", "US"),
        deadline_ms: int = 30_000,
        hello_ms: int = 10_000,
        silence_ms: int = 25_000,
    ) -> None:
        if not session_id or not symbol:
            raise Misuse("a session needs an id and a symbol")
        if bars < 1:
            raise Misuse(f"{bars} bars are none")
        self.ignored_messages = 0
        """Messages passed over: of methods not needed, of other sessions and series, after the end."""
        self._session_id = session_id
        self._connection = Connection(
            opened_at_ms, auth_token=auth_token, locale=locale, hello_ms=hello_ms, silence_ms=silence_ms
        )
        self._deadline_at_ms = opened_at_ms + deadline_ms
        self._is_done = False
        self._bars: dict[int, Bar] = {}
        self._symbol_info: SymbolInfo | None = None
        series = (SERIES_ID, TURNAROUND, SYMBOL_ID, checked_resolution(resolution), bars, "")
        self._connection.send(encode("chart_create_session", session_id, ""))
        self._connection.send(encode("resolve_symbol", session_id, SYMBOL_ID, symbol))
        self._connection.send(encode("create_series", session_id, *series))

    @property
    def is_over(self) -> bool:
        """The end has been told: nothing more is to come."""
        return self._is_done or self._connection.is_over

    def receive(self, received: str | bytes | Sequence[Packet], now_ms: int) -> list[ChartEvent]:
        """A WebSocket frame (or the packets of one, if somebody else has decoded it) and what it says."""
        packets, rejected = self._connection.read(received, now_ms)
        events: list[ChartEvent] = [*rejected]
        for packet in packets:
            if isinstance(packet, Message) and packet.method in SESSION_METHODS:
                self._message(packet, events)
                continue
            is_late = self.is_over and isinstance(packet, Message)
            event = None if is_late else self._connection.handle(packet, now_ms)
            if event is not None:
                events.append(event)
            elif isinstance(packet, Message):
                self.ignored_messages += 1
        return events

    def frames_to_send(self) -> list[str]:
        """All frames to send since the last call, in order."""
        return self._connection.frames_to_send()

    def next_deadline(self) -> int | None:
        """When `expire` is due; None once the end has been told."""
        deadline = self._connection.next_deadline()
        return None if self._is_done or deadline is None else min(deadline, self._deadline_at_ms)

    def expire(self, now_ms: int) -> list[ChartEvent]:
        """What has not come in time. Frames that wait in the socket must be received before."""
        if self.is_over:
            return []
        events: list[ChartEvent] = [*self._connection.expire(now_ms)]
        if not events and now_ms >= self._deadline_at_ms:
            events.append(self._connection.stall("deadline"))
        return events

    def _message(self, message: Message, events: list[ChartEvent]) -> None:
        params = message.params
        if len(params) < 2:
            events.append(reject(message, "a session id and what it is about"))
        elif self.is_over or params[0] != self._session_id:
            self.ignored_messages += 1
        elif message.method in ("timescale_update", "du"):
            self._collect(message, events)
        elif message.method == "critical_error":
            self._fail(message, params[1:], events)
        elif params[1] != (SYMBOL_ID if message.method in ("symbol_resolved", "symbol_error") else SERIES_ID):
            self.ignored_messages += 1
        elif message.method == "symbol_resolved":
            self._resolved(message, events)
        elif message.method == "series_completed":
            self._completed(message, events)
        else:
            self._fail(message, params[2:] if message.method == "symbol_error" else params[3:], events)

    def _collect(self, message: Message, events: list[ChartEvent]) -> None:
        """Bars of our series; an update of the time axis alone and one without bars are usual (protocol §5.2)."""
        try:
            series = message.params[1].get(SERIES_ID)
            if series is None or series.get("t", TURNAROUND) != TURNAROUND:
                return
            elements = series["s"]
            if not isinstance(elements, list):
                raise TypeError
        except (TypeError, KeyError, AttributeError):
            events.append(reject(message, "not [session, {series: {s: bars}}]"))
            return
        for element in elements:
            try:
                bar = parse_bar(element["v"])
            except (ValueError, TypeError, KeyError) as error:
                events.append(reject(Message(message.method, (self._session_id, element)), str(error)))
            else:
                self._bars[bar.time_s] = bar

    def _resolved(self, message: Message, events: list[ChartEvent]) -> None:
        info = message.params[2] if len(message.params) > 2 else None
        if isinstance(info, dict):
            self._symbol_info = symbol_info(info)
        else:
            events.append(reject(message, "not [session, symbol, {…}]"))

    def _completed(self, message: Message, events: list[ChartEvent]) -> None:
        update_mode, turnaround, about = (*message.params[2:5], None, None, None)[:3]
        if turnaround not in (None, TURNAROUND):
            self.ignored_messages += 1
            return
        completed = about.get("data_completed") if isinstance(about, dict) else None
        self._is_done = True
        events.append(
            SeriesLoaded(
                bars=tuple(self._bars[time_s] for time_s in sorted(self._bars)),
                update_mode=update_mode if isinstance(update_mode, str) else "",
                data_completed=completed if isinstance(completed, str) else None,
                symbol_info=self._symbol_info,
            )
        )

    def _fail(self, message: Message, words: Sequence[Any], events: list[ChartEvent]) -> None:
        reason = words[0] if words else ""
        if isinstance(reason, dict):
            # Some errors come as {"error": …, "ctx": …} (protocol §6).
            reason, words = reason.get("error", ""), (reason, *([reason["ctx"]] if "ctx" in reason else []), *words[1:])
        self._is_done = True
        events.append(SeriesFailed(message.method, str(reason), ", ".join(map(str, words[1:]))))


SESSION_METHODS = frozenset(
    {"timescale_update", "du", "symbol_resolved", "series_completed", "symbol_error", "series_error", "critical_error"}
)
