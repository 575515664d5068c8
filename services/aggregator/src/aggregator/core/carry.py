"""A minute's bar, given what the minutes before it hand on, and what it hands to the next."""

from collections.abc import Callable

from aggregator.core.longer import Values
from aggregator.core.minute import Carry, Minute, Move
from contracts.bars import volume_units

Judge = Callable[[Move], bool]
"""Whether what a counter moved is residual."""


def passed(carry: Carry, minute: Minute, judge: Judge) -> tuple[Values | None, Carry]:
    """A minute's bar, None without a tick, and what is carried on."""
    volume, day, reached, residual = _volume(carry, minute, judge)
    shown = carry.shown if carry.day == day else None
    if minute.count == 0:
        cumulative = minute.cumulative_units() if minute.day == day else None
        if cumulative is not None and (shown is None or cumulative > shown):
            shown = cumulative
        return None, Carry(day, reached, residual, carry.top_day, carry.top, carry.bottom, shown)
    if shown is not None and reached is not None and shown <= reached:
        shown = None
    values = _values(carry, minute, volume)
    if carry.top_day != minute.day:
        return values, Carry(day, reached, residual, minute.day, values.high, values.low, shown)
    high, low = values.high, values.low
    top, bottom = carry.top, carry.bottom
    return values, Carry(day, reached, residual, carry.top_day, max(high, top), min(low, bottom), shown)


def _volume(carry: Carry, minute: Minute, judge: Judge) -> tuple[int | None, int, int | None, int]:
    """What a minute traded (1e-8; None: the symbol has no volume); then day, reached and residual after it.

    What the counter moved since the last minute with ticks, less what it moved while nobody listened. A day begins
    from zero. A minute of baselines only moves nothing and hands on its residual.
    """
    day, base, residual = carry.day, carry.reached, carry.residual
    traded = 0
    cumulative = minute.cumulative_units() if minute.day >= day else None
    moves = minute.moves and [move for move in minute.moves if judge(move)]
    if moves:
        residual += sum(move.units for move in moves if move.day == day)
    if minute.day > day:
        if minute.previous_day == day and base is not None:
            traded = max(0, volume_units(minute.previous) - base - residual)
        day, base, residual = minute.day, None if base is None and cumulative is None else 0, 0
        if moves:
            residual = sum(move.units for move in moves if move.day == day)
    if minute.count == 0:
        return None, day, cumulative if base is None else base, residual
    if base is None:
        return (None if cumulative is None else 0), day, cumulative, 0
    if cumulative is None or cumulative <= base:
        return traded, day, base, residual
    return traded + max(0, cumulative - base - residual), day, cumulative, 0


def _values(carry: Carry, minute: Minute, volume: int | None) -> Values:
    """The bar of a minute with ticks, its high and low widened by what the day's figures betray.

    Quotes are coalesced: an extreme between two observations shows only as a moved day high or low. It belongs to
    this minute if it moved between the minute's first and last observation and no earlier price explains it.
    """
    assert minute.first is not None
    assert minute.last is not None
    high, low = minute.high, minute.low
    observations = minute.observations()
    if observations is not None:
        first, last = observations
        knows_day = carry.top_day == minute.day
        day_high, day_low = last.day_high, last.day_low
        if day_high is not None and first.day_high is not None and day_high > max(high, first.day_high):
            high = high if knows_day and day_high <= carry.top else day_high
        if day_low is not None and first.day_low is not None and day_low < min(low, first.day_low):
            low = low if knows_day and day_low >= carry.bottom else day_low
    return Values(
        minute.first.price,
        high,
        low,
        minute.last.price,
        volume,
        minute.count,
        minute.earliest,
        minute.last_tick_time,
    )
