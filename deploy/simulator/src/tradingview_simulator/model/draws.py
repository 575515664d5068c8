"""Deterministic chance: numbers that are a function of a key, the same on every machine and in every process."""

from hashlib import shake_128
from struct import unpack

SPAN = 1 << 32
"""Every drawn number lies in [0, SPAN)."""


def draw(key: str, count: int) -> tuple[int, ...]:
    """`count` independent integers in [0, SPAN) that depend on nothing but `key`."""
    return unpack(f"<{count}I", shake_128(key.encode()).digest(4 * count))


def unit(number: int) -> float:
    """A drawn number as a float in [0, 1)."""
    return number / SPAN
