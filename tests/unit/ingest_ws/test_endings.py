"""What the answer to a handshake means for the next connection."""

import pytest

from ingest_ws.endings import refusal


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_refused_does_not_try_again_and_says_what_to_do(status: int) -> None:
    ending = refusal(status)
    assert (ending.cause, ending.is_final) == ("unauthorized", True)
    assert str(status) in ending.reason
    assert "TRADINGVIEW_AUTH_TOKEN" in ending.reason


def test_too_many_connections_wait_at_least_half_a_minute() -> None:
    assert refusal(429).least_wait_s >= 30
    assert not refusal(429).is_final


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_any_other_refusal_is_tried_again_with_backoff(status: int) -> None:
    assert refusal(status)[2:] == (0.0, False)
