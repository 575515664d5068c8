"""Frames that no server should send: random text, and whole frames with something broken in them."""

from random import Random

from contracts.errors import BadData
from contracts.symbols import SymbolId
from contracts.topics import partition_of
from ingest_ws.core.feed import Feed
from tests.support.records import T0
from tradingview.codec import Heartbeat, Hello, encode, render
from tradingview.quotes import QuoteChanged, QuoteSession, SnapshotCompleted, SymbolFailed

SESSION = "qs_1"
SYMBOLS = tuple(SymbolId("SIM", f"S{number}") for number in range(5))
SPLICES = (
    "~m~", "~h~", "~m~99999~m~", "~m~0~m~", '{"m":', '"qsd"', '"p":[', "null", "1e999", "-1", "NaN", "\ud800",
    "\U0001f600",
    '"s":"error"', "critical_error", "protocol_error", "[[[[", "{" * 50, "0" * 400, "\x00", "~m~3~m~~h~", "1e+100",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    0,
    -1,
    1,
    1.5,
    1e308,
    -1e308,
    1e100,
    2**63,
    None,
    True,
    "x",
    [],
    {},
    T0 // 1000,
    T0,
    10**12,
    "\U0001f600",
    "America/New_York",
    "20260101,20260119",
    [{"id": "regular", "session": "0930-1600", "session-correction": "0930-1300:20260102"}],
    [{"id": "regular", "session": "2500-1"}],
    {"phase": "regular", "tradingday": "20260102"},
)
FIELDS = (
    "lp", "volume", "lp_time", "bid", "ask", "open_time", "current_session", "update_mode", "high_price", "low_price",
    "description", "currency_code", "nobody_knows", "timezone", "subsessions", "session_holidays", "market-status",
    "rtc", "rtc_time", "pricescale", "listed_exchange",
)  # fmt: skip


def frames(rnd: Random, now_ms: int) -> str | bytes:
    """The next frame: right, with wild values, mutated, or nothing but noise."""
    kind = rnd.random()
    if kind < 0.02:
        return rnd.randbytes(rnd.randrange(200))
    if kind < 0.07:
        return "".join(rnd.choice(SPLICES) for _ in range(rnd.randrange(12)))
    packets = "".join(_packet(rnd, now_ms, is_wild=kind > 0.5) for _ in range(rnd.randrange(1, 4)))
    return packets if kind < 0.6 else _mutated(rnd, packets)


def _packet(rnd: Random, now_ms: int, *, is_wild: bool) -> str:
    name = str(rnd.choice(SYMBOLS)) if rnd.random() < 0.95 else rnd.choice(("SIM:NOBODY", "", "x"))
    kind = rnd.random()
    if kind < 0.05:
        return render(Heartbeat(rnd.randrange(100)))
    if kind < 0.07:
        return render(
            Hello("0.1", now_ms + rnd.randrange(-(10**7), 10**7), {"session_id": "0.1", "timestampMs": now_ms})
        )
    if kind < 0.25:
        return encode("quote_completed", SESSION, name)
    if kind < 0.27:
        return encode("qsd", SESSION, {"n": name, "s": "error", "errmsg": "no_such_symbol"})
    if is_wild:
        fields = {rnd.choice(FIELDS): rnd.choice(VALUES) for _ in range(rnd.randrange(6))}
    else:
        fields = {"lp": rnd.randrange(1, 1000) / 10, "volume": rnd.randrange(10**6), "lp_time": now_ms // 1000}
    return encode("qsd", SESSION, {"n": name, "s": rnd.choice(("ok", "ok", "ok", "permission_denied")), "v": fields})


def _mutated(rnd: Random, text: str) -> str:
    for _ in range(rnd.randrange(1, 4)):
        at = rnd.randrange(len(text) + 1)
        match rnd.randrange(4):
            case 0:
                text = text[:at] + text[at + rnd.randrange(1, 9) :]
            case 1:
                text = text[:at] + rnd.choice(SPLICES) + text[at:]
            case 2:
                text = text[:at] + chr(rnd.randrange(1, 0xD800)) + text[at + 1 :]
            case _:
                text = text[:at] * rnd.randrange(1, 3)
    return text


class Victim:
    """A quote session and a feed, driven as a connection drives them; what they raise goes through."""

    def __init__(self, seed: int) -> None:
        self.rnd = Random(seed)
        self.now = T0
        self.dead_letters = 0
        self.sessions = 0
        self.feed = Feed(2, 7, 10**6, T0)
        self.feed.assign((0, 1), T0)
        for partition in (0, 1):
            self.feed.want(partition, [each for each in SYMBOLS if partition_of(each.key, 2) == partition], T0)
        self._connect()

    def _connect(self) -> None:
        self.feed.uncover(list(self.feed.symbols), self.now, self.now)
        self.session = QuoteSession(SESSION, self.now)
        self.session.add(map(str, SYMBOLS), self.now)
        self.sessions += 1

    def step(self) -> None:
        """One frame, what it brings about, and what the passing of time does."""
        self.now += self.rnd.randrange(0, 400)
        self.feed.present(self.now)
        for event in self.session.receive(frames(self.rnd, self.now), self.now):
            match event:
                case QuoteChanged():
                    try:
                        self.feed.changed(event.symbol, event.changed, self.now)
                    except BadData:
                        self.dead_letters += 1
                case SnapshotCompleted():
                    self.feed.completed(event.symbol, self.now)
                case SymbolFailed():
                    self.feed.failed(event.symbol, event.reason, self.now)
                case _:
                    self.dead_letters += 1
        due = self.session.next_deadline()
        if due is not None and self.now >= due:
            self.session.expire(self.now)
        self.session.frames_to_send()
        self.feed.expire(self.now)
        for partition in (0, 1):
            while self.feed.take(partition, self.now) is not None:
                self.feed.acknowledged(partition)
        self.feed.changed_quotes.clear()
        if self.session.is_over or self.session.next_deadline() is None or self.rnd.random() < 0.005:
            self._connect()
