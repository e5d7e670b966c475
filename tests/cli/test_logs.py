"""The log of commands and workers: who did what, for people or machines, without anybody's data."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from cli.logs import UNQUOTED, log_path, logging_to, logging_to_stderr
from sync.log_context import run_context
from sync.settings import Settings

SECRET = "Ada Lovelace"
log = structlog.get_logger("rostersync.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What a worker without a terminal has logged so far, line by line."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with logging_to_stderr(Settings()):
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def boom(text: str) -> None:
    raise ValueError(f"row of {text}")


def test_machines_get_a_json_object_a_line(lines: Any) -> None:
    log.info("run ends", run=7, state="applied")
    log.debug("not asked for")
    (line,) = lines()
    assert (line["event"], line["run"], line["state"], line["level"]) == ("run ends", 7, "applied", "info")
    assert line["timestamp"].endswith("Z")


def test_people_get_a_line_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    with logging_to_stderr(Settings()):
        log.info("run ends", run=7, state="applied")
    assert "run ends" in terminal.getvalue()
    assert "run=7" in terminal.getvalue()
    assert "{" not in terminal.getvalue()


@pytest.mark.parametrize(("log_format", "begins"), [("json", "{"), ("console", "2")])
def test_the_form_can_be_chosen(log_format: Any, begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_stderr(Settings(log_format=log_format)):
        log.info("run ends")
    assert capsys.readouterr().err.startswith(begins)


def test_every_line_of_a_run_says_whose_it_is(lines: Any) -> None:
    with run_context(tenant="springfield", connection="clever", job="3/night 2026-11-22/a1"):
        log.info("inside")
        logging.getLogger("urllib3").warning("inside, too")
    log.info("outside")
    ours, theirs, outside = lines()
    for line in (ours, theirs):
        assert (line["tenant"], line["connection"], line["job"]) == ("springfield", "clever", "3/night 2026-11-22/a1")
    assert not {"tenant", "connection", "job"} & outside.keys()


def test_threads_do_not_mix_their_runs(lines: Any) -> None:
    def work(tenant: str) -> None:
        with run_context(tenant=tenant, connection="clever", job=tenant):
            both.wait(5)
            log.info(tenant)

    both = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(name,)) for name in ("pine", "oak")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(line["event"], line["tenant"]) for line in lines()} == {("pine", "pine"), ("oak", "oak")}


def test_an_error_is_written_as_types_and_places(lines: Any) -> None:
    try:
        boom(SECRET)
    except ValueError as error:
        log.error("one", exc_info=error)
        log.exception("two")
        logging.getLogger("dbos").exception("three")
    for line in lines():
        assert [each["type"] for each in line["errors"]] == ["builtins.ValueError"]
        assert any(frame.endswith(" boom") for frame in line["errors"][0]["frames"])
        assert SECRET not in json.dumps(line)


def test_what_libraries_fill_into_their_messages_is_dropped(lines: Any) -> None:
    theirs = logging.getLogger("a.library")
    theirs.warning("Failed to send to %s.", SECRET)
    theirs.error(f"Failed: {SECRET}")
    theirs.error(ValueError(SECRET))
    theirs.warning("All is well.", stack_info=True)
    assert [line["event"] for line in lines()] == ["Failed to send to %s.", UNQUOTED, UNQUOTED, "All is well."]
    assert {line["logger"] for line in lines()} == {"a.library"}
    assert all(__file__ in line["place"] for line in lines())
    assert SECRET not in json.dumps(lines())


def test_chatter_of_libraries_is_not_logged(lines: Any) -> None:
    theirs = logging.getLogger("asyncssh")
    theirs.setLevel(logging.DEBUG)
    try:
        theirs.info("connected")
    finally:
        theirs.setLevel(logging.NOTSET)
    assert lines() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_quotes_nothing(lines: Any) -> None:
    thread = threading.Thread(target=boom, args=(SECRET,))
    thread.start()
    thread.join()
    (line,) = lines()
    assert line["event"] == "thread ended by an error"
    assert line["errors"][0]["type"] == "builtins.ValueError"
    assert SECRET not in json.dumps(line)


def test_a_log_that_nobody_reads_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    with logging_to_stderr(Settings()):
        log.info("run ends")
        logging.getLogger("dbos").error("polling failed")


def test_all_is_as_it_was_afterwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, handlers, hook = structlog.get_config(), list(logging.getLogger().handlers), threading.excepthook
    with logging_to_stderr(Settings()):
        with logging_to(tmp_path, "info"):
            log.info("into the file")
        log.info("onto the terminal")
    assert (structlog.get_config(), logging.getLogger().handlers, threading.excepthook) == (before, handlers, hook)
    shown = capsys.readouterr().err
    assert "onto the terminal" in shown
    assert "into the file" not in shown
    assert json.loads(log_path(tmp_path).read_text())["event"] == "into the file"


def test_what_libraries_say_in_a_command_goes_into_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(tmp_path, "info"):
        logging.getLogger("urllib3").warning("Retrying %s", SECRET)
    assert json.loads(log_path(tmp_path).read_text())["event"] == "Retrying %s"
    assert capsys.readouterr() == ("", "")
