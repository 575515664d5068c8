"""The guarded write's answers to what a server may say."""

from collections.abc import Sequence
from typing import Any, cast

import pytest
from pymongo import ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from chassis.mongo import Document, Written, guarded_replace, mongo_errors
from contracts.errors import Unavailable

Fault = dict[str, Any]


class Collection:
    """Answers each bulk with the next list of faults, and remembers the `_id`s it was asked to write."""

    def __init__(self, *answers: Sequence[Fault], concerns: Sequence[Fault] = ()) -> None:
        self._answers = list(answers)
        self._concerns = concerns
        self.asked: list[list[str]] = []

    async def bulk_write(self, operations: Sequence[ReplaceOne[Document]], *, ordered: bool) -> None:
        assert not ordered
        self.asked.append([cast("str", operation._filter["_id"]) for operation in operations])
        faults = self._answers.pop(0)
        if faults or self._concerns:
            raise BulkWriteError({"writeErrors": list(faults), "writeConcernErrors": list(self._concerns)})


def duplicate(index: int) -> Fault:
    return {"index": index, "code": 11000, "keyPattern": {"_id": 1}, "errmsg": "E11000 duplicate key"}


async def write(collection: Collection, *keys: str) -> Written:
    return await guarded_replace(cast("AsyncCollection[Document]", collection), [(key, {}, {}) for key in keys])


async def test_an_item_that_met_a_duplicate_is_tried_once_more_and_may_win_then() -> None:
    collection = Collection([duplicate(1)], [])
    assert await write(collection, "a", "b", "c") == Written(written=3)
    assert collection.asked == [["a", "b", "c"], ["b"]]


async def test_a_second_duplicate_means_that_a_better_document_is_stored() -> None:
    collection = Collection([duplicate(0), duplicate(2)], [duplicate(1)])
    assert await write(collection, "a", "b", "c") == Written(written=2, outranked=1)
    assert collection.asked == [["a", "b", "c"], ["a", "c"]]


async def test_a_duplicate_of_another_index_is_a_bug() -> None:
    with pytest.raises(BulkWriteError):
        await write(Collection([duplicate(0) | {"keyPattern": {"name": 1}}]), "a")


async def test_a_primary_that_steps_down_in_the_middle_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="stepped down"):
        await write(Collection([duplicate(0), {"index": 1, "code": 189, "errmsg": "stepped down"}]), "a", "b")


async def test_a_majority_that_does_not_confirm_in_time_is_unavailable() -> None:
    late = {"code": 64, "errmsg": "waiting for replication timed out"}
    with pytest.raises(Unavailable, match="timed out"):
        await write(Collection([duplicate(0)], concerns=[late]), "a")


@pytest.mark.parametrize("error", [OperationFailure("interrupted", 11600), AutoReconnect("connection closed")])
def test_errors_that_pass_by_themselves_are_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable, match="MongoDB"), mongo_errors():
        raise error


def test_other_errors_are_bugs() -> None:
    with pytest.raises(OperationFailure), mongo_errors():
        raise OperationFailure("unknown operator", 2)
