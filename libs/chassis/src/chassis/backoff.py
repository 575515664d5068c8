"""How long to wait before trying again: a plain generator of delays."""

from collections.abc import Iterator
from random import Random


def delays(first_s: float, longest_s: float, random: Random) -> Iterator[float]:
    """Seconds to wait before each next try: doubling from `first_s` to `longest_s`, each cut by up to half at random.

    The chance part keeps processes that lost the same server from coming back in step. The generator never ends;
    begin a new one after a success.
    """
    ceiling = first_s
    while True:
        yield ceiling * (0.5 + random.random() / 2)
        ceiling = min(ceiling * 2, longest_s)
