"""The desired state of the owned partitions."""

import pytest

from contracts.errors import BadData
from contracts.feed import Subscription
from contracts.symbols import SymbolId
from ingest_ws.core.desired import Desired

A, B, C = (SymbolId("SIM", name) for name in "ABC")


def wanted(identity: SymbolId) -> bytes:
    return Subscription(exchange=identity.exchange, symbol=identity.symbol, wanted_at=0).encode()


def a_desired(*partitions: int) -> Desired:
    desired = Desired()
    desired.assigned(frozenset(partitions))
    return desired


def test_nothing_is_wanted_before_the_end_at_the_assignment_is_reached() -> None:
    desired = a_desired(0, 1)
    desired.record(0, A.key, wanted(A))
    assert desired.behind == {0, 1}
    assert desired.take_changes() == {}
    desired.ends_are({0: 2, 1: 0})
    desired.reached({0: 1, 1: 0})
    assert desired.behind == {0}
    assert desired.take_changes() == {1: []}
    desired.record(0, A.key, None)
    desired.record(0, B.key, wanted(B))
    desired.reached({0: 3})
    assert not desired.behind
    assert desired.take_changes() == {0: [B]}


def test_afterwards_every_change_is_told_once() -> None:
    desired = a_desired(0)
    desired.ends_are({0: 0})
    desired.reached({0: 0})
    assert desired.take_changes() == {0: []}
    desired.record(0, A.key, wanted(A))
    assert desired.take_changes() == {0: [A]}
    desired.record(0, A.key, wanted(A))
    desired.record(0, B.key, None)
    assert desired.take_changes() == {}
    desired.record(0, A.key, None)
    assert desired.take_changes() == {0: []}


def test_a_new_assignment_is_read_from_its_beginning() -> None:
    desired = a_desired(0)
    desired.ends_are({0: 1})
    desired.record(0, A.key, wanted(A))
    desired.reached({0: 1})
    desired.take_changes()
    desired.assigned(frozenset({0, 1}))
    assert desired.behind == {0, 1}
    assert desired.take_changes() == {}
    desired.ends_are({0: 2, 1: 0})
    desired.record(0, C.key, wanted(C))
    desired.reached({0: 2, 1: 0})
    assert desired.take_changes() == {0: [C], 1: []}


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        (None, wanted(A), "invalid_key"),
        (B.key, wanted(A), "invalid_key"),
        (A.key, b"{", "undecodable"),
        (A.key, b'{"exchange":"sim","symbol":"A","wanted_at":0}', "undecodable"),
    ],
)
def test_a_record_that_is_no_subscription_is_refused_and_changes_nothing(
    key: bytes | None, value: bytes, kind: str
) -> None:
    desired = a_desired(0)
    desired.ends_are({0: 0})
    desired.take_changes()
    with pytest.raises(BadData) as caught:
        desired.record(0, key, value)
    assert caught.value.kind == kind
    assert desired.take_changes() == {}


def test_records_of_partitions_that_are_not_ours_are_passed_over() -> None:
    desired = a_desired(0)
    desired.record(5, A.key, wanted(A))
    desired.ends_are({0: 0, 5: 1})
    assert desired.owned == {0}
    desired.reached({0: 0})
    assert desired.take_changes() == {0: []}
