"""Whether Kafka answers, as librdkafka's callbacks and one question a second tell it."""

import time

from confluent_kafka import KafkaError, KafkaException

from chassis import logs
from chassis.kafka.errors import KAFKA
from chassis.probes import Readiness

_log = logs.get("aggregator.engine.connection")

_WITHOUT_ERRORS_S = 5.0
_NETWORK = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE}
"""`away` says that a broker is away."""
UNKNOWN = {KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
"""What a producer says of a topic while a broker that was killed knows none yet (librdkafka #889): it asks again."""


class Connection:
    """The state of the connection to Kafka, and the one fatal error that ends the process. For one thread."""

    def __init__(self, ready: Readiness) -> None:
        self._ready = ready
        self._fatal: KafkaError | None = None
        self._erred_at = -_WITHOUT_ERRORS_S
        self._is_away = False
        self._told = set[int]()
        """Codes of errors that were logged since Kafka answered last."""

    @property
    def is_away(self) -> bool:
        return self._is_away

    @property
    def is_trusted(self) -> bool:
        """Whether no broker has failed in the last seconds: what clients remember is old for that long."""
        return not self._is_away and time.monotonic() - self._erred_at >= _WITHOUT_ERRORS_S

    def on_error(self, error: KafkaError) -> None:
        """The consumer's `error_cb`: librdkafka mends everything by itself, except what it calls fatal."""
        self._erred_at = time.monotonic()
        self.on_fatal_error(error)
        if error.code() not in self._told | _NETWORK:
            self._told.add(error.code())
            _log.warning("Kafka's client has an error", error=error.name(), cause=error.str())
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.away(error.str())

    def on_fatal_error(self, error: KafkaError) -> None:
        """The producers' `error_cb`: that a broker is away they tell late, and the consumer tells it too."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = self._fatal or error

    def away(self, cause: str) -> None:
        """Kafka does not answer."""
        self._ready.set(KAFKA, False, cause)
        self._erred_at = time.monotonic()
        if not self._is_away:
            _log.warning("waiting", part=KAFKA, cause=cause)
        self._is_away = True

    def answered(self) -> None:
        """Kafka answers."""
        self._ready.set(KAFKA, True)
        if self._is_away:
            _log.info("answers again", parts=[KAFKA])
            self._told.clear()
        self._is_away = False

    def check(self) -> None:
        """Raise the fatal error if there was one: another engine of the same name, say, or a lost sequence."""
        if self._fatal is not None:
            raise KafkaException(self._fatal)
