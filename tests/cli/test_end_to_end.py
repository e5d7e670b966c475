"""The commands against the real engine: the demo district, from the first dry run to the held export."""

import contextlib
import csv
import json
import os
import pty
import select
import signal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cli.commands.plan
import cli.decision
from cli.commands.demo import FIXTURES, steps

Command = Callable[..., tuple[int, str, str]]
Answers = Callable[..., Any]
TENANT = "springfield"
#: Seconds without a sign of life after which a program at a terminal is taken to hang.
PATIENCE = 60


@pytest.fixture
def district(answers: Answers) -> str:
    """A tenant with its schools, no files yet."""
    answers("tenant", "add", TENANT)
    assert len(answers("school", "add", TENANT, "--file", FIXTURES / "schools.csv")) == 3
    return TENANT


@pytest.fixture
def loaded(district: str, answers: Answers) -> str:
    """The tenant after day 0 (run 1)."""
    assert answers("upload", district, FIXTURES / "day-0")["state"] == "applied"
    return district


def _rows(path: Path) -> int:
    with path.open(newline="") as handle:
        return sum(1 for _ in csv.DictReader(handle))


def _people(answers: Answers) -> int:
    count: int = answers("tenant", "show", TENANT)["counts"]["person"]
    return count


def test_dry_run_changes_nothing_and_its_plan_can_be_approved(district: str, answers: Answers) -> None:
    people = _rows(FIXTURES / "day-0" / "users.csv")
    plan = answers("upload", district, FIXTURES / "day-0", "--dry-run")
    assert plan["state"] == "planned"
    assert _people(answers) == 0
    shown = answers("plan", "show", plan["run_id"], "--limit", 5)
    assert len(shown["operations"]) == 5
    assert shown["total_operations"] == sum(kind["created"] for kind in plan["kinds"])
    assert answers("plan", "approve", plan["run_id"])["state"] == "applied"
    assert _people(answers) == people
    assert answers("plan", "approve", plan["run_id"], exit_code=2)["error"]["code"] == "settings"


def test_next_day_is_applied_and_can_be_looked_up(loaded: str, answers: Answers, data_dir: Path) -> None:
    report = answers("upload", loaded, FIXTURES / "day-1", "--yes")
    run = report["run_id"]
    assert answers("run", "show", run) == report
    assert [item["run_id"] for item in answers("runs", loaded)] == [run, 1]
    assert len(answers("runs", "--limit", 1)) == 1
    changes = answers("run", "changes", run, "--kind", "person", "--action", "update", "--limit", 3)
    assert len(changes) == 3
    assert {(change["kind"], change["action"]) for change in changes} == {("person", "update")}
    result = Path(report["results_path"]) / "users.results.csv"
    assert result.is_relative_to(data_dir)
    assert _rows(FIXTURES / "day-1" / "users.csv") == sum(
        1 for _ in csv.reader(result.open(encoding="utf-8-sig", newline=""))
    ) - 1  # fmt: skip


def test_what_is_stored_is_private(loaded: str, data_dir: Path) -> None:
    assert data_dir.stat().st_mode & 0o077 == 0
    assert (data_dir / "log" / "rostersync.log").stat().st_mode & 0o077 == 0


def test_log_names_runs_and_counts_but_no_person(loaded: str, data_dir: Path) -> None:
    log = (data_dir / "log" / "rostersync.log").read_text(encoding="utf-8")
    begins, *steps, ends = [json.loads(line) for line in log.splitlines()]
    assert (begins["event"], ends["event"]) == ("run begins", "run ends")
    assert [line["step"] for line in steps] == ["pull", "compare", "guard", "apply"]
    assert {(line["run"], line["tenant"], line["connection"]) for line in (begins, *steps, ends)} == {
        (1, loaded, "csv")
    }
    assert ends["counts"]["person"]["created"] > 0
    with (FIXTURES / "day-0" / "users.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            personal = (row["sourceId"], row["givenName"], row["familyName"], row["email"], row["sms"])
            assert [value for value in personal if value and value in log] == []


def test_results_can_be_left_out(loaded: str, answers: Answers) -> None:
    assert answers("upload", loaded, FIXTURES / "day-1", "--results", "none")["results_path"] is None


def test_broken_export_is_held_with_exit_code_4_and_discarded(loaded: str, answers: Answers) -> None:
    enrollments = answers("tenant", "show", loaded)["counts"]["enrollment"]
    report = answers("upload", loaded, FIXTURES / "broken", exit_code=4)
    assert (report["state"], report["waits_for"]) == ("held", "district admin")
    assert report["holds"]
    run = report["run_id"]
    assert answers("plan", "show", run)["holds"] == report["holds"]
    assert answers("plan", "discard", run)["state"] == "discarded"
    assert answers("tenant", "show", loaded)["counts"]["enrollment"] >= enrollments
    assert answers("plan", "show", run, exit_code=2)["error"]["message"]


def test_held_plan_is_stale_once_the_roster_has_moved(loaded: str, answers: Answers) -> None:
    held = answers("upload", loaded, FIXTURES / "broken", exit_code=4)["run_id"]
    answers("upload", loaded, FIXTURES / "day-0", "--connection", "other")
    assert answers("plan", "show", held)["stale"] is True
    assert answers("plan", "approve", held, exit_code=3)["error"]["code"] == "stale_plan"


def test_files_that_cannot_be_used_are_explained(
    loaded: str, command: Command, answers: Answers, tmp_path: Path
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("sourceId,role\n1,student\n")
    code, out, err = command("upload", loaded, users)
    assert code == 65
    assert out == ""
    assert "The column givenName is missing." in " ".join(err.split())
    assert err.splitlines()[-2].startswith("Error: ")
    assert err.splitlines()[-1] == "See: rostersync run show 2"
    error = answers("upload", loaded, users, exit_code=65)["error"]
    assert (error["code"], error["hint"]) == ("district_action", "See: rostersync run show 3")
    problems = answers("run", "show", 3)["first_problems"]
    assert {problem["code"] for problem in problems} == {"header_missing"}


def test_problems_are_listed_and_filtered(loaded: str, answers: Answers, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text(
        "sourceId,orgSourcedIds,role,givenName,familyName,email\n1,0100,wizard,A,B,\n2,0100,student,A,B,not-an-address\n"
    )
    run = answers("upload", loaded, users, "--connection", "other")["run_id"]
    assert {problem["code"] for problem in answers("run", "problems", run)} >= {"unknown_role", "bad_email"}
    found = answers("run", "problems", run, "--code", "bad_email", "--file", "users.csv")
    assert [(problem["line"], problem["source_id"]) for problem in found] == [(3, "2")]
    assert answers("run", "problems", run, "--file", "classes.csv") == []
    assert len(answers("run", "problems", run, "--limit", 1)) == 1


def test_failure_before_a_run_points_at_no_run(loaded: str, answers: Answers) -> None:
    assert answers("upload", "nobody", FIXTURES / "day-0", exit_code=2)["error"]["hint"] == ""


def test_upload_takes_zips_and_school_level_files(district: str, answers: Answers, tmp_path: Path) -> None:
    archive = tmp_path / "anything.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for path in (FIXTURES / "day-0").glob("*.csv"):
            bundle.write(path, path.name)
    assert answers("upload", district, archive)["state"] == "applied"
    template = tmp_path / "users.csv"
    template.write_text("sourceId,role,givenName,familyName\nx-1,student,New,Student\n")
    report = answers("upload", district, template, "--school", "0100", "--connection", "by-hand")
    assert {kind["kind"]: kind["created"] for kind in report["kinds"]}["person"] == 1


def test_settings_are_changed_by_their_dotted_names(district: str, answers: Answers) -> None:
    changed = answers("tenant", "set", district, "guard.removals.percent", 5)
    assert changed["settings"]["guard"]["removals"]["percent"] == 5
    assert answers("tenant", "set", district, "create_schools", "true")["settings"]["create_schools"] is True
    assert "guard.nonsense" in answers("tenant", "set", district, "guard.nonsense", 1, exit_code=2)["error"]["message"]


def test_schools_are_added_one_by_one_too(district: str, answers: Answers) -> None:
    added = answers("school", "add", district, "0200", "Elm School", "--number", "200")
    assert [school["name"] for school in added] == ["Elm School"]
    assert "Elm School" in {school["name"] for school in answers("school", "list", district)}
    assert [tenant["schools"] for tenant in answers("tenant", "list")] == [4]


def test_explain_says_why_a_person_is_here_or_not(loaded: str, answers: Answers) -> None:
    with (FIXTURES / "day-0" / "users.csv").open(newline="") as handle:
        person = next(csv.DictReader(handle))["sourceId"]
    assert answers("explain", loaded, person)["found"] is True
    assert answers("explain", loaded, "nobody-at-all")["found"] is False


@pytest.mark.parametrize("options", [(), ("--format", "oneroster"), ("--format", "oneroster", "--version", "1.2")])
def test_export_reads_back_to_the_same_roster(
    loaded: str, answers: Answers, tmp_path: Path, options: tuple[str, ...]
) -> None:
    files = answers("export", loaded, tmp_path / "out", *options)
    assert (tmp_path / "out" / "users.csv").exists()
    assert {entry["file"]: entry["rows"] for entry in files}["users.csv"] == _people(answers)
    report = answers("upload", loaded, tmp_path / "out", "--dry-run")
    moved = [k for k in report["kinds"] if k["created"] or k["archived"] or k["held"] or k["restored"]]
    assert moved == []


def test_templates_and_database(answers: Answers, tmp_path: Path) -> None:
    names = answers("template", tmp_path / "templates")
    assert {Path(name).name for name in names} == {"users.csv", "classes.csv", "enrollments.csv", "guardians.csv"}
    assert "exists already" in answers("template", tmp_path / "templates", exit_code=2)["error"]["message"]
    assert answers("db", "upgrade")["done"]
    status = answers("db", "status")
    assert status["version"] == status["newest"]


# --- a person at a terminal ---------------------------------------------------------------------------------------


def _person_says(answer: bool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a person at the terminal who answers every question the same way; returns the questions asked."""
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    for module in (cli.decision, cli.commands.plan):
        monkeypatch.setattr(module, "person_is_present", lambda: True)
        monkeypatch.setattr(module, "ask", ask)
    return asked


def test_person_who_says_no_changes_nothing(
    district: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _person_says(False, monkeypatch)
    code, out, err = command("upload", district, FIXTURES / "day-0")
    assert (code, asked) == (0, ["Apply exactly this?"])
    assert "planned (dry run: nothing was changed)" in out
    assert "Nothing was changed" in err
    assert command("plan", "approve", 1)[0] == 0
    assert len(asked) == 2
    assert _people(answers) == 0


def test_person_who_says_yes_gets_the_plan_that_was_shown(
    district: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _person_says(True, monkeypatch)
    assert command("upload", district, FIXTURES / "day-0")[0] == 0
    assert [run["run_id"] for run in answers("runs")] == [1]
    code, _, _ = command("upload", district, FIXTURES / "broken")
    assert (code, asked) == (4, ["Apply exactly this?", "Apply what is safe, and hold the rest?"])
    assert [run["state"] for run in answers("runs", "--limit", 1)] == ["held"]
    assert command("plan", "approve", answers("runs")[0]["run_id"])[0] == 0
    assert asked[-1] == "Apply exactly this?"


def test_nothing_to_do_is_not_asked_about(loaded: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _person_says(False, monkeypatch)
    code, out, _ = command("upload", loaded, FIXTURES / "day-0")
    assert (code, asked) == (0, [])
    assert "Nothing to do" in out


def test_yes_and_machines_are_never_asked(
    loaded: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _person_says(False, monkeypatch)
    assert command("upload", loaded, FIXTURES / "day-1", "--yes")[0] == 0
    assert answers("upload", loaded, FIXTURES / "day-0", "--dry-run")["state"] == "planned"
    assert asked == []


@pytest.mark.parametrize(
    ("typed", "exit_code", "people"), [("y\n", 0, 300), ("n\n", 0, 0), ("\x04", 0, 0), ("\x03", 130, 0)], ids=repr
)
def test_at_a_real_terminal(district: str, answers: Answers, typed: str, exit_code: int, people: int) -> None:
    code, screen = _at_a_terminal(["upload", district, str(FIXTURES / "day-0")], typed)
    assert code == exit_code
    assert "Apply exactly this? [y/N]" in screen
    assert "Traceback" not in screen
    assert _people(answers) == people


def _at_a_terminal(arguments: list[str], typed: str) -> tuple[int, str]:
    """Run the program in a terminal of its own and type once it has asked; returns exit code and screen."""
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever started the tests may have it ignored
        os.execv(sys.executable, [sys.executable, "-m", "cli.main", *arguments])
    screen = b""
    with contextlib.suppress(OSError):  # the terminal closes when the program ends
        while select.select([terminal], [], [], PATIENCE)[0] and (data := os.read(terminal, 4096)):
            before, screen = screen, screen + data
            if b"[y/N] " in screen and b"[y/N] " not in before:
                os.write(terminal, typed.encode())
        else:
            os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen.decode()


# --- the other database -------------------------------------------------------------------------------------------


def test_the_same_on_postgresql(
    answers: Answers, tmp_path: Path, empty_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROSTERSYNC_DATABASE_URL", empty_postgresql_url)
    monkeypatch.setenv("ROSTERSYNC_DATA_DIR", str(tmp_path / "another"))
    assert answers("db", "status")["version"] == "empty"
    assert answers("db", "upgrade")["done"].startswith("Upgraded from empty")
    assert answers("db", "status")["database"] == "postgresql"
    answers("tenant", "add", TENANT)
    answers("school", "add", TENANT, "--file", FIXTURES / "schools.csv")
    assert answers("upload", TENANT, FIXTURES / "day-0")["state"] == "applied"
    held = answers("upload", TENANT, FIXTURES / "broken", exit_code=4)
    assert answers("plan", "discard", held["run_id"])["state"] == "discarded"
    assert answers("explain", TENANT, "0000001")["status"] == "active"
    assert not (tmp_path / "another" / "rostersync.db").exists()


# --- the demo -----------------------------------------------------------------------------------------------------


def test_demo_runs_to_its_end_in_a_place_of_its_own(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROSTERSYNC_DATABASE_URL", "postgresql://127.0.0.1:1/not-for-the-demo")
    for _ in range(2):  # the second time it clears what the first has left
        code, out, _ = command("demo", "--dir", tmp_path / "demo")
        assert code == 0
    assert out.count("$ rostersync ") == len(steps())
    assert "held, waits for the district admin" in out
    assert "Person 0000001: active" in out
    assert f"export ROSTERSYNC_DATA_DIR={tmp_path / 'demo'}" in out


def test_demo_answers_machines(answers: Answers, tmp_path: Path) -> None:
    story = answers("demo", "--dir", tmp_path / "demo")
    assert story["complete"] is True
    assert [step["exit_code"] for step in story["steps"]] == [step.exit_code for step in steps()]


def test_demo_clears_no_foreign_directory(command: Command, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    code, _, err = command("demo", "--dir", tmp_path)
    assert code == 2
    assert "holds other things" in err
    assert (tmp_path / "thesis.txt").exists()


def test_demo_that_goes_wrong_says_so(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.commands.demo.FIXTURES", tmp_path / "gone")
    code, out, err = command("demo", "--dir", tmp_path / "demo")
    assert code == 2
    assert "does not exist" in err
    assert "That was the demo" not in out
