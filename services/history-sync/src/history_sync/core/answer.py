"""What the packets of one answer say beside its bars: that it is complete, how old its data are, why there are none.

tvDatafeed hands out bars only; whether they are all, and what stood in their place, is in the packets it discards.
"""

from dataclasses import dataclass, field
from typing import Any

from history_sync.core.failures import ErrorCode, JobError
from tradingview.chart_events import parse_bar
from tradingview.codec import Message, Packet
from tradingview.connection import BAD_TOKEN
from tradingview.hours import TradingHours, trading_hours
from tradingview.quote_fields import delay_s
from tradingview.symbols import symbol_info

_SYMBOL_WORDS = ("resolve", "invalid symbol", "no_such_symbol", "permission")


@dataclass(slots=True)
class Answer:
    """Collects the facts about the one series of a chart session of the given id.

    `stamps` are those of the bars that came, in milliseconds; `spoiled_from_ms` the first without a volume.
    `delay_ms` None: the feed does not say how far it is behind. `provider_now` is its clock at the end, if known.
    `is_resolved`: the symbol's metadata came; `hours` None: they name no trading hours. `last_closes` is when the last
    bar ends by the provider (`bar_close_time`, protocol §5.2), in milliseconds.
    """

    chart_session: str
    is_complete: bool = False
    refusal: JobError | None = None
    failure: str | None = None
    is_resolved: bool = False
    hours: TradingHours | None = None
    has_volume: bool | None = None
    delay_ms: int | None = None
    pace_ms: int = 0
    provider_now: int | None = None
    stamps: set[int] = field(default_factory=set)
    spoiled_from_ms: int | None = None
    last_closes: int | None = None

    @property
    def is_over(self) -> bool:
        """Nothing more is to come."""
        return self.is_complete or self.refusal is not None or self.failure is not None

    def observe(self, packet: Packet) -> None:
        """Take one packet; packets of other sessions and kinds say nothing."""
        if isinstance(packet, Message) and not self.is_over:
            if packet.method == "protocol_error":
                self._protocol_error(packet)
            elif packet.params[:1] == (self.chart_session,):
                self._message(packet.method, list(packet.params[1:]), packet.t_ms)

    def _message(self, method: str, params: list[Any], t_ms: int | None) -> None:
        match method, params:
            case "symbol_resolved", [_, dict() as info, *_]:
                self.is_resolved = True
                self.hours = trading_hours(info)
                self.has_volume = symbol_info(info).has_volume
            case "timescale_update", [dict() as update, *_]:
                for series in update.values():
                    self._collect(series)
            case "series_completed", [_, mode, *rest]:
                self.is_complete = True
                self.provider_now = t_ms
                seconds = delay_s(mode)
                self.delay_ms = None if seconds is None else seconds * 1000
                match rest:
                    case [_, {"rt_update_period": int(pace)}, *_] if 0 <= pace <= 86_400:
                        self.pace_ms = pace * 1000
            case "symbol_error", [_, *words]:
                self.refusal = JobError(ErrorCode.SYMBOL_REFUSED, _words(words))
            case "series_error", [_, _, *words]:
                reason = _words(words)
                about_symbol = any(word in reason.lower() for word in _SYMBOL_WORDS)
                code = ErrorCode.SYMBOL_REFUSED if about_symbol else ErrorCode.SERIES_REFUSED
                self.refusal = JobError(code, reason)
            case "critical_error", words:
                self.failure = f"critical_error: {_words(words)}"

    def _collect(self, series: object) -> None:
        elements = series.get("s") if isinstance(series, dict) else None
        if not isinstance(series, dict) or not isinstance(elements, list):
            return
        match series.get("lbs"):
            case {"bar_close_time": int(last_second)} if elements:
                self.last_closes = last_second * 1000
        for element in elements:
            try:
                bar = parse_bar(element["v"])
            except (ValueError, TypeError, KeyError):
                continue  # what tvDatafeed makes of it is counted against `stamps`, and validated
            self.stamps.add(bar.time_s * 1000)
            if bar.volume is None and self.spoiled_from_ms is None:
                self.spoiled_from_ms = bar.time_s * 1000

    def _protocol_error(self, packet: Message) -> None:
        reason = _words(list(packet.params))
        if BAD_TOKEN in reason:
            self.refusal = JobError(ErrorCode.UNAUTHORIZED, reason)
        else:
            self.failure = f"protocol_error: {reason}"


def _words(words: list[Any]) -> str:
    return ", ".join(str(word)[:200] for word in words[:4]) or "no reason given"
