"""How clients name a symbol: `EXCHANGE:TICKER`, or a JSON object behind `=` (protocol §4.1)."""

import json


def symbol_of(spec: str) -> str:
    """The `EXCHANGE:TICKER` of a spec; an empty string where it names none."""
    if not spec.startswith("="):
        return spec
    try:
        body = json.loads(spec[1:])
    except ValueError:
        return ""
    symbol = body.get("symbol") if isinstance(body, dict) else None
    return symbol if isinstance(symbol, str) else ""
