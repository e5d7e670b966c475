"""A test of a connection tells all that is shared and what would be left out, and leaves no trace."""

from typing import Any

import pytest
from sqlalchemy import text

from models import errors
from models.connections import Memory
from models.errors import RosterSyncError
from models.problems import Problem
from models.progress import Progress
from models.sources import ProbeReport, SharedKind, SharedListing, SharedSchool
from store import connections as store
from store.database import reading
from store.lock import tenant_lock
from sync import connections, tenants
from sync.connection_fields import stored_memory
from sync.probe import probe
from sync.pull import sync
from sync.service import Service
from tests.sync.fake_source import Shared, add


@pytest.fixture
def here(sqlite_service: Service, shared: Shared) -> Service:
    tenants.add_tenant(sqlite_service, "springfield")
    tenants.add_school(sqlite_service, "springfield", "pine", "Pine School")
    add(sqlite_service, "sis")
    return sqlite_service


def rows(service: Service) -> dict[str, list[Any]]:
    """Every row of every table."""
    with reading(service.engine) as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        return {name: list(map(tuple, connection.execute(text(f'SELECT * FROM "{name}"')))) for name in names}


def test_everything_that_is_shared_is_counted(here: Service, shared: Shared) -> None:
    shared.people["t1"] = ("teacher", ("pine", "oak"))
    shared.schools["oak"] = "Oak School"
    shared.facts.missing.append("Guardians are not shared.")
    shared.facts.notes.append("The district is paused at the source.")
    shared.coverage["enrollment"] = "the count moved"
    report = probe(here, "springfield", "sis")
    assert (report.district_name, report.district_id, report.scopes) == (
        "Springfield",
        "d-1",
        ("roster-core.readonly",),
    )
    assert (report.missing, report.notes) == (
        ["Guardians are not shared."], ["The district is paused at the source."],
    )  # fmt: skip
    assert report.schools == [
        SharedSchool("pine", "Pine School", "school", "known", 6, 2),
        SharedSchool("oak", "Oak School", "school", "unknown", 1, 0),
    ]
    assert report.roles == {"student": 5, "teacher": 1}
    assert report.kinds == [
        SharedKind("school", 2, 1),
        SharedKind("class", 2, 0),
        SharedKind("person", 6, 0),
        SharedKind("affiliation", 7, 1),
        SharedKind("enrollment", 3, 0),
    ]
    assert SharedListing("enrollment", "enrollments", "partial", 3, 0, "the count moved") in report.coverage
    assert SharedListing("person", "users", "complete", 6, 0, "") in report.coverage


def test_what_would_be_left_out_is_told_by_code_with_examples(here: Service, shared: Shared) -> None:
    shared.people |= {f"x{number}": ("student", ("elm",)) for number in range(4)}
    shared.classes["c9"] = "elm"
    shared.enrollments.append(("c1", "nobody", "student"))
    shared.problems = [
        Problem("contacts_skipped", "users", detail="17"),
        Problem("bad_email", "users", 1, "person", "s0"),
    ]
    report = probe(here, "springfield", "sis")
    assert report.schools[-1] == SharedSchool("elm", "", "", "unknown", 4, 1)
    found = {finding.code: finding for finding in report.findings}
    assert set(found) == {"unknown_school", "unknown_person", "contacts_skipped", "bad_email"}
    assert (found["unknown_school"].count, found["unknown_school"].examples) == (5, ("c9", "x0", "x1"))
    assert found["contacts_skipped"].sentence.startswith(
        "Contacts were left out because of their type or relationship: 17."
    )
    # What follows from something else comes after it.
    assert [finding.code for finding in report.findings] == [
        "unknown_school", "unknown_person", "bad_email", "contacts_skipped",
    ]  # fmt: skip
    assert dict.fromkeys(kind.kind for kind in report.kinds if kind.refused).keys() == {
        "class", "person", "affiliation", "enrollment",
    }  # fmt: skip


def test_schools_that_may_be_created_are_new(here: Service, shared: Shared) -> None:
    shared.schools["oak"] = "Oak School"
    tenants.set_setting(here, "springfield", "create_schools", "true")
    report = probe(here, "springfield", "sis")
    assert report.may_create_schools
    assert {school.source_id: school.standing for school in report.schools} == {"pine": "known", "oak": "new"}


def test_nothing_is_stored_and_no_lock_is_needed(here: Service, shared: Shared) -> None:
    before = rows(here)
    tenant_id, _ = tenants.tenant_and_settings(here, "springfield")
    with tenant_lock(here.engine, tenant_id, "springfield"):
        probe(here, "springfield", "sis")
    shared.error = errors.DisconnectedError("Off.")
    with pytest.raises(errors.DisconnectedError):
        probe(here, "springfield", "sis")
    assert rows(here) == before
    assert [path.name for path in here.settings.data_dir.iterdir() if "run-" in path.name] == []


def test_a_test_after_syncs_says_the_same(here: Service) -> None:
    before = probe(here, "springfield", "sis")
    sync(here, "springfield", "sis", started_by="tests")
    after = probe(here, "springfield", "sis")
    assert _told(after) == _told(before)


def _told(report: ProbeReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in report.__struct_fields__ if name != "seconds"}


def test_everything_is_asked_for_whatever_was_learned(here: Service, shared: Shared) -> None:
    row = connections.open_connection(here, "springfield", "sis").row
    store.remember(here.engine, row, stored_memory(Memory("2026-09-01", "2026-09-02", ("sort",), {"users": 50})))
    probe(here, "springfield", "sis")
    assert shared.opened[-1][2].memory == Memory(refused=("sort",), page_limit={"users": 50})


@pytest.mark.parametrize(
    "error",
    [
        errors.CredentialsRefusedError("The client secret is wrong."),
        errors.SourceUnavailableError("Later."),
        errors.SourceProtocolError("No envelope."),
        errors.SettingsError("base_url is wrong."),
        errors.CancelledError("Stopped."),
    ],
    ids=lambda error: error.code,
)
def test_what_the_source_refuses_is_told_as_it_is(here: Service, shared: Shared, error: RosterSyncError) -> None:
    shared.error = error
    with pytest.raises(type(error)) as caught:
        probe(here, "springfield", "sis")
    assert caught.value is error


def test_paused_connection_can_be_tested(here: Service) -> None:
    connections.pause_connection(here, "springfield", "sis", "", by="ann")
    assert probe(here, "springfield", "sis").kinds


def test_progress_is_told(here: Service) -> None:
    told: list[Progress] = []
    probe(here, "springfield", "sis", progress=told.append)
    assert told == [Progress("pull", "users", records=3 * page, pages=page, expected=6) for page in (1, 2)]


def test_source_that_shares_nothing(here: Service, shared: Shared) -> None:
    shared.schools, shared.classes, shared.people, shared.enrollments = {}, {}, {}, []
    report = probe(here, "springfield", "sis")
    assert (report.schools, report.kinds, report.roles, report.findings) == ([], [], {}, [])
