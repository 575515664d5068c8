"""What a replay compares: the last bars of a range by the log and as they were published."""

import msgspec

from aggregator.core.comparison import Difference, Range, compare, label_of, last_bars
from contracts.bars import Origin
from contracts.intervals import MINUTE
from tests.support.bars import bar
from tests.support.records import T0


def test_a_range_holds_what_lies_wholly_inside() -> None:
    one = bar()
    assert Range(T0, T0 + MINUTE).holds(one)
    assert not Range(T0 + 1, T0 + MINUTE).holds(one)
    assert not Range(T0, T0 + MINUTE - 1).holds(one)


def test_a_difference_says_what_is_not_the_same() -> None:
    one = bar(volume=None)
    other = msgspec.structs.replace(one, high=12.5, volume=1.0)
    where, label = f"SIM:A 1m {T0}", label_of(one)
    assert str(Difference(label, None, one)) == f"{where}: not published"
    assert str(Difference(label, one, None)) == f"{where}: published, but the log has no tick of it"
    assert str(Difference(label, one, other)) == f"{where}: high 10.0 is 12.5 by the log, volume None is 1.0 by the log"


def test_of_a_label_the_highest_revision_counts_whatever_the_order() -> None:
    first, second = bar(close=10.0), bar(close=11.0, revision=1)
    assert last_bars([first, second]) == last_bars([second, first]) == {label_of(second): second}


def test_the_providers_final_bar_counts_more_than_any_revision_and_stands() -> None:
    final, later = bar(close=12.0, origin=Origin.PROVIDER_FINAL.value), bar(close=11.0, revision=7)
    published = last_bars([later, final])
    assert published == {label_of(final): final}
    assert compare(published, last_bars([bar()])) == (1, [], 1)


def test_bars_of_one_side_only_and_other_values_are_differences_in_order() -> None:
    minutes = [bar(T0 + place * MINUTE) for place in range(4)]
    published = last_bars([*minutes[:2], bar(T0 + 2 * MINUTE, close=99.0)])
    compared = compare(published, last_bars(minutes[1:]))
    assert compared.bars == 4
    assert [difference.label for difference in compared.differences] == [label_of(minutes[at]) for at in (0, 2, 3)]


def test_what_does_not_follow_from_the_log_alone_is_not_compared() -> None:
    """Under which revision a bar was published and why is of no account here."""
    again = bar(revision=3, reason="late_tick", delay=900)
    assert compare(last_bars([bar()]), last_bars([again])).differences == []
