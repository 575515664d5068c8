"""Calendars and descriptions of symbols of many kinds and names, from a simulator through real Kafka and Redis."""

from redis.asyncio import Redis

from contracts import wire
from contracts.cache import quote_key
from contracts.feed import SymbolInfo, SymbolStatus
from contracts.symbols import SymbolId
from contracts.ticks import CalendarRecord, Quote
from contracts.topics import partition_of
from tests.support.ingest import PARTITIONS, ingest, log_of, settings_of, topics_of, wishes
from tests.support.parts import Parts
from tradingview_simulator import SimulatorSettings, serve

ZONES = {
    "NASDAQ:AAPL": "America/New_York",
    "NYSE:BAC/PL": "America/New_York",
    "NSE:NIFTY": "Asia/Kolkata",
    "BINANCE:币安人生USDT.P": "Etc/UTC",
    "TVC:NDX": "America/New_York",
}


async def test_every_symbol_is_described_before_its_first_tick_and_for_everyone(parts: Parts, prefix: str) -> None:
    topics = topics_of(prefix)
    names = set(ZONES)
    async with (
        serve(SimulatorSettings()) as simulator,
        wishes(parts, topics) as desired,
        log_of(parts.kafka, topics.ticks.name) as log,
        log_of(parts.kafka, topics.symbols.name) as symbols,
        log_of(parts.kafka, topics.status.name) as statuses,
    ):
        await desired.want(*names)
        async with ingest(settings_of(parts, prefix, simulator.url), topics):
            await log.until(lambda: all(map(log.ticks_of, names)))
            await symbols.until(lambda: len(symbols.records) == len(names))
            await statuses.until(
                lambda: {key for _, key, _, _ in statuses.records} >= {_status(each) for each in names}
            )
            redis = Redis.from_url(parts.redis)
            for name in names:
                while (raw := await redis.get(quote_key(SymbolId.parse(name)))) is None:
                    await log.read()
                assert str(Quote.decode(raw).identity) == name
            await redis.aclose()
    for name in names:
        key = name.encode()
        records = [each for each in log.records if each[1] is not None and each[1].removeprefix(b"!") == key]
        assert {partition for partition, _, _, _ in records} == {partition_of(key, PARTITIONS)}
        assert records[0][1] == b"!" + key
        calendar = CalendarRecord.decode(records[0][2] or b"")
        assert calendar.timezone == ZONES[name]
        assert calendar.has_volume is (name != "TVC:NDX")
        first = wire.decode_tick(records[1][2] or b"")
        marks = {mark.epoch for partition, mark in log.marks if partition == records[0][0]}
        assert first.is_baseline
        assert first.epoch in marks
        [info] = [SymbolInfo.decode(value or b"") for _, each, value, _ in symbols.records if each == key]
        assert (info.timezone, info.session, info.holidays) == (calendar.timezone, calendar.session, calendar.holidays)
        assert info.description is not None and info.price_scale is not None
    details = [SymbolStatus.decode(value).detail or "" for _, _, value, _ in statuses.records if value is not None]
    assert not any("calendar" in detail for detail in details)


def _status(name: str) -> bytes:
    return f"{name}|replica-1".encode()
