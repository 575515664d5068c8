"""The words of a quote."""

import pytest

from tradingview.quote_fields import delay_s


@pytest.mark.parametrize(
    ("update_mode", "delay"),
    [
        ("streaming", 0),
        ("delayed_streaming_900", 900),
        ("delayed_streaming_", None),
        ("delayed_streaming_x", None),
        ("delayed_streaming_99999999999", None),
        ("endofday", None),
        (None, None),
        (5, None),
    ],
)
def test_the_update_mode_tells_the_delay(update_mode: object, delay: int | None) -> None:
    assert delay_s(update_mode) == delay
