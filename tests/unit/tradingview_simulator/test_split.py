"""Cutting a node: the pieces merge to the node, whatever its shape."""

from hypothesis import given
from hypothesis import strategies as st

from tradingview_simulator.model.draws import draw
from tradingview_simulator.model.nodes import Node, merge
from tradingview_simulator.model.split import DRAWS_PER_NODE, DRAWS_PER_PIECE, cut


@st.composite
def nodes(draw_: st.DrawFn) -> Node:
    """Any node of 60 seconds that can exist: enough trades for its extremes, at least a unit of volume a trade."""
    opened, closed = draw_(st.integers(10, 1_000)), draw_(st.integers(10, 1_000))
    high = max(opened, closed) + draw_(st.integers(0, 300))
    low = max(1, min(opened, closed) - draw_(st.integers(0, 9)))
    least = 2 + (high > max(opened, closed)) + (low < min(opened, closed))
    if opened == closed == high == low:
        least = 1
    trades = draw_(st.integers(least, 60))
    volume = draw_(st.sampled_from([0, trades, trades + 1, 10**9]))
    return Node(600, 660, opened, high, low, closed, volume, trades)


def cut_into(node: Node, seconds: int, key: int) -> list[Node]:
    edges = [(start, start + seconds) for start in range(node.start, node.end, seconds)]
    draws = draw(f"test|{key}", DRAWS_PER_NODE + DRAWS_PER_PIECE * len(edges))
    return cut(node, edges, draws, [seconds] * len(edges))


def check(node: Node, pieces: list[Node]) -> None:
    assert merge(pieces)[2:] == node[2:]
    for piece in pieces:
        assert 1 <= piece.trades <= piece.end - piece.start
        assert piece.low <= min(piece.open, piece.close) <= max(piece.open, piece.close) <= piece.high
        assert piece.volume >= (piece.trades if node.volume else 0)


@given(nodes(), st.integers(0, 10**9))
def test_pieces_merge_to_the_node_they_were_cut_from(node: Node, key: int) -> None:
    check(node, cut_into(node, 15, key))


@given(nodes(), st.integers(0, 10**9))
def test_pieces_can_be_cut_again_down_to_single_trades(node: Node, key: int) -> None:
    for piece in cut_into(node, 15, key):
        singles = cut_into(piece, 1, key + 1)
        check(piece, singles)
        assert all(single.open == single.high == single.low == single.close for single in singles)


@given(nodes(), st.integers(0, 10**9))
def test_the_same_draws_cut_the_same_pieces(node: Node, key: int) -> None:
    assert cut_into(node, 5, key) == cut_into(node, 5, key)
