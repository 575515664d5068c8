"""Orders of faults: what is taken, what is refused in which words, and when a lasting fault ends."""

from typing import Any

import pytest

from tradingview_simulator.mischief import Mischief
from tradingview_simulator.model.market import CorrectionError
from tradingview_simulator.orders import LASTING, MOMENTARY, FaultError, Faults
from tradingview_simulator.timers import Timers


class Orders:
    """Faults without connections, on a clock that the test moves."""

    def __init__(self) -> None:
        self.at_ms = 1_000_000
        self.timers = Timers(lambda: self.at_ms)
        self.mischief = Mischief()
        self.corrected: list[tuple[str, str]] = []
        self.faults = Faults(self.mischief, self.timers, {}, self._correct)

    def _correct(self, symbol: str, corrections: str) -> None:
        if symbol == "A:B":
            raise CorrectionError("what has traded stays")
        self.corrected.append((symbol, corrections))

    def pass_time(self, ms: int) -> None:
        self.at_ms += ms
        self.timers.run_due()


REQUIRED: dict[str, dict[str, Any]] = {
    "permission_denied": {"symbol": "A:B"},
    "refuse": {"status": 429},
    "signin": {"how": "captcha"},
}


@pytest.mark.parametrize("name", sorted(LASTING))
def test_a_lasting_fault_ends_by_itself_by_name_or_with_all(name: str) -> None:
    orders = Orders()
    body = {"fault": name, **REQUIRED.get(name, {})}
    for end in ({"fault": name, "off": True}, {"fault": "none"}):
        assert orders.faults.do(body)["on"] == orders.faults.on != []
        assert orders.faults.do(end) == {"fault": end["fault"], "on": []}
    orders.faults.do({**body, "seconds": 2})
    orders.pass_time(1_999)
    assert orders.faults.on[0]["until_ms"] == 1_002_000
    orders.pass_time(1)
    assert orders.faults.on == []


def test_the_time_of_a_fault_that_was_replaced_ends_nothing() -> None:
    orders = Orders()
    orders.faults.do({"fault": "slow", "ms": 5, "seconds": 1})
    orders.faults.do({"fault": "slow", "ms": 7})
    orders.pass_time(5_000)
    assert orders.mischief.slow_ms == 7


def test_faults_of_one_effect_end_each_by_its_own_name() -> None:
    orders = Orders()
    for name in ("silent", "heartbeat_only", "expired_token"):
        orders.faults.do({"fault": name})
    orders.faults.do({"fault": "silent", "off": True})
    assert (orders.mischief.is_silent, orders.mischief.is_mute) == (False, True)
    orders.faults.do({"fault": "heartbeat_only", "off": True})
    assert orders.mischief.is_mute
    orders.faults.do({"fault": "expired_token", "off": True})
    assert not orders.mischief.is_mute


def test_a_fault_with_a_count_strikes_so_often() -> None:
    orders = Orders()
    orders.faults.do({"fault": "refuse", "status": 403, "count": 2})
    assert orders.mischief.strike("refuse") == {"status": 403}
    assert orders.faults.on == [{"fault": "refuse", "status": 403, "count": 1}]
    assert orders.mischief.strike("refuse") == {"status": 403}
    assert orders.mischief.strike("refuse") is None
    assert orders.faults.on == []


def test_denied_symbols_are_denied_and_allowed_one_by_one_or_together() -> None:
    orders = Orders()
    for symbol in ("A:B", "A:C", "A:D"):
        orders.faults.do({"fault": "permission_denied", "symbol": symbol, "group": "some_paid"})
    orders.faults.do({"fault": "permission_denied", "symbol": "A:C", "off": True})
    assert [each["symbol"] for each in orders.faults.on] == ["A:B", "A:D"]
    assert orders.mischief.strike("permission_denied", "A:B") == {"symbol": "A:B", "group": "some_paid"}
    assert orders.mischief.strike("permission_denied", "A:C") is None
    orders.faults.do({"fault": "permission_denied", "off": True})
    assert orders.faults.on == []


@pytest.mark.parametrize("name", sorted(MOMENTARY))
def test_a_fault_of_a_moment_tells_whom_it_struck(name: str) -> None:
    orders = Orders()
    assert orders.faults.do({"fault": name}) == {"fault": name, "connections": []}
    with pytest.raises(FaultError, match=r"no connection 7; open are \[\]"):
        orders.faults.do({"fault": name, "connection": 7})


def test_a_correction_is_announced_for_its_symbol() -> None:
    orders = Orders()
    body = {"fault": "correction", "symbol": "A:C", "corrections": "0930-1300:20261123"}
    assert orders.faults.do(body) == {"fault": "correction", "on": []}
    assert orders.corrected == [("A:C", "0930-1300:20261123")]
    assert orders.faults.known["correction"].keys() == {"symbol", "corrections"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "fault is one of bad_token, binary, .*, none"),
        ({"fault": ["slow"]}, "fault is one of"),
        ({"fault": "silent", "connection": 1}, "silent takes off, seconds; not 'connection'"),
        ({"fault": "none", "seconds": 1}, "none takes nothing; not 'seconds'"),
        ({"fault": "slow", "ms": 0}, "ms of slow is a whole number from 1 to 60000"),
        ({"fault": "slow", "ms": True}, "ms of slow"),
        ({"fault": "slow", "ms": 1.5}, "ms of slow"),
        ({"fault": "slow", "seconds": 3_601}, "seconds of slow is a number from 0.001 to 3600"),
        ({"fault": "slow", "seconds": float("nan")}, "seconds of slow"),
        ({"fault": "slow", "off": False}, "off of slow is true"),
        ({"fault": "slow", "off": True, "ms": 5}, "slow takes off; not 'ms'"),
        ({"fault": "duplicate", "chance": 1.1}, "chance of duplicate is a number from 0 to 1"),
        ({"fault": "refuse"}, "status of refuse is one of 401, 403, 429"),
        ({"fault": "refuse", "status": 429.0}, "status of refuse"),
        ({"fault": "refuse", "status": 429, "count": 0}, "count of refuse"),
        ({"fault": "signin", "how": "badly"}, "how of signin is one of two_factor, "),
        ({"fault": "permission_denied"}, "symbol of permission_denied is a text"),
        ({"fault": "close", "code": 1005}, "code of close is a close code that a server may send"),
        ({"fault": "protocol_error", "text": ""}, "text of protocol_error"),
        ({"fault": "garbage", "connection": True}, "connection of garbage"),
        ({"fault": "correction", "symbol": "A:C"}, "corrections of correction is a text"),
        ({"fault": "correction", "symbol": "A:B", "corrections": "x"}, "what has traded stays"),
    ],
)
def test_what_does_not_exist_is_refused_in_words_that_tell_what_does(body: dict[str, Any], words: str) -> None:
    orders = Orders()
    with pytest.raises(FaultError, match=words):
        orders.faults.do(body)
    assert orders.faults.on == []
