"""When a child that died is started again."""

from candlewick_local.restarts import Restarts


def test_the_wait_doubles_from_death_to_death_up_to_a_longest() -> None:
    restarts = Restarts()
    assert [restarts.delay(lived_s=1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 15, 15, 15]


def test_a_child_that_was_up_for_a_minute_is_started_again_at_once() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.delay(lived_s=59.9)
    assert restarts.delay(lived_s=60) == 0.5
    assert restarts.delay(lived_s=1) == 1
