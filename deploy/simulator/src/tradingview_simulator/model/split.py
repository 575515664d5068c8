"""Cut a node into consecutive pieces whose merge is the node again, to the last digit.

A node of n trades is seen as n slots in a row. Slot 0 is the open, slot n-1 the close, and where the high (low) is
neither, one slot between them is it. A piece owns as many consecutive slots as it has trades, so every piece is again a
node that can be cut, down to single trades. Prices between the fixed slots wander from each to the next.
"""

from collections.abc import Sequence
from math import sqrt

from tradingview_simulator.model.draws import SPAN
from tradingview_simulator.model.nodes import Node

DRAWS_PER_PIECE = 5
DRAWS_PER_NODE = 3

Edge = tuple[int, int]


def cut(
    node: Node, edges: Sequence[Edge], draws: Sequence[int], most: Sequence[int], *, prints_last: bool = False
) -> list[Node]:
    """The pieces of `node` within `edges` ([start, end) in seconds, in order; nothing trades between them) with trades.

    most: the greatest number of trades each edge can hold; their sum is at least `node.trades`.
    draws: DRAWS_PER_NODE + DRAWS_PER_PIECE x len(edges) numbers of `draws.draw`.
    prints_last: whether the last edge holds the last trade and no other, as a closing auction does.
    """
    if prints_last:
        counts = [*apportion(node.trades - 1, edges[:-1], draws, most[:-1]), 1]
    else:
        counts = apportion(node.trades, edges, draws, most)
    kept = [(edge, count) for edge, count in zip(edges, counts, strict=True) if count]
    volumes = _volumes(node, kept, draws)
    return _pieces(node, kept, volumes, draws)


def apportion(total: int, edges: Sequence[Edge], draws: Sequence[int], most: Sequence[int]) -> list[int]:
    """How many of `total` trades fall into each edge: by length, within a quarter more or less, at most `most`."""
    weights = [
        (end - start) * (768 + (draws[DRAWS_PER_NODE + index] & 511)) for index, (start, end) in enumerate(edges)
    ]
    weight = sum(weights)
    phase = draws[0] % weight
    counts = []
    reached = done = overflow = 0
    for part, room in zip(weights, most, strict=True):
        reached += part
        upto = (total * reached + phase) // weight
        count = upto - done
        done = upto
        if count > room:
            overflow += count - room
            count = room
        counts.append(count)
    for index, room in enumerate(most):
        if not overflow:
            break
        moved = min(overflow, room - counts[index])
        counts[index] += moved
        overflow -= moved
    return counts


def _volumes(node: Node, kept: Sequence[tuple[Edge, int]], draws: Sequence[int]) -> list[int]:
    """Volumes of the pieces: at least one unit a trade (none where the node has no volume), summing to the node's."""
    if not node.volume:
        return [0] * len(kept)
    offset = DRAWS_PER_NODE + len(kept)
    weights = [count * (128 + (draws[offset + index] & 1023)) for index, (_, count) in enumerate(kept)]
    weight = sum(weights)
    spare = node.volume - node.trades
    volumes = []
    reached = done = 0
    for (_, count), part in zip(kept, weights, strict=True):
        reached += part
        upto = spare * reached // weight
        volumes.append(upto - done + count)
        done = upto
    return volumes


def _pieces(node: Node, kept: Sequence[tuple[Edge, int]], volumes: Sequence[int], draws: Sequence[int]) -> list[Node]:
    """The kept edges as nodes: opens and closes along a path, the extremes in the pieces that own their slots."""
    high_slot, low_slot = _extreme_slots(node, draws)
    path = _Path(node, high_slot, low_slot)
    high, low = node.high, node.low
    wick = (high - low) / sqrt(node.trades) / 2
    offset = DRAWS_PER_NODE + 2 * len(kept)
    slot = 0
    pieces = []
    for ((start, end), count), volume in zip(kept, volumes, strict=True):
        final = slot + count - 1
        opened = path.price(slot, draws[offset])
        closed = opened if count == 1 else path.price(final, draws[offset + 1])
        top, bottom = (opened, closed) if opened > closed else (closed, opened)
        free = count - 2
        if slot < high_slot < final:
            top = high
            free -= 1
        if slot < low_slot < final:
            bottom = low
            free -= 1
        if free > 0:
            noise = draws[offset + 2]
            reach = wick * sqrt(count)
            upper = min(high, top + int(reach * (noise & 1023)) // 1024)
            free -= upper > top
            top = upper
            if free > 0:
                bottom = max(low, bottom - int(reach * (noise >> 10 & 1023)) // 1024)
        pieces.append(Node(start, end, opened, top, bottom, closed, volume, count))
        slot = final + 1
        offset += 3
    return pieces


class _Path:
    """The price at slots asked for in rising order: exact at the fixed slots, a bounded random bridge between them."""

    __slots__ = ("_fixed", "_high", "_low", "_next", "_price", "_roughness", "_slot")

    def __init__(self, node: Node, high_slot: int, low_slot: int) -> None:
        fixed = {0: node.open, node.trades - 1: node.close}
        if high_slot > 0:
            fixed[high_slot] = node.high
        if low_slot > 0:
            fixed[low_slot] = node.low
        self._fixed = sorted(fixed.items())
        self._next = 0
        self._slot, self._price = self._fixed[0]
        self._high, self._low = node.high, node.low
        self._roughness = (node.high - node.low) * 1024 / sqrt(node.trades)

    def price(self, slot: int, noise: int) -> int:
        ahead, target = self._fixed[self._next]
        while ahead < slot:
            self._slot, self._price = ahead, target
            self._next += 1
            ahead, target = self._fixed[self._next]
        if ahead == slot:
            self._slot, self._price = slot, target
            return target
        price, step = self._price, slot - self._slot
        rough = int(self._roughness * sqrt(step)) * ((noise & 2047) - 1024)
        price += (target - price) * step // (ahead - self._slot) + ((rough + (noise >> 12)) >> 20)
        if price < self._low:
            price = self._low
        elif price > self._high:
            price = self._high
        self._slot, self._price = slot, price
        return price


def _extreme_slots(node: Node, draws: Sequence[int]) -> tuple[int, int]:
    """The slots of the high and the low, -1 for one that the open or the close already is."""
    inner = node.trades - 2
    high_slot = low_slot = -1
    if node.high > max(node.open, node.close):
        high_slot = 1 + draws[1] * inner // SPAN
    if node.low < min(node.open, node.close):
        low_slot = 1 + draws[2] * inner // SPAN
        if low_slot == high_slot:
            low_slot = 1 + low_slot % inner
    return high_slot, low_slot
