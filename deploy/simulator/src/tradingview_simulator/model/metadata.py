"""A calendar as the protocol's metadata write it (protocol §5.4): subsessions and the market's status."""

from tradingview_simulator.model.calendars import DAY_S, Calendar, day_date
from tradingview_simulator.model.hours import DAY_OFF, parse_corrections, write_corrections

PHASES = {"market": "regular", "pre_market": "premarket", "post_market": "postmarket"}
"""`phase` of `market-status` by `current_session`; only `regular` was recorded, the others go by the subsessions."""


def subsessions(calendar: Calendar) -> list[dict[str, object]]:
    """The regular session and, where there is trading outside it, the extended one and its parts."""
    found = [_subsession("regular", "Regular Trading Hours", calendar.spec, calendar.corrections_spec)]
    if not calendar.outside:
        return found
    before, after = calendar.outside["premarket"], calendar.outside["postmarket"]
    corrections = write_corrections(
        {
            day: spec if spec == DAY_OFF else f"{before.spec[:4]}-{spec[-4:]}"
            for day, spec in parse_corrections(after.corrections_spec).items()
        }
    )
    extended = f"{before.spec[:4]}-{after.spec[-4:]}"
    return [
        *found,
        _subsession("extended", "Extended Trading Hours", extended, corrections),
        _subsession("premarket", "Premarket", before.spec, before.corrections_spec, private=True),
        _subsession("postmarket", "Postmarket", after.spec, after.corrections_spec, private=True),
    ]


def _subsession(name: str, text: str, spec: str, corrections: str, *, private: bool = False) -> dict[str, object]:
    return {
        "id": name,
        "description": text,
        "session": spec,
        **({"session-correction": corrections} if corrections else {}),
        "session-display": spec,
        "private": private,
    }


def market_status(calendar: Calendar, at_s: int) -> dict[str, str]:
    """`market-status`: the phase, and the newest trading day that has begun."""
    phase = calendar.phase(at_s)
    day = at_s // DAY_S if calendar.is_always_open else calendar.trading_day(at_s)
    return {"phase": PHASES.get(phase, phase), "tradingday": day_date(day).strftime("%Y%m%d")}
