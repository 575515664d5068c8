"""What becomes of a job whose fetch failed."""

from hypothesis import given
from hypothesis import strategies as st

from history_sync.core.failures import (
    AFTER_TOO_MANY_MS,
    FIRST_RETRY_MS,
    LONGEST_RETRY_MS,
    ErrorCode,
    JobError,
    Retry,
    after_lost_lease,
    after_unavailable,
)


def test_waits_double_up_to_a_limit() -> None:
    waits = [after_unavailable(attempts, 100, "away") for attempts in range(1, 8)]
    assert waits[:4] == [Retry(FIRST_RETRY_MS * factor) for factor in (1, 2, 4, 8)]
    assert waits[-1] == Retry(LONGEST_RETRY_MS)


@given(attempts=st.integers(1, 10_000), most=st.integers(1, 50), at_least=st.integers(0, 10**6))
def test_a_job_is_tried_so_many_times_and_no_more(attempts: int, most: int, at_least: int) -> None:
    verdict = after_unavailable(attempts, most, "away", at_least)
    assert isinstance(verdict, JobError) == (attempts >= most)
    if isinstance(verdict, Retry):
        assert verdict.wait_ms >= at_least
        assert FIRST_RETRY_MS <= verdict.wait_ms <= max(LONGEST_RETRY_MS, at_least)


def test_a_provider_with_too_many_callers_is_given_time() -> None:
    assert after_unavailable(1, 5, "429", AFTER_TOO_MANY_MS) == Retry(AFTER_TOO_MANY_MS)


def test_the_last_failure_is_told() -> None:
    found = after_unavailable(3, 3, "deadline: no answer")
    assert found == JobError(ErrorCode.PROVIDER_UNAVAILABLE, "deadline: no answer (3 attempts)")


def test_a_silent_workers_job_goes_back_at_once_until_it_is_given_up() -> None:
    assert after_lost_lease(4, 5) == Retry(0)
    verdict = after_lost_lease(5, 5)
    assert isinstance(verdict, JobError)
    assert verdict.code is ErrorCode.ABANDONED
