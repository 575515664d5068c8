"""The two questions of time: what instant is it for the feed, and was this process away meanwhile."""

from collections import deque

from contracts.ticks import SEQUENCE_SLOTS

TRAVEL_MS = 1_000
"""A greeting travels: a difference of clocks that this explains is not corrected."""
REMEMBERED_GREETINGS = 8
AWAY_MS = 1_000


class FeedClock:
    """Our clock, corrected by what the provider's greetings say of theirs, never going back within a process."""

    def __init__(self) -> None:
        self._ahead: deque[int] = deque(maxlen=REMEMBERED_GREETINGS)
        self._last = 0

    def read(self, wall_ms: int) -> int:
        """The feed's instant when the wall clock of this machine shows `wall_ms`."""
        self._last = max(self._last, wall_ms - self.offset_ms)
        return self._last

    def greeted(self, server_time_ms: int, wall_ms: int) -> None:
        """A hello (protocol §1.4) with the server's clock came at `wall_ms`."""
        self._ahead.append(wall_ms - server_time_ms)

    @property
    def offset_ms(self) -> int:
        """How much our clock is ahead of the provider's.

        A greeting's difference includes its travel, so the smallest of the last few is nearest to the truth.
        """
        ahead = min(self._ahead, default=0)
        return ahead if abs(ahead) > TRAVEL_MS else 0


class Sequencer:
    """Numbers that order observations: `received_at * 4096 + n`, never lower than one issued before."""

    def __init__(self) -> None:
        self._last = -1

    def next(self, received_at: int) -> int:
        self._last = max(self._last + 1, received_at * SEQUENCE_SLOTS)
        return self._last


class RunNumbers:
    """Numbers of runs: rising within a process, and apart from those of other replicas by a salt of 12 bits."""

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
        """Call it whenever the process does anything; since when it was away, if that was long."""
        last, self._last = self._last, now
        return last if now - last > AWAY_MS else None
