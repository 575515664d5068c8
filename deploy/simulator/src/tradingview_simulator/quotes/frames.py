"""What a quote session would send of a symbol between two instants, without sockets and without waiting.

The feed and the subscription are those that serve sockets; only the clock is moved by hand, from one thing that falls
due to the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from random import Random
from typing import NamedTuple

from tradingview.codec import Message, decode
from tradingview_simulator.journal import Sent
from tradingview_simulator.model.market import Market
from tradingview_simulator.quotes.hub import Hub
from tradingview_simulator.quotes.session import QuoteSession
from tradingview_simulator.settings import SimulatorSettings
from tradingview_simulator.timers import Timers

Announcement = tuple[int, str]
"""When an exchange announces corrections of its sessions (ms), and the corrections (`spec:dates;…`)."""


class Frame(NamedTuple):
    """One `qsd`, or the end of a snapshot (`completes`, without fields).

    sent_at_ms: when it leaves. trade_time_ms: the true instant behind the price, volume or time it carries.
    """

    sent_at_ms: int
    fields: Mapping[str, object]
    is_snapshot: bool
    trade_time_ms: int | None
    completes: bool = False


def frames(
    market: Market,
    symbol: str,
    start_ms: int,
    end_ms: int,
    *,
    fields: Sequence[str] = (),
    announcements: Sequence[Announcement] = (),
) -> Iterator[Frame]:
    """A subscription to `symbol` made at `start_ms`, until `end_ms`: its snapshot and every update, in order.

    fields: those asked for, all where none are named. announcements: corrections made meanwhile, in order; they change
    `market`, whose history follows them. The same market, instants and fields give the same frames. Raises `KeyError`
    for an unknown symbol, `CorrectionError` for an announcement that cannot be.
    """
    if market.tape(symbol) is None:
        raise KeyError(symbol)
    now = start_ms
    settings = SimulatorSettings(seed=market.seed, now=lambda: now)
    timers = Timers(settings.now)
    hub = Hub(market, timers, settings)
    sent: list[Frame] = []

    def put(packet: str, entry: Sent | None) -> None:
        for message in decode(packet):
            if isinstance(message, Message) and entry is not None:
                sent.append(Frame(now, message.params[1]["v"], entry.snapshot, entry.trade_time_ms))
            elif isinstance(message, Message) and message.method == "quote_completed":
                sent.append(Frame(now, {}, True, None, completes=True))

    session = QuoteSession("qs", hub, put, Random(f"{market.seed}|{symbol}|frames"))  # noqa: S311 - repeatable
    if fields:
        session.call("quote_set_fields", fields)
    session.call("quote_add_symbols", [symbol])
    session.call("quote_fast_symbols", [symbol])
    for at_ms, corrections in announcements:
        timers.at(at_ms, lambda text=corrections: hub.correct(symbol, text))  # type: ignore[misc]
    while (due := timers.next_due_ms()) is not None and due < end_ms:
        now = max(now, ceil(due))
        timers.run_due()
        yield from sent
        sent.clear()
