"""The messages of a day's first trade."""

from random import Random

from tradingview_simulator.quotes.rolls import APART_MS, roll
from tradingview_simulator.quotes.values import RESET_KEYS

MIDNIGHT = 1_795_478_400_000


def test_the_reset_is_a_message_of_its_own_shortly_after_the_price() -> None:
    for seed in range(200):
        messages = roll(Random(seed), MIDNIGHT + 300)
        price = next(place for place, (_, keys) in enumerate(messages) if "lp" in keys)
        apart, reset = messages[price + 1]
        assert reset == RESET_KEYS
        assert APART_MS[0] <= apart <= APART_MS[1]
        assert not {key for _, keys in messages if keys != RESET_KEYS for key in keys} & set(RESET_KEYS)
        assert messages[0][0] == 0


def test_the_time_comes_before_the_price_with_it_after_the_reset_or_not_at_all() -> None:
    orders = set()
    for seed in range(200):
        messages = roll(Random(seed), MIDNIGHT + 300)
        price = next(place for place, (_, keys) in enumerate(messages) if "lp" in keys)
        found = [place - price for place, (_, keys) in enumerate(messages) if "lp_time" in keys]
        assert len(found) <= 1
        orders.add(found[0] if found else None)
    assert orders == {-1, 0, 2, None}


def test_a_first_trade_late_in_its_minute_has_its_time_at_once() -> None:
    for seed in range(200):
        (_, first), *_ = roll(Random(seed), MIDNIGHT + 50_000)
        assert {"lp", "lp_time"} <= set(first)
