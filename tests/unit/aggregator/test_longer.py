"""Longer bars are merged from shorter ones: all intervals agree, whatever is built and however the clock moves."""

from dataclasses import dataclass

import msgspec
import pytest

from aggregator.core.fold import PartitionFold
from aggregator.core.longer import MADE_OF, Chain, Labels, RollUp, Values, merged, source_of
from aggregator.core.rules import Rules
from contracts.calendar import ALWAYS
from contracts.intervals import DAY, HOUR, MINUTE, Interval
from tests.support.folds import COVERED, NOON, all_bars, bars_of, fold_of, listed, put, start
from tests.support.records import T0, key, mark, tick
from tests.support.tick_logs import Record


def values(price: float, volume: int | None = 1, at: int = 0) -> Values:
    return Values(price, price, price, price, volume, 1, at, at)


def test_two_parts_of_a_bar_are_one() -> None:
    earlier = Values(5.0, 9.0, 4.0, 6.0, 10, 3, 100, 190)
    later = Values(6.5, 8.0, 2.0, 7.0, 5, 2, 150, 180)
    assert merged(earlier, later) == Values(5.0, 9.0, 2.0, 7.0, 15, 5, 100, 190)
    assert merged(later, earlier).high == 9.0


@pytest.mark.parametrize(("first", "second", "volume"), [(None, None, None), (None, 4, 4), (3, None, 3), (3, 4, 7)])
def test_a_part_without_volume_adds_none(first: int | None, second: int | None, volume: int | None) -> None:
    assert merged(values(1.0, first), values(2.0, second)).volume == volume


def test_an_interval_is_made_of_the_nearest_one_that_is_built() -> None:
    assert source_of(Interval.H4, tuple(Interval)) is Interval.H2
    assert source_of(Interval.H4, (Interval.M1, Interval.M15, Interval.H4)) is Interval.M15
    assert source_of(Interval.MO1, (Interval.M1, Interval.MO1)) is Interval.M1
    assert all(
        made_of < interval
        for interval, made_of in zip(map(_place, MADE_OF), map(_place, MADE_OF.values()), strict=True)
    )


def _place(interval: Interval) -> int:
    return list(Interval).index(interval)


def test_of_the_levels_that_close_all_sources_are_needed() -> None:
    chain = Chain(tuple(Interval))
    hour = chain.names.index("1h")
    assert [chain.names[place] for place in chain.with_sources([hour])] == ["5m", "15m", "30m", "1h"]


@dataclass
class Grid:
    """Round the clock."""

    chain: Chain

    def labels(self, open_time: int) -> Labels:
        return tuple(ALWAYS.bar(level.interval, open_time)[0] for level in self.chain.longer)

    def labels_of_day(self, trading_day: int) -> Labels:
        return tuple(
            0 if level.is_intraday else ALWAYS.period(level.interval, trading_day)[0] for level in self.chain.longer
        )


def test_what_is_final_and_what_may_change_give_one_bar_together() -> None:
    chain = Chain((Interval.M1, Interval.M5, Interval.M15))
    grid, roll_up = Grid(chain), RollUp(chain)
    for minute in range(5):
        roll_up.add(chain.minute, grid.labels(NOON + minute * MINUTE), values(1.0 + minute, 2))
    assert set(roll_up.final[0]) == {NOON}
    open_minutes = [(NOON + at * MINUTE, grid.labels(NOON + at * MINUTE), values(10.0 + at, 3)) for at in (5, 6)]
    built = roll_up.built(chain, chain.places, open_minutes, grid)
    assert {label: bar.volume for label, bar in built[0].items()} == {NOON: 10, NOON + 5 * MINUTE: 6}
    quarter = built[1][NOON]
    assert (quarter.open, quarter.close, quarter.volume, quarter.tick_count) == (1.0, 16.0, 16, 7)
    assert roll_up.built(chain, chain.places, open_minutes, grid) == built, "asking changes nothing"
    roll_up.finish(0, chain.longer[0], NOON, grid)
    assert roll_up.final[0] == {}
    assert roll_up.built(chain, chain.places, open_minutes, grid)[1] == built[1]


def test_all_thirteen_intervals_agree_and_close_on_time_though_the_symbol_is_silent() -> None:
    first = NOON + 10 * MINUTE
    records: list[Record] = [*start()]
    for i in range(200):
        at = first + i * 61_000
        records += [tick(at, 100.0 + (i * 37) % 50, 10.0 + i * 0.125), mark(at + 900)]
    closes = {interval: ALWAYS.bar(interval, first)[1] for interval in Interval}
    for close in sorted(close for close in closes.values() if close > first + 4 * HOUR):
        records += [mark(close + 1_999), mark(close + 2_000)]
    issues = fold_of(*records)
    minutes = bars_of(issues)
    for interval in Interval:
        bars = bars_of(issues, interval.value)
        assert bars, interval
        assert len({bar.open_time for bar in bars}) == len(bars), interval
        for bar in bars:
            parts = [m for m in minutes if ALWAYS.bar(interval, m.open_time) == (bar.open_time, bar.close_time)]
            assert (bar.open, bar.close) == (parts[0].open, parts[-1].close)
            assert (bar.high, bar.low) == (max(p.high for p in parts), min(p.low for p in parts))
            assert bar.volume == sum(p.volume or 0 for p in parts)
            assert bar.tick_count == sum(p.tick_count for p in parts)
    assert [bar.close_time for bar in bars_of(issues, "1M")] == [T0 + 31 * DAY]


STOCK = listed("SIM:C", session="0930-1600", timezone="America/New_York")


@pytest.mark.parametrize("grace_ms", [0, 5 * MINUTE, 20 * MINUTE])
def test_a_clock_that_jumps_closes_what_one_that_walks_closes(grace_ms: int) -> None:
    walking, jumping = [PartitionFold(Rules(grace_ms=grace_ms)) for _ in range(2)]
    names, begin, end = ("SIM:A", "SIM:B", "SIM:C"), NOON + 4 * HOUR, T0 + 33 * DAY
    covered = [(name, "covered", NOON) for name in names]
    calendars = [listed("SIM:A"), listed("SIM:B"), STOCK]
    for fold in (walking, jumping):
        put(fold, *calendars, mark(NOON, *covered))
        for i in range(7):
            put(fold, tick(NOON + i * 61_000, 10.0 + i, 100.0 + i))
        put(fold, tick(NOON + 4 * MINUTE, 5.0, 7.0, symbol="SIM:B"))
        put(fold, tick(NOON + 3 * HOUR, 5.0, 7.0, symbol="SIM:C"))
    issues = put(jumping, mark(end))
    walked = [issue for at in range(begin, end, MINUTE) for issue in put(walking, mark(at))] + put(walking, mark(end))
    assert all_bars(walked) == all_bars(issues)
    assert {bar.symbol for bar in bars_of(issues, "1M")} == {"A", "B", "C"}
    saved = [dict(fold.save(1)) for fold in (walking, jumping)]
    for name in names:
        assert saved[0][key(name)] == saved[1][key(name)]
        fields = msgspec.msgpack.decode(saved[0][key(name)] or b"", strict=False)
        minutes, retained, _, _, final, emitted = fields[8:14]
        assert (minutes, retained, final, emitted) == ([], [], {}, {}), "nothing is kept of a month that is over"


def test_intervals_that_are_not_built_leave_the_others_as_they_are() -> None:
    records: list[Record] = [listed(), STOCK, *start()]
    for i in range(400):
        records += [tick(NOON + i * 20_000 + 5, 1.0 + i % 7, 10.0 + i)]
    records += [tick(NOON + 5 * HOUR, 2.0, 10.0, symbol="SIM:C"), mark(NOON + 5 * HOUR), mark(T0 + 40 * DAY)]
    everything = all_bars(fold_of(*records))
    for built in ((Interval.M1, Interval.H1, Interval.MO1), (Interval.M1, Interval.M45, Interval.W1)):
        some = all_bars(fold_of(*records, rules=Rules(intervals=built)))
        assert some == [bar for bar in everything if bar.interval in built]
        assert {bar.interval for bar in some} == set(built)


def test_intervals_out_of_order_or_without_minutes_are_refused() -> None:
    for wrong in ((), (Interval.H1,), (Interval.M1, Interval.H1, Interval.M5)):
        with pytest.raises(ValueError, match="1m upwards"):
            Rules(intervals=wrong)


@pytest.mark.parametrize("grace_ms", [-MINUTE, 1_000])
def test_a_grace_period_is_a_number_of_whole_minutes(grace_ms: int) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        Rules(grace_ms=grace_ms)


def test_a_bar_is_built_of_a_whole_day_though_its_minutes_were_final_long_before() -> None:
    ticks = [tick(NOON + hour * HOUR, 10.0 + hour, 100.0 + hour) for hour in range(12)]
    records = [record for one in ticks for record in (one, mark(one.received_at))]
    (day,) = bars_of(fold_of(mark(NOON - 1, COVERED), *records, mark(T0 + DAY + 2_000)), "1d")
    assert (day.open, day.high, day.low, day.close, day.volume, day.tick_count) == (10.0, 21.0, 10.0, 21.0, 11.0, 12)
