"""Chooses everything for a replay: its range, its clients, what it prints, its exit code."""

import logging
import sys
from argparse import ArgumentError, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
from confluent_kafka import Producer

from aggregator.core.comparison import Compared, Difference, Range, label_of
from aggregator.core.refold import NotRetainedError, Refold
from aggregator.core.rules import Rules
from aggregator.replay.log import TopicReader
from aggregator.settings import ReplaySettings
from chassis import clock, logs
from chassis.errors import Misconfigured
from chassis.process import CLEAN, WRONG_SETTINGS, Program, help_text, run_sync
from chassis.stop import Stopped, ThreadStop
from contracts import topics, wire
from contracts.bars import Origin
from contracts.errors import Unavailable
from contracts.headers import bar_headers
from contracts.intervals import Interval

DIFFERENT = 3
"""The exit code that says that bars differ."""
NOTHING = 4
"""The exit code that says that there was no bar to compare."""
REASON = "replay"
ABOUT = """Folds the tick log again and compares what it comes to with what was published, for every bar that lies
wholly in the range: nothing to say and exit code 0, a line for each bar that differs and exit code 3, or exit code 4 if
there was no bar to compare. With --publish it emits what differs, as a revision whose number is the present time in
milliseconds. It reads the whole retained log. Bars that are not certain are left out: late ticks may still correct
them, engines are not past them, or records they depend on were deleted. Bars that the provider replaced
(provider_final) are no difference. TIME is a date or RFC 3339, such as 2026-11-23T00:00Z, in UTC unless it says
otherwise, or epoch milliseconds, such as the open_time of a bar. CLOSE_DELAY_MS and INTERVALS must be the engines'."""
PROGRAM = Program(
    command="python -m aggregator replay --from TIME --to TIME [--publish]", distribution="aggregator", about=ABOUT
)
_FLUSH_S = 0.5
_LONGEST_REPORT = 1_000
_MS_DIGITS = 13

_log = logs.get("aggregator.replay")


def run(argv: Sequence[str]) -> int:
    """A replay from its first line to its exit code."""
    if any(argument in {"-h", "--help"} for argument in argv):
        print(help_text(PROGRAM, ReplaySettings))  # noqa: T201 - what --help is for
        return CLEAN
    try:
        asked = parsed(argv)
    except ArgumentError as error:
        print(f"python -m aggregator replay: {error}; see --help", file=sys.stderr)  # noqa: T201 - usage
        return WRONG_SETTINGS
    found: list[Compared] = []

    def main(settings: ReplaySettings, stop: ThreadStop, resources: ExitStack) -> None:
        found.append(work(settings, stop, resources, asked))

    code = run_sync(PROGRAM, ReplaySettings, main, [])
    if code != CLEAN or not found:
        return code
    if found[0].differences:
        return DIFFERENT
    return CLEAN if found[0].bars else NOTHING


def parsed(argv: Sequence[str]) -> Namespace:
    """What was asked for; raises `ArgumentError`, which says what is wrong with it."""
    parser = ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--from", dest="start", type=instant)
    parser.add_argument("--to", dest="end", type=instant)
    parser.add_argument("--publish", action="store_true")
    asked, unknown = parser.parse_known_args(argv)
    if unknown:
        raise ArgumentError(None, f"unknown argument {unknown[0]!r}")
    if asked.start is None or asked.end is None:
        raise ArgumentError(None, "--from TIME and --to TIME are needed")
    if asked.start >= asked.end:
        raise ArgumentError(None, "--from must be before --to")
    return asked


def instant(text: str) -> int:
    """An instant as a person writes it, as milliseconds."""
    if text.isascii() and text.isdigit() and len(text) <= _MS_DIGITS:
        return int(text)
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time: write 2026-11-23T00:00Z, or epoch milliseconds") from error
    return int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1000)


def work(settings: ReplaySettings, stop: ThreadStop, resources: ExitStack, asked: Namespace) -> Compared:
    """Fold, compare, tell, and publish if asked to."""

    def turn() -> None:
        if stop.is_set:
            raise Stopped

    reader = TopicReader(settings.kafka_bootstrap_servers, turn)
    resources.callback(reader.close)
    rules = Rules(close_delay_ms=settings.close_delay_ms, intervals=settings.built)
    within = Range(asked.start, asked.end)
    refold = _folded(reader, rules, within)
    compared, left_out = refold.compared(_published(reader, rules, within, refold))
    _tell(compared, left_out)
    if asked.publish:
        partitions = len(reader.beginnings(topics.BARS))
        _publish(settings, partitions, [d for d in compared.differences if d.folded is not None], turn)
    return compared


def _folded(reader: TopicReader, rules: Rules, within: Range) -> Refold:
    """The whole retained log folded: a trading day may begin, and a symbol rest, for days before a range."""
    refold = Refold(rules, within, reader.beginnings(topics.TICKS))
    try:
        for message in reader.read(topics.TICKS):
            key, value = message.key(), message.value()
            if key is not None and value is not None:
                refold.take(int(message.partition() or 0), key, value, message.timestamp()[1])
    except NotRetainedError as error:
        raise Misconfigured(
            f"the log is retained from {_told(error.retained_from)} on, and a replay needs a day before --from: "
            f"take --from {_told(error.needed)} or later"
        ) from error
    return refold


def _published(reader: TopicReader, rules: Rules, within: Range, refold: Refold) -> Iterator[wire.Bar]:
    """Every bar of the range in market.bars; what a sink would put aside is counted and passed over."""
    built = {interval.value for interval in rules.intervals}
    unreadable = 0
    for message in reader.read(topics.BARS):
        key, value = message.key(), message.value()
        try:
            if key == topics.MARK_KEY:
                refold.passed(int(message.partition() or 0), wire.decode_bars_complete(value or b""))
                continue
            bar = wire.decode_bar(value or b"")
        except wire.UNDECODABLE:
            unreadable += 1
            continue
        if key != label_of(bar)[0].encode():
            unreadable += 1
        elif within.holds(bar) and bar.interval in built:
            yield bar
    if unreadable:
        _log.warning("records were passed over that are no bars", topic=topics.BARS.name, records=unreadable)


def _tell(compared: Compared, left_out: int) -> None:
    for difference in compared.differences[:_LONGEST_REPORT]:
        print(difference)  # noqa: T201 - the report
    left = len(compared.differences) - _LONGEST_REPORT
    if left > 0:
        print(f"… and {left} more")  # noqa: T201 - the report
    _log.info(
        "compared",
        bars=compared.bars,
        differences=len(compared.differences),
        bars_replaced_by_provider=compared.replaced,
        left_out_as_not_certain=left_out,
    )
    if not compared.bars:
        _log.warning(
            "nothing was compared: in this range there is no bar that is certain, for late ticks may still correct it, "
            "engines are not past it, or the log does not hold all that it depends on"
        )


def _publish(
    settings: ReplaySettings, partitions: int, differences: Sequence[Difference], turn: Callable[[], None]
) -> None:
    """Publish the fold's bars as revisions; acknowledged by all replicas when it returns."""
    failures: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "logger": logging.getLogger("librdkafka"),
            "log_level": 2,
        }
    )
    revision = clock.now_ms()
    for difference in sorted(differences, key=_place):
        assert difference.folded is not None
        bar = msgspec.structs.replace(difference.folded, revision=revision, reason=REASON)
        key = difference.label[0].encode()
        while True:
            try:
                producer.produce(
                    topics.BARS.name,
                    wire.encode(bar),
                    key,
                    partition=topics.partition_of(key, partitions),
                    timestamp=bar.close_time - 1,
                    headers=bar_headers(bar.interval, revision),
                    on_delivery=lambda error, _message: failures.append(error.str()) if error is not None else None,
                )
            except BufferError:
                producer.poll(_FLUSH_S)
                turn()
            else:
                break
    while producer.flush(_FLUSH_S):
        turn()
    if failures:
        raise Unavailable("Kafka", f"{len(failures)} bars were not acknowledged: {failures[0]}; run the replay again")
    _log.info("published", bars=len(differences), revision=revision, origin=Origin.TICKS.value)


def _place(difference: Difference) -> tuple[str, int, int]:
    """Symbol by symbol, in time order, and of one boundary from 1m to 1M."""
    assert difference.folded is not None
    symbol, interval, _ = difference.label
    return symbol, difference.folded.close_time, list(Interval).index(Interval(interval))


def _told(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")
