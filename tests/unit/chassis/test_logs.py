"""Log lines as they reach a pipe and a terminal."""

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from chassis import logs
from chassis.redaction import SECRETS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def lines(pipe: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in pipe.getvalue().splitlines()]


def test_a_pipe_gets_one_json_object_per_line_with_the_facts_as_fields() -> None:
    pipe = io.StringIO()
    logs.configure("INFO", pipe)
    logs.get("some.module").info("topic created", topic="t", partitions=4)
    (line,) = lines(pipe)
    assert line | {"time": ""} == {
        "message": "topic created", "topic": "t", "partitions": 4, "level": "info", "logger": "some.module", "time": "",
    }  # fmt: skip
    assert str(line["time"]).endswith("Z")


def test_a_terminal_gets_columns() -> None:
    terminal = Terminal()
    logs.configure("INFO", terminal)
    logs.get("some.module").info("topic created", topic="t")
    assert "topic created" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_secrets_are_removed_from_messages_fields_and_exceptions(stream: io.StringIO) -> None:
    SECRETS.learn("swordfish-in-logs")
    logs.configure("INFO", stream)
    try:
        raise ValueError("swordfish-in-logs at redis://:hunter2@h")
    except ValueError:
        logs.get("m").exception("swordfish-in-logs", url="mongodb://u:hunter2@h", given={"key": ["swordfish-in-logs"]})
    logging.getLogger("aiokafka").error("sent %s", "swordfish-in-logs")
    assert "ValueError" in stream.getvalue()
    assert stream.getvalue().count("***") >= 5
    assert "swordfish-in-logs" not in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_the_standard_librarys_loggers_and_warnings_go_the_same_way() -> None:
    pipe = io.StringIO()
    logging.getLogger("uvicorn.error").handlers = [logging.StreamHandler(io.StringIO())]
    logs.configure("INFO", pipe)
    logging.getLogger("uvicorn.error").warning("port %d", 80, extra={"worker": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", stacklevel=1)
    first, second = lines(pipe)
    assert (first["message"], first["logger"], first["worker"]) == ("port 80", "uvicorn.error", 1)
    assert "old ways" in str(second["message"])


def test_the_level_holds_for_us_and_libraries_are_quieter() -> None:
    pipe = io.StringIO()
    logs.configure("INFO", pipe)
    logs.get("m").debug("no")
    logging.getLogger("aiokafka.conn").info("no")
    logging.getLogger("aiokafka.conn").warning("yes")
    assert [line["message"] for line in lines(pipe)] == ["yes"]


def test_a_value_that_json_does_not_know_is_printed() -> None:
    pipe = io.StringIO()
    logs.configure("INFO", pipe)
    logs.get("m").info("bytes", raw=b"\x00", kinds={int})
    assert lines(pipe)[0]["raw"] == "b'\\x00'"


def test_what_a_library_says_over_and_over_is_said_once_with_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    logs.configure("INFO", pipe)
    for port in range(5):
        logging.getLogger("aiokafka").error("Unable connect to %s", port)
    logging.getLogger("aiokafka").error("something else")
    for _ in range(2):
        logs.get("ingest_ws.app").warning("ours is never kept back")
    assert [line["message"] for line in lines(pipe)] == [
        "Unable connect to 0", "something else", "ours is never kept back", "ours is never kept back",
    ]  # fmt: skip
    monkeypatch.setattr(logs, "REPEAT_S", 0.0)
    logging.getLogger("aiokafka").error("Unable connect to %s", 9)
    assert lines(pipe)[-1]["repeated"] == 4
