"""How commands end: exit codes, one plain sentence, JSON for machines, never a traceback or a payload."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import cli.commands.run
from cli.failures import describe, report_failure
from cli.main import execute
from models import errors
from models.errors import RosterSyncError

Command = Callable[..., tuple[int, str, str]]
SECRET = "Ada Lovelace"


@pytest.mark.parametrize(
    ("error", "exit_code", "code"),
    [
        (errors.SettingsError("Name a tenant."), 2, "settings"),
        (errors.NotFoundError("There is no such tenant."), 2, "not_found"),
        (errors.StalePlanError("Make a new plan."), 3, "stale_plan"),
        (errors.DistrictActionError("Send users.csv."), 65, "district_action"),
        (errors.StoppedError("Stopped."), 70, "stopped"),
        (errors.RetryLaterError("Later."), 75, "retry_later"),
        (errors.TenantBusyError("Busy."), 75, "tenant_busy"),
    ],
)
def test_each_known_error_has_its_exit_code_and_sentence(
    error: RosterSyncError, exit_code: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failure(error, as_json=False) == exit_code
    captured = capsys.readouterr()
    assert captured.err == f"Error: {error.for_admin}\n"
    assert captured.out == ""
    assert report_failure(error, as_json=True) == exit_code
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"code": code, "message": error.for_admin, "hint": ""}}
    assert captured.err == ""


def _raise(error: Exception) -> Callable[..., None]:
    def raising(*_: object, **__: object) -> None:
        raise error

    return raising


def test_unexpected_error_is_logged_without_its_text(
    command: Command, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.commands.run, "open_service", _raise(ValueError(f"row of {SECRET}")))
    code, out, err = command("runs")
    assert code == 1
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("Error: Something went wrong")
    assert "Traceback" not in err
    log = data_dir / "log" / "rostersync.log"
    assert str(log) in err
    entry = json.loads(log.read_text())
    assert entry["reference"] in err
    assert entry["errors"][0]["type"] == "builtins.ValueError"
    assert any("test_failures.py" in frame for frame in entry["errors"][0]["frames"])
    assert SECRET not in log.read_text() + err
    assert log.stat().st_mode & 0o077 == 0


def test_cause_of_an_unexpected_error_is_logged(data_dir: Path) -> None:
    error = ValueError(SECRET)
    error.__cause__ = KeyError(SECRET)
    assert describe(error).code == "unexpected"
    entry = json.loads((data_dir / "log" / "rostersync.log").read_text())
    assert [item["type"] for item in entry["errors"]] == ["builtins.ValueError", "builtins.KeyError"]


def test_the_system_s_own_refusal_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cli.commands.run, "open_service", _raise(PermissionError(13, "Permission denied", "/some/where"))
    )
    code, _, err = command("runs")
    assert code == 1
    assert err.startswith("Error: The system refused: Permission denied (/some/where); the details are in ")


def test_debug_shows_the_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERSYNC_DEBUG", "1")
    monkeypatch.setattr(cli.commands.run, "open_service", _raise(ValueError("seen")))
    with pytest.raises(ValueError, match="seen"):
        command("runs")


def test_an_unwritable_log_does_not_hide_the_error(
    command: Command, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(data_dir)
    data_dir.write_text("a file stands where the directory should be")
    monkeypatch.setattr(cli.commands.run, "open_service", _raise(ValueError("x")))
    code, _, err = command("runs")
    assert code == 1
    assert "the log could not be written" in err


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("runs", "--nonsense"), ("tenant", "add"), ("run", "show", "zero"), ("run", "show", "0"),
     ("upload", "t", "/does/not/exist"), ("plan",), ("export", "t", "d", "--format", "xml")],
)  # fmt: skip
def test_usage_errors_are_two_plain_lines(command: Command, arguments: tuple[str, ...]) -> None:
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    first, hint = err.splitlines()
    assert first.startswith("Error: ")
    assert hint.startswith("See: rostersync")
    code, out, err = command(*arguments, "--json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == "usage"
    assert err == ""


@pytest.mark.parametrize(
    "arguments", [(), ("0100",), ("0100", "Pine", "--file", __file__), ("--file", __file__, "--number", "7")]
)
def test_school_add_takes_one_school_or_a_file(command: Command, arguments: tuple[str, ...]) -> None:
    code, _, err = command("school", "add", "springfield", *arguments)
    assert code == 2
    assert "--file" in err


def test_interrupted_command_ends_with_130(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.commands.run, "open_service", _raise(KeyboardInterrupt()))  # type: ignore[arg-type]
    code, _, err = command("runs")
    assert code == 130
    assert "Interrupted" in err
    assert "Traceback" not in err
    code, out, err = command("runs", "--json")
    assert (code, err) == (130, "")
    assert json.loads(out)["error"]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "show", "zero"), "Invalid value for 'RUN': it takes a whole number"),
        (("run", "show", "0"), "Invalid value for 'RUN': it takes a number of at least 1"),
        (
            ("connection", "add", "clover", "t"),
            "'clover' is not one of 'clever', 'classlink', 'oneroster', 'sftp', 'folder'.",
        ),
    ],
)
def test_usage_errors_are_in_plain_words(command: Command, arguments: tuple[str, ...], sentence: str) -> None:
    first = command(*arguments)[2].splitlines()[0]
    assert first.endswith(sentence)
    assert "Value error" not in first


def test_wrong_setting_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERSYNC_LOG_LEVEL", "loud")
    code, _, err = command("runs")
    assert code == 2
    assert "ROSTERSYNC_LOG_LEVEL" in err


def test_unreachable_database_is_a_settings_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROSTERSYNC_DATABASE_URL", "postgresql://user:hidden@127.0.0.1:1/none")
    code, _, err = command("runs")
    assert code == 2
    assert err.startswith("Error: The database cannot be opened")
    assert "hidden" not in err


def test_answer_cut_short_by_the_reader_is_no_traceback(data_dir: Path) -> None:
    assert execute(["tenant", "add", "springfield"]) == 0
    script = "import sys; from cli.main import main; sys.argv = ['rostersync', 'tenant', 'show', 'springfield']; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()


def test_run_goes_on_when_nobody_reads_its_progress(data_dir: Path, tmp_path: Path) -> None:
    """``rostersync upload … 2>&1 | head -1``"""
    assert execute(["tenant", "add", "springfield"]) == 0
    assert execute(["school", "add", "springfield", "pine", "Pine School"]) == 0
    (tmp_path / "classes.csv").write_text("sourcedId,title,schoolSourcedId\nc1,Art,pine\n")
    command = [
        sys.executable,
        "-c",
        "from cli.main import main; main()",
        "upload",
        "springfield",
        tmp_path / "classes.csv",
    ]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert b"Run 1 of springfield: applied" in done.stdout
