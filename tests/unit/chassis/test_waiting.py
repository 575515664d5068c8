"""Waiting for a part that is away."""

import pytest

from chassis import waiting
from chassis.probes import Readiness
from chassis.stop import Stop, Stopped
from chassis.waiting import persistently
from contracts.errors import Unavailable


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_S", 0.001)


async def test_what_is_away_is_tried_again_and_not_ready_meanwhile() -> None:
    ready, seen = Readiness(), []

    async def attempt() -> str:
        seen.append(ready.report())
        if len(seen) < 3:
            raise Unavailable("Kafka", "no route")
        return "result"

    assert await persistently(attempt, ready, Stop()) == "result"
    assert seen[1:] == [{"ready": False, "waiting": {"Kafka": "Kafka is unavailable: no route"}}] * 2
    assert ready.report()["ready"]


async def test_a_stop_ends_the_wait() -> None:
    stop = Stop()

    async def attempt() -> None:
        stop.request("SIGTERM")
        raise Unavailable("Kafka")

    with pytest.raises(Stopped):
        await persistently(attempt, Readiness(), stop)


async def test_a_bug_is_not_waited_for() -> None:
    async def attempt() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await persistently(attempt, Readiness(), Stop())
