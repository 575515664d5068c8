"""One supervised child: running, or waiting for its next start. Touches it through `Child`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from candlewick_local.children import Child, Children
from candlewick_local.restarts import Restarts


@dataclass(slots=True)
class Watched:
    """How a child is started and asked, and how its last start went. Times are `time.monotonic()`."""

    name: str
    spawn: Callable[[], Child]
    why_not_ready: Callable[[], str | None]
    restarts: Restarts = field(default_factory=Restarts)
    started_at: float = 0.0
    starts_at: float | None = None
    is_ready: bool = False

    def start(self) -> None:
        self.started_at, self.starts_at, self.is_ready = time.monotonic(), None, False
        self.spawn()

    def died(self, children: Children) -> str | None:
        """What there is to say if it has just died; its next start is then planned."""
        child = children.get(self.name)
        if child is None or (code := child.exit_code) is None:
            return None
        children.forget(self.name)
        now = time.monotonic()
        delay = self.restarts.delay(now - self.started_at)
        self.starts_at, self.is_ready = now + delay, False
        return (
            f"{self.name} ended with code {code}; starting it again in {delay:.1f} s; "
            f"the end of {child.log}:\n{child.last_lines(5)}"
        )

    def is_due(self) -> bool:
        """Whether its time to be started again has come."""
        return self.starts_at is not None and time.monotonic() >= self.starts_at
