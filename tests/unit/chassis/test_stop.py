"""The wish to end."""

from chassis.stop import Stop, ThreadStop


async def test_a_stop_wakes_whoever_sleeps_and_keeps_its_first_reason() -> None:
    stop = Stop()
    assert not await stop.sleep(0.001)
    stop.request("SIGTERM")
    stop.request("SIGINT")
    assert await stop.sleep(3600)
    assert (stop.is_set, stop.reason) == (True, "SIGTERM")


async def test_the_first_bug_is_kept() -> None:
    stop = Stop()
    first = KeyError("first")
    stop.fail(first)
    stop.fail(KeyError("second"))
    assert stop.failure is first
    assert stop.is_set


def test_a_stop_of_threads_wakes_whoever_sleeps() -> None:
    stop = ThreadStop()
    assert not stop.sleep(0.001)
    stop.request("SIGTERM")
    stop.request("SIGINT")
    assert stop.sleep(3600)
    assert (stop.is_set, stop.reason) == (True, "SIGTERM")
