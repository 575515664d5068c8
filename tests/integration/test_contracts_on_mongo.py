"""MongoDB applies the winning rule: its order of `rank` subdocuments is the order of `bars.rank`."""

import random

from pymongo import MongoClient

from contracts.bars import Bar, Origin, rank
from contracts.documents import bar_of, ohlcv_document, outranked_by
from contracts.intervals import MINUTE, Interval
from tests.support.parts import Parts


def some_bar(rnd: random.Random) -> Bar:
    """One of few bars of one minute, so that ties in the leading fields are common."""
    low, middle, high = sorted(rnd.sample([-3.5, -1.0, 0.0, 0.1, 2.0, 10.0, 100.25], 3))
    return Bar(
        exchange="SIM", symbol="A", interval=Interval.M1, open_time=0, close_time=MINUTE,
        trading_day=0, delay=rnd.choice([0, 900]),
        open=rnd.choice([low, middle]), high=high, low=low, close=rnd.choice([middle, high]),
        volume=rnd.choice([None, 0.0, 1.5, 1e15]), tick_count=rnd.choice([0, 0, 3]), origin=rnd.choice(list(Origin)),
        revision=rnd.choice([0, 1, 1_766_031_047_438]), gap_ms=rnd.choice([0, 0, 900]),
        first_tick_time=rnd.choice([None, 5]), last_tick_time=rnd.choice([None, 9]), reason=rnd.choice([None, "gap"]),
    )  # fmt: skip


def test_mongodb_lets_a_bar_in_exactly_when_it_outranks_what_is_stored(parts: Parts, database: str) -> None:
    rnd = random.Random(7)
    pool = [some_bar(rnd) for _ in range(60)]
    with MongoClient[dict[str, object]](parts.mongo) as client:
        collection = client[database]["ohlcv"]
        collection.insert_many([ohlcv_document(bar) | {"_id": i} for i, bar in enumerate(pool)])
        for challenger in pool:
            guard = outranked_by(ohlcv_document(challenger))
            beaten = {found["_id"] for found in collection.find(guard, {"_id": 1})}
            assert beaten == {i for i, bar in enumerate(pool) if rank(bar) < rank(challenger)}
        stored = collection.find_one({"_id": 0})
        assert stored is not None
        assert bar_of(stored) == pool[0]
