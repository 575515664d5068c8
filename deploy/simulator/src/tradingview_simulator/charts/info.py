"""What `symbol_resolved` tells of a symbol (protocol §5.4)."""

from tradingview_simulator.model.calendars import Calendar
from tradingview_simulator.model.instruments import Instrument
from tradingview_simulator.model.metadata import subsessions


def symbol_info(instrument: Instrument, calendar: Calendar) -> dict[str, object]:
    """The info object, with the keys that recorded sessions carry; `calendar` is the one in force."""
    spec = calendar.spec
    plots = "ohlcv" if instrument.has_volume else "ohlc"
    return {
        "name": instrument.symbol,
        "full_name": instrument.name,
        "pro_name": instrument.name,
        "base_name": [instrument.name],
        "description": instrument.description,
        "short_description": instrument.description,
        "exchange": instrument.exchange,
        "listed_exchange": instrument.exchange,
        "source_id": instrument.exchange,
        "source2": {"id": instrument.exchange, "name": instrument.exchange, "description": instrument.exchange},
        "provider_id": instrument.exchange.lower(),
        "type": instrument.kind,
        "typespecs": list(instrument.typespecs),
        "currency_code": instrument.currency,
        "currency_id": instrument.currency,
        "country": instrument.country,
        "timezone": calendar.timezone,
        "session": spec,
        "session_display": spec,
        "session_holidays": calendar.holidays_spec,
        "corrections": calendar.corrections_spec,
        "subsession_id": "regular",
        "subsessions": subsessions(calendar),
        "pricescale": instrument.pricescale,
        "minmov": instrument.minmov,
        "minmove2": 0,
        "variable_tick_size": "",
        "pointvalue": 1,
        "fractional": False,
        "has_intraday": True,
        "has_adjustment": instrument.kind == "stock",
        "has_extended_hours": bool(calendar.outside),
        "bar_source": "trade",
        "bar_transform": "none",
        "bar_fillgaps": False,
        "visible_plots_set": plots,
        "allowed_adjustment": "any" if instrument.kind == "stock" else "none",
        "is_tradable": instrument.has_bbo,
        "is_replayable": True,
        "is-tickbars-available": False,
        "legs": [instrument.name],
        "aliases": [],
        "alternatives": [],
        "pro_perm": "",
        "measure": "price",
        "language": "en",
        **instrument.extra,
    }
