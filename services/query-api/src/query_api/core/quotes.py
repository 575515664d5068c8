"""Quotes and the feed's status as they are served."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from contracts.errors import BadData
from contracts.feed import SymbolState, SymbolStatus
from contracts.http import FeedStatusBody, QuoteBody, ReplicaBody, SymbolReportBody, SymbolStatusBody
from contracts.intervals import rfc3339
from contracts.symbols import SymbolId
from contracts.ticks import Quote
from query_api.core.bars import date_of, time_of
from query_api.core.desired import Control, Statuses, Wanted

SILENT_MS = 90_000
"""A replica without a report for so long is not alive: a living one reports at least every 30 s."""
NO_REPORT = "unreported"
"""How symbols are counted on which no replica has reported."""


def quote_body(quote: Quote) -> QuoteBody:
    """A quote as the API serves it: times in RFC 3339, the trading day as a date."""
    fields = quote.model_dump(exclude={"sequence", "trading_day", "extended_time", "event_time", "received_at"})
    return QuoteBody(
        **fields,
        trading_day=None if quote.trading_day is None else date_of(quote.trading_day),
        extended_time=time_of(quote.extended_time),
        event_time=time_of(quote.event_time),
        received_at=rfc3339(quote.received_at),
    )


def readable(raw: Mapping[SymbolId, bytes | None]) -> tuple[list[QuoteBody], list[SymbolId], list[BadData]]:
    """Quotes as cached, symbols that have none, and what is wrong with those that cannot be read (they have none)."""
    quotes: list[QuoteBody] = []
    missing: list[SymbolId] = []
    faults: list[BadData] = []
    for identity, text in raw.items():
        if text is None:
            missing.append(identity)
            continue
        try:
            quotes.append(quote_body(Quote.decode(text)))
        except BadData as error:
            missing.append(identity)
            faults.append(error)
    return quotes, missing, faults


def feed_status(control: Control, wanted: Wanted, statuses: Statuses, now: int) -> FeedStatusBody:
    """The feed's status at an instant: symbols that are wanted or reported on by identity, replicas by name.

    Reports of a replica that is gone about symbols that are not wanted are left out: nothing would remove them.
    """
    reported: dict[str, int] = {}
    for status in statuses.reports.values():
        reported[status.replica] = max(status.at, reported.get(status.replica, 0))
    alive = {replica for replica, at in reported.items() if now - at <= SILENT_MS}
    reports: dict[SymbolId, list[SymbolStatus]] = {identity: [] for identity in wanted.subscriptions}
    for status in statuses.reports.values():
        if status.replica in alive or status.identity in wanted:
            reports.setdefault(status.identity, []).append(status)
    latest = {status.replica: reported[status.replica] for found in reports.values() for status in found}
    symbols = tuple(
        _symbol(identity, reports[identity], alive, is_wanted=identity in wanted)
        for identity in sorted(reports, key=str)
    )
    states = Counter(NO_REPORT if symbol.state is None else symbol.state.value for symbol in symbols if symbol.wanted)
    return FeedStatusBody(
        running=control.is_running,
        wanted=len(wanted.subscriptions),
        states=dict(sorted(states.items())),
        symbols=symbols,
        replicas=_replicas(reports.values(), latest, alive),
    )


def _newest_first(statuses: Iterable[SymbolStatus], alive: Container[str]) -> list[SymbolStatus]:
    """What living replicas say before what those said that are gone, and of each the newest first."""
    return sorted(statuses, key=lambda status: (status.replica not in alive, -status.at, status.replica))


def _state(newest_first: Sequence[SymbolStatus], alive: Container[str]) -> SymbolState | None:
    if not newest_first:
        return None
    return newest_first[0].state if newest_first[0].replica in alive else SymbolState.STALLED


def _symbol(
    identity: SymbolId, statuses: list[SymbolStatus], alive: Container[str], *, is_wanted: bool
) -> SymbolStatusBody:
    newest_first = _newest_first(statuses, alive)
    return SymbolStatusBody(
        symbol=str(identity),
        wanted=is_wanted,
        state=_state(newest_first, alive),
        reports=tuple(
            SymbolReportBody(
                replica=status.replica,
                state=status.state,
                detail=status.detail,
                last_tick_time=time_of(status.last_tick_time),
                at=rfc3339(status.at),
            )
            for status in newest_first
        ),
    )


def _replicas(
    reports: Iterable[list[SymbolStatus]], latest: Mapping[str, int], alive: Container[str]
) -> tuple[ReplicaBody, ...]:
    serving = Counter(_newest_first(statuses, alive)[0].replica for statuses in reports if statuses)
    return tuple(
        ReplicaBody(replica=name, alive=name in alive, symbols=serving[name], last_report_at=rfc3339(latest[name]))
        for name in sorted(latest)
    )
