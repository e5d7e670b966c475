"""The ten rules that never bend (ARCHITECTURE.md): each has tests here that fail when it is broken."""

from pathlib import Path

import msgspec
import pytest

from models.errors import DistrictActionError, SettingsError, StalePlanError, TenantBusyError
from store.lock import tenant_lock
from sync import history, plans, tenants
from sync.service import Service
from sync.upload import upload
from tests.sync.district import USERS, District, Files, clazz, codes, counts, district, guardian, user, write_csv

# --- 1. absence removes only with proof -----------------------------------------------------------------------------


def test_a_person_who_is_no_longer_listed_is_archived_with_cause_and_coverage(pine: District) -> None:
    files = district()
    pine.upload(files)
    assert files.users
    del files.users["s7"]
    assert files.enrollments
    files.enrollments = [row for row in files.enrollments if row[1] != "s7"]

    report = pine.upload(files)

    assert report.state == "applied"
    assert counts(report, "person").archived == 1
    assert set(pine.people("archived")) == {"s7"}
    ((cause, run_id),) = pine.rows("SELECT archived_cause, archived_run_id FROM person WHERE status = 'archived'")
    assert (cause, run_id) == ("absent", report.run_id)
    ((verdict, file),) = pine.rows(
        "SELECT coverage.verdict, coverage.file FROM change JOIN coverage ON coverage.run_id = change.run_id "
        "AND coverage.seq = change.coverage_seq WHERE change.kind = 'person'"
    )
    assert (verdict, file) == ("complete", "users.csv")


@pytest.mark.parametrize("missing", ["users", "classes", "enrollments"])
def test_a_missing_file_removes_nothing(pine: District, missing: str) -> None:
    files = district()
    pine.upload(files)
    before = pine.snapshot()
    setattr(files, missing, None)

    report = pine.upload(files)

    assert pine.snapshot() == before
    assert all(kind.archived == kind.held == 0 for kind in report.kinds)


@pytest.mark.parametrize("emptied", ["users", "classes", "enrollments"])
def test_a_file_with_headers_only_removes_nothing(pine: District, emptied: str) -> None:
    files = district()
    pine.upload(files)
    before = pine.snapshot()
    setattr(files, emptied, type(getattr(files, emptied))())

    report = pine.upload(files)

    assert pine.snapshot() == before
    assert all(kind.archived == kind.held == 0 for kind in report.kinds)
    assert codes(report)["file_header_only"] == 1


def test_a_file_that_breaks_off_removes_nothing(oak: District) -> None:
    files = district()
    oak.upload(files)
    before = oak.people()
    folder = oak.write(files)
    whole = (folder / "users.csv").read_text()
    (folder / "users.csv").write_text(whole[: whole.index("s17") + 12])

    report = oak.upload_paths([folder])

    assert oak.people() == before
    assert counts(report, "person").archived == 0
    assert codes(report)["file_truncated"] == 1


def test_a_row_without_an_id_takes_the_proof_from_its_file(oak: District) -> None:
    files = district()
    oak.upload(files)
    assert files.users
    row = files.users.pop("s3")
    files.users[""] = row

    report = oak.upload(files)

    assert "s3" in oak.people()
    assert codes(report)["unidentified_rows"] == 1


def test_a_column_that_is_not_there_says_nothing_about_guardians(oak: District) -> None:
    files = district()
    oak.upload(files)
    folder = oak.write(files)
    assert files.users
    columns = [column for column in USERS if column != "agentSourcedIds"]
    rows = [{"sourcedId": key, **row} for key, row in files.users.items()]
    write_csv(folder / "users.csv", columns, [{k: v for k, v in row.items() if k in columns} for row in rows])

    report = oak.upload_paths([folder])

    assert len(oak.guardianships()) == 20
    assert counts(report, "guardianship").archived == 0


# --- 2. rejected is not absent --------------------------------------------------------------------------------------


def test_a_refused_person_stays_as_stored_with_all_that_the_row_said(pine: District) -> None:
    files = district()
    pine.upload(files)
    before = pine.snapshot()
    assert files.users
    files.users["s5"] = {**files.users["s5"], "role": "wizard", "familyName": "Changed"}

    report = pine.upload(files)

    assert codes(report)["unknown_role"] == 1
    assert counts(report, "person").refused == 1
    assert pine.snapshot() == before


def test_a_refused_class_keeps_its_enrollments(pine: District) -> None:
    files = district()
    pine.upload(files)
    before = pine.snapshot()
    assert files.classes
    files.classes["c1"] = {**files.classes["c1"], "title": ""}

    report = pine.upload(files)

    assert counts(report, "class").refused == 1
    assert pine.snapshot() == before


def test_an_enrollment_of_unknown_role_stays(oak: District) -> None:
    files = district()
    oak.upload(files)
    before = oak.enrollments()
    assert files.enrollments
    files.enrollments[0] = (*files.enrollments[0][:2], "wizard")

    oak.upload(files)

    assert oak.enrollments() == before


def test_a_person_whose_school_is_not_known_is_refused_and_stays(oak: District) -> None:
    files = district()
    oak.upload(files)
    before = oak.snapshot()
    assert files.users
    files.users["s5"] = {**files.users["s5"], "orgSourcedIds": "nowhere"}

    report = oak.upload(files)

    assert codes(report)["unknown_school"] == 1
    assert oak.snapshot() == before


def test_a_refused_record_has_no_known_fingerprint_and_is_taken_once_it_is_mended(oak: District) -> None:
    files = district()
    assert files.users
    good = files.users["s5"]
    files.users["s5"] = {**good, "role": "wizard"}
    oak.upload(files)
    assert "s5" not in oak.people()
    files.users["s5"] = good

    report = oak.upload(files)

    assert counts(report, "person").created == 1
    assert "s5" in oak.people()


# --- 3. every removal has a cause -----------------------------------------------------------------------------------


def test_losing_the_last_enrollment_never_removes_the_person(pine: District) -> None:
    files = district(students=60)
    pine.upload(files)
    assert files.enrollments
    files.enrollments = [row for row in files.enrollments if row[1] != "s5"]

    report = pine.upload(files)

    assert counts(report, "enrollment").archived == 1
    assert "s5" in pine.people()
    assert report.consequences == ["1 student loses their last class"]


def test_enrollments_of_a_class_that_goes_carry_their_parent_as_cause(oak: District) -> None:
    files = district(students=60, classes=20)
    oak.upload(files)
    assert files.classes
    del files.classes["c1"]
    files.enrollments = None

    report = oak.upload(files)

    assert report.state == "applied"
    causes = oak.rows("SELECT DISTINCT archived_cause FROM enrollment WHERE status = 'archived'")
    assert causes == [("parent_removed",)]
    assert counts(report, "enrollment").archived == 4
    coverage = oak.rows("SELECT count(*) FROM change WHERE action = 'archive' AND coverage_seq IS NULL")
    assert coverage == [(0,)]


# --- 4. plan, then apply --------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing_and_its_plan_is_applied_exactly(pine: District) -> None:
    files = district()
    empty = pine.snapshot()

    planned = pine.upload(files, dry_run=True)

    assert planned.state == "planned"
    assert pine.snapshot() == empty
    approved = plans.approve_plan(pine.service, planned.run_id, decided_by="tests")
    assert approved.state == "applied"
    assert counts(approved, "person").created == 44
    again = pine.upload(files)
    assert all(kind.created == kind.updated == kind.archived == 0 for kind in again.kinds)


def test_a_plan_is_stale_once_the_roster_has_moved(pine: District) -> None:
    files = district()
    planned = pine.upload(files, dry_run=True)
    other = Files(users={"x1": user()})
    pine.upload(other, connection="other")
    before = pine.snapshot()

    assert plans.show_plan(pine.service, planned.run_id).stale
    with pytest.raises(StalePlanError):
        plans.approve_plan(pine.service, planned.run_id, decided_by="tests")

    assert pine.snapshot() == before


def test_a_discarded_plan_cannot_be_approved(oak: District) -> None:
    planned = oak.upload(district(), dry_run=True)
    report = plans.discard_plan(oak.service, planned.run_id, decided_by="tests")
    assert report.state == "discarded"
    with pytest.raises(SettingsError):
        plans.approve_plan(oak.service, planned.run_id, decided_by="tests")
    assert oak.people() == {}


# --- 5. guard -------------------------------------------------------------------------------------------------------


def test_over_the_limit_removals_are_held_while_creates_and_updates_go_on(pine: District) -> None:
    files = district(students=60)
    pine.upload(files)
    assert files.users
    assert files.enrollments
    files.enrollments = [row for row in files.enrollments if row[0] != "c1"]
    files.users["new"] = user(givenName="New")
    files.users["s2"] = {**files.users["s2"], "familyName": "Changed"}

    report = pine.upload(files)

    assert report.state == "held"
    assert report.waits_for == "district admin"
    assert (counts(report, "person").created, counts(report, "person").updated) == (1, 1)
    assert counts(report, "enrollment").archived == 0
    assert counts(report, "enrollment").held == 16
    assert len(pine.enrollments()) == 64
    assert any("Pine School" in hold.sentence for hold in report.holds)
    assert "15 students would lose their last class (held)" in report.consequences
    assert "new" in pine.people()


def test_a_held_plan_is_approved_exactly_as_shown(pine: District) -> None:
    files = district(students=60)
    pine.upload(files)
    assert files.enrollments
    files.enrollments = [row for row in files.enrollments if row[0] != "c1"]
    report = pine.upload(files)
    shown = plans.show_plan(pine.service, report.run_id, limit=1000)
    assert {(kind, action) for kind, action, _, _ in shown.operations} == {("enrollment", "archive")}
    assert shown.total_operations == len(shown.operations) == 16

    approved = plans.approve_plan(pine.service, report.run_id, decided_by="tests")

    assert approved.state == "applied"
    assert counts(approved, "enrollment").archived == 16
    assert "15 students now lose their last class" in approved.consequences
    assert pine.enrollments() == set(files.enrollments)
    assert history.get_run(pine.service, report.run_id).state == "applied"


def test_no_run_may_empty_a_school_however_small(oak: District) -> None:
    files = district(students=60)
    assert files.users
    assert files.classes
    assert files.enrollments is not None
    files.users["o1"] = user(schools="oak", givenName="Ola")
    files.classes["co"] = clazz("Only", school="oak")
    files.school_of["co"] = "oak"
    files.enrollments.append(("co", "o1", "student"))
    oak.upload(files)
    del files.users["o1"]
    del files.classes["co"]
    files.enrollments.pop()

    report = oak.upload(files)

    assert report.state == "held"
    assert {(hold.kind, hold.measure, hold.school) for hold in report.holds} >= {
        ("class", "emptied", "Oak School"),
        ("person", "emptied", "Oak School"),
    }
    assert "o1" in oak.people()
    assert ("co", "o1", "student") in oak.enrollments()


def test_reissued_ids_hold_both_halves(pine: District) -> None:
    files = district(students=40)
    pine.upload(files)
    before = pine.snapshot()
    assert files.users
    assert files.enrollments
    renamed = {key: f"new-{key}" for key in files.users}
    files.users = {
        renamed[key]: {**row, "agentSourcedIds": renamed.get(row.get("agentSourcedIds", ""), "")}
        for key, row in files.users.items()
    }
    files.enrollments = [(c, renamed[u], r) for c, u, r in files.enrollments]

    report = pine.upload(files)

    assert report.state == "held"
    assert any(hold.measure == "churn" and hold.kind == "person" for hold in report.holds)
    assert pine.snapshot() == before
    assert (counts(report, "person").created, counts(report, "person").archived) == (0, 0)
    plans.approve_plan(pine.service, report.run_id, decided_by="tests")
    assert set(pine.people()) == set(files.users)
    assert pine.enrollments() == set(files.enrollments)


def test_too_many_updates_at_once_are_held(oak: District) -> None:
    files = district(students=80)
    oak.upload(files)
    assert files.users
    files.users = {key: {**row, "familyName": "Shifted"} for key, row in files.users.items()}

    report = oak.upload(files)

    assert report.state == "held"
    assert counts(report, "person").updated == 0
    assert counts(report, "person").held == 164


def test_a_first_sync_has_no_limit(oak: District) -> None:
    report = oak.upload(district(students=200))
    assert report.state == "applied"
    assert report.first_sync
    assert report.holds == []


def test_limits_are_settings_per_kind(oak: District) -> None:
    files = district(students=60)
    oak.upload(files)
    assert files.enrollments
    files.enrollments = [row for row in files.enrollments if row[0] != "c1"]
    tenants.set_setting(oak.service, "test", "guard.removals_by_kind.enrollment", '{"percent": 50, "floor": 10}')
    report = oak.upload(files)
    assert report.state == "applied"
    assert counts(report, "enrollment").archived == 16


# --- 6. one transaction ---------------------------------------------------------------------------------------------


def test_the_same_files_again_change_nothing(pine: District) -> None:
    files = district()
    pine.upload(files)
    before = pine.snapshot()

    report = pine.upload(files)

    assert pine.snapshot() == before
    assert report.state == "applied"
    assert all(kind.created == kind.updated == kind.archived == kind.restored == 0 for kind in report.kinds)
    assert "Nothing to do: the stored roster already says what the source says." in report.notes


def test_an_error_while_applying_leaves_the_old_roster(pine: District, monkeypatch: pytest.MonkeyPatch) -> None:
    files = district()
    pine.upload(files)
    before = pine.snapshot()
    assert files.users
    files.users["late"] = user()
    monkeypatch.setattr("store.runs.bump_revision", _fail)

    with pytest.raises(RuntimeError):
        pine.upload(files)

    assert pine.snapshot() == before
    newest = history.list_runs(pine.service)[0]
    assert newest.state == "failed"
    report = history.get_run(pine.service, newest.run_id)
    assert report.error == "The run stopped because of an error in rostersync; the roster is as it was."


def _fail(*_args: object) -> None:
    raise RuntimeError("disk full")


# --- 7. one run per tenant at a time --------------------------------------------------------------------------------


def test_a_second_run_of_a_tenant_is_refused_plainly(pine: District) -> None:
    with tenant_lock(pine.service.engine, 1, "test"), pytest.raises(TenantBusyError, match="Another run of test"):
        pine.upload(district())
    assert pine.upload(district()).state == "applied"


def test_tenants_do_not_wait_for_each_other(pine: District) -> None:
    tenants.add_tenant(pine.service, "other")
    with tenant_lock(pine.service.engine, 2, "other"):
        assert pine.upload(district()).state == "applied"


# --- 8. a match never leaves the tenant, and is never made on an empty value ----------------------------------------


def test_the_same_ids_in_two_tenants_are_two_people(pine: District) -> None:
    service = pine.service
    pine.upload(district())
    tenants.add_tenant(service, "twin")
    tenants.add_school(service, "twin", "pine", "Pine of the twin")
    folder = pine.write(district())

    report = upload(service, "twin", [folder], started_by="tests", results="none")

    assert counts(report, "person").created == 44
    assert pine.rows("SELECT tenant_id, count(*) FROM person GROUP BY tenant_id ORDER BY 1") == [(1, 44), (2, 44)]
    assert pine.rows("SELECT count(*) FROM enrollment WHERE tenant_id = 2") == [(24,)]


def test_people_without_contact_or_name_are_not_matched(oak: District) -> None:
    files = Files(users={"a": user(givenName="", familyName=""), "b": user(givenName="", familyName="")})
    oak.upload(files)
    assert len(set(oak.people().values())) == len(oak.people())


# --- 9. no payload in an error or a log -----------------------------------------------------------------------------


def test_names_and_addresses_are_in_no_report_problem_or_log(
    oak: District, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    files = district(students=3)
    assert files.users
    files.users["bad"] = guardian(
        givenName="Xaviera", familyName="Quillfeather", email="xaviera.quillfeather@@", sms="not-555-a-phone"
    )
    files.users["worse"] = user(role="wizard", givenName="Xaviera", familyName="Quillfeather")
    report = oak.upload(files)
    assert report.problem_counts
    stored = oak.rows("SELECT report FROM run") + oak.rows("SELECT * FROM problem") + oak.rows("SELECT * FROM coverage")
    out = capfd.readouterr()
    everything = msgspec.json.encode(report).decode() + repr(stored) + out.out + out.err + caplog.text
    for secret in ("Xaviera", "Quillfeather", "not-555-a-phone", "p1@example.org"):
        assert secret.casefold() not in everything.casefold()


# --- 10. every run explains itself ----------------------------------------------------------------------------------


def test_a_run_tells_what_came_what_was_refused_and_what_changed(pine: District) -> None:
    files = district()
    pine.upload(files)
    assert files.users
    files.users["s1"] = {**files.users["s1"], "familyName": "Married"}
    files.users["s2"] = {**files.users["s2"], "role": "wizard"}
    report = pine.upload(files)

    assert {file.file: file.rows for file in report.files} == {"users.csv": 44, "classes.csv": 4, "enrollments.csv": 24}
    (problem,) = history.list_problems(pine.service, report.run_id)
    assert (problem.file, problem.line, problem.source_id, problem.code) == ("users.csv", 6, "s2", "unknown_role")
    (change,) = history.list_changes(pine.service, report.run_id)
    assert (change.who, change.before, change.after) == ("s1", {"family_name": "Lee"}, {"family_name": "Married"})
    assert history.get_run(pine.service, report.run_id) == report


def test_nothing_usable_says_what_to_send(service: Service, tmp_path: Path) -> None:
    pine = District(service, tmp_path)
    (tmp_path / "photo.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    with pytest.raises(DistrictActionError):
        pine.upload_paths([tmp_path / "photo.csv"])
    assert history.list_runs(service)[0].state == "failed"
