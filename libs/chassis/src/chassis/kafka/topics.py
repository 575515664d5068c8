"""Kafka's admin API: topics are created where absent and verified where present, before anything else is done."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from chassis import logs
from chassis.errors import Misconfigured
from chassis.kafka.errors import KAFKA, kafka_errors
from chassis.probes import Readiness
from chassis.stop import Stop
from chassis.waiting import persistently
from contracts.errors import Unavailable
from contracts.topics import Topic

VERIFIED = ("cleanup.policy", "message.timestamp.type")
"""Settings that change what a topic means; a different retention or segment size is its operator's business."""

_DEFAULTS = {"cleanup.policy": "delete", "message.timestamp.type": "CreateTime"}
_ATTEMPT_S = 30.0
_METADATA_EVERY_S = 0.05

_log = logs.get("chassis.kafka.topics")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One way in which a topic is not as it must be."""

    topic: str
    what: str
    actual: str
    wanted: str

    def __str__(self) -> str:
        if self.what == "partitions":
            remedy = (
                f"set KAFKA_PARTITIONS={self.actual} if that count was meant, "
                "or delete the topic to have it made again (its records are lost)"
            )
        else:
            remedy = f"set {self.what}={self.wanted} on the topic with kafka-configs, or delete the topic"
        return f"topic {self.topic}: {self.what} is {self.actual}, must be {self.wanted}; {remedy}"


class TopicMismatch(Misconfigured):
    """Topics exist that are not as they must be; names all of them and what to do."""

    def __init__(self, mismatches: Iterable[Mismatch]) -> None:
        self.mismatches = tuple(mismatches)
        super().__init__("\n".join(str(mismatch) for mismatch in self.mismatches))


async def ensure_topics(bootstrap: str, topics: Iterable[Topic], partitions: int, ready: Readiness, stop: Stop) -> None:
    """Create the topics that are absent and verify the rest; several processes may do so at once.

    `partitions` is the count of topics that name none. Waits while Kafka is away. Raises `TopicMismatch`.
    """
    wanted = {topic.name: topic for topic in topics}
    await persistently(lambda: _attempt(bootstrap, wanted, partitions), ready, stop)
    ready.set(KAFKA, True)


async def _attempt(bootstrap: str, wanted: Mapping[str, Topic], partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    with kafka_errors():
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                await admin.start()
                absent = wanted.keys() - set(await admin.list_topics())
                await _create(admin, [wanted[name] for name in sorted(absent)], partitions)
                counts = await _wrong_counts(admin, wanted, partitions)
                mismatches = [*counts, *await _wrong_configs(admin, wanted)]
        finally:
            await admin.close()
    if mismatches:
        raise TopicMismatch(mismatches)


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic], partitions: int) -> None:
    if not topics:
        return
    # A replication factor of -1 is the broker's own default (KIP-464).
    new = [
        NewTopic(topic.name, topic.partitions or partitions, -1, replica_assignments={}, topic_configs=topic.config)
        for topic in topics
    ]
    response = await admin.create_topics(new, timeout_ms=10_000)
    for name, code, message in response.topic_errors:
        error = for_code(code)
        if error is NoError:
            _log.info("topic created", topic=name)
        elif error is not TopicAlreadyExistsError:
            raise error(f"cannot create topic {name}: {message}")


async def _wrong_counts(admin: AIOKafkaAdminClient, wanted: Mapping[str, Topic], partitions: int) -> list[Mismatch]:
    described = await admin.describe_topics(sorted(wanted))
    while any(topic["error_code"] for topic in described):
        # A topic made a moment ago has no leader yet, or the broker that was asked does not know it yet.
        await asyncio.sleep(_METADATA_EVERY_S)
        described = await admin.describe_topics(sorted(wanted))
    found = []
    for topic in described:
        count, expected = len(topic["partitions"]), wanted[topic["topic"]].partitions or partitions
        if count != expected:
            found.append(Mismatch(topic["topic"], "partitions", str(count), str(expected)))
    return found


async def _wrong_configs(admin: AIOKafkaAdminClient, wanted: Mapping[str, Topic]) -> list[Mismatch]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(VERIFIED, "")) for name in sorted(wanted)]
    found = []
    for response in await admin.describe_configs(asked):
        for code, message, _kind, name, entries in response.resources:
            error = for_code(code)
            if error is not NoError:
                raise Unavailable(KAFKA, f"configuration of topic {name}: {error.__name__} {message}")
            actual = {entry[0]: entry[1] for entry in entries}
            for key in VERIFIED:
                must = wanted[name].config.get(key, _DEFAULTS[key])
                if actual.get(key) != must:
                    found.append(Mismatch(name, key, str(actual.get(key)), must))
    return found
