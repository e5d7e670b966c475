"""Dropped files become runs: the same roster as by an upload, once; what is told, remembered, moved and left alone."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

import connectors
from connectors.drops import DropSource, folder_source
from connectors.drops.folder import Folder
from connectors.drops.listing import Entry
from connectors.source import Access
from models.connections import FolderSettings, Memory, NoCredentials
from models.errors import (
    CancelledError,
    CredentialsRefusedError,
    DropNotReadyError,
    NothingNewError,
    ParkedError,
    SettingsError,
)
from models.report import RunReport
from sync import connections, plans, schedules, tenants
from sync.explain import explain
from sync.history import get_run, list_runs
from sync.probe import probe
from sync.pull import sync
from sync.record import record
from sync.service import Service
from tests.servers.sftp import PASSWORD, SftpServer
from tests.sync.district import District, Files, counts, district, user


class Dropped:
    """The tenant ``test`` with a connection ``drops`` to a folder."""

    def __init__(self, pine: District, folder: Path, **settings: str) -> None:
        self.pine = pine
        self.service = pine.service
        self.folder = folder
        folder.mkdir(exist_ok=True)
        chosen = {"path": str(folder), "stable_seconds": "0", **settings}
        connections.add_connection(self.service, "test", "folder", "drops", settings=chosen, credentials={})

    def sync(self, **options: Any) -> RunReport:
        return sync(self.service, "test", "drops", **{"started_by": "tests", **options})

    def put(self, files: Files) -> None:
        files.write(self.folder)

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def memory(self) -> Memory:
        return connections.open_connection(self.service, "test", "drops").memory

    def states(self) -> list[str]:
        """Of all runs, the last one first."""
        return [run.state for run in list_runs(self.service, "test")]


@pytest.fixture
def dropped(oak: District, tmp_path: Path) -> Dropped:
    return Dropped(oak, tmp_path / "drops")


@pytest.fixture
def done(oak: District, tmp_path: Path) -> Dropped:
    """The same with a done folder."""
    return Dropped(oak, tmp_path / "drops", done_folder="done")


@pytest.fixture
def oak(sqlite_service: Service, tmp_path: Path) -> District:
    return District(sqlite_service, tmp_path)


@pytest.fixture
def pine(service: Service, tmp_path: Path) -> District:
    """A district on each database in turn."""
    return District(service, tmp_path)


def nothing_new(dropped: Dropped) -> None:
    with pytest.raises(NothingNewError):
        dropped.sync()


def roster(pine: District) -> dict[str, Any]:
    """What is stored, by source ids."""
    return {"people": set(pine.people()), "enrollments": pine.enrollments(), "guardianships": pine.guardianships()}


# --- one way like the other -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector", ["folder", "sftp"])
def test_dropped_files_become_the_roster_that_an_upload_makes(
    sqlite_service: Service, tmp_path: Path, connector: str
) -> None:
    uploaded = District(sqlite_service, tmp_path)
    folder = uploaded.write(district())
    by_upload = uploaded.upload_paths([folder])
    expected = uploaded.snapshot()
    with SftpServer(folder) as server:
        service = sqlite_service
        service.settings = service.settings.model_copy(update={"allow_hosts": "127.0.0.1"})
        tenants.add_tenant(service, "other", district_id="district")
        for school in ("pine", "oak"):
            tenants.add_school(service, "other", school, f"{school.title()} School")
        chosen = {"path": str(folder)} if connector == "folder" else {
            "host": "127.0.0.1", "port": str(server.port), "user": "springfield", "host_key": server.fingerprint,
        }  # fmt: skip
        secret = {} if connector == "folder" else {"password": PASSWORD}
        connections.add_connection(
            service, "other", connector, settings={**chosen, "stable_seconds": "0"}, credentials=secret
        )
        by_drop = sync(service, "other", started_by="tests")
    assert (by_drop.state, by_drop.connector, by_drop.connection) == ("applied", connector, connector)
    assert by_drop.kinds == by_upload.kinds
    assert by_drop.files == by_upload.files
    assert by_drop.coverage == by_upload.coverage
    assert len(expected["person"]) == len(uploaded.rows("SELECT id FROM person WHERE tenant_id = 2"))
    assert _stored(uploaded, 1) == _stored(uploaded, 2)


def _stored(pine: District, tenant_id: int) -> list[tuple[Any, ...]]:
    """A tenant's people, classes, and who is in which class, without internal ids."""
    people = "SELECT given_name, family_name, email, grades, language, status FROM person WHERE tenant_id = :tenant"
    classes = "SELECT title, grades, status FROM class WHERE tenant_id = :tenant"
    links = "SELECT kind, source_id FROM link WHERE tenant_id = :tenant"
    enrollments = (
        "SELECT c.title, p.given_name, e.role, e.status FROM enrollment AS e "
        "JOIN class AS c ON c.id = e.class_id JOIN person AS p ON p.id = e.person_id WHERE e.tenant_id = :tenant"
    )
    guardianships = (
        "SELECT s.given_name, p.given_name, g.status FROM guardianship AS g JOIN person AS s ON s.id = g.student_id "
        "JOIN person AS p ON p.id = g.guardian_id WHERE g.tenant_id = :tenant"
    )
    return [
        row
        for query in (people, classes, links, enrollments, guardianships)
        for row in sorted(pine.rows(query, tenant=tenant_id), key=repr)
    ]


def test_whole_life_of_a_drop_without_any_key(pine: District, tmp_path: Path) -> None:
    """On PostgreSQL there is no key for secrets, and a folder needs none."""
    dropped = Dropped(pine, tmp_path / "drops", done_folder="done")
    view = connections.show_connection(dropped.service, "test", "drops")
    assert (view.credentials, view.credentials_problem, view.connector) == ((), "", "folder")
    dropped.put(district())
    assert dropped.sync().state == "applied"
    assert dropped.names() == ["done/classes.csv", "done/enrollments.csv", "done/users.csv"]
    assert dropped.memory().files == ("classes", "enrollments", "users")
    assert dropped.memory().drop_entries == ()
    nothing_new(dropped)
    fewer = district()
    assert fewer.users is not None
    del fewer.users["s7"]
    dropped.put(fewer)
    assert counts(dropped.sync(), "person").archived == 1
    assert dropped.states() == ["applied", "applied"]


# --- what is new, and what is not -----------------------------------------------------------------------------------


def test_same_drop_again_is_no_run_unless_a_person_asks(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    nothing_new(dropped)
    assert dropped.states() == ["applied"]
    again = dropped.sync(again=True)
    assert (again.state, counts(again, "person").unchanged) == ("applied", 44)


def test_same_content_with_new_times_is_remembered_by_them(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    dropped.put(district())
    before = dropped.memory()
    nothing_new(dropped)
    after = dropped.memory()
    assert after.drop_listing != before.drop_listing
    assert (after.drop_content, after.files) == (before.drop_content, before.files)


def test_dry_run_moves_nothing_and_remembers_nothing(done: Dropped) -> None:
    done.put(district())
    assert done.sync(dry_run=True).state == "planned"
    assert done.names() == ["classes.csv", "enrollments.csv", "users.csv"]
    assert done.memory() == Memory()
    assert done.sync().state == "applied"
    with pytest.raises(DropNotReadyError):
        done.sync(dry_run=True, again=True)


def test_nothing_new_in_a_dry_run_is_not_remembered_either(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    dropped.put(district())
    before = dropped.memory()
    with pytest.raises(NothingNewError):
        dropped.sync(dry_run=True)
    assert dropped.memory() == before


def test_held_drop_counts_as_taken_but_stays_where_it_is(done: Dropped) -> None:
    done.put(district(students=40))
    done.sync()
    done.put(district(students=4))
    report = done.sync()
    assert report.state == "held"
    assert "users.csv" in done.names()
    nothing_new(done)
    plans.discard_plan(done.service, report.run_id, decided_by="ann")
    assert done.sync(again=True).state == "held"


def test_drop_whose_removals_are_kept_is_read_until_they_may_happen(done: Dropped) -> None:
    today = datetime.now(UTC).date()
    done.put(district())
    done.sync()
    window = f"{today - timedelta(days=2)}..{today + timedelta(days=2)}"
    schedules.add_add_only(done.service, "test", "drops", window)
    fewer = district()
    assert fewer.users is not None
    del fewer.users["s7"]
    done.put(fewer)
    for _ in range(2):
        report = done.sync()
        assert (report.state, counts(report, "person").archived, counts(report, "person").kept) == ("applied", 0, 1)
    assert "users.csv" in done.names()
    schedules.remove_add_only(done.service, "test", "drops", window)
    assert counts(done.sync(), "person").archived == 1
    assert "users.csv" not in done.names()
    nothing_new(done)


def test_what_was_taken_before_a_drop_with_kept_removals_is_new_again(dropped: Dropped) -> None:
    today = datetime.now(UTC).date()
    fewer = district()
    assert fewer.users is not None
    del fewer.users["s7"]
    dropped.put(district())
    dropped.sync()
    schedules.add_add_only(
        dropped.service, "test", "drops", f"{today - timedelta(days=2)}..{today + timedelta(days=2)}"
    )
    dropped.put(fewer)
    assert counts(dropped.sync(), "person").kept == 1
    dropped.put(district())
    assert counts(dropped.sync(), "person").kept == 0
    nothing_new(dropped)


def test_changed_setting_lets_the_drop_be_read_again(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    connections.set_setting(dropped.service, "test", "drops", "school", "pine")
    assert dropped.memory().files == ("classes", "enrollments", "users")
    assert dropped.sync().state == "applied"
    nothing_new(dropped)


def test_drop_that_could_not_be_moved_is_read_again_and_moved_to_another_done_folder(done: Dropped) -> None:
    done.put(district())
    (done.folder / "done").write_text("in the way")
    done.sync()
    connections.set_setting(done.service, "test", "drops", "done_folder", "read")
    assert done.sync().state == "applied"
    assert done.names() == ["done", "read/classes.csv", "read/enrollments.csv", "read/users.csv"]


def test_changed_setting_does_not_make_half_a_drop_whole(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    connections.set_setting(dropped.service, "test", "drops", "stable_seconds", "0")
    (dropped.folder / "users.csv").unlink()
    with pytest.raises(DropNotReadyError, match=r"users\.csv should be in"):
        dropped.sync()


def test_changed_setting_leaves_an_empty_folder_nothing_new(done: Dropped) -> None:
    done.put(district())
    done.sync()
    for name, value in (("stable_seconds", "0"), ("expected_files", "users.csv"), ("expected_files", "null")):
        connections.set_setting(done.service, "test", "drops", name, value)
        nothing_new(done)
    assert done.memory().files == ()  # the next drop says anew what is expected
    done.put(district())
    assert done.sync().state == "applied"
    nothing_new(done)


def test_new_password_forgets_nothing_of_what_came(oak: District, tmp_path: Path) -> None:
    oak.service.settings = oak.service.settings.model_copy(update={"allow_hosts": "127.0.0.1"})
    folder = oak.write(district())
    with SftpServer(folder) as server:
        chosen = {
            "host": "127.0.0.1", "port": str(server.port), "user": "springfield", "host_key": server.fingerprint,
            "stable_seconds": "0", "done_folder": "done",
        }  # fmt: skip
        connections.add_connection(oak.service, "test", "sftp", settings=chosen, credentials={"password": PASSWORD})
        sync(oak.service, "test", "sftp", started_by="tests")
        connections.set_credentials(oak.service, "test", "sftp", {"password": PASSWORD})
        with pytest.raises(NothingNewError):
            sync(oak.service, "test", "sftp", started_by="tests")
        (folder / "done" / "users.csv").rename(folder / "users.csv")
        with pytest.raises(DropNotReadyError, match=r"classes\.csv, enrollments\.csv should be in"):
            sync(oak.service, "test", "sftp", started_by="tests")


def test_nothing_is_known_of_another_folder(dropped: Dropped, tmp_path: Path) -> None:
    dropped.put(district())
    dropped.sync()
    connections.set_setting(dropped.service, "test", "drops", "path", str(tmp_path / "elsewhere"))
    assert dropped.memory() == Memory()


# --- what keeps a drop from being read ------------------------------------------------------------------------------


def test_missing_file_is_named_and_no_run_is_noted(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    (dropped.folder / "classes.csv").unlink()
    with pytest.raises(DropNotReadyError, match=r"classes\.csv should be in"):
        dropped.sync()
    assert dropped.states() == ["applied"]
    connections.set_setting(dropped.service, "test", "drops", "expected_files", "users.csv, enrollments.csv")
    report = dropped.sync()
    assert report.state == "applied"
    assert counts(report, "class").archived == 0


def test_empty_folder_is_no_run(dropped: Dropped) -> None:
    with pytest.raises(DropNotReadyError):
        dropped.sync()
    assert dropped.states() == []


def test_what_else_goes_wrong_is_a_failed_run(dropped: Dropped, tmp_path: Path) -> None:
    connections.set_setting(dropped.service, "test", "drops", "path", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="does not exist") as caught:
        dropped.sync()
    assert caught.value.run_id == 1
    assert dropped.states() == ["failed"]


def test_refused_credentials_are_a_failed_run(oak: District, tmp_path: Path) -> None:
    oak.service.settings = oak.service.settings.model_copy(update={"allow_hosts": "127.0.0.1"})
    with SftpServer(tmp_path) as server:
        chosen = {
            "host": "127.0.0.1", "port": str(server.port), "user": "springfield", "host_key": server.fingerprint,
        }  # fmt: skip
        connections.add_connection(oak.service, "test", "sftp", settings=chosen, credentials={"password": "wrong"})
        with pytest.raises(CredentialsRefusedError):
            sync(oak.service, "test", "sftp", started_by="tests")
    [run] = list_runs(oak.service, "test")
    assert run.state == "failed"


def test_person_who_stops_the_wait_leaves_no_run(dropped: Dropped) -> None:
    dropped.put(district())
    connections.set_setting(dropped.service, "test", "drops", "stable_seconds", "3600")
    with pytest.raises(CancelledError):
        dropped.sync(cancelled=lambda: True)

    def park() -> bool:
        raise ParkedError("The worker stops.")

    with pytest.raises(ParkedError):
        dropped.sync(cancelled=park)
    assert dropped.states() == []


def test_scratch_space_is_gone_afterwards(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    with pytest.raises(NothingNewError):
        dropped.sync()
    assert list(dropped.service.settings.data_dir.glob("rostersync-run-*")) == []


def test_run_that_fails_moves_and_remembers_nothing(done: Dropped) -> None:
    (done.folder / "menu.csv").write_text("monday\nsoup\n")
    for _ in range(2):
        with pytest.raises(Exception, match="None of the files that came is a roster file"):
            done.sync()
    assert done.names() == ["menu.csv"]
    assert done.states() == ["failed", "failed"]


# --- what is told ---------------------------------------------------------------------------------------------------


def test_result_files_are_written_of_rows_with_problems(dropped: Dropped) -> None:
    files = district()
    assert files.users is not None
    files.users["bad"] = user("astronaut")
    dropped.put(files)
    report = dropped.sync()
    folder = Path(report.results_path or "")
    assert [path.name for path in folder.iterdir()] == ["users.results.csv"]
    with (folder / "users.results.csv").open(encoding="utf-8-sig") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["sourcedId"], row["result"]) for row in rows] == [("bad", "ERROR")]


def test_notes_say_which_files_it_was(dropped: Dropped) -> None:
    dropped.put(district())
    report = dropped.sync()
    assert report.notes[0].startswith("Dropped ")
    assert report.notes[0].endswith("UTC: classes.csv, enrollments.csv, users.csv.")


def test_files_that_cannot_be_moved_are_a_note(done: Dropped) -> None:
    done.put(district())
    (done.folder / "done").write_text("in the way")
    with capture_logs() as logged:
        report = done.sync()
    assert report.state == "applied"
    assert sum("could not be moved to done" in note for note in report.notes) == 3
    assert get_run(done.service, report.run_id) == report
    warned = {"event": "dropped files were not moved", "log_level": "warning", "run": report.run_id, "files": 3}
    assert warned in logged
    with capture_logs() as logged:
        nothing_new(done)
    assert warned | {"run": None} in logged
    (done.folder / "done").unlink()
    with pytest.raises(NothingNewError):
        done.sync(dry_run=True)
    assert "users.csv" in done.names()
    nothing_new(done)
    assert done.names() == ["done/classes.csv", "done/enrollments.csv", "done/users.csv"]
    assert done.memory().drop_entries == ()


def test_notes_that_cannot_be_stored_do_not_fail_the_run(done: Dropped, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OperationalError(None, None, Exception("gone"))

    monkeypatch.setattr("store.runs.save_notes", gone)
    done.put(district())
    (done.folder / "done").write_text("in the way")
    report = done.sync()
    assert report.state == "applied"
    assert sum("could not be moved to done" in note for note in report.notes) == 3


def test_killed_while_it_moves_files_is_no_fault_of_the_district(
    pine: District, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = Dropped(pine, tmp_path / "drops", done_folder="done")
    done.put(district())
    move = Folder.move

    class Killed(BaseException):
        pass

    def dies(self: Folder, entry: Entry, folder: str) -> None:
        if (self._path / folder).exists():
            raise Killed
        move(self, entry, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "move", dies)
        with pytest.raises(Killed):
            done.sync()
    assert done.names() == ["done/classes.csv", "enrollments.csv", "users.csv"]
    nothing_new(done)
    assert done.names() == ["done/classes.csv", "done/enrollments.csv", "done/users.csv"]
    assert done.states() == ["applied"]
    done.put(district())
    (done.folder / "classes.csv").unlink()
    with pytest.raises(DropNotReadyError, match=r"classes\.csv should be in"):
        done.sync()


def test_held_drop_stays_though_the_one_before_could_not_be_moved(done: Dropped) -> None:
    done.put(district(students=40))
    (done.folder / "done").write_text("in the way")
    done.sync()
    (done.folder / "done").unlink()
    done.put(district(students=4))
    for again in (False, True):
        assert done.sync(again=again).state == "held"
        nothing_new(done)
        assert done.names() == ["classes.csv", "enrollments.csv", "users.csv"]


def test_place_of_a_record_is_a_line(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    assert any("users.csv line" in str(fact) for fact in explain(dropped.service, "test", "s1").facts)


# --- tests and records ----------------------------------------------------------------------------------------------


def test_probe_shows_what_would_come_even_of_a_drop_that_was_taken(done: Dropped) -> None:
    done.put(district())
    report = probe(done.service, "test", "drops")
    assert {kind.kind: kind.received for kind in report.kinds}["person"] == 44
    assert report.notes[0].endswith("classes.csv, enrollments.csv, users.csv.")
    assert done.names() == ["classes.csv", "enrollments.csv", "users.csv"]
    assert (done.memory(), done.states()) == (Memory(), [])
    connections.set_setting(done.service, "test", "drops", "done_folder", "null")
    done.sync()
    assert probe(done.service, "test", "drops").findings == report.findings


def test_probe_says_that_a_drop_is_not_whole(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    (dropped.folder / "users.csv").unlink()
    with pytest.raises(DropNotReadyError, match=r"users\.csv should be in"):
        probe(dropped.service, "test", "drops")


def test_there_is_nothing_to_record(dropped: Dropped, tmp_path: Path) -> None:
    dropped.put(district())
    with pytest.raises(SettingsError, match="keep the files"):
        record(dropped.service, "test", tmp_path / "case", started_by="tests")
    assert not (tmp_path / "case").exists()


def test_credentials_that_nobody_asks_for_are_refused(dropped: Dropped) -> None:
    with pytest.raises(SettingsError, match="needs no credentials"):
        connections.set_credentials(dropped.service, "test", "drops", {})
    with pytest.raises(SettingsError, match="it takes: none"):
        connections.add_connection(
            dropped.service, "test", "folder", "more", settings={"path": "/srv"}, credentials={"password": "x"}
        )


def test_removed_connection_comes_back_with_what_it_knew(dropped: Dropped) -> None:
    dropped.put(district())
    dropped.sync()
    connections.remove_connection(dropped.service, "test", "drops", by="ann")
    Dropped(dropped.pine, dropped.folder)
    report = dropped.sync()
    assert counts(report, "person").unchanged == 44


def test_pull_by_itself_fetches(tmp_path: Path) -> None:
    """Whoever knows nothing of drops gets the roster all the same."""
    district().write(tmp_path / "drops")
    (scratch := tmp_path / "scratch").mkdir()
    settings = FolderSettings(path=str(tmp_path / "drops"), stable_seconds=0)
    from connectors.http.client import HttpClient, HttpRules
    from connectors.watch import Watch

    access = Access(HttpClient(HttpRules(), Watch()), scratch, Watch(), lambda: "")
    source = connectors.open_source("folder", settings, NoCredentials(), access)
    assert isinstance(source, DropSource)
    assert len(list(source.pull())) > 5
    assert folder_source(settings, NoCredentials(), access).memory == Memory()
