"""The lasting faults that are on, as the parts of the simulator look at them when it is their turn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MUTE = ("silent", "heartbeat_only", "expired_token")
"""The faults during which no data leaves."""


@dataclass
class Lasting:
    """One fault that is on. left: how many more times it strikes, None until it is ended."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    left: int | None = None
    until_ms: int | None = None


class Mischief:
    """The lasting faults by name, and by symbol where they have one. Protocol sections as in `orders.py`."""

    def __init__(self) -> None:
        self._on: dict[tuple[str, str], Lasting] = {}
        self._after_mute: list[Callable[[], None]] = []
        self.is_mute = False
        """No data leaves. What happens meanwhile is never sent."""
        self.is_silent = False
        """Nothing leaves at all."""
        self.slow_ms = 0
        """How much later data leaves."""
        self.coalesce_ms = 0
        """The least time between two updates of a symbol."""
        self.doubled = 0.0
        """The chance that data is sent twice."""

    @property
    def on(self) -> list[Lasting]:
        return list(self._on.values())

    def begin(self, fault: Lasting, symbol: str = "") -> None:
        """Turn a fault on, in place of one of the same name (and symbol)."""
        self._on[fault.name, symbol] = fault
        self._look()

    def end(self, wanted: Callable[[Lasting], bool]) -> None:
        """Turn off the faults that are wanted off."""
        self._on = {key: fault for key, fault in self._on.items() if not wanted(fault)}
        self._look()

    def strike(self, name: str, symbol: str = "") -> Mapping[str, Any] | None:
        """The parameters of a fault that is on, which uses one of its times; None where it is off."""
        fault = self._on.get((name, symbol))
        if fault is None:
            return None
        if fault.left is not None:
            fault.left -= 1
            if fault.left <= 0:
                del self._on[name, symbol]
        return fault.parameters

    def after_mute(self, callback: Callable[[], None]) -> None:
        """Call back once data may leave again."""
        self._after_mute.append(callback)

    def _look(self) -> None:
        def value(name: str, parameter: str) -> Any:
            fault = self._on.get((name, ""))
            return 0 if fault is None else fault.parameters[parameter]

        self.is_silent = ("silent", "") in self._on
        self.is_mute = any((name, "") in self._on for name in MUTE)
        self.slow_ms = value("slow", "ms")
        self.coalesce_ms = value("coalesce", "ms")
        self.doubled = value("duplicate", "chance")
        if not self.is_mute:
            waiting, self._after_mute = self._after_mute, []
            for callback in waiting:
                callback()
