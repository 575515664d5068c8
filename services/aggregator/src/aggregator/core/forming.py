"""The forming bars of a symbol: its open minute, and every longer bar as it would close now."""

from aggregator.core.closing import Closing
from aggregator.core.emission import Emitter
from aggregator.core.longer import Chain, Values
from aggregator.core.rules import Rules
from aggregator.core.symbol import Symbol
from contracts import wire
from contracts.bars import volume_of


def forming_of(symbol: Symbol, chain: Chain, closing: Closing, emitter: Emitter, rules: Rules) -> wire.Forming | None:
    """The forming bars of a symbol; None if no minute is open, or nothing changed since the last call."""
    if not symbol.minutes:
        return None
    ticks = sum([minute.count for minute in symbol.minutes.values()])
    state = (symbol.last_sequence(), ticks * 1_000_003 + symbol.updates)
    if not ticks or state == symbol.sent:
        return None
    symbol.sent = state
    limit = emitter.clock - symbol.delay_ms - rules.close_delay_ms

    def bar(  # noqa: PLR0917 - one bar, by all that it is
        interval: str, begin: int, open_time: int, close_time: int, day: int, values: Values
    ) -> wire.FormingBar:
        covered_until = min(close_time, limit)
        return wire.FormingBar(
            interval,
            open_time,
            close_time,
            day,
            values.open,
            values.high,
            values.low,
            values.close,
            None if values.volume is None else volume_of(values.volume),
            values.tick_count,
            values.first_tick_time,
            values.last_tick_time,
            emitter.gap_ms(symbol, begin, covered_until) if covered_until > begin else 0,
        )

    grid, minutes = symbol.grid, symbol.open_parts(closing.seems)
    open_time, _, values = minutes[-1]
    newest = symbol.minutes[open_time]
    bars = [bar("1m", open_time, open_time, newest.close_time, newest.day, values)]
    built = symbol.roll_up.built(chain, chain.places, symbol.retained_parts() + minutes, grid)
    for place, level in enumerate(chain.longer):
        label = max(built[place])
        begin, close_time = grid.span(place, label)
        day = grid.day_of(label) if level.step else label
        bars.append(bar(level.name, begin, label, close_time, day, built[place][label]))
    return wire.Forming(
        exchange=symbol.id.exchange, symbol=symbol.id.symbol, sequence=symbol.last_sequence(), bars=tuple(bars)
    )
