"""The instant of the feed, the numbers made from it, and whether this process ran all the time."""

from collections import deque

from contracts.ticks import SEQUENCE_SLOTS

TRAVEL_MS = 1_000
"""A greeting takes time on its way: a smaller difference of clocks than this is not corrected."""
REMEMBERED_GREETINGS = 8
"""The offset is the median of so many last greetings."""
MOST_CORRECTED_MS = 300_000
"""A greeting that differs by more shows a broken clock, its own or ours: it corrects nothing."""
AWAY_MS = 1_000
"""A longer pause between two calls means that the process did not run."""


class FeedClock:
    """Our clock, corrected by the server times in the provider's greetings; it never goes back within a process.

    Where a correction, or a step of the wall clock, would take it back, it runs at half speed until it is right: marks
    and deadlines go on.
    """

    def __init__(self) -> None:
        self.offset_ms = 0
        """How much our clock is ahead of the provider's: the median difference of the last greetings.

        A difference up to `TRAVEL_MS` is explained by the way of the greeting and not corrected. One wrong greeting
        among several changes nothing.
        """
        self._ahead: deque[int] = deque(maxlen=REMEMBERED_GREETINGS)
        self._last = 0
        self._wall = 0

    def read(self, wall_ms: int) -> int:
        """The feed's instant when the wall clock of this machine shows `wall_ms`."""
        passed, self._wall = max(0, wall_ms - self._wall), wall_ms
        right = wall_ms - self.offset_ms
        self._last = right if right >= self._last else min(self._last + passed // 2, self._last + AWAY_MS // 2)
        return self._last

    def greeted(self, server_time_ms: int, wall_ms: int) -> bool:
        """A hello (protocol §1.4) with the server's time came at `wall_ms`; returns False if it cannot be right."""
        if abs(wall_ms - server_time_ms) > MOST_CORRECTED_MS:
            return False
        self._ahead.append(wall_ms - server_time_ms)
        ordered = sorted(self._ahead)
        lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        median = min(lower, upper, key=abs)
        self.offset_ms = median if abs(median) > TRAVEL_MS else 0
        return True


class Sequencer:
    """Numbers that order observations: `received_at * 4096 + n`, never lower than one given before."""

    def __init__(self) -> None:
        self._last = -1

    def next(self, received_at: int) -> int:
        number = received_at * SEQUENCE_SLOTS
        if number <= self._last:
            number = self._last + 1
        self._last = number
        return number


class EpochNumbers:
    """Numbers of epochs: rising within a process, and apart from those of other replicas by a salt of 12 bits."""

    def __init__(self, salt: int) -> None:
        self._salt = salt % SEQUENCE_SLOTS
        self._last = 0

    def next(self, now: int) -> int:
        self._last = max(self._last + 1, now)
        return self._last * SEQUENCE_SLOTS + self._salt


class Presence:
    """Finds out that the process did not run for a while: stopped, swapped out, or blocked by itself."""

    def __init__(self, now: int) -> None:
        self._last = now

    def seen(self, now: int) -> int | None:
        """Call it whenever the process does anything; returns since when it was away, if longer than `AWAY_MS`."""
        last, self._last = self._last, now
        return last if now - last > AWAY_MS else None
