"""Stored bars as they are served."""

import json

import pytest
from bson.int64 import Int64
from pydantic import TypeAdapter

from contracts.bars import Bar, FormingBar, Origin
from contracts.documents import ohlcv_document
from contracts.errors import BadData
from contracts.http import OHLCV, CurrentBarBody, SeriesBody
from contracts.intervals import DAY, Interval
from contracts.symbols import SymbolId
from query_api.core.bars import PROJECTION, current_bar, encode, forming_bar, series, served, stored_bar

BTC = SymbolId("BINANCE", "BTCUSDT")
OPEN = 1_769_860_800_000


def bar(origin: Origin = Origin.TICKS, revision: int = 0) -> Bar:
    return Bar(
        exchange="BINANCE", symbol="BTCUSDT", interval=Interval.M1, open_time=OPEN, close_time=OPEN + 60_000,
        trading_day=OPEN // DAY * DAY, delay=900,
        open=1.5, high=2.0, low=1.0, close=1.75, volume=None, tick_count=3, first_tick_time=OPEN + 1,
        last_tick_time=OPEN + 59_000, origin=origin, revision=revision, gap_ms=250,
    )  # fmt: skip


def test_a_stored_bar_is_served_with_its_times_in_rfc_3339() -> None:
    body = OHLCV.model_validate_json(encode(served(stored_bar(ohlcv_document(bar())))))
    assert body.open_time == "2026-01-31T12:00:00Z"
    assert body.close_time == "2026-01-31T12:01:00Z"
    assert body.first_tick_time == "2026-01-31T12:00:00.001Z"
    assert (body.open, body.high, body.low, body.close, body.volume) == (1.5, 2.0, 1.0, 1.75, None)
    assert (body.tick_count, body.gap_ms, body.origin) == (3, 250, Origin.TICKS)
    assert (body.trading_day, body.delay) == ("2026-01-31", 900)


def test_a_bar_of_a_night_session_before_1970_is_served_with_the_trading_day_it_leads_into() -> None:
    open_time = -2 * DAY + 23 * 3_600_000
    night = bar().model_copy(update={"open_time": open_time, "close_time": -DAY, "trading_day": -DAY})
    body = OHLCV.model_validate_json(encode(served(stored_bar(ohlcv_document(night)))))
    assert (body.open_time, body.trading_day) == ("1969-12-30T23:00:00Z", "1969-12-31")


@pytest.mark.parametrize("origin", list(Origin))
@pytest.mark.parametrize("revision", [0, 1, OPEN])
def test_the_served_state_is_the_bars_own(origin: Origin, revision: int) -> None:
    one = bar(origin, revision)
    assert served(stored_bar(ohlcv_document(one)))["state"] == one.state.value


def test_the_projection_names_every_field_of_a_bar() -> None:
    assert set(PROJECTION) == set(Bar.model_fields)


def test_integers_as_mongodb_returns_them_are_served() -> None:
    document = ohlcv_document(bar()) | {"open_time": Int64(OPEN), "revision": Int64(7)}
    assert json.loads(encode(served(stored_bar(document))))["revision"] == 7


def test_a_series_is_the_bars_in_the_order_given() -> None:
    body = SeriesBody.model_validate_json(series(BTC, Interval.M1, [stored_bar(ohlcv_document(bar()))]))
    assert (body.exchange, body.symbol, body.interval, body.count) == ("BINANCE", "BTCUSDT", "1m", 1)


@pytest.mark.parametrize("wrong", [{"close": "1.75"}, {"open_time": None}, {"volume": "0"}])
def test_a_document_that_holds_no_bar_is_bad_data_that_names_the_field(wrong: dict[str, object]) -> None:
    with pytest.raises(BadData, match=next(iter(wrong))):
        stored_bar({**ohlcv_document(bar()), **wrong})


def test_a_forming_bar_is_served_with_what_nothing_covered_of_it() -> None:
    raw = FormingBar(
        interval=Interval.M1, open_time=OPEN, close_time=OPEN + 60_000, open=1.0, high=1.0, low=1.0, close=1.0,
        volume=0.5, tick_count=1, gap_ms=9_000, trading_day=OPEN // DAY * DAY,
    ).encode()  # fmt: skip
    body = TypeAdapter(CurrentBarBody).validate_json(encode(current_bar(BTC, Interval.M1, forming_bar(raw))))
    assert (body.bar.state, body.bar.gap_ms, body.bar.volume, body.bar.delay) == ("forming", 9_000, 0.5, None)
    assert body.bar.trading_day == "2026-01-31"


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff", b'{"open": NaN}'])
def test_a_cached_value_that_is_no_forming_bar_is_bad_data(raw: bytes) -> None:
    with pytest.raises(BadData):
        forming_bar(raw)
