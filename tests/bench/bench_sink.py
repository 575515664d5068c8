"""`sink.*`: bars from Kafka into MongoDB, against MongoDB alone with the same guarded operations."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pymongo import MongoClient, ReplaceOne

from contracts import topics, wire
from contracts.bars import Bar
from contracts.documents import INDEXES, ohlcv_document, outranked_by
from contracts.intervals import MINUTE
from tests.bench.figure import Bench, Figure
from tests.support.aggregator import PARTITIONS, Aggregator, aggregator
from tests.support.bars import bar
from tests.support.logs import entry_of
from tests.support.parts import started_parts, unique
from tests.support.processes import until
from tests.support.records import T0
from tests.support.topics import write

RUNS = 5
BARS = 40_000
BATCH = 2_000
WITHIN_S = 120.0


def bars() -> list[wire.Bar]:
    """Minutes of 1,000 symbols, symbol after symbol in each minute."""
    return [
        bar(T0 + number // 1_000 * MINUTE, 10 + number % 7, symbol=f"C{number % 1_000:05d}USDT")
        for number in range(BARS)
    ]


def sink_rate(one: Aggregator) -> float:
    """Bars a second that a sink stores, from its first batch to its last."""
    sink = one.sink(batch_records=BATCH)
    samples: list[tuple[float, float]] = []

    def is_stored() -> bool:
        stored = sink.metric("sink_bars_total")
        if stored and (not samples or samples[-1][1] != stored):
            samples.append((time.perf_counter(), stored))
        return stored >= BARS

    until(is_stored, "all is stored", WITHIN_S, sink)
    (began, first), (ended, last) = samples[0], samples[-1]
    return (last - first) / (ended - began)


def raw_rate(one: Aggregator, records: list[wire.Bar]) -> float:
    """The same operations through PyMongo alone, unordered, in batches as large as the sink's."""
    documents = [ohlcv_document(Bar.decode(wire.encode(record))) for record in records]
    operations = [ReplaceOne({"_id": d["_id"], **outranked_by(d)}, d, upsert=True) for d in documents]
    with MongoClient[dict[str, Any]](one.parts.mongo, w="majority") as client:
        collection = client[f"{one.database}-raw"]["ohlcv"]
        for index in INDEXES:
            if index.collection == "ohlcv":
                collection.create_index(list(index.keys), name=index.name, unique=index.is_unique)
        began = time.perf_counter()
        for start in range(0, len(operations), BATCH):
            collection.bulk_write(operations[start : start + BATCH], ordered=False)
        rate = len(operations) / (time.perf_counter() - began)
        client.drop_database(f"{one.database}-raw")
    return rate


def stored() -> Figure:
    """A backlog of bars that are all new, each run into an empty database."""
    records, rates, raw = bars(), [], []
    with started_parts() as parts:
        for _ in range(RUNS):
            with (
                tempfile.TemporaryDirectory() as folder,
                aggregator(parts, unique("bench"), Path(folder)) as one,
            ):
                write(one.kafka, topics.BARS.name, [entry_of(record, PARTITIONS) for record in records])
                raw.append(raw_rate(one, records))
                rates.append(sink_rate(one))
                with MongoClient[dict[str, Any]](parts.mongo) as client:
                    assert client[one.database]["ohlcv"].count_documents({}) == BARS
                    client.drop_database(one.database)
    return Figure(
        name="sink.stored",
        samples=rates,
        unit="bars/s",
        baseline=statistics.median(raw),
        baseline_name="unordered bulk_write of the same guarded operations",
        bound=0.8,
        is_ratio_bound=True,
    )


BENCHES: list[Bench] = [stored]
