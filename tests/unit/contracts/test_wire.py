"""Twins, schemas, partitions: what must stay equal is held equal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from contracts import bars, feed, history, marks, ticks, wire
from contracts.base import MIN_MS, Record
from contracts.errors import BadData
from contracts.intervals import DAY, MINUTE, Interval
from contracts.schemas import schemas
from contracts.topics import ALL_TOPICS, murmur2, partition_of

ROOT = Path(__file__).resolve().parents[3]
TICK = ticks.QuoteTick(
    exchange="NYMEX", symbol="CL1!", price=61.25, cumulative_volume=12.5, bid=61.24, ask=61.26, bid_size=3.0,
    ask_size=1.0, day_open=60.0, day_high=62.0, day_low=59.5, previous_close=60.5, trading_day=0,
    session=ticks.SessionPhase.MARKET, delay=900, event_time=5, event_time_estimated=True, received_at=6, sequence=7,
    is_baseline=True,
)  # fmt: skip
BAR = bars.Bar(
    exchange="SIM", symbol="A", interval=Interval.M1, open_time=0, close_time=MINUTE, trading_day=0, delay=900,
    open=2.0, high=3.0, low=1.0,
    close=2.5, volume=1.5, tick_count=3, first_tick_time=1, last_tick_time=2, gap_ms=4, origin=bars.Origin.TICKS,
    revision=1, reason="late_tick",
)  # fmt: skip
FORMING_BAR = bars.FormingBar.model_validate({name: getattr(BAR, name) for name in bars.FormingBar.model_fields})
CALENDAR = ticks.CalendarRecord(
    exchange="TAIFEX", symbol="MXF1!", timezone="Asia/Taipei", session="1500F1-0500,S,0845-1345", holidays="20260101",
    corrections="dayoff:20260102", has_volume=False, at=-5,
)  # fmt: skip
UNCOVERED = marks.CoverageChange(symbol="*", state=marks.CoverageState.UNCOVERED, at=-4)
MARK = marks.FeedMark(epoch=3, watermark=9, coverage=(UNCOVERED,))
TWINS: list[tuple[Record, type[Any]]] = [
    (TICK, wire.Tick),
    (CALENDAR, wire.Calendar),
    (UNCOVERED, wire.CoverageChange),
    (MARK, wire.Mark),
    (BAR, wire.Bar),
    (FORMING_BAR, wire.FormingBar),
    (bars.Forming(exchange="SIM", symbol="A", sequence=9, bars=(FORMING_BAR,)), wire.Forming),
    (bars.BarsComplete(delay=900, closed_through=MINUTE, final_through=-4 * MINUTE, count=4), wire.BarsComplete),
    (ticks.LateTick(tick=TICK, reason="late", bar_open_time=0, closed_until=60_000), wire.LateTick),
    (
        feed.GapEvent(
            exchange="SIM", symbol="A", start=1, end=2, delay=900, event_start=-901, event_end=-898, session_ms=3,
            gap_volume=0.5, at=3,
        ),
        wire.GapEvent,
    ),
]  # fmt: skip


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


ANYTHING = (
    "null", "true", "0", "-0", "1", "-1", "1.0", "1e2", "1e400", "NaN", "-1e-400", "86400", "86401", "86400000",
    "9007199254740991", "9007199254740992", "12345678901234567890123", "1e15", "1.0000000000000002e15", "-1e16", "1e18",
    "1e19", "253402214400000", "253402300799999", "253402300800000", "-62135596800000", "-62135596800001", '""', '"5"',
    '"market"', '"MARKET"', '"covered"', '"mark"', '"calendar"', '"*"', '"**"', '"SIM:A"', '"SIM:a"', '"SIM:A\\n"',
    '"SIM:A:B"', '"A"', '"A\\n"', '"A B"', '"\\u200b"', '"\\ud800"', '"\\u0000"', '"NYSE:BAC/PL"', '"BAC/PL"',
    "[]", "{}", "[null]", '"' + "X" * 33 + '"', '"' + "X" * 65 + '"', '"' + "x" * 129 + '"', '"' + "x" * 4_097 + '"',
    '"' + "x" * 65_537 + '"',
)  # fmt: skip
"""Values as JSON, at and beyond the bounds of every field."""
NAMES_IN_A_TICK = {"exchange", "symbol"}
"""What readers of ticks compare with the key instead."""


@pytest.mark.parametrize(
    ("record", "field"),
    [(TICK, name) for name in ticks.QuoteTick.model_fields if name not in NAMES_IN_A_TICK]
    + [(record, name) for record in (CALENDAR, UNCOVERED, MARK) for name in type(record).model_fields],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_the_engine_reads_is_refused_by_both_twins_or_by_neither(record: Record, field: str) -> None:
    twin = msgspec.json.Decoder({type(one): twin for one, twin in TWINS}[type(record)])
    verdicts = set()
    for value in ANYTHING:
        raw = json.dumps(json.loads(record.encode()) | {field: "@"}).replace('"@"', value)
        verdicts.add(verdict := is_read(type(record).decode, raw))
        assert is_read(twin.decode, raw) == verdict, f"{field}: {value[:40]}"
    assert verdicts == {True, False}


def is_read(decode: Callable[[str], object], raw: str) -> bool:
    try:
        decode(raw)
    except (BadData, *wire.UNDECODABLE):
        return False
    return True


@pytest.mark.parametrize("count", [marks.MAX_CHANGES, marks.MAX_CHANGES + 1])
def test_a_mark_has_a_bounded_number_of_changes(count: int) -> None:
    raw = json.dumps({"epoch": 1, "watermark": 1, "coverage": [json.loads(UNCOVERED.encode())] * count})
    expected = count <= marks.MAX_CHANGES
    assert is_read(marks.FeedMark.decode, raw) is expected
    assert is_read(wire.decode_mark, raw) is expected


@pytest.mark.parametrize(
    "raw",
    [
        b'{"kind":"tick","epoch":1,"watermark":1}',
        b'{"run":1,"through":1}',
        b'{"epoch":1,"watermark":1,"coverage":[{"symbol":"*","state":"sleepy","at":1}]}',
        b'{"epoch":1,"watermark":1,"coverage":[{"symbol":"foo bar","state":"covered","at":1}]}',
        b'{"epoch":1180591620717411303424,"watermark":1}',
        CALENDAR.encode(),
    ],
)
def test_what_is_no_mark_is_refused_by_both_twins(raw: bytes) -> None:
    with pytest.raises(BadData):
        marks.FeedMark.decode(raw)
    with pytest.raises(wire.UNDECODABLE):
        wire.decode_mark(raw)


@pytest.mark.parametrize(
    "raw", [MARK.encode(), TICK.encode(), b"{}", b"", CALENDAR.encode().replace(b"1500F1", b"\xff")]
)
def test_what_is_no_calendar_is_refused_by_both_twins(raw: bytes) -> None:
    with pytest.raises(BadData):
        ticks.CalendarRecord.decode(raw)
    with pytest.raises(wire.UNDECODABLE):
        wire.decode_calendar(raw)


@pytest.mark.parametrize("raw", [BAR.encode(), b'{"kind":"bar","closed_through":1,"final_through":0,"count":1}'])
def test_what_completes_no_bars_is_refused_by_both_twins(raw: bytes) -> None:
    with pytest.raises(BadData):
        bars.BarsComplete.decode(raw)
    with pytest.raises(wire.UNDECODABLE):
        wire.decode_bars_complete(raw)


def test_times_before_1970_are_carried() -> None:
    early = TICK.model_copy(update={"trading_day": -DAY, "event_time": -5, "received_at": -4, "sequence": 0})
    assert ticks.QuoteTick.decode(wire.encode(wire.decode_tick(early.encode()))) == early
    oldest = bars.BarsComplete(closed_through=MIN_MS, final_through=MIN_MS, count=0)
    assert bars.BarsComplete.decode(wire.encode(wire.decode_bars_complete(oldest.encode()))) == oldest


SYMBOL = feed.SymbolInfo(
    exchange="BINANCE", symbol="币安人生USDT.P", description="币安人生 / Tether", type="swap", currency="USDT",
    listed_exchange="BINANCE", price_scale=1e5, min_move=1.0, timezone="Etc/UTC", session="24x7", at=1,
)  # fmt: skip


def test_what_is_known_of_a_symbol_is_read_back_and_texts_may_be_missing() -> None:
    assert feed.SymbolInfo.decode(SYMBOL.encode()) == SYMBOL
    assert SYMBOL.identity.key == "BINANCE:币安人生USDT.P".encode()
    least = feed.SymbolInfo(exchange="TVC", symbol="DXY", timezone="America/New_York", session="1900-1900", at=1)
    assert feed.SymbolInfo.decode(b'{"later":1,' + least.encode()[1:]) == least
    assert (least.description, least.price_scale, least.has_volume) == (None, None, True)


@pytest.mark.parametrize(
    "wrong", [{"price_scale": 0.0}, {"min_move": -1.0}, {"session": ""}, {"timezone": ""}, {"holidays": "x" * 65_537}]
)
def test_what_says_nothing_usable_of_a_symbol_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        feed.SymbolInfo.model_validate(SYMBOL.model_dump() | wrong)


def test_a_calendar_fits_its_record_and_what_is_known_of_its_symbol_alike() -> None:
    shared = {"timezone", "session", "holidays", "corrections", "has_volume"}
    calendar, info = ticks.CalendarRecord.model_fields, feed.SymbolInfo.model_fields
    for name in shared:
        assert (calendar[name].annotation, calendar[name].metadata) == (info[name].annotation, info[name].metadata), (
            name
        )


def test_feed_events_are_told_apart_by_their_type() -> None:
    gap = feed.GapEvent(exchange="SIM", symbol="A", start=1, end=2, event_start=-1, event_end=2, session_ms=0, at=3)
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
    assert configs["market.symbols.v1"]["cleanup.policy"] == "compact"


def test_a_calendar_is_put_into_the_partition_of_its_symbol_by_whoever_sends_it() -> None:
    keys = [f"SIM:S{number}".encode() for number in range(100)]
    assert any(partition_of(b"!" + key, 24) != partition_of(key, 24) for key in keys), (
        "its own key would place it apart"
    )


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
