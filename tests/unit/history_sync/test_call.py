"""One fetch under way can be ended from another thread, whenever that is."""

from history_sync.provider import Call


def test_a_call_that_is_cut_has_no_time_left_and_ends_its_wait() -> None:
    call, cuts = Call(60.0), []
    call.when_cut(lambda: cuts.append(1))
    assert 59.0 < call.remaining_s() <= 60.0
    call.cut()
    assert (call.remaining_s(), cuts) == (0.0, [1])


def test_what_would_wait_after_the_cut_is_ended_at_once() -> None:
    call, cuts = Call(60.0), []
    call.cut()
    call.when_cut(lambda: cuts.append(1))
    assert cuts == [1]


def test_a_call_out_of_time_has_none_left() -> None:
    assert Call(-1.0).remaining_s() == 0.0
