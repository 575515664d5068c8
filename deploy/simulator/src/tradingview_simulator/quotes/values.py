"""The quote fields of a symbol (protocol §4.2) from the model's integers."""

from collections.abc import Mapping
from random import Random

from tradingview_simulator.model.calendars import Calendar
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.metadata import market_status, subsessions
from tradingview_simulator.model.tape import DayState

NO_VALUE = 1e100
"""What TradingView sends as the volume of an instrument that has none (protocol §4.5)."""

TIME_KEYS = ("lp_time",)
CHANGE_KEYS = ("lp", "ch", "chp")
VOLUME_KEYS = ("volume",)
SESSION_KEYS = ("current_session", "market-status")
PRICE_KEYS = (*CHANGE_KEYS, *VOLUME_KEYS, "open_time", *SESSION_KEYS)
FIGURE_KEYS = ("open_price", "prev_close_price", "high_price", "low_price")
BBO_KEYS = ("trade_loaded", "bid_size", "bid", "ask_size", "ask")
OUTSIDE_KEYS = ("rtc", "rtc_time", "rch", "rchp")
"""The price before and after the market."""
CALENDAR_KEYS = ("timezone", "session_holidays", "subsessions")
TRADE_KEYS = frozenset({"lp", "volume", "lp_time"})
LIVE_KEYS = (*TIME_KEYS, *PRICE_KEYS, *FIGURE_KEYS)
RESET_KEYS = (*VOLUME_KEYS, "open_time", *FIGURE_KEYS)
"""What a new trading day begins anew."""

Values = dict[str, object]


def static_values(instrument: Instrument, calendar: Calendar) -> Values:
    """The fields that no trade changes; those of the calendar change with a correction."""
    return {
        "short_name": instrument.symbol,
        "pro_name": instrument.name,
        "original_name": instrument.name,
        "full_name": instrument.name,
        "base_name": [instrument.name],
        "description": instrument.description,
        "local_description": instrument.description,
        "language": "en",
        "exchange": instrument.exchange,
        "listed_exchange": instrument.exchange,
        "provider_id": instrument.exchange.lower(),
        "country_code": instrument.country,
        "type": instrument.kind,
        "typespecs": list(instrument.typespecs),
        "pricescale": instrument.pricescale,
        "minmov": instrument.minmov,
        "minmove2": 0,
        "fractional": False,
        "format": "price",
        "pointvalue": 1,
        "currency_code": instrument.currency,
        "currency_id": instrument.currency,
        "is_tradable": instrument.has_bbo,
        "update_mode": instrument.update_mode,
        "has-no-volume": not instrument.has_volume,
        "has-no-bbo": not instrument.has_bbo,
        **calendar_values(calendar),
        **outside_values(instrument, None),
    }


def calendar_values(calendar: Calendar) -> Values:
    """The metadata from which a client knows when the symbol trades."""
    return {
        "timezone": calendar.timezone,
        "session_holidays": calendar.holidays_spec,
        "subsession_id": "regular",
        "subsessions": subsessions(calendar),
    }


def session_values(calendar: Calendar, at_s: int) -> Values:
    """The phase of the market at an instant of the exchange's time."""
    return {"current_session": calendar.phase(at_s), "market-status": market_status(calendar, at_s)}


def outside_values(instrument: Instrument, state: DayState | None) -> Values:
    """The price before or after the market; null while there is none."""
    if state is None or state.outside is None:
        return dict.fromkeys(OUTSIDE_KEYS)
    trade, close = state.outside, state.last.price
    return {
        "rtc": instrument.price(trade.price),
        "rtc_time": trade.time_ms // 1_000,
        "rch": instrument.price(trade.price - close),
        "rchp": round(100 * (trade.price - close) / close, 2),
    }


def live_values(instrument: Instrument, state: DayState) -> Values:
    """The price block after a trade. `open_time` is midnight UTC of the trading day, in seconds.

    `volume` counts the trading before and after the market too, and is of the next day already before its market.
    """
    node, last = state.node, state.last
    change = last.price - state.previous_close
    return {
        "lp": instrument.price(last.price),
        "lp_time": last.time_ms // 1_000,
        "ch": instrument.price(change),
        "chp": round(100 * change / state.previous_close, 2),
        "volume": instrument.volume(state.counter.units) if instrument.has_volume else NO_VALUE,
        "open_time": state.day * 86_400,
        "open_price": instrument.price(node.open),
        "high_price": instrument.price(node.high),
        "low_price": instrument.price(node.low),
        "prev_close_price": instrument.price(state.previous_close),
    }


def bbo_values(instrument: Instrument, price: int, chance: Random) -> Values:
    """A best bid and offer around a price in ticks."""
    return {
        "trade_loaded": True,
        "bid": instrument.price(price - chance.randint(1, 3)),
        "ask": instrument.price(price + chance.randint(1, 3)),
        "bid_size": instrument.volume(chance.randint(1, 5_000)),
        "ask_size": instrument.volume(chance.randint(1, 5_000)),
    }


def pieces(values: Mapping[str, object], chance: Random) -> list[Values]:
    """A snapshot as 1 to 4 `qsd` bodies: time, best bid and offer, and the rest, some of them together."""
    live = frozenset(LIVE_KEYS)
    groups = (
        [key for key in TIME_KEYS if key in values],
        [key for key in BBO_KEYS if key in values],
        [key for key in values if key not in live and key not in BBO_KEYS],
        [key for key in (*PRICE_KEYS, *FIGURE_KEYS) if key in values],
    )
    parts: list[Values] = []
    for group in groups:
        if not group:
            continue
        part = {key: values[key] for key in group}
        if parts and chance.random() < 0.5:
            parts[-1] |= part
        else:
            parts.append(part)
    return parts or [{}]
