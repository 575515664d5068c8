"""Symbols on lines: bounded, balanced, and never moved."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from contracts.symbols import SymbolId
from ingest_ws.core.clock import Sequencer
from ingest_ws.core.feed import Served
from ingest_ws.core.placement import Placement


def symbols(*numbers: int) -> dict[str, Served]:
    every = [Served(SymbolId("SIM", f"S{number}"), 0, Sequencer()) for number in numbers]
    return {served.name: served for served in every}


def sizes(placement: Placement) -> list[int]:
    return sorted(len(members) for members in placement.lines.values())


def test_few_symbols_share_one_line_and_no_symbol_needs_none() -> None:
    placement = Placement(10)
    placement.follow(symbols(*range(10)))
    assert sizes(placement) == [10]
    placement.follow({})
    assert placement.lines == {}


def test_more_than_a_line_holds_open_further_ones_evenly() -> None:
    placement = Placement(10)
    placement.follow(symbols(*range(21)))
    assert sizes(placement) == [7, 7, 7]


def test_who_joins_goes_where_there_is_room_and_who_leaves_disturbs_nobody() -> None:
    placement, wanted = Placement(3), symbols(*range(6))
    placement.follow(wanted)
    before = {name: placement.line_of(name) for name in wanted}
    del wanted["SIM:S0"]
    placement.follow(wanted)
    wanted |= symbols(6, 7)
    placement.follow(wanted)
    assert {name: placement.line_of(name) for name in wanted if name in before} == {
        name: line for name, line in before.items() if name in wanted
    }
    assert sizes(placement) == [2, 2, 3]


def test_a_symbol_that_left_and_came_back_is_another_one() -> None:
    placement = Placement(3)
    placement.follow(symbols(1))
    version, again = placement.version, symbols(1)
    placement.follow(again)
    assert placement.lines[1]["SIM:S1"] is again["SIM:S1"]
    assert placement.version > version


@given(st.lists(st.sets(st.integers(0, 30)), max_size=8), st.integers(1, 5))
def test_whatever_is_wanted_is_on_exactly_one_line_that_never_changes(wishes: list[set[int]], limit: int) -> None:
    placement, known = Placement(limit), symbols(*range(31))

    def members() -> Iterable[tuple[str, int]]:
        return ((name, number) for number, members in placement.lines.items() for name in members)

    before: dict[str, int] = {}
    for wish in wishes:
        wanted = {f"SIM:S{number}": known[f"SIM:S{number}"] for number in wish}
        placement.follow(wanted)
        now = dict(members())
        assert sorted(now) == sorted(wanted)
        assert len(list(members())) == len(wanted)
        assert all(len(line) <= limit for line in placement.lines.values())
        assert all(now[name] == line == placement.line_of(name) for name, line in before.items() if name in now)
        before = now
