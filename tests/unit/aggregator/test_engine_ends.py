"""What an operator is told when an engine ends because of Kafka's client."""

import pytest
from confluent_kafka import KafkaError

from aggregator.engine.app import why_it_ends


@pytest.mark.parametrize(
    "error",
    [
        KafkaError(KafkaError.FENCED_INSTANCE_ID, "static consumer fenced"),
        KafkaError(KafkaError._FATAL, f"Fatal error: {KafkaError(KafkaError.PRODUCER_FENCED).str()}", fatal=True),
    ],
)
def test_one_whose_place_was_taken_tells_by_what_name(error: KafkaError) -> None:
    reason = why_it_ends(error, "engine-7")
    assert reason is not None
    assert reason.startswith("fenced: another engine is called engine-7 too")


@pytest.mark.parametrize("code", [KafkaError.INVALID_TXN_STATE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER])
def test_a_client_that_gave_itself_up_is_no_bug(code: int) -> None:
    """librdkafka #3297 and #4849: aborting what the broker has forgotten is fatal to a producer."""
    reason = why_it_ends(KafkaError(code, "Failed to end transaction", fatal=True), "engine-7")
    assert reason is not None
    assert reason.startswith("Kafka's client gave itself up")
    assert reason.endswith(": Failed to end transaction")


def test_what_a_new_process_would_meet_again_is_a_bug() -> None:
    assert why_it_ends(KafkaError(KafkaError._STATE, "called at the wrong time"), "engine-7") is None
