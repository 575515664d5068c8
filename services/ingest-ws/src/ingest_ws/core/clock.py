"""The two questions of time: what instant is it for the feed, and was this process away meanwhile."""

from collections import deque

from contracts.ticks import SEQUENCE_SLOTS

TRAVEL_MS = 1_000
"""A greeting travels: a difference of clocks that this explains is not corrected."""
REMEMBERED_GREETINGS = 8
MOST_CORRECTED_MS = 300_000
"""A greeting that differs by more tells of a broken clock, its own or ours: it corrects nothing."""
AWAY_MS = 1_000


class FeedClock:
    """Our clock, corrected by what the provider's greetings say of theirs, never going back within a process.

    Where a correction, or a step of the wall clock, would take it back, it runs at half speed until it is right: marks
    and deadlines go on.
    """

    def __init__(self) -> None:
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
        """A hello (protocol §1.4) with the server's clock came at `wall_ms`; false if it cannot be right."""
        if abs(wall_ms - server_time_ms) > MOST_CORRECTED_MS:
            return False
        self._ahead.append(wall_ms - server_time_ms)
        return True

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
        number = received_at * SEQUENCE_SLOTS
        if number <= self._last:
            number = self._last + 1
        self._last = number
        return number


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
