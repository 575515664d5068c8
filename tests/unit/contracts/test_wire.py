"""Twins, schemas, partitions: what must stay equal is held equal."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from contracts import bars, feed, history, marks, ticks, wire
from contracts.base import Record
from contracts.errors import BadData
from contracts.intervals import MINUTE, Interval
from contracts.schemas import schemas
from contracts.symbols import SymbolId
from contracts.topics import ALL_TOPICS, murmur2, partition_of

ROOT = Path(__file__).resolve().parents[3]
TICK = ticks.QuoteTick(
    exchange="NYMEX", symbol="CL1!", price=61.25, cumulative_volume=12.5, bid=61.24, ask=61.26, bid_size=3.0,
    ask_size=1.0, day_open=60.0, day_high=62.0, day_low=59.5, previous_close=60.5, trading_day=0,
    session=ticks.SessionPhase.MARKET, delay=900, event_time=5, event_time_estimated=True, received_at=6, sequence=7,
    is_baseline=True,
)  # fmt: skip
BAR = bars.Bar(
    exchange="SIM", symbol="A", interval=Interval.M1, open_time=0, close_time=MINUTE, open=2.0, high=3.0, low=1.0,
    close=2.5, volume=1.5, tick_count=3, first_tick_time=1, last_tick_time=2, gap_ms=4, origin=bars.Origin.TICKS,
    revision=1, reason="late_tick",
)  # fmt: skip
FORMING_BAR = bars.FormingBar.model_validate({name: getattr(BAR, name) for name in bars.FormingBar.model_fields})
DEAF = marks.FeedChange(symbol="*", state=marks.Hears.DEAF, at=4)
TWINS: list[tuple[Record, type[Any]]] = [
    (TICK, wire.Tick),
    (
        marks.FeedMark(run=3, through=9, changes=(marks.FeedChange(symbol="*", state=marks.Hears.DEAF, at=4),)),
        wire.Mark,
    ),
    (BAR, wire.Bar),
    (bars.Forming(exchange="SIM", symbol="A", sequence=9, bars=(FORMING_BAR,)), wire.Forming),
    (bars.IntervalComplete(interval=Interval.MO1, open_time=0, delay=900, count=4), wire.IntervalComplete),
    (ticks.LateTick(tick=TICK, reason="beyond_horizon", bar_open_time=0, closed_until=60_000), wire.LateTick),
    (feed.GapEvent(exchange="SIM", symbol="A", start=1, end=2, delay=900, residual_volume=0.5, at=3), wire.GapEvent),
]


@pytest.mark.parametrize(("record", "twin"), TWINS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_twin_has_the_fields_and_the_bytes_of_its_model(record: Record, twin: type[Any]) -> None:
    fields = {field.encode_name: field.required for field in msgspec.structs.fields(twin)}
    assert fields == {name: field.is_required() for name, field in type(record).model_fields.items()}
    raw = record.encode()
    assert wire.encode(msgspec.json.decode(raw, type=twin)) == raw
    assert type(record).decode(raw) == record


@pytest.mark.parametrize(("record", "twin"), TWINS, ids=lambda value: getattr(value, "__name__", ""))
def test_readers_ignore_what_they_do_not_know_and_makers_may_not_add(record: Record, twin: type[Any]) -> None:
    extended = json.dumps(json.loads(record.encode()) | {"added_later": {"x": 1}})
    assert type(record).decode(extended) == record
    assert wire.encode(msgspec.json.decode(extended, type=twin)) == record.encode()
    with pytest.raises(ValueError, match="added_later"):
        type(record).model_validate_json(extended)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"price": NaN}', b"{}"])
def test_bytes_that_are_no_record_are_bad_data_with_a_cause(raw: bytes) -> None:
    with pytest.raises(BadData) as fault:
        ticks.QuoteTick.decode(raw)
    assert fault.value.kind == "undecodable"
    assert 0 < len(fault.value.cause) < 300


@pytest.mark.parametrize(
    "raw",
    [
        b'{"kind":"tick","run":1,"through":1}',
        b'{"run":1,"through":1,"changes":[{"symbol":"*","state":"sleepy","at":1}]}',
        b'{"run":1,"through":1,"changes":[{"symbol":"foo bar","state":"heard","at":1}]}',
        b'{"run":1180591620717411303424,"through":1}',
    ],
)
def test_what_is_no_mark_is_refused_by_both_twins(raw: bytes) -> None:
    with pytest.raises(BadData):
        marks.FeedMark.decode(raw)
    with pytest.raises(wire.UNDECODABLE):
        wire.decode_mark(raw)


def test_feed_events_are_told_apart_by_their_type() -> None:
    gap = feed.GapEvent(exchange="SIM", symbol="A", start=1, end=2, at=3)
    assert feed.decode_feed_event(gap.encode()) == gap
    with pytest.raises(BadData):
        feed.decode_feed_event(b'{"type": "party"}')


def test_the_exported_schemas_are_those_of_the_code() -> None:
    folder = ROOT / "contracts" / "schemas"
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")} == schemas(), "make schemas"


@given(st.binary(max_size=80))
def test_our_murmur2_is_the_one_of_kafkas_clients(data: bytes) -> None:
    assert murmur2(data) == aiokafka_murmur2(data) & 0xFFFFFFFF


@given(st.binary(min_size=1, max_size=80), st.integers(1, 64))
def test_aiokafkas_default_partitioner_agrees_with_ours(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert DefaultPartitioner()(key, partitions, partitions) == partition_of(key, count)


def test_topics_have_distinct_legal_names_and_the_log_takes_append_time() -> None:
    names = [topic.name for topic in ALL_TOPICS]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 200 and name.endswith((".v1", ".v1.dead")) for name in names)
    configs = {topic.name: topic.config for topic in ALL_TOPICS}
    assert configs["market.ticks.v1"]["message.timestamp.type"] == "LogAppendTime"
    assert configs["market.subscriptions.v1"]["cleanup.policy"] == "compact"


@pytest.mark.parametrize("text", ["binance:btcusdt", " NYMEX:CL1! ", "NSE:M&M", "BINANCE:BTCUSDT.P"])
def test_an_identity_is_written_in_one_way(text: str) -> None:
    identity = SymbolId.parse(text)
    assert str(identity) == text.strip().upper()
    assert SymbolId.of_key(identity.key) == identity


@pytest.mark.parametrize("text", ["", "BTCUSDT", ":X", "A:", "A:B:C", "A:B/C", "A:B C", "A:" + "B" * 65, "x" * 999])
def test_what_is_no_symbol_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(BadData, match="write EXCHANGE:SYMBOL"):
        SymbolId.parse(text)


def test_the_status_of_a_sync_moves_only_along_its_transitions() -> None:
    legal = {(a.value, b.value) for a in history.SyncStatus for b in history.SyncStatus if a.may_become(b)}
    assert legal == {
        ("pending", "syncing"), ("pending", "error"), ("syncing", "completed"), ("syncing", "error"),
        ("syncing", "pending"), ("completed", "pending"), ("error", "pending"),
    }  # fmt: skip


def test_a_request_names_each_series_once() -> None:
    series = history.Series(exchange="SIM", symbol="A", interval=Interval.M1)
    request = history.SyncRequest(request_id="r", series=(series,), requested_at=1)
    assert request.job_id(0) == "r"
    with pytest.raises(ValueError, match="twice"):
        history.SyncRequest(request_id="r", series=(series, series), requested_at=1)
