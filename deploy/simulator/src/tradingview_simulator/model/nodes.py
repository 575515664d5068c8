"""A node of the model's tree: what traded in one stretch of time; and how such stretches merge."""

from collections.abc import Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """Trades of [start, end): seconds, prices in ticks, volume in units, `trades` of them (at least one)."""

    start: int
    end: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    trades: int


class Trade(NamedTuple):
    """One trade: instant in ms, price in ticks, volume in units."""

    time_ms: int
    price: int
    volume: int


def merge(nodes: Sequence[Node]) -> Node:
    """One node for several, which are in time order and at least one."""
    first, last = nodes[0], nodes[-1]
    return Node(
        first.start,
        last.end,
        first.open,
        max(node.high for node in nodes),
        min(node.low for node in nodes),
        last.close,
        sum(node.volume for node in nodes),
        sum(node.trades for node in nodes),
    )


def of_trades(start: int, end: int, trades: Sequence[Trade]) -> Node:
    """The fold of trades, which are in time order and at least one."""
    prices = [trade.price for trade in trades]
    return Node(
        start,
        end,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        sum(trade.volume for trade in trades),
        len(trades),
    )
