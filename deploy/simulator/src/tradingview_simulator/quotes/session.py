"""One quote session of one connection: its fields, its symbols and their pace (protocol §4.1, §4.6)."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from tradingview.codec import encode
from tradingview_simulator.journal import Sent
from tradingview_simulator.quotes.hub import Hub
from tradingview_simulator.quotes.subscription import Subscription
from tradingview_simulator.specs import symbol_of

Put = Callable[[str, Sent | None], None]


class QuoteSession:
    """Subscriptions by the exact string each was asked for with. A dead session (after critical_error) does nothing."""

    def __init__(self, name: str, hub: Hub, put: Put, chance: Random) -> None:
        self._name = name
        self._hub = hub
        self._put = put
        self._chance = chance
        self._fields: frozenset[str] | None = None
        self._subscriptions: dict[str, Subscription] = {}
        self._fast: frozenset[str] | None = None
        self._hibernated = False
        self._dead = False

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()
        self._subscriptions.clear()

    def kill(self, reason: str, detail: str) -> None:
        """Say `critical_error` and be dead."""
        if not self._dead:
            self._put(encode("critical_error", self._name, reason, detail), None)
        self._dead = True
        self.close()

    def of(self, symbol: str | None) -> list[Subscription]:
        """The subscriptions to a symbol, however spelled; all for None."""
        return [each for each in self._subscriptions.values() if symbol in (None, each.feed.instrument.name)]

    def call(self, method: str, params: Sequence[object]) -> None:
        """Do what a client message asks for; `params` are those after the session's name."""
        if self._dead:
            return
        if method == "quote_add_symbols":
            self._add(params)
        elif method == "quote_set_fields":
            self._fields = frozenset(_strings(params))
        elif method == "quote_fast_symbols":
            self._set_fast(frozenset(_strings(params)))
        elif method == "quote_remove_symbols":
            for name in _strings(params):
                if (subscription := self._subscriptions.pop(name, None)) is not None:
                    subscription.close()
        elif method == "quote_hibernate_all":
            self._hibernated = True

    def _add(self, params: Sequence[object]) -> None:
        names = _strings(params)
        if len(names) != len(params):
            self.kill("invalid_parameters", "quote_add_symbols")
            return
        for name in names:
            if name in self._subscriptions:
                continue
            denial = self._hub.mischief.strike("permission_denied", symbol_of(name))
            if denial is not None:
                self._refuse(name, "permission_denied", "Permission denied", {"alternative": denial["group"]})
                continue
            feed = self._hub.feed(symbol_of(name))
            if feed is None:
                self._refuse(name, "error", "no_such_symbol", {})
                continue
            subscription = Subscription(
                name,
                feed,
                wants=self._wants,
                send=self._send,
                completed=self._completed,
                timers=self._hub.timers,
                chance=self._chance,
                slow_interval_s=self._hub.settings.slow_interval,
                mischief=self._hub.mischief,
            )
            self._subscriptions[name] = subscription
            subscription.plan_snapshot(self._snapshot_delay())
            if self._fast is not None:
                subscription.set_pace(fast=name in self._fast, snapshot_delay_ms=0)

    def _refuse(self, name: str, status: str, text: str, values: Mapping[str, object]) -> None:
        body = {"n": name, "s": status, "errmsg": text, "v": values}
        self._put(encode("qsd", self._name, body), Sent(name, {}, None, snapshot=True))
        self._completed(name)

    def _set_fast(self, names: frozenset[str]) -> None:
        self._fast = names
        woken, self._hibernated = self._hibernated, False
        for name, subscription in self._subscriptions.items():
            subscription.set_pace(fast=name in names, snapshot_delay_ms=self._snapshot_delay())
            if woken:
                subscription.plan_snapshot(self._snapshot_delay())

    def _snapshot_delay(self) -> int:
        return self._chance.randint(*self._hub.settings.snapshot_ms)

    def _wants(self, field: str) -> bool:
        return not self._hibernated and (self._fields is None or field in self._fields)

    def _send(self, name: str, fields: Mapping[str, object], sent: Sent) -> None:
        self._put(encode("qsd", self._name, {"n": name, "s": "ok", "v": fields}), sent)

    def _completed(self, name: str) -> None:
        self._put(encode("quote_completed", self._name, name), None)


def _strings(params: Sequence[object]) -> list[str]:
    return [param for param in params if isinstance(param, str)]
