"""How the counters of a day begin anew, as untidily as TradingView's do.

The old day's total may be sent once more just after the opening, without a time. The new day's first trade comes with
its price under the old total; its time comes before the price, with it, after the reset, or not at all. The reset
itself (volume, `open_time`, the day's open, high and low) is a message of its own. Prices and times stay true: what is
untidy is which message carries them.
"""

from random import Random

from tradingview_simulator.quotes.values import CHANGE_KEYS, RESET_KEYS, SESSION_KEYS, TIME_KEYS

STALE_MS = 50
"""When the old total is sent once more, after the opening."""
STALE_CHANCE = 0.5
APART_MS = (20, 120)
TIMELESS_BEFORE_SECOND = 50
"""A first trade later in its minute has its time at once: a time estimated on arrival is in the same minute."""

Message = tuple[int, tuple[str, ...]]
"""How many ms after the message before it is sent, and its fields."""


def roll(chance: Random, trade_ms: int) -> tuple[Message, ...]:
    """Draw the messages in which a day's first trade and the reset are sent."""
    style = chance.random()
    reset, later = chance.randint(*APART_MS), chance.randint(*APART_MS)
    price = (*CHANGE_KEYS, *SESSION_KEYS)
    if style < 0.35 or trade_ms // 1_000 % 60 >= TIMELESS_BEFORE_SECOND:
        return (0, (*TIME_KEYS, *price)), (reset, RESET_KEYS)
    if style < 0.5:
        return (0, TIME_KEYS), (later, price), (reset, RESET_KEYS)
    if style < 0.75:
        return (0, price), (reset, RESET_KEYS), (later, TIME_KEYS)
    return (0, price), (reset, RESET_KEYS)
