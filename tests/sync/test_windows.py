"""Add-only days, rollovers and blackouts: what a run does on them, whoever starts it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from models.connections import Memory
from models.errors import SettingsError
from models.report import RunReport
from models.settings import Limit, TenantSettings
from models.timetable import DateRange, Rollover, Timetable
from store import schedules as schedule_store
from sync import connections, history, plans, schedules
from sync.pull import connections_to_sync, sync
from sync.rest import rests
from sync.schedule_words import day_words
from sync.service import Service
from sync.settling import outcome_of_report
from sync.status import status
from sync.windows import windows_at
from tests.sync.district import District, Files, clazz, counts, district, user
from tests.sync.fake_source import Shared, add
from tests.sync.test_engine import one_roster

TODAY = datetime.now(UTC).date()
LAST = (TODAY + timedelta(days=30)).isoformat()
#: Around now in every time zone, and however long the tests take.
DAYS = f"{TODAY - timedelta(days=2)}..{LAST}"
UNTIL = f"until {day_words(LAST)}"


def half_gone() -> Files:
    """A district of which half the students are gone, with their guardians and enrollments; one is new, one has changed."""
    files = district(students=20)
    assert files.users
    assert files.enrollments
    for number in range(10):
        del files.users[f"s{number}"]
        del files.users[f"p{number}"]
    files.users["s19"] = {**files.users["s19"], "grades": "10"}
    files.users["new"] = user(givenName="New", agentSourcedIds="p10")
    files.enrollments = [row for row in files.enrollments if row[1] in files.users] + [("c0", "new", "student")]
    return files


def add_only(service: Service, tenant: str = "test", connection: str = "csv", note: str = "rollover") -> None:
    schedules.add_add_only(service, tenant, connection, DAYS, note=note)


def kept(report: RunReport) -> dict[str, int]:
    return {entry.kind: entry.kept for entry in report.kinds if entry.kept}


def state_of(district: District, run_id: int) -> str:
    return history.get_run(district.service, run_id).state


# --- add-only ---------------------------------------------------------------------------------------------------------


def test_nothing_is_removed_and_nothing_held_while_all_else_goes_on(pine: District) -> None:
    pine.upload(district(students=20))
    people, enrollments = set(pine.people()), pine.enrollments()
    add_only(pine.service)

    report = pine.upload(half_gone())

    assert (report.state, report.holds) == ("applied", [])
    assert kept(report) == {"person": 20, "affiliation": 20, "enrollment": 10, "guardianship": 10}
    assert all(entry.archived == 0 for entry in report.kinds)
    assert set(pine.people()) == people | {"new"}
    assert pine.enrollments() == enrollments | {("c0", "new", "student")}
    assert (counts(report, "person").created, counts(report, "person").updated) == (1, 1)
    assert (
        f"Add-only {UNTIL} (rollover): 20 people, 20 affiliations, 10 enrollments and 10 guardianships stay that the "
        "source no longer lists."
    ) in report.notes
    again = pine.upload(half_gone())
    assert kept(again) == kept(report)
    assert not any("Nothing to do" in note for note in again.notes)


def test_what_was_kept_goes_by_the_usual_limits_when_the_days_are_over(oak: District) -> None:
    oak.upload(district(students=20))
    add_only(oak.service)
    oak.upload(half_gone())
    schedules.remove_add_only(oak.service, "test", "csv", DAYS)
    report = oak.upload(half_gone())
    assert (report.state, kept(report)) == ("held", {})
    assert counts(report, "enrollment").held == 10


def test_days_on_which_nothing_would_go_say_so(oak: District) -> None:
    oak.upload(district())
    add_only(oak.service, note="")
    assert f"Add-only {UNTIL}: nothing would have gone." in oak.upload(district()).notes


def test_dry_run_of_such_a_day_shows_the_same_and_can_be_approved(oak: District) -> None:
    oak.upload(district(students=20))
    add_only(oak.service)
    planned = oak.upload(half_gone(), dry_run=True)
    assert kept(planned)["enrollment"] == 10
    assert plans.approve_plan(oak.service, planned.run_id, decided_by="ann").state == "applied"
    assert "new" in oak.people()
    assert "s0" in oak.people()


def test_tombstones_are_kept_too_and_their_rows_say_so(oak: District, tmp_path: Path) -> None:
    oak.upload_paths([one_roster(tmp_path / "bulk", [("pine", "Pine"), ("oak", "Oak")])])
    add_only(oak.service)
    gone = one_roster(tmp_path / "gone", [("oak", "Oak")], status="tobedeleted", mode="delta")
    for name in ("orgs", "academicSessions", "courses", "classes"):
        (gone / f"{name}.csv").unlink()
    report = oak.upload_paths([gone], results="full")
    assert report.state == "applied"
    assert kept(report)["person"] > 0
    assert oak.people("archived") == {}
    rows = (Path(report.results_path or "") / "users.results.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
    assert rows
    assert all(row.endswith(",SUCCESS,UNCHANGED,") for row in rows)


def test_ids_that_were_issued_anew_still_wait_with_what_hangs_on_them(oak: District) -> None:
    """Else every person would be there twice."""
    oak.upload(district(students=20))
    add_only(oak.service)
    files = district(students=20)
    assert files.users
    assert files.enrollments
    files.users = {f"new-{key}": {**row, "agentSourcedIds": ""} for key, row in files.users.items()}
    files.enrollments = [(key, f"new-{person}", role) for key, person, role in files.enrollments]

    report = oak.upload(files)

    assert report.state == "held"
    assert [(hold.kind, hold.measure) for hold in report.holds] == [("person", "churn")]
    assert "that the source no longer lists come back under new ids with the same names; the new ones are held" in (
        report.holds[0].sentence
    )
    assert len(oak.people()) == 44
    assert plans.approve_plan(oak.service, report.run_id, decided_by="ann").state == "applied"
    assert len(oak.people()) == 88


def test_updates_keep_their_limit(oak: District) -> None:
    oak.upload(district(students=60))
    add_only(oak.service)
    files = district(students=60)
    assert files.users
    files.users = {key: {**row, "familyName": "Other"} for key, row in files.users.items()}
    assert [hold.measure for hold in oak.upload(files).holds] == ["updates"]


def test_source_is_asked_again_for_what_was_kept(place: Service, shared: Shared) -> None:
    sync(place, "springfield", "sis", started_by="tests")
    shared.people.pop("s4")
    shared.learned = Memory(full_at="later", read_at="later", refused=("sort",))
    add_only(place, "springfield", "sis")
    report = sync(place, "springfield", "sis", started_by="tests")
    assert kept(report) == {"person": 1, "affiliation": 1}
    assert (
        f"Add-only {UNTIL} (rollover): 1 person and 1 affiliation stay that the source no longer lists." in report.notes
    )
    memory = connections.open_connection(place, "springfield", "sis").memory
    assert (memory.full_at, memory.read_at) == ("2026-09-01T02:00:00+00:00", None)
    schedules.remove_add_only(place, "springfield", "sis", DAYS)
    assert counts(sync(place, "springfield", "sis", started_by="tests"), "person").archived == 1
    assert connections.open_connection(place, "springfield", "sis").memory == shared.learned


def test_other_connections_of_the_tenant_go_on_as_ever(oak: District) -> None:
    oak.upload(district(students=20))
    oak.upload(Files(users={"x": user(), "y": user(), "z": user()}), connection="other")
    add_only(oak.service)
    report = oak.upload(Files(users={"x": user(), "y": user()}), connection="other")
    assert (kept(report), counts(report, "person").archived) == ({}, 1)


# --- a plan that was held before --------------------------------------------------------------------------------------


def test_held_plan_waits_on_while_nothing_changes_and_may_be_approved(oak: District) -> None:
    oak.upload(district(students=20))
    held = oak.upload(half_gone())
    assert held.state == "held"
    add_only(oak.service)
    report = oak.upload(half_gone())
    assert report.state == "applied"
    assert kept(report)["enrollment"] == 10
    assert state_of(oak, held.run_id) == "held"
    assert f"The plan of run {held.run_id} still waits for a decision." in report.notes
    assert outcome_of_report(report) == outcome_of_report(held)
    (line,) = status(oak.service).connections
    assert (line.health, line.turn, line.last_run_id) == ("held", "district", held.run_id)
    assert plans.approve_plan(oak.service, held.run_id, decided_by="ann").state == "applied"
    assert "s0" not in oak.people()
    assert status(oak.service).connections[0].health == "ok"


def test_held_plan_that_another_connection_made_stale_is_discarded_and_told(oak: District) -> None:
    oak.upload(district(students=20))
    held = oak.upload(half_gone())
    add_only(oak.service)
    oak.upload(Files(users={"x": user()}), connection="other")
    report = oak.upload(half_gone())
    assert (state_of(oak, held.run_id), report.waits_on) == ("discarded", None)
    assert [note for note in report.notes if note.startswith(f"The plan of run {held.run_id} waited for a decision")]


def test_held_plan_that_can_no_longer_be_approved_is_discarded_and_told(pine: District) -> None:
    pine.upload(district(students=20))
    held = pine.upload(half_gone())
    add_only(pine.service)
    files = half_gone()
    assert files.users
    files.users["newer"] = user(givenName="Newer")
    report = pine.upload(files)
    assert state_of(pine, held.run_id) == "discarded"
    told = f"The plan of run {held.run_id} waited for a decision and is discarded"
    assert [note for note in report.notes if note.startswith(told)]
    assert history.get_run(pine.service, report.run_id).notes == report.notes


def test_dry_run_takes_no_held_plan_away(oak: District) -> None:
    oak.upload(district(students=20))
    held = oak.upload(half_gone())
    add_only(oak.service)
    files = half_gone()
    assert files.users
    files.users["newer"] = user(givenName="Newer")
    report = oak.upload(files, dry_run=True)
    assert state_of(oak, held.run_id) == "held"
    assert not [note for note in report.notes if "discarded" in note]


# --- rollover ---------------------------------------------------------------------------------------------------------


def test_rollover_has_limits_of_its_own_but_nothing_is_emptied(oak: District) -> None:
    files = district(students=40)
    assert files.enrollments
    assert files.classes
    files.classes["o"] = clazz(school="oak")
    files.school_of["o"] = "oak"
    at_oak = ("o", "s30", "student")
    files.enrollments.append(at_oak)
    oak.upload(files)
    files.enrollments = files.enrollments[20:]
    assert oak.upload(files).state == "held"
    schedules.set_rollover(oak.service, "test", "csv", LAST, removals=60, updates=100)
    report = oak.upload(files)
    assert (report.state, counts(report, "enrollment").archived) == ("applied", 20)
    assert (
        f"Rollover until {day_words(LAST)}: its limits (removals 60 %, updates 100 %) stand in the place of the tenant's own."
    ) in report.notes
    files.enrollments.remove(at_oak)
    assert [(hold.measure, hold.school) for hold in oak.upload(files).holds] == [("emptied", "Oak School")]
    schedules.end_rollover(oak.service, "test", "csv")
    assert not [note for note in oak.upload(files).notes if "Rollover" in note]


# --- blackouts --------------------------------------------------------------------------------------------------------


def test_nothing_is_synced_in_a_blackout_not_even_a_dry_run(place: Service, shared: Shared) -> None:
    schedules.add_blackout(place, "springfield", "sis", DAYS, note="summer")
    for dry_run in (True, False):
        with pytest.raises(SettingsError) as caught:
            sync(place, "springfield", "sis", dry_run=dry_run, started_by="tests")
        assert caught.value.for_admin == (
            f"The connection sis of springfield is in a blackout {UNTIL} (summer); nothing was synced. To end it: rostersync "
            f"schedule blackout remove springfield sis --dates {DAYS}"
        )
    assert shared.opened == []
    assert history.list_runs(place, "springfield") == []
    schedules.remove_blackout(place, "springfield", "sis", DAYS)
    assert sync(place, "springfield", "sis", started_by="tests").state == "applied"


def test_sync_of_the_whole_tenant_leaves_out_what_is_in_a_blackout(here: Service) -> None:
    add(here, "other")
    schedules.add_blackout(here, "springfield", "sis", DAYS)
    assert connections_to_sync(here, "springfield") == ["other"]
    assert {name: rest.why if rest else "" for name, rest in rests(here, "springfield").items()} == {
        "sis": f"in a blackout {UNTIL}", "other": "",
    }  # fmt: skip
    schedules.add_blackout(here, "springfield", "other", DAYS)
    with pytest.raises(SettingsError, match="sis of springfield is in a blackout"):
        connections_to_sync(here, "springfield")


def test_files_that_a_person_uploads_are_taken_on_any_day(oak: District, here: Service) -> None:
    schedules.add_blackout(here, "springfield", "sis", DAYS)
    assert oak.upload(district()).state == "applied"


# --- which day it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "at", "holds"),
    [
        ("UTC", "2027-06-11T23:59:59+00:00", False),
        ("UTC", "2027-06-12T00:00:00+00:00", True),
        ("UTC", "2027-08-15T23:59:59+00:00", True),
        ("UTC", "2027-08-16T00:00:00+00:00", False),
        ("America/Los_Angeles", "2027-06-12T06:59:59+00:00", False),
        ("America/Los_Angeles", "2027-06-12T07:00:00+00:00", True),
        ("America/Los_Angeles", "2027-08-16T06:59:59+00:00", True),
        ("Pacific/Auckland", "2027-06-11T12:00:00+00:00", True),
    ],
)
def test_days_are_the_tenants(here: Service, zone: str, at: str, holds: bool) -> None:
    days = DateRange("2027-06-12", "2027-08-15")
    timetable = Timetable(blackouts=(days,), add_only=(days,), rollover=Rollover("2027-08-15", Limit(percent=60)))
    found = schedules.named(here, "springfield", "sis")
    store_timetable(here, found.row.connection_id, found.row.tenant_id, timetable)
    windows = windows_at(here, found.row.connection_id, TenantSettings(time_zone=zone), datetime.fromisoformat(at))
    expected = days if holds else None
    assert (windows.blackout, windows.add_only) == (expected, expected)
    in_rollover = at < "2027-08-16T00" or holds
    assert (windows.rollover is not None) is in_rollover
    assert windows.settings.guard.removals.percent == (60 if in_rollover else 10)


def store_timetable(service: Service, connection_id: int, tenant_id: int, timetable: Timetable | str) -> None:
    stored = timetable if isinstance(timetable, str) else msgspec.json.encode(timetable).decode()
    schedule_store.save(service.engine, connection_id, tenant_id, {"timetable": stored})


def test_timetable_that_cannot_be_read_stops_a_run_before_it_begins(oak: District) -> None:
    oak.upload(district())
    found = schedules.named(oak.service, "test", "csv", files=True)
    store_timetable(oak.service, found.row.connection_id, found.row.tenant_id, '{"from": "the future"}')
    with pytest.raises(SettingsError, match="was set by another version"):
        oak.upload(district())
    assert len(history.list_runs(oak.service, "test")) == 1
