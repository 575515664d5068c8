"""What the sink makes of a batch of records, before any store is touched."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aggregator.sink.bars import winners_of
from aggregator.sink.forming import newest_of
from chassis.record import Record
from contracts import wire
from contracts.bars import Origin
from contracts.errors import BadData
from contracts.headers import bar_headers, complete_headers
from contracts.intervals import MINUTE, Interval
from contracts.symbols import SymbolId
from contracts.topics import MARK_KEY
from tests.support.bars import bar, forming
from tests.support.records import T0

CURRENT = bar_headers("1m", T0)


@dataclass(frozen=True)
class Read:
    """A record as a consumer hands it out."""

    key: bytes | None
    value: bytes | None
    timestamp: int = T0
    topic: str = "market.bars.v1"
    partition: int = 0
    offset: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Aside:
    """Collects what was put aside."""

    errors: list[BadData] = field(default_factory=list)

    def __call__(self, record: Record, error: BadData) -> None:
        self.errors.append(error)


def read(record: Any, **more: Any) -> Read:
    if isinstance(record, wire.Bar):
        more = {"headers": CURRENT, **more}
    return Read(f"{record.exchange}:{record.symbol}".encode(), wire.encode(record), **more)


def test_of_several_bars_with_one_id_the_winner_is_written() -> None:
    first, second = bar(close=10.0, revision=1), bar(close=11.0, revision=0)
    aside = Aside()
    (winner,) = winners_of([read(first), read(second)], aside).values()
    assert (winner.close, winner.revision) == (10.0, 1)
    assert aside.errors == []


def test_final_bars_of_the_provider_and_records_of_complete_bars_are_passed_over() -> None:
    complete = wire.BarsComplete(closed_through=T0, final_through=T0, count=3)
    aside = Aside()
    records = [
        read(bar(origin=Origin.PROVIDER_FINAL)),
        Read(MARK_KEY, wire.encode(complete), headers=complete_headers(T0)),
    ]
    assert winners_of(records, aside) == {}
    assert aside.errors == []


def test_a_record_of_an_older_contract_is_put_aside_with_its_cause() -> None:
    old = [
        read(bar(), headers=()),
        read(bar(), headers=[("schema", b"1"), ("kind", b"bar")]),
        Read(None, b'{"interval":"1m","open_time":0,"count":3}'),
        Read(MARK_KEY, b"{}"),
    ]
    aside = Aside()
    assert list(winners_of([*old, read(bar())], aside)) == [f"SIM:A|1m|{T0}"]
    assert {(error.kind, error.cause) for error in aside.errors} == {
        ("old_contract", "no header schema=2: a record of another version of the bar contract")
    }
    assert len(aside.errors) == len(old)


def test_bars_off_the_epochs_grid_and_before_1970_are_written() -> None:
    aside = Aside()
    night = bar(-MINUTE, interval="1h", close_time=59 * MINUTE)
    assert list(winners_of([read(bar(T0 + 1)), read(night)], aside)) == [f"SIM:A|1m|{T0 + 1}", f"SIM:A|1h|{-MINUTE}"]
    assert aside.errors == []


def test_what_is_no_bar_is_put_aside_and_the_others_are_written() -> None:
    good = bar()
    bad = [
        Read(b"SIM:A", b"{", headers=CURRENT),
        Read(b"SIM:A", None, headers=CURRENT),
        Read(None, b"{}", headers=CURRENT),
        Read(b"SIM:OTHER", wire.encode(good), headers=CURRENT),
        read(bar(high=1.0)),
        read(bar(revision=2**60)),
        read(bar(close_time=T0)),
    ]
    aside = Aside()
    assert list(winners_of([*bad, read(good)], aside)) == [f"SIM:A|1m|{T0}"]
    assert [error.kind for error in aside.errors] == [
        *("undecodable", "undecodable", "undecodable", "key_mismatch", "undecodable", "undecodable", "undecodable"),
    ]


def test_of_several_forming_records_the_highest_sequence_is_kept() -> None:
    aside = Aside()
    records = [read(forming(5, close=5.0)), read(forming(9, close=9.0)), read(forming(7, close=7.0))]
    newest = newest_of(records, aside, now=T0)
    fresh = newest[SymbolId("SIM", "A")]
    assert fresh.sequence == 9
    assert fresh.bars[Interval.M1].close == 9.0


def test_a_forming_record_lives_for_five_minutes_from_when_it_was_written() -> None:
    aside = Aside()
    newest = newest_of([read(forming(1), timestamp=T0 - 2 * MINUTE)], aside, now=T0)
    assert newest[SymbolId("SIM", "A")].ttl_ms == 3 * MINUTE
    assert newest_of([read(forming(1), timestamp=T0 - 5 * MINUTE)], aside, now=T0) == {}
    assert (
        newest_of([read(forming(1), timestamp=T0 + MINUTE)], aside, now=T0)[SymbolId("SIM", "A")].ttl_ms == 5 * MINUTE
    )


def test_of_two_open_days_the_later_one_is_current() -> None:
    days = forming(1, bars=[("1d", T0), ("1d", T0 - 24 * 60 * MINUTE)])
    newest = newest_of([read(days)], Aside(), now=T0)
    assert newest[SymbolId("SIM", "A")].bars[Interval.D1].open_time == T0


def test_what_is_no_forming_record_is_put_aside() -> None:
    aside = Aside()
    bad = [Read(b"SIM:A", b"["), Read(None, b"{}"), Read(b"SIM:A", None), Read(b"SIM:B", wire.encode(forming(1)))]
    odd = read(forming(1, bars=[("7m", T0)]))
    assert newest_of([*bad, odd], aside, now=T0) == {}
    assert [error.kind for error in aside.errors] == [
        *("undecodable", "undecodable", "undecodable", "key_mismatch", "invalid_interval"),
    ]
