"""A quote session: what changes about many symbols, live, over one connection (protocol §4).

It does no I/O. Its caller opens the socket, and after every `receive`, `add`, `remove`, `recreate` and `expire`

1. deals with the events,
2. sends `frames_to_send()`, each as one text frame,
3. waits for a frame, but not beyond `next_deadline()`: then it calls `expire`, also while frames keep coming.

Nothing survives a connection: for the next one, make another session and add the symbols again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tradingview.codec import Message, Packet, encode
from tradingview.connection import ANONYMOUS, Connection, reject
from tradingview.errors import Misuse
from tradingview.live import LiveMessage, LiveParams, decode_live
from tradingview.quote_events import QuoteChanged, QuoteEvent, SessionLost, SnapshotCompleted, SymbolFailed
from tradingview.quote_fields import FIELDS, without_void
from tradingview.rhythm import Rhythm

__all__ = ["QuoteChanged", "QuoteEvent", "QuoteSession", "SessionLost", "SnapshotCompleted", "SymbolFailed"]

ADD_BATCH = 50
"""Symbols in one `quote_add_symbols`; nobody knows the server's limit (protocol §4.6)."""

FAST_LIST_MS = 250
"""How long the list of fast symbols waits for further changes: as the web client does (protocol §4.6)."""

FAST_LIST_AT_MOST_MS = 1_000
"""How long it waits in all while changes keep coming."""

SNAPSHOT_MS = 5_000
"""A snapshot is taken for complete so long after its first data, should the server not say it (it did not in 2019)."""


CLOSED = frozenset({"out_of_session", "holiday"})
"""The values of `current_session` in which nothing trades."""

SESSION_METHODS = frozenset({"qsd", "quote_completed", "critical_error"})


class _Book:
    """What has come about one symbol."""

    __slots__ = ("first_data_at_ms", "is_complete", "session")

    def __init__(self) -> None:
        self.session: str | None = None
        """`current_session`, as far as it was said."""
        self.first_data_at_ms: int | None = None
        self.is_complete = False


class QuoteSession:
    """Quotes of a changing set of symbols; the module says how to drive it.

    A symbol is `EXCHANGE:TICKER` or a spec (`symbols.symbol_spec`); the server answers under exactly that text, and
    two spellings of one instrument are two symbols. `session_id` is `qs_` and 12 random letters and digits.
    Instants are epoch milliseconds of the caller's clock.

    A symbol that joins later is slow until the list of fast symbols names it, and then gets its snapshot again
    (protocol §4.6). With `fast_list_ms` 0 the list is due at once after every change, so that a joining symbol has one
    snapshot and is never slow; the caller should then make its changes few at a time.
    """

    def __init__(
        self,
        session_id: str,
        opened_at_ms: int,
        *,
        auth_token: str = ANONYMOUS,
        locale: tuple[str, str] = ("en", "US"),
        fields: Sequence[str] = FIELDS,
        hello_ms: int = 10_000,
        silence_ms: int = 25_000,
        first_data_ms: int = 20_000,
        fast_list_ms: int = FAST_LIST_MS,
    ) -> None:
        self.ignored_messages = 0
        """Messages passed over: of methods not ours, of other sessions, of symbols no longer wanted."""
        self._connection = Connection(
            opened_at_ms, auth_token=auth_token, locale=locale, hello_ms=hello_ms, silence_ms=silence_ms
        )
        self._fields = tuple(fields)
        self._first_data_ms = first_data_ms
        self._fast_list_ms = fast_list_ms
        self._books: dict[str, _Book] = {}
        self._first_data_at_ms: int | None = None
        self._rhythm = Rhythm(opened_at_ms)
        self._fast_list_at_ms: int | None = None
        self._fast_list_at_most_ms = 0
        self._begin(session_id)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols wanted, in the order in which they were added."""
        return tuple(self._books)

    @property
    def is_over(self) -> bool:
        """The connection is of no use any more: close it."""
        return self._connection.is_over

    @property
    def has_frames_to_send(self) -> bool:
        """Whether `frames_to_send` would give any."""
        return self._connection.has_frames_to_send

    @property
    def last_packet_ms(self) -> int:
        """When the last readable packet came; before any, when the socket opened."""
        return self._connection.last_packet_ms

    def is_late(self, now_ms: int) -> bool:
        """Whether data is missing by half of what makes the connection count as dead."""
        late_at_ms = self._rhythm.late_at_ms()
        return late_at_ms is not None and 2 * now_ms >= late_at_ms + self._rhythm.last_ms and self._is_open()

    def add(self, symbols: Iterable[str], now_ms: int) -> None:
        """Subscribe; symbols that are wanted already are left alone."""
        new = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._books]
        for symbol in new:
            if not isinstance(symbol, str) or not symbol:
                # One such element makes the server drop all of them and the session (protocol §4.1).
                raise Misuse(f"{symbol!r} is not a symbol")
        self._books.update((symbol, _Book()) for symbol in new)
        self._subscribe(new, now_ms)

    def remove(self, symbols: Iterable[str], now_ms: int) -> None:
        """Unsubscribe; what is still on its way about them will be ignored. Symbols not wanted are left alone."""
        gone = [symbol for symbol in dict.fromkeys(symbols) if self._books.pop(symbol, None) is not None]
        if gone and not self._is_lost:
            self._connection.send(encode("quote_remove_symbols", self._session_id, *gone))
            self._schedule_fast_list(now_ms)
        if not self._books:
            self._first_data_at_ms = None

    def authenticate(self, auth_token: str) -> None:
        """Be somebody else, or go on under a newer token: on a live connection it replaces the old one (§3.1)."""
        self._connection.authenticate(auth_token)

    def recreate(self, session_id: str, now_ms: int) -> None:
        """Go on with the same symbols in another session, which each begins with a snapshot.

        After `SessionLost`; or where something could not be read, since then only snapshots tell how things stand.
        """
        if not self._is_lost:
            self._connection.send(encode("quote_delete_session", self._session_id))
        self._begin(session_id)
        self._books = {symbol: _Book() for symbol in self._books}
        self._subscribe(list(self._books), now_ms)

    def receive(self, received: str | bytes | Sequence[Packet], now_ms: int) -> list[QuoteEvent]:
        """A WebSocket frame (or the packets of one, if somebody else has decoded it) and what it says."""
        packets, rejected = self._connection.read(received, now_ms, decode_live)
        events: list[QuoteEvent] = [*rejected]
        for packet in packets:
            if type(packet) is LiveMessage:
                self._live(packet.params, now_ms, events)
            elif isinstance(packet, Message) and packet.method in SESSION_METHODS:
                self._message(packet, now_ms, events)
            elif (event := self._connection.handle(packet, now_ms)) is not None:
                events.append(event)
            elif isinstance(packet, Message):
                self.ignored_messages += 1
        if events:
            self._rhythm.data_came(now_ms)
        return events

    def frames_to_send(self) -> list[str]:
        """All frames to send since the last call, in order."""
        return self._connection.frames_to_send()

    def next_deadline(self) -> int | None:
        """When `expire` is due; None if nothing is."""
        if self._connection.is_over:
            return None
        dues = (
            self._connection.next_deadline(),
            self._first_data_at_ms,
            self._rhythm.late_at_ms(),
            self._fast_list_at_ms,
        )
        return min(due for due in dues if due is not None)

    def expire(self, now_ms: int) -> list[QuoteEvent]:
        """What is due by now. Frames that wait in the socket must be received before."""
        if self._connection.is_over:
            return []
        if self._fast_list_at_ms is not None and now_ms >= self._fast_list_at_ms:
            self._send_fast_list()
        events: list[QuoteEvent] = [*self._connection.expire(now_ms)]
        if not events and self._first_data_at_ms is not None and now_ms >= self._first_data_at_ms:
            events.append(self._connection.stall("no_data"))
        late_at_ms = self._rhythm.late_at_ms()
        if not events and late_at_ms is not None and now_ms >= late_at_ms:
            if self._is_open():
                self._connection.last_packet_ms = self._rhythm.last_ms
                events.append(self._connection.stall("data_stopped"))
            self._rhythm.forget(now_ms)
        return events

    def _is_open(self) -> bool:
        """Whether any symbol may trade now, as far as the server has said."""
        return any(book.session not in CLOSED for book in self._books.values())

    def _begin(self, session_id: str) -> None:
        if not session_id:
            raise Misuse("a session needs an id")
        self._session_id = session_id
        self._is_lost = False
        self._is_answered = False
        self._connection.send(encode("quote_create_session", session_id))
        self._connection.send(encode("quote_set_fields", session_id, *self._fields))

    def _subscribe(self, symbols: list[str], now_ms: int) -> None:
        if not symbols or self._is_lost:
            return
        for start in range(0, len(symbols), ADD_BATCH):
            batch = symbols[start : start + ADD_BATCH]
            self._connection.send(encode("quote_add_symbols", self._session_id, *batch))
        if not self._is_answered and self._first_data_at_ms is None:
            self._first_data_at_ms = now_ms + self._first_data_ms
        self._schedule_fast_list(now_ms)

    def _schedule_fast_list(self, now_ms: int) -> None:
        if self._fast_list_at_ms is None:
            self._fast_list_at_most_ms = now_ms + FAST_LIST_AT_MOST_MS
        self._fast_list_at_ms = min(now_ms + self._fast_list_ms, self._fast_list_at_most_ms)

    def _send_fast_list(self) -> None:
        self._fast_list_at_ms = None
        if self._books:
            # "The list given is the complete fast class; every other symbol of the session becomes slow." (§4.6)
            self._connection.send(encode("quote_fast_symbols", self._session_id, *self._books))
        else:
            self._connection.send(encode("quote_hibernate_all", self._session_id))

    def _message(self, message: Message, now_ms: int, events: list[QuoteEvent]) -> None:
        params = message.params
        if not params:
            events.append(reject(message, "no session id"))
        elif params[0] != self._session_id or self._is_lost:
            self.ignored_messages += 1
        elif message.method == "qsd":
            self._answered()
            self._data(message, now_ms, events)
        elif message.method == "quote_completed":
            self._answered()
            self._completed(message, events)
        else:
            self._is_lost = True
            self._first_data_at_ms = self._fast_list_at_ms = None
            reason, detail = [*map(str, params[1:3]), "", ""][:2]
            events.append(SessionLost(self._session_id, reason, detail))

    def _live(self, params: LiveParams, now_ms: int, events: list[QuoteEvent]) -> None:
        """`_message` and `_data` for the commonest message."""
        if params.session_id != self._session_id or self._is_lost:
            self.ignored_messages += 1
            return
        if not self._is_answered:
            self._answered()
        quote = params.quote
        book = self._books.get(quote.symbol)
        if book is None:
            self.ignored_messages += 1
            return
        if not book.is_complete:
            self._snapshot(book, quote.symbol, now_ms, events)
        events.append(QuoteChanged(quote.symbol, quote.fields, not book.is_complete, now_ms))

    def _answered(self) -> None:
        self._is_answered = True
        self._first_data_at_ms = None

    def _data(self, message: Message, now_ms: int, events: list[QuoteEvent]) -> None:
        try:
            _, data = message.params
            symbol, status = data["n"], data["s"]
            fields = data.get("v", {})
            book = self._books.get(symbol)
            is_update = status == "ok"
            changed = without_void(fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            events.append(reject(message, "not [session, {n, s, v}]"))
            return
        if book is None:
            self.ignored_messages += 1
            return
        if not is_update:
            # What was known of it is over: the completion that follows a refusal (protocol §4.4) completes nothing.
            self._books[symbol] = _Book()
            events.append(_failure(symbol, str(status), str(data.get("errmsg", "")), fields))
            return
        if not book.is_complete:
            self._snapshot(book, symbol, now_ms, events)
        session = changed.get("current_session")
        if isinstance(session, str):
            book.session = session
        events.append(QuoteChanged(symbol, changed, not book.is_complete, now_ms))

    def _snapshot(self, book: _Book, symbol: str, now_ms: int, events: list[QuoteEvent]) -> None:
        """Data came of a symbol whose snapshot is not complete: it may have been for long."""
        if book.first_data_at_ms is None:
            book.first_data_at_ms = now_ms
        elif now_ms - book.first_data_at_ms >= SNAPSHOT_MS:
            book.is_complete = True
            events.append(SnapshotCompleted(symbol))

    def _completed(self, message: Message, events: list[QuoteEvent]) -> None:
        symbol = message.params[1] if len(message.params) > 1 else None
        if not isinstance(symbol, str):
            events.append(reject(message, "not [session, symbol]"))
            return
        book = self._books.get(symbol)
        if book is None or book.first_data_at_ms is None:
            # It follows the refusal of a symbol too (protocol §4.4).
            self.ignored_messages += 1
            return
        book.is_complete = True
        events.append(SnapshotCompleted(symbol))


def _failure(symbol: str, status: str, message: str, fields: Mapping[str, Any]) -> SymbolFailed:
    if status == "error":
        return SymbolFailed(symbol, message or status, message)
    return SymbolFailed(symbol, status, str(fields.get("alternative", message)))
