"""The command ``sync``: plan, questions and exit codes as for files, several connections in turn, progress in words."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import cli.decision
from cli.commands.sync import WORST_FIRST
from cli.progress import Steps, Throttled, progress_line, progress_text
from models import errors
from models.errors import RosterSyncError
from models.progress import Progress
from tests.sync import fake_source
from tests.sync.fake_source import Shared

Command = Callable[..., tuple[int, str, str]]
Answers = Callable[..., Any]
TENANT = "springfield"


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> Shared:
    return fake_source.install(monkeypatch)


@pytest.fixture
def add(answers: Answers, tmp_path: Path) -> Callable[[str], None]:
    """Add a connection."""
    file = tmp_path / "secrets.toml"
    file.write_text('client_id = "a"\nclient_secret = "b"\n')

    def add(name: str) -> None:
        base_url = f"base_url=https://{name}.example.org"
        answers("connection", "add", "oneroster", TENANT, "--name", name, "--set", base_url, "--credentials-file", file)

    return add


@pytest.fixture
def sis(answers: Answers, add: Callable[[str], None]) -> str:
    """The one connection of a tenant."""
    answers("tenant", "add", TENANT)
    answers("school", "add", TENANT, "pine", "Pine School")
    add("sis")
    return "sis"


def people(answers: Answers) -> int:
    count: int = answers("tenant", "show", TENANT)["counts"]["person"]
    return count


def many(shared: Shared, count: int) -> None:
    """So many students beside the teacher."""
    students = {f"s{number}": ("student", ("pine",)) for number in range(count)}
    shared.people = {"t1": ("teacher", ("pine",)), **students}


def test_dry_run_then_approved(sis: str, answers: Answers) -> None:
    plan = answers("sync", TENANT, "--dry-run")
    assert (plan["state"], plan["connection"], people(answers)) == ("planned", "sis", 0)
    assert answers("plan", "approve", plan["run_id"])["state"] == "applied"
    assert people(answers) == 6
    assert answers("sync", TENANT, "--connection", sis)["state"] == "applied"


def test_stale_plan_is_made_anew_by_a_sync(sis: str, command: Command, answers: Answers) -> None:
    plan = answers("sync", TENANT, "--dry-run")["run_id"]
    answers("school", "add", TENANT, "oak", "Oak School")
    assert "rostersync sync springfield --connection sis --dry-run" in command("plan", "show", plan)[1]
    assert "make a new one" in answers("plan", "approve", plan, exit_code=3)["error"]["message"]


def test_held_run_ends_with_exit_code_4(sis: str, command: Command, answers: Answers, shared: Shared) -> None:
    many(shared, 40)
    answers("sync", TENANT)
    many(shared, 5)
    report = answers("sync", TENANT, exit_code=4)
    assert (report["state"], people(answers)) == ("held", 41)
    code, out, _ = command("sync", TENANT, "--yes")
    assert code == 4
    assert "held, waits for the district admin" in out
    assert "rostersync plan approve" in out


def test_same_as_stored_is_said_only_of_whole_listings(sis: str, answers: Answers, shared: Shared) -> None:
    answers("sync", TENANT)
    said = "Nothing to do: the stored roster already says what the source says."
    assert answers("sync", TENANT)["notes"] == [said]
    shared.coverage["class"] = "the count moved"
    assert answers("sync", TENANT)["notes"] == [
        "No classes are removed for not being in classes: the count moved.",
        "Nothing to do: nothing that came differs from what is stored.",
    ]


def test_failed_run_is_shown_and_named(sis: str, command: Command, answers: Answers, shared: Shared) -> None:
    shared.error = errors.DisconnectedError("The district has switched the app off in its portal.")
    code, out, err = command("sync", TENANT, "--yes")
    assert (code, out) == (65, "")
    assert "Run 1 of springfield: failed" in err
    assert err.splitlines()[-2:] == [
        "Error: The district has switched the app off in its portal.", "See: rostersync run show 1",
    ]  # fmt: skip
    assert "disconnected" in command("connection", "list", TENANT)[1]
    assert "ask the source again: rostersync sync springfield" in command("connection", "show", TENANT, sis)[1]
    shared.error = errors.DisconnectedError("The app is still off.")
    failure = answers("sync", TENANT, exit_code=65)["error"]
    assert (failure["code"], failure["hint"]) == ("disconnected", "See: rostersync run show 2")


def test_tenant_without_connections_is_told_how_to_add_one(command: Command, answers: Answers) -> None:
    answers("tenant", "add", TENANT)
    code, _, err = command("sync", TENANT)
    assert code == 2
    assert "rostersync connection add CONNECTOR springfield" in err
    assert "no tenant 'nobody'" in command("sync", "nobody")[2]


@pytest.mark.parametrize(("says", "expected"), [(True, 6), (False, 0)])
def test_person_sees_the_plan_and_is_asked(
    sis: str, command: Command, answers: Answers, monkeypatch: pytest.MonkeyPatch, says: bool, expected: int
) -> None:
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return says

    monkeypatch.setattr(cli.decision, "person_is_present", lambda: True)
    monkeypatch.setattr(cli.decision, "ask", ask)
    code, out, _ = command("sync", TENANT)
    assert (code, asked) == (0, ["Apply exactly this?"])
    assert "planned (dry run: nothing was changed)" in out
    assert people(answers) == expected
    assert len(answers("runs", TENANT)) == 1


# --- several connections --------------------------------------------------------------------------------------------


@pytest.fixture
def two(sis: str, add: Callable[[str], None], shared: Shared) -> Shared:
    """A second connection, ``lms``."""
    add("lms")
    return shared


def fails_at(shared: Shared, name: str, error: RosterSyncError) -> None:
    """Let one of the connections fail."""

    def fail(_access: object) -> None:
        if name in shared.opened[-1][0].base_url:
            raise error

    shared.while_pulled = fail


def test_all_connections_are_synced_in_turn(two: Shared, command: Command, answers: Answers) -> None:
    entries = answers("sync", TENANT)
    assert [(entry["connection"], entry["exit_code"], entry["error"]) for entry in entries] == [
        ("sis", 0, None), ("lms", 0, None),
    ]  # fmt: skip
    assert [entry["report"]["run_id"] for entry in entries] == [1, 2]
    code, out, err = command("sync", TENANT)
    assert code == 0
    assert [line for line in err.splitlines() if line.startswith("Connection")] == ["Connection sis", "Connection lms"]
    assert out.count("of springfield: applied") == 2
    assert answers("sync", TENANT, "--connection", "lms")["connection"] == "lms"


def test_trouble_of_one_does_not_stop_the_next(two: Shared, command: Command, answers: Answers) -> None:
    fails_at(two, "sis", errors.SourceUnavailableError("The source does not answer."))
    entries = answers("sync", TENANT, exit_code=75)
    assert [(entry["exit_code"], entry["error"] and entry["error"]["code"]) for entry in entries] == [
        (75, "source_unavailable"), (0, None),
    ]  # fmt: skip
    code, out, err = command("sync", TENANT)
    assert code == 75
    assert "Error: The source does not answer." in err
    assert "of springfield: applied" in out


def test_worst_exit_code_wins(two: Shared, answers: Answers) -> None:
    fails_at(two, "lms", errors.SettingsError("base_url is wrong."))
    many(two, 40)
    answers("sync", TENANT, "--connection", "sis")
    many(two, 5)
    entries = answers("sync", TENANT, exit_code=2)
    assert [entry["exit_code"] for entry in entries] == [4, 2]


def test_every_exit_code_has_its_rank() -> None:
    def codes(kind: type[RosterSyncError]) -> set[int]:
        return {kind.exit_code}.union(*(codes(child) for child in kind.__subclasses__()))

    assert codes(RosterSyncError) | {0, 4} == set(WORST_FIRST)


def test_paused_one_is_left_out_and_told(two: Shared, command: Command, answers: Answers) -> None:
    answers("connection", "pause", TENANT, "sis", "--reason", "summer")
    code, _, err = command("sync", TENANT)
    assert code == 0
    assert "sis is left out: paused by" in err
    assert [run["connection"] for run in answers("runs", TENANT)] == ["lms"]


def test_one_in_a_blackout_is_left_out_and_told(two: Shared, command: Command, answers: Answers) -> None:
    answers("schedule", "blackout", "add", TENANT, "sis", "--dates", "2026-01-01..2096-12-31", "--note", "for long")
    code, _, err = command("sync", TENANT)
    assert code == 0
    assert "sis is left out: in a blackout until 31 December 2096 (for long)." in " ".join(err.split())
    assert [run["connection"] for run in answers("runs", TENANT)] == ["lms"]
    code, _, err = command("sync", TENANT, "--connection", "sis")
    assert code == 2
    assert "rostersync schedule blackout remove springfield sis --dates 2026-01-01..2096-12-31" in " ".join(err.split())


# --- progress -------------------------------------------------------------------------------------------------------

READING = Progress("pull", "users", records=10_000, pages=2, expected=52_310)
WAITING = Progress("pull", waiting=12.4, why="Clever allows 1,200 requests a minute")


def test_progress_in_words() -> None:
    assert progress_text(READING).plain == "reading: 10,000 of 52,310 records, page 2 (users)"
    assert progress_text(Progress("pull", "users", pages=1)).plain == "reading: 0 records, page 1 (users)"
    assert progress_text(WAITING).plain == "waiting 12 s: Clever allows 1,200 requests a minute"


def test_bar_shows_how_much_of_a_listing_has_come() -> None:
    def bars(records: int) -> int:
        console = Console(file=io.StringIO(), width=120, legacy_windows=False, color_system=None)
        console.print(progress_line(Progress("pull", "users", records=records, pages=1, expected=100)))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().count("━")

    assert bars(0) == 0
    assert 0 < bars(50) < bars(100)
    assert bars(200) == bars(100)  # more came than was said


def test_wait_is_shown_at_once_unless_it_is_too_short_to_read() -> None:
    shown: list[object] = []
    update = Throttled(shown.append, clock=lambda: 0.0)
    for progress in (READING, READING, WAITING, Progress("pull", waiting=0.3, why="pace")):
        update(progress)
    assert [str(item) for item in shown[1:]] == [progress_text(WAITING).plain]


def test_without_a_terminal_a_line_for_each_listing_that_is_done() -> None:
    file = io.StringIO()
    steps = Steps(Console(file=file, width=100))
    for progress in (
        Progress("pull", "orgs", records=3, pages=1),
        Progress("pull", "users", records=5, pages=1, expected=8),
        Progress("pull", waiting=0.2, why="pace"),
        WAITING,
        Progress("pull", "users", records=8, pages=2, expected=8),
        Progress("pull", "users", records=8),  # the arrival, once the whole pull is there
        Progress("compare", "users", "person", 8),
        Progress("guard"),
        Progress("pull", "classes", records=1, pages=1),
    ):
        steps(progress)
    steps.finish()
    assert file.getvalue().splitlines() == [
        "reading: 3 records, page 1 (orgs)",
        "waiting 12 s: Clever allows 1,200 requests a minute",
        "reading: 8 of 8 records, page 2 (users)",
        "checking the limits",
        "reading: 1 record, page 1 (classes)",
    ]
