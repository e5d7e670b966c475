"""Reports made by hand, a way to see what a person would see, and a place of its own for each command's data."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from cli.main import execute
from models.report import (
    CoverageView,
    FileReport,
    Hold,
    KindCounts,
    PlanView,
    ProblemCount,
    ProblemView,
    RunReport,
)


@pytest.fixture
def rendered() -> Callable[..., str]:
    """What a renderable looks like in a plain window of so many columns."""

    def render(item: RenderableType, width: int = 80) -> str:
        console = Console(file=io.StringIO(), width=width, highlight=False, emoji=False)
        console.print(item)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    return render


@pytest.fixture
def data_dir(sqlite_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory (and SQLite database) of the test's own, whatever the environment says."""
    for name in ("ROSTERSYNC_DATABASE_URL", "ROSTERSYNC_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROSTERSYNC_DATA_DIR", str(sqlite_dir))
    return sqlite_dir


@pytest.fixture
def command(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command; returns (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def answers(command: Callable[..., tuple[int, str, str]]) -> Callable[..., Any]:
    """Run a command with --json; returns its document after checking the exit code and that stderr is silent."""

    def run(*arguments: object, exit_code: int = 0) -> Any:
        code, out, err = command(*arguments, "--json")
        assert (code, err) == (exit_code, "")
        return json.loads(out)

    return run


@pytest.fixture
def held_report() -> RunReport:
    """A run that applied a part and holds a part, with every section filled."""
    return RunReport(
        run_id=12,
        tenant="springfield",
        connection="csv",
        state="held",
        dry_run=False,
        started_by="ann",
        started_at="2026-08-31T06:00:00Z",
        finished_at="2026-08-31T06:00:02Z",
        seconds=1.94,
        waits_for="district admin",
        files=[
            FileReport("users.csv", "users", 1204, refused=3, warnings=12),
            FileReport("demographics.csv", "ignored", 0, note="The file holds nothing that a roster needs."),
        ],
        kinds=[
            KindCounts("person", 1204, created=4, updated=31, unchanged=1166, restored=1, refused=3),
            KindCounts("enrollment", 900, unchanged=900, held=310),
        ],
        consequences=["31 students would lose their last class (held)"],
        holds=[
            Hold("enrollment", "removals", 310, 400, 40, "Oak Middle School", "310 of 400 enrollments would go; held.")
        ],
        problem_counts=[
            ProblemCount("bad_email", "warning", "users.csv", 12, "The e-mail is not an e-mail address."),
            ProblemCount("unknown_school", "error", "users.csv", 3, "The school is not known here."),
        ],
        first_problems=[
            ProblemView(
                "unknown_school", "error", "users.csv", 4, "person", "s-17", "", "The school 09 is not known here."
            )
        ],
        coverage=[
            CoverageView(1, "person", "users", "complete", 1204, 3, "", None),
            CoverageView(2, "class", "classes", "none", 0, 0, "classes.csv was not sent", None),
        ],
        notes=["No classes are removed for not being in classes.csv: it was not sent."],
        results_path="var/rostersync/results/run-12",
    )


@pytest.fixture
def held_plan() -> PlanView:
    """The waiting part of ``held_report``."""
    return PlanView(
        run_id=12,
        tenant="springfield",
        state="held",
        stale=False,
        counts=[KindCounts("enrollment", held=310)],
        holds=[
            Hold("enrollment", "removals", 310, 400, 40, "Oak Middle School", "310 of 400 enrollments would go; held.")
        ],
        consequences=["31 students would lose their last class (held)"],
        operations=[("enrollment", "archive", "student s-1 in class c-1", "parent_removed")],
        total_operations=310,
    )
