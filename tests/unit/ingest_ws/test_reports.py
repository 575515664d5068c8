"""Reports wait in bounded memory: of statuses the newest, and the end does not fail for what cannot be sent."""

from collections.abc import Mapping

from prometheus_client import REGISTRY

from contracts.errors import BadData, Unavailable
from contracts.feed import SymbolInfo, SymbolState, SymbolStatus
from contracts.topics import partition_of
from ingest_ws.reports import LONGEST_RAW, MOST_WAITING, Reports, Topics
from tests.support.records import T0

Sent = tuple[str, bytes | None, bytes | None, int | None, Mapping[str, str] | None]


class Kafka:
    """Takes what is published, or is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.is_away = is_away
        self.sent: list[Sent] = []

    async def __call__(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if self.is_away:
            raise Unavailable("Kafka")
        self.sent.append((topic, key, value, partition, headers))


def status(state: SymbolState) -> SymbolStatus:
    return SymbolStatus(exchange="SIM", symbol="A", replica="here", state=state, at=T0)


async def test_of_the_statuses_of_a_symbol_the_newest_is_sent_in_the_partition_of_the_symbol() -> None:
    kafka = Kafka()
    reports = Reports(kafka, Topics(), 24, "here")
    reports.status(status(SymbolState.STALLED))
    reports.status(status(SymbolState.LIVE))
    await reports.flush()
    [(topic, key, value, partition, _)] = kafka.sent
    assert (topic, key, partition) == ("market.status.v1", b"SIM:A|here", partition_of(b"SIM:A", 24))
    assert SymbolStatus.decode(value or b"").state == SymbolState.LIVE
    reports.status_ended(status(SymbolState.LIVE))
    await reports.flush()
    assert kafka.sent[-1][1:3] == (b"SIM:A|here", None)


async def test_of_the_descriptions_of_a_symbol_the_newest_is_sent_in_its_partition() -> None:
    kafka = Kafka()
    reports = Reports(kafka, Topics(), 24, "here")
    long = ",".join(["20260101"] * 600)
    for text in ("old", "new"):
        reports.symbol(
            SymbolInfo(exchange="NYSE", symbol="BAC/PL", description=text, timezone="America/New_York",
                       session="0930-1600", holidays=long, at=T0)
        )  # fmt: skip
    await reports.flush()
    [(topic, key, value, partition, _)] = kafka.sent
    assert (topic, key, partition) == ("market.symbols.v1", b"NYSE:BAC/PL", partition_of(b"NYSE:BAC/PL", 24))
    info = SymbolInfo.decode(value or b"")
    assert (info.description, info.holidays) == ("new", long)


async def test_a_dead_letter_is_cut_and_names_its_cause_connection_time_and_position() -> None:
    kafka = Kafka()
    reports = Reports(kafka, Topics(), 24, "here")
    reports.dead_letter(BadData("no header", kind="no_header"), "x" * 100_000, connection=3, at=T0, position=17)
    await reports.flush()
    [(topic, _, value, _, headers)] = kafka.sent
    assert (topic, len(value or b"")) == ("market.feed.v1.dead", LONGEST_RAW)
    assert headers == {
        "kind": "no_header",
        "cause": "no header",
        "replica": "here",
        "connection": "3",
        "received_at": str(T0),
        "position": "17",
        "length": "100000",
    }


async def test_while_kafka_is_away_reports_are_bounded_and_counted_and_the_end_does_not_fail() -> None:
    kafka = Kafka(is_away=True)
    reports = Reports(kafka, Topics(), 24, "here")
    before = REGISTRY.get_sample_value("ingest_reports_dropped_total", {"topic": "market.feed.v1.dead"}) or 0.0
    for _ in range(MOST_WAITING + 3):
        reports.dead_letter(BadData("no", kind="test"), b"x", connection=1, at=T0)
    after = REGISTRY.get_sample_value("ingest_reports_dropped_total", {"topic": "market.feed.v1.dead"}) or 0.0
    assert after - before == 3
    await reports.flush()
    assert kafka.sent == []
