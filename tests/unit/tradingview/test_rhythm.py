"""A connection that goes on with heartbeats only is found out by the pace of its data."""

from tradingview.codec import Heartbeat, Hello, Message
from tradingview.connection import Stalled
from tradingview.quotes import QuoteSession
from tradingview.rhythm import GAPS_WAITED, LEAST_COUNT, LEAST_WAIT_MS, Rhythm

T0 = 1_800_000_000_000


def lively(phase: str, until: int = 60) -> QuoteSession:
    """A session whose one symbol has spoken once a second."""
    session = QuoteSession("qs_1", T0)
    session.receive([Hello("0.1", T0, {})], T0)
    session.add(["A:B"], T0)
    for second in range(until):
        fields = {"lp": second, "current_session": phase}
        session.receive([Message("qsd", ("qs_1", {"n": "A:B", "s": "ok", "v": fields}))], T0 + second * 1000)
    return session


def silence(session: QuoteSession, seconds: range) -> list[tuple[int, Stalled]]:
    """What is found out while heartbeats only go on."""
    found = []
    for second in seconds:
        now = T0 + second * 1000
        session.receive([Heartbeat(second)], now)
        due = session.next_deadline()
        if due is not None and now >= due:
            found += [(second, event) for event in session.expire(now) if isinstance(event, Stalled)]
    return found


def test_data_that_stops_is_found_and_dated_back_to_the_last_of_it() -> None:
    session = lively("market")
    [(second, stalled)] = silence(session, range(60, 120))
    assert (second, stalled.reason) == (59 + LEAST_WAIT_MS // 1000, "data_stopped")
    assert stalled.last_packet_ms == T0 + 59_000
    assert session.is_over


def test_a_session_is_late_before_it_is_given_up() -> None:
    session = lively("market")
    assert not session.is_late(T0 + 59_000 + LEAST_WAIT_MS // 2 - 1)
    assert session.is_late(T0 + 59_000 + LEAST_WAIT_MS // 2)


def test_a_closed_market_may_be_silent() -> None:
    assert silence(lively("out_of_session"), range(60, 400)) == []


def test_nothing_is_missed_before_the_pace_is_known() -> None:
    assert silence(lively("market", LEAST_COUNT - 2), range(30, 400)) == []


def test_a_slow_pace_is_given_its_time() -> None:
    rhythm = Rhythm(T0)
    for minute in range(40):
        rhythm.data_came(T0 + minute * 60_000)
    late_at = rhythm.late_at_ms()
    assert late_at is not None
    assert 0.9 * GAPS_WAITED * 60_000 < late_at - rhythm.last_ms <= GAPS_WAITED * 60_000
    rhythm.forget(T0)
    assert rhythm.late_at_ms() is None
