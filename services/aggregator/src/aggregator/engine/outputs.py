"""To which topic each record goes that the fold emits, and its metrics once it is committed."""

from collections import Counter
from collections.abc import Callable, Iterable

from confluent_kafka import Message

from aggregator.core.emission import Issue, Kind, Refused
from aggregator.engine import metrics
from aggregator.engine.transaction import Transaction
from chassis import clock, dead_letters
from contracts import topics, wire
from contracts.errors import BadData
from contracts.headers import bar_headers, complete_headers

TOPIC_OF = {Kind.LATE: topics.TICKS_LATE, Kind.GAP: topics.FEED}
"""Where records go that do not go to market.bars."""
_BARS = topics.BARS.name


class Outputs:
    """The engine's records, put into its transaction in order."""

    def __init__(self, transaction: Transaction) -> None:
        self._put = transaction.put
        self._closed: list[int] = []
        self._bars = Counter[str]()
        self._others = Counter[Kind]()
        self._revisions = 0
        self._dead: list[tuple[str, BadData]] = []

    def issue(self, issues: Iterable[Issue], partition: int, source_of: Callable[[Issue], Message]) -> None:
        """Put what the fold of a partition emitted, in order. `source_of`: the record of the log that is put aside.

        The timestamp of a bar is the last millisecond of the time that it covers, so that stream processors put it into
        the window that it closes.
        """
        put, encode, bars = self._put, wire.encode, self._bars
        for issue in issues:
            record = issue.record
            if isinstance(record, wire.Bar):
                headers = bar_headers(record.interval, issue.at)
                put(_BARS, encode(record), issue.key, partition, headers, record.close_time - 1)
                bars[record.interval] += 1
                if record.revision:
                    self._revisions += 1
            else:
                self._issue_other(issue, partition, source_of)

    def _issue_other(self, issue: Issue, partition: int, source_of: Callable[[Issue], Message]) -> None:
        kind, record = issue.kind, issue.record
        if isinstance(record, wire.BarsComplete):
            headers = complete_headers(issue.at)
            self._put(_BARS, wire.encode(record), issue.key, partition, headers, record.closed_through - 1)
            self._closed.append(record.closed_through + record.delay * 1000)
        elif isinstance(record, Refused):
            self.dead(BadData(record.cause, kind=record.kind), source_of(issue))
        else:
            topic = TOPIC_OF[kind]
            self._put(topic.name, wire.encode(record), issue.key, partition if topic.partitions is None else 0)
            self._others[kind] += 1

    def dead(self, error: BadData, source: Message) -> None:
        """Put a record of the log aside, with the cause and where it stood."""
        letter = dead_letters.dead_letter(
            error,
            topic=str(source.topic()),
            partition=int(source.partition() or 0),
            offset=int(source.offset() or 0),
            timestamp=source.timestamp()[1],
            key=source.key(),
            value=source.value(),
        )
        self._put(
            letter.topic, letter.value, letter.key, 0, [(name, text.encode()) for name, text in letter.headers.items()]
        )
        self._dead.append((str(source.topic()), error))

    def committed(self, *, is_live: bool) -> None:
        """Count what was put. `is_live`: the bars closed a moment ago, so that their latency means something."""
        for interval, count in self._bars.items():
            metrics.BARS.labels(interval).inc(count)
        metrics.REVISIONS.inc(self._revisions)
        metrics.LATE.inc(self._others[Kind.LATE])
        metrics.GAPS.inc(self._others[Kind.GAP])
        for topic, error in self._dead:
            metrics.DEAD.labels(error.kind).inc()
            dead_letters.count(topic, error)
        if is_live:
            now = clock.now_ms()
            for closed_at in self._closed:
                metrics.CLOSE_LATENCY.observe((now - closed_at) / 1000)
        self.aborted()

    def aborted(self) -> None:
        """What was put does not count: it is put again."""
        self._closed.clear()
        self._bars.clear()
        self._others.clear()
        self._dead.clear()
        self._revisions = 0
