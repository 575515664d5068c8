"""The desired state of the partitions that are ours, read from the compacted topic of subscriptions.

Each assignment reads its partitions again from their beginning. What is wanted in a partition is known once its end, as
it was at the assignment, has been reached; until then a partition that was ours before goes on with the symbols it had.
"""

from collections.abc import Mapping

from contracts.errors import BadData
from contracts.feed import Subscription
from contracts.symbols import SymbolId


class Desired:
    """In: `assigned`, `ends_are`, `record`, `reached`. Out: `owned`, `behind`, `take_changes` (what is wanted)."""

    def __init__(self) -> None:
        self.owned: frozenset[int] = frozenset()
        self._wanted: dict[int, dict[bytes, SymbolId]] = {}
        self._ends: dict[int, int] | None = {}
        """Of the partitions that are still read to their end; None until the ends are known."""
        self._changed: set[int] = set()

    def assigned(self, partitions: frozenset[int]) -> None:
        """These partitions are ours from now on and are read from their beginning."""
        self.owned = partitions
        self._wanted = {partition: {} for partition in partitions}
        self._ends = None
        self._changed = set()

    def ends_are(self, ends: Mapping[int, int]) -> None:
        """Where the partitions ended at the assignment, as offsets."""
        self._ends = {partition: end for partition, end in ends.items() if partition in self.owned}
        self._changed |= self._ends.keys()

    def record(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        """The next record of a partition; `BadData` if it is none, and then nothing changes."""
        wanted = self._wanted.get(partition)
        if wanted is None:
            return
        if key is None:
            raise BadData("a subscription without a key", kind="invalid_key")
        if value is None:
            if wanted.pop(key, None) is not None:
                self._changed.add(partition)
            return
        identity = Subscription.decode(value).identity
        if identity.key != key:
            raise BadData("the key is not the symbol of the record", kind="invalid_key")
        if key not in wanted:
            wanted[key] = identity
            self._changed.add(partition)

    @property
    def behind(self) -> frozenset[int]:
        """The partitions whose end at the assignment has not been reached."""
        return self.owned if self._ends is None else frozenset(self._ends)

    def reached(self, positions: Mapping[int, int]) -> None:
        """How far the partitions have been read: the offsets of the records that come next."""
        ends = self._ends
        if ends is not None:
            self._ends = {each: end for each, end in ends.items() if positions.get(each, 0) < end}

    def take_changes(self) -> dict[int, list[SymbolId]]:
        """What is wanted in each partition that has been read to its end and changed since the last call."""
        ready = self._changed - self.behind
        self._changed -= ready
        return {partition: list(self._wanted[partition].values()) for partition in sorted(ready)}
