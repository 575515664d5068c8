"""A process from its first line to its exit code."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest
from pydantic import Field, SecretStr

from chassis.probes import PortInUse
from chassis.process import BUG, CLEAN, WRONG_SETTINGS, Program, help_text, run, run_sync
from chassis.settings import LogSettings
from chassis.stop import Stop, Stopped, ThreadStop

PROGRAM = Program(command="python -m example", distribution="chassis", about="Shows how.", stop_within_s=0.05)


class Example(LogSettings):
    secret: SecretStr = Field(description="Something secret")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SECRET", "swordfish-of-process")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def _until_stopped(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()


def test_sigterm_ends_a_process_clean_and_both_ends_are_logged_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(PROGRAM, Example, _until_stopped, []) == CLEAN
    first, last = events(capsys)
    assert (first["message"], first["program"]) == ("starting", "python -m example")
    assert first["settings"] == {"log_level": "INFO", "secret": "**********"}
    assert first["version"]
    assert (last["message"], last["reason"]) == ("stopped", "SIGTERM")


def test_resources_are_closed_in_reverse_order() -> None:
    closed: list[str] = []

    async def main(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
        resources.callback(closed.append, "opened first")
        resources.callback(closed.append, "opened last")

    assert run(PROGRAM, Example, main, []) == CLEAN
    assert closed == ["opened last", "opened first"]


def test_a_bug_is_logged_with_its_trace_and_ends_the_process_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    async def main(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
        raise ZeroDivisionError(settings.secret.get_secret_value())

    assert run(PROGRAM, Example, main, []) == BUG
    last = events(capsys)[-1]
    assert "ZeroDivisionError: ***" in str(last["exception"])


def test_a_bug_handed_to_stop_ends_the_process_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    async def main(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
        stop.fail(KeyError("in a handler"))
        await stop.wait()

    assert run(PROGRAM, Example, main, []) == BUG
    assert "in a handler" in str(events(capsys)[-1]["exception"])


def test_a_wait_cut_short_by_the_end_is_a_clean_end() -> None:
    async def main(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
        stop.request("SIGTERM")
        raise Stopped

    assert run(PROGRAM, Example, main, []) == CLEAN


def test_a_main_function_that_does_not_stop_in_time_is_cancelled_its_resources_closed_and_the_code_is_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed: list[str] = []

    async def main(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
        resources.callback(closed.append, "closed")
        stop.request("SIGTERM")
        await asyncio.Event().wait()

    assert run(PROGRAM, Example, main, []) == BUG
    assert closed == ["closed"]
    assert "did not stop within 0.05 s of SIGTERM" in str(events(capsys)[-1]["exception"])


def test_wrong_settings_are_told_before_anything_starts_and_the_code_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SECRET")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    assert run(PROGRAM, Example, _until_stopped, []) == WRONG_SETTINGS
    errors = capsys.readouterr().err
    assert "SECRET: missing" in errors
    assert "LOG_LEVEL: " in errors


def test_help_says_what_it_does_and_lists_all_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PROGRAM, Example, _until_stopped, ["--help"]) == CLEAN
    assert capsys.readouterr().out == help_text(PROGRAM, Example) + "\n"
    assert "Shows how." in help_text(PROGRAM, Example)
    assert "SECRET[_FILE]" in help_text(PROGRAM, Example)


def test_an_unknown_argument_is_refused_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PROGRAM, Example, _until_stopped, ["--fast"]) == WRONG_SETTINGS
    assert "'--fast'" in capsys.readouterr().err


def test_a_synchronous_process_stops_alike() -> None:
    closed: list[str] = []

    def main(settings: Example, stop: ThreadStop, resources: ExitStack) -> None:
        resources.callback(closed.append, "closed")
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.sleep(10)

    before = signal.getsignal(signal.SIGTERM)
    assert run_sync(Program("x", "chassis", "X."), Example, main, []) == CLEAN
    assert closed == ["closed"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_synchronous_bug_ends_the_process_with_1() -> None:
    def main(settings: Example, stop: ThreadStop, resources: ExitStack) -> None:
        raise ZeroDivisionError

    assert run_sync(PROGRAM, Example, main, []) == BUG


def test_threads_of_the_deadline_end_with_the_process() -> None:
    assert run(PROGRAM, Example, _until_stopped, []) == CLEAN
    for thread in threading.enumerate():
        if thread.name == "stop-deadline":
            thread.join(5)
            assert not thread.is_alive()


def test_a_machine_that_is_not_as_the_settings_say_is_told_without_a_trace_and_the_code_is_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main(settings: Example, stop: Stop, resources: AsyncExitStack) -> None:
        raise PortInUse("127.0.0.1", 8080, "Address already in use")

    assert run(PROGRAM, Example, main, []) == WRONG_SETTINGS
    last = events(capsys)[-1]
    assert last["cause"] == "cannot listen on 127.0.0.1:8080 (HTTP_HOST, HTTP_PORT): Address already in use"
    assert "exception" not in last
