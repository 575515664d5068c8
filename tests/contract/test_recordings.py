"""What TradingView's server was recorded to say is what the library understands."""

import json
import re
from typing import Any

import pytest

from tests.support.recordings import Recording, recordings
from tradingview.chart_events import parse_bar
from tradingview.charts import ChartSession, SeriesFailed, SeriesLoaded
from tradingview.codec import Hello, Message, Other, Packet, decode, encode, encode_packet, heartbeat, render
from tradingview.connection import ConnectionRefused, HelloReceived, Rejected
from tradingview.quotes import QuoteChanged, QuoteEvent, QuoteSession, SessionLost, SnapshotCompleted, SymbolFailed

ALL = recordings()
BROWSER = [row for row in ALL if "tv.har" in row.source]
FULL, SIMPLE, SNAPSHOTS = "qs_multiplexer_full_", "qs_multiplexer_simple_", "qs_snapshoter_"


def frame_of(row: Recording) -> str | bytes:
    """The recording as a frame, with the header that its publisher took off."""
    if not row.is_payload:
        return row.raw
    assert isinstance(row.raw, str)
    if row.raw.startswith("{unknown_session_id"):
        return encode("protocol_error", row.raw)
    if row.raw.startswith('{"n":'):
        return encode_packet(f'{{"m":"qsd","p":["qs_test",{row.raw}]}}')
    return encode_packet(row.raw)


def payloads_of(frame: str) -> list[str]:
    """The payloads by another road than the codec's: JSON and heartbeats hold no header."""
    return re.split(r"~m~\d+~m~", frame)[1:]


def said_by(value: str) -> str:
    """JSON as one text per value: it tells 1 from 1.0."""
    return json.dumps(json.loads(value), sort_keys=True)


@pytest.mark.parametrize("row", [pytest.param(row, id=str(index)) for index, row in enumerate(ALL)])
def test_every_recording_goes_through_the_codec_without_loss(row: Recording) -> None:
    frame = frame_of(row)
    assert isinstance(frame, str)
    packets, payloads = decode(frame), payloads_of(frame)
    assert "".join(map(encode_packet, payloads)) == frame
    assert len(packets) == len(payloads)
    for packet, payload in zip(packets, payloads, strict=True):
        assert not isinstance(packet, Other)
        assert decode(render(packet)) == [packet]
        [again] = payloads_of(render(packet))
        assert again == payload if payload.startswith("~") else said_by(again) == said_by(payload)


def test_the_recordings_hold_every_kind_that_the_library_reads() -> None:
    packets = [packet for row in ALL for packet in decode(frame_of(row))]
    methods = {packet.method for packet in packets if isinstance(packet, Message)}
    assert any(isinstance(packet, Hello) for packet in packets)
    assert heartbeat(9) in map(render, packets)
    assert methods >= {"qsd", "quote_completed", "timescale_update", "du", "series_completed", "symbol_resolved"}
    assert methods >= {"critical_error", "protocol_error", "symbol_error", "series_error"}


def begun(method: str, prefix: str) -> str:
    """The id of the first session in the browser's recording that this method created."""
    for row in BROWSER:
        for packet in decode(frame_of(row)):
            if isinstance(packet, Message) and packet.method == method and packet.params[0].startswith(prefix):
                return str(packet.params[0])
    raise LookupError(f"{method} of {prefix} is not in the recording")


def replay(prefix: str) -> tuple[QuoteSession, list[QuoteEvent], dict[str, dict[str, Any]]]:
    """The browser's recording through a session that does what the browser did; and a plain merge of the same."""
    session_id = begun("quote_create_session", prefix)
    session = QuoteSession(session_id, 0)
    events: list[QuoteEvent] = []
    merged: dict[str, dict[str, Any]] = {}
    for row in BROWSER:
        assert row.at_ms is not None
        packets: list[Packet] = decode(frame_of(row))
        for packet in packets:
            if not isinstance(packet, Message) or packet.params[:1] != (session_id,):
                continue
            if packet.method == "quote_add_symbols":
                session.add(packet.params[1:], row.at_ms)
                merged.update((symbol, {}) for symbol in packet.params[1:])
            elif packet.method == "quote_remove_symbols":
                session.remove(packet.params[1:], row.at_ms)
                for symbol in packet.params[1:]:
                    del merged[symbol]
            elif packet.method == "qsd" and packet.params[1]["n"] in merged:
                merged[packet.params[1]["n"]].update(packet.params[1]["v"])
        if row.is_from_server:
            events += session.expire(row.at_ms) + session.receive(packets, row.at_ms)
    return session, events, merged


@pytest.mark.parametrize("prefix", [FULL, SIMPLE, SNAPSHOTS])
def test_a_replayed_session_ends_in_the_merge_of_all_that_was_said(prefix: str) -> None:
    session, events, merged = replay(prefix)
    changes = [event for event in events if isinstance(event, QuoteChanged)]
    told: dict[str, dict[str, Any]] = {}
    in_snapshot: set[str] = set()
    for change in changes:
        if change.is_snapshot and change.symbol not in in_snapshot:
            told[change.symbol] = {}
        (in_snapshot.add if change.is_snapshot else in_snapshot.discard)(change.symbol)
        told[change.symbol].update(change.changed)
    assert changes
    assert not any(isinstance(event, Rejected) for event in events)
    assert set(session.symbols) == set(merged)
    assert {symbol: told[symbol] for symbol in merged} == merged
    assert {change.symbol for change in changes} == {
        event.symbol for event in events if isinstance(event, SnapshotCompleted)
    }


def test_replayed_heartbeats_are_echoed_and_the_hello_tells_the_clock() -> None:
    session, events, _ = replay(FULL)
    [hello] = decode(frame_of(BROWSER[0]))
    assert isinstance(hello, Hello)
    assert events[0] == HelloReceived(hello.fields["timestampMs"], 0, hello.fields["session_id"])
    frames = session.frames_to_send()
    assert [frame for frame in frames if "~h~" in frame] == [heartbeat(n) for n in range(1, 10)]
    assert not session.is_over


def test_spellings_of_one_instrument_stay_apart_in_a_replay() -> None:
    _, events, merged = replay(FULL)
    changes = [event for event in events if isinstance(event, QuoteChanged)]
    assert len(merged) == 3
    plain = [change for change in changes if change.symbol == "NSE:JUNIPER"]
    assert plain[0].is_snapshot
    assert not plain[-1].is_snapshot


def loaded(session_id: str, rows: list[Recording]) -> SeriesLoaded:
    session = ChartSession(session_id, "NSE:JUNIPER", "1D", 300, 0)
    events = [event for row in rows if row.is_from_server for event in session.receive(frame_of(row), 0)]
    assert not any(isinstance(event, Rejected) for event in events)
    [end] = [event for event in events if isinstance(event, SeriesLoaded)]
    return end


def test_the_recorded_daily_series_loads_whole_and_agrees_with_the_quote() -> None:
    series = loaded(begun("chart_create_session", "cs_"), BROWSER)
    times = [bar.time_s for bar in series.bars]
    assert len(times) == 300
    assert times == sorted(set(times))
    assert series.update_mode == "streaming"
    assert series.symbol_info is not None
    assert (series.symbol_info.timezone, series.symbol_info.session) == ("Asia/Kolkata", "0915-1530")
    assert series.symbol_info.tick_size == 0.05
    _, events, _ = replay(SIMPLE)
    quote = next(event for event in events if isinstance(event, QuoteChanged))
    assert series.bars[-1].volume == quote.changed["volume"]


def test_every_recorded_bar_can_be_read_as_it_is() -> None:
    bars = []
    for row in ALL:
        for packet in decode(frame_of(row)):
            if isinstance(packet, Message) and packet.method in ("timescale_update", "du"):
                for series in packet.params[1].values():
                    bars += [parse_bar(element["v"]) for element in series.get("s", ())]
    assert len(bars) > 1_000
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)


def recorded(text: str) -> str:
    frame = next(frame_of(row) for row in ALL if isinstance(row.raw, str) and text in row.raw)
    assert isinstance(frame, str)
    return frame


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ('"cs_test","sds_sym_1","invalid symbol"', SeriesFailed("symbol_error", "invalid symbol", "")),
        ('"economics_paid"]', SeriesFailed("symbol_error", "permission denied", "group, economics_paid")),
        ('"seconds_not_entitled"', SeriesFailed("series_error", "seconds_not_entitled", "undefined")),
        ("bad auth token", ConnectionRefused("bad auth token")),
    ],
)
def test_recorded_refusals_of_history_end_it(text: str, end: object) -> None:
    assert ChartSession("cs_test", "NSE:ABC", "1D", 300, 0).receive(recorded(text), 0) == [end]


def test_recorded_refusals_of_quotes_are_told() -> None:
    frame = recorded('"invalid_parameters"')
    [packet, *_] = decode(frame)
    assert isinstance(packet, Message)
    session_id = packet.params[0]
    assert QuoteSession(session_id, 0).receive(frame, 0) == [
        SessionLost(session_id, "invalid_parameters", "quote_add_symbols")
    ]
    [packet] = decode(recorded('"permission_denied"'))
    assert isinstance(packet, Message)
    session_id, about = packet.params
    session = QuoteSession(session_id, 0)
    session.add([about["n"]], 0)
    assert session.receive([packet], 0) == [SymbolFailed(about["n"], "permission_denied", "economics_paid")]
