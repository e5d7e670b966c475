"""What the engine does beside the ten rules: restore, several connections, hand-made rows, scopes, references, limits."""

import csv
import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from models.errors import DistrictActionError, RetryLaterError, RosterSyncError, SettingsError, TenantBusyError
from models.progress import Progress
from models.report import RunReport
from store import database, schema
from store.database import writing
from sync import explain, history, plans, tenants
from sync.service import Service, open_service
from sync.settings import Settings
from sync.upload import upload
from tests.sync.district import District, Files, clazz, codes, counts, district, guardian, user, write_csv

# --- restore ---------------------------------------------------------------------------------------------------------


def test_who_comes_back_is_the_same_person_with_all_that_hangs_on_them(pine: District) -> None:
    files = district()
    pine.upload(files)
    first = pine.people()
    assert files.users
    assert files.enrollments
    gone = files.users.pop("s7")
    files.enrollments.remove(("c3", "s7", "student"))
    pine.upload(files)
    files.users["s7"] = {**gone, "familyName": "Returned"}
    files.enrollments.append(("c3", "s7", "student"))

    report = pine.upload(files)

    assert counts(report, "person").restored == 1
    assert counts(report, "enrollment").restored == 1
    assert counts(report, "guardianship").restored == 1
    assert pine.people() == first
    assert pine.rows("SELECT family_name, archived_cause FROM person WHERE id = :id", id=first["s7"]) == [
        ("Returned", None)
    ]
    actions = [
        change[0] for change in pine.rows("SELECT action FROM change WHERE kind = 'person' ORDER BY run_id, seq")
    ]
    assert actions == ["archive", "restore"]


# --- several connections, and rows made by hand ----------------------------------------------------------------------


def row(student: str, guardian_id: str, **fields: str) -> dict[str, str]:
    return {
        "studentSourcedId": student, "guardianSourcedId": guardian_id, "givenName": "Gia", "familyName": "Lee",
        "email": f"{guardian_id}@example.org", **fields,
    }  # fmt: skip


def without_guardians() -> Files:
    files = district()
    assert files.users
    files.users = {k: {**v, "agentSourcedIds": ""} for k, v in files.users.items() if not k.startswith("p")}
    return files


def test_guardians_of_another_connection_stand_beside_the_rest(pine: District) -> None:
    files = without_guardians()
    pine.upload(files)
    guardians = Files(guardians=[row("s1", "g1"), row("s2", "g1"), row("s2", "g2")])

    report = pine.upload(guardians, connection="guardians")

    assert counts(report, "person").created == 2
    assert pine.guardianships() == {("s1", "g1"), ("s2", "g1"), ("s2", "g2")}
    again = pine.upload(files)
    assert all(kind.archived == kind.held == 0 for kind in again.kinds)
    fewer = Files(guardians=[row("s1", "g1"), row("s2", "g1")])
    pine.upload(fewer, connection="guardians")
    assert pine.guardianships() == {("s1", "g1"), ("s2", "g1")}
    assert set(pine.people("archived")) == {"g2"}


def test_guardians_in_the_same_upload_are_a_listing_of_their_own(pine: District) -> None:
    files = without_guardians()
    files.guardians = [row("s1", "g1"), row("s2", "", email="gia@example.org")]
    report = pine.upload(files)
    assert report.state == "applied"
    assert len(pine.guardianships()) == 2
    files.guardians = None
    report = pine.upload(files)
    assert len(pine.guardianships()) == 2, "guardians.csv was not sent: that is no proof"
    assert counts(report, "person").archived == 0


def test_rows_made_by_hand_are_never_touched(pine: District) -> None:
    files = district()
    pine.upload(files)
    people = pine.people()
    with writing(pine.service.engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO person (tenant_id, id, given_name, grades, identifiers, status) "
            "VALUES (1, 900, 'Hand', '[]', '{}', 'active')"
        )
        (class_id,) = connection.exec_driver_sql("SELECT min(id) FROM class").one()
        connection.exec_driver_sql(
            "INSERT INTO enrollment (tenant_id, class_id, person_id, role, fingerprint, listing, line, status) "
            f"VALUES (1, {class_id}, {people['s9']}, 'aide', 0, 'manual', 0, 'active'), "
            f"(1, {class_id}, 900, 'student', 0, 'manual', 0, 'active')"
        )

    pine.upload(files)

    assert pine.rows("SELECT status FROM person WHERE id = 900") == [("active",)]
    assert pine.rows("SELECT count(*) FROM enrollment WHERE connection_id IS NULL AND status = 'active'") == [(2,)]


def test_a_school_made_by_hand_is_linked_to_but_not_changed(oak: District, tmp_path: Path) -> None:
    report = oak.upload_paths(
        [one_roster(tmp_path / "set", schools=[("pine", "Renamed by file"), ("new", "New School")])]
    )

    assert codes(report)["schools_not_created"] == 1
    names = {view.source_id: (view.name, view.managed_by) for view in tenants.list_schools(oak.service, "test")}
    assert names["pine"] == ("Pine School", "hand")
    assert "new" not in names
    assert counts(report, "person").created == 2
    assert codes(report)["unknown_school"] >= 1


def test_a_setting_lets_a_set_create_schools(pine: District, tmp_path: Path) -> None:
    tenants.set_setting(pine.service, "test", "create_schools", "true")
    folder = one_roster(tmp_path / "set", schools=[("pine", "Pine"), ("new", "New School")])

    report = pine.upload_paths([folder])

    assert counts(report, "school").created == 1
    views = {view.source_id: view.managed_by for view in tenants.list_schools(pine.service, "test")}
    assert views["new"] == "csv"
    assert "s-new" in pine.people()
    again = pine.upload_paths([folder])
    assert all(kind.created == kind.updated == kind.archived == 0 for kind in again.kinds)


def one_roster(folder: Path, schools: list[tuple[str, str]], status: str = "", mode: str = "bulk") -> Path:
    """A OneRoster 1.1 set: per school a student ``s-…``, and at pine a teacher, a class and its enrollments."""
    folder.mkdir(parents=True)
    names = ["academicSessions", "classes", "courses", "enrollments", "orgs", "users"]
    manifest = [("manifest.version", "1.0"), ("oneroster.version", "1.1"), *((f"file.{name}", mode) for name in names)]
    write_csv(
        folder / "manifest.csv", ["propertyName", "value"], [{"propertyName": k, "value": v} for k, v in manifest]
    )
    stamp = {"status": status, "dateLastModified": ""}
    write_csv(
        folder / "orgs.csv",
        ["sourcedId", "status", "dateLastModified", "name", "type", "identifier", "parentSourcedId"],
        [{"sourcedId": "d", **stamp, "name": "The District", "type": "district"}]
        + [{"sourcedId": k, **stamp, "name": n, "type": "school", "parentSourcedId": "d"} for k, n in schools],
    )
    write_csv(
        folder / "academicSessions.csv",
        ["sourcedId", "status", "dateLastModified", "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"],
        [{"sourcedId": "y", **stamp, "title": "2026", "type": "schoolYear", "startDate": "2026-08-01",
          "endDate": "2027-06-30", "schoolYear": "2027"}],
    )  # fmt: skip
    write_csv(
        folder / "courses.csv",
        ["sourcedId", "status", "dateLastModified", "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId",
         "subjects", "subjectCodes"],
        [{"sourcedId": "alg", **stamp, "title": "Algebra", "courseCode": "A1", "subjects": "Mathematics"}],
    )  # fmt: skip
    write_csv(
        folder / "classes.csv",
        ["sourcedId", "status", "dateLastModified", "title", "grades", "courseSourcedId", "classCode", "classType", "location",
         "schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods"],
        [{"sourcedId": "c", **stamp, "title": "Algebra 1", "courseSourcedId": "alg", "schoolSourcedId": "pine",
          "termSourcedIds": "y"}],
    )  # fmt: skip
    person = {**stamp, "enabledUser": "true", "givenName": "Kim", "familyName": "Lee", "username": "kim"}
    write_csv(
        folder / "users.csv",
        ["sourcedId", "status", "dateLastModified", "enabledUser", "orgSourcedIds", "role", "username", "userIds",
         "givenName", "familyName", "middleName", "identifier", "email", "sms", "phone", "agentSourcedIds", "grades",
         "password"],
        [{"sourcedId": f"s-{k}", **person, "orgSourcedIds": k, "role": "student", "grades": "09"} for k, _ in schools]
        + [{"sourcedId": "t", **person, "orgSourcedIds": "pine", "role": "teacher"}],
    )  # fmt: skip
    write_csv(
        folder / "enrollments.csv",
        ["sourcedId", "status", "dateLastModified", "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary",
         "beginDate", "endDate"],
        [{"sourcedId": f"e-{u}", **stamp, "classSourcedId": "c", "schoolSourcedId": "pine", "userSourcedId": u, "role": r,
          "primary": p} for u, r, p in [("s-pine", "student", ""), ("t", "teacher", "true")]],
    )  # fmt: skip
    return folder


def test_a_one_roster_set_brings_terms_courses_and_the_district(pine: District, tmp_path: Path) -> None:
    report = pine.upload_paths([one_roster(tmp_path / "set", schools=[("pine", "Pine")])])
    assert report.state == "applied"
    assert pine.rows("SELECT title, course_title, course_number, subjects, term_ids FROM class") == [
        ("Algebra 1", "Algebra", "A1", '["Mathematics"]', "[1]")
    ]
    assert pine.rows("SELECT title, begins_on FROM term") == [("2026", "2026-08-01")]
    assert pine.rows("SELECT role, is_primary FROM enrollment ORDER BY role") == [("student", None), ("teacher", True)]
    again = pine.upload_paths([tmp_path / "set"])
    assert all(kind.created == kind.updated == kind.archived == 0 for kind in again.kinds)


def test_in_a_delta_only_tombstones_remove(pine: District, tmp_path: Path) -> None:
    pine.upload_paths([one_roster(tmp_path / "bulk", schools=[("pine", "Pine"), ("oak", "Oak")])])
    delta = one_roster(tmp_path / "delta", schools=[("oak", "Oak")], mode="delta")
    (delta / "classes.csv").unlink()
    (delta / "enrollments.csv").unlink()
    text = (delta / "users.csv").read_text().splitlines()
    text = [text[0], text[1].replace("s-oak,,", ["s-oak,tobedeleted", "2026-11-01T00:00:00.000Z"][0] + ",")]
    (delta / "users.csv").write_text("\n".join(text) + "\n")
    tenants.set_setting(pine.service, "test", "guard.removals.percent", "100")

    report = pine.upload_paths([delta])

    if report.state == "held":  # the only person at Oak School: no run may empty a school
        plans.approve_plan(pine.service, report.run_id, decided_by="tests")
    assert set(pine.people("archived")) == {"s-oak"}
    assert set(pine.people()) == {"s-pine", "t"}
    assert ("tombstone",) in pine.rows("SELECT DISTINCT archived_cause FROM person")


# --- scope: school-level uploads ------------------------------------------------------------------------------------


def test_an_upload_for_one_school_speaks_of_that_school_only(pine: District) -> None:
    files = district(students=60)
    assert files.users
    assert files.classes
    assert files.enrollments is not None
    for number in range(30):
        files.users[f"o{number}"] = user(schools="oak")
    files.users["both"] = user("teacher", schools="pine,oak")
    files.classes["co"] = clazz("Oak class", school="oak")
    files.school_of["co"] = "oak"
    files.enrollments += [("co", f"o{number}", "student") for number in range(30)]
    pine.upload(files)
    pine_people = {key for key in pine.people() if not key.startswith("o")}
    oak_only = Files(
        users={f"o{number}": user(schools="") for number in range(29)},
        classes={"co": clazz("Oak class", school="")},
        enrollments=[("co", f"o{number}", "student") for number in range(29)],
        school_of={"co": ""},
    )

    report = pine.upload(oak_only, school="oak")

    assert report.state == "applied"
    assert set(pine.people("archived")) == {"o29"}
    assert set(pine.people()) >= pine_people
    assert pine.enrollments() == {row for row in files.enrollments if row[1] != "o29"}


# --- references ------------------------------------------------------------------------------------------------------


def test_references_to_nobody_are_problems_and_the_rest_still_works(pine: District) -> None:
    files = district(students=4, classes=2)
    assert files.users
    assert files.enrollments
    files.enrollments += [("nowhere", "s1", "student"), ("c0", "nobody", "student")]
    files.users["s0"] = {**files.users["s0"], "agentSourcedIds": "p0,ghost"}
    report = pine.upload(files)
    assert codes(report) == {"unknown_class": 1, "unknown_person": 1, "unknown_guardian": 1}
    assert counts(report, "enrollment").created == 6
    details = {p.code: p.message for p in history.list_problems(pine.service, report.run_id)}
    assert "nowhere" in details["unknown_class"]
    assert "nobody" in details["unknown_person"]


def test_ids_are_compared_character_by_character_and_near_misses_are_told(oak: District) -> None:
    files = Files(users={"0042": user(givenName="Zero"), "42": user(givenName="None")})
    report = oak.upload(files)
    assert set(oak.people()) == {"0042", "42"}
    assert codes(report) == {"id_zero_variant": 1}
    files.users = {"007": user(), "07": user(), "000000042": user(), **(files.users or {})}
    report = oak.upload(files)
    assert codes(report)["id_zero_variant"] == 3


def test_duplicates_count_once_and_the_first_row_wins(oak: District, tmp_path: Path) -> None:
    columns = ["sourcedId", "orgSourcedIds", "role", "givenName", "familyName"]
    rows = [
        {"sourcedId": "a", "orgSourcedIds": "pine", "role": "student", "givenName": name, "familyName": "Lee"}
        for name in ("First", "First", "Second")
    ]
    write_csv(tmp_path / "users.csv", columns, rows)
    report = oak.upload_paths([tmp_path / "users.csv"])
    assert codes(report) == {"duplicate_same": 1, "duplicate_different": 1}
    assert oak.rows("SELECT given_name FROM person") == [("First",)]


def test_at_most_six_guardians_in_the_order_of_the_file(pine: District) -> None:
    users = {f"p{number}": guardian(email=f"p{number}@example.org") for number in range(8)}
    users["s"] = user(agentSourcedIds=",".join(f"p{number}" for number in range(8)))
    report = pine.upload(Files(users=users))
    assert codes(report) == {"too_many_guardians": 2}
    assert pine.guardianships() == {("s", f"p{number}") for number in range(6)}
    again = pine.upload(Files(users=users))
    assert codes(again) == {"too_many_guardians": 2}
    assert all(kind.created == kind.archived == 0 for kind in again.kinds)


def test_guardian_links_are_read_from_either_side_once(oak: District) -> None:
    users = {
        "s1": user(agentSourcedIds="p1"),
        "s2": user(),
        "p1": guardian(agentSourcedIds="s1,s2"),
        "t": user("teacher"),
        "s3": user(agentSourcedIds="t"),
    }
    report = oak.upload(Files(users=users))
    assert oak.guardianships() == {("s1", "p1"), ("s2", "p1")}
    assert codes(report) == {"not_a_guardian": 1}


def test_a_role_that_is_not_the_persons_own_is_told(oak: District) -> None:
    files = district(students=3, classes=1)
    assert files.enrollments
    files.enrollments.append(("c0", "s1", "teacher"))
    report = oak.upload(files)
    assert codes(report) == {"role_mismatch": 1}
    assert ("c0", "s1", "teacher") in oak.enrollments()


def test_an_enrollment_names_another_school_than_its_class(oak: District) -> None:
    files = district(students=3, classes=1)
    files.school_of["c0"] = "oak"
    report = oak.upload(files)
    assert codes(report) == {"school_mismatch": 4}
    assert len(oak.enrollments()) == 4


# --- concurrency, history, results, migrations -----------------------------------------------------------------------


def test_two_uploads_at_once_one_is_refused_plainly(pine: District) -> None:
    folder = pine.write(district(students=400, classes=20))
    outcomes: list[RunReport | RosterSyncError] = []
    started = threading.Barrier(2)

    def send() -> None:
        started.wait()
        try:
            outcomes.append(pine.upload_paths([folder]))
        except RosterSyncError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 2
    assert any(isinstance(outcome, RunReport) for outcome in outcomes)
    assert all(isinstance(outcome, RunReport | TenantBusyError) for outcome in outcomes)
    assert pine.rows("SELECT count(*) FROM enrollment") == [(420,)]


def test_a_newer_run_takes_the_place_of_a_plan_that_waits(oak: District) -> None:
    files = district(students=60)
    oak.upload(files)
    assert files.enrollments
    broken = Files(files.users, files.classes, files.enrollments[:20])
    held = oak.upload(broken)
    assert held.state == "held"
    oak.upload(files)
    assert history.get_run(oak.service, held.run_id).state == "discarded"
    assert oak.rows("SELECT count(*) FROM plan_chunk") == [(0,)]


def test_explain_tells_the_whole_story(pine: District) -> None:
    files = district()
    assert files.users
    files.users["bad"] = user(role="wizard")
    pine.upload(files)
    gone = files.users.pop("s7")
    assert gone
    pine.upload(files)

    here = explain.explain(pine.service, "test", "s1")
    assert (here.found, here.status) == (True, "active")
    story = "\n".join(here.facts)
    assert "users.csv line 4" in story
    assert "created by run 1" in story
    assert "s1 in class c1 as student" in story
    left = explain.explain(pine.service, "test", "s7")
    assert left.status == "archived"
    assert "the source no longer listed it" in "\n".join(left.facts)
    refused = explain.explain(pine.service, "test", "bad")
    assert not refused.found
    assert "users.csv line 46" in refused.facts[0]
    assert "The role is not one of the known ones." in refused.facts[0]
    nobody = explain.explain(pine.service, "test", "0s1")
    assert "differs only by leading zeros" in "\n".join(nobody.facts)


def test_person_is_found_by_a_number_that_the_source_gives_them(oak: District) -> None:
    oak.upload(district(students=3))
    numbers = msgspec.json.encode({"sis_id": "0017_%", "state_id": "NY-4"}).decode()
    with writing(oak.service.engine) as connection:
        connection.execute(text("UPDATE person SET identifiers = :numbers WHERE id = 2"), {"numbers": numbers})
    for number in ("0017_%", "NY-4"):
        told = explain.explain(oak.service, "test", number)
        assert (told.found, told.status) == (True, "active")
        assert told.facts[0] == f"No source knows anybody as {number}, but it is a number of #2."
        assert any(fact.startswith("Affiliation: ") for fact in told.facts)
    for number in ("0017", "0017ab", "ny-4", "17_%", "sis_id"):
        assert not explain.explain(oak.service, "test", number).found


def test_result_files_repeat_the_rows_and_run_no_formula(oak: District) -> None:
    files = district(students=2, classes=1)
    assert files.users
    files.users["s1"] = {**files.users["s1"], "givenName": "=HYPERLINK(1)"}
    files.users["bad"] = user(role="wizard")
    report = oak.upload(files, results="full")
    assert report.results_path
    with (Path(report.results_path) / "users.results.csv").open(encoding="utf-8-sig", newline="") as handle:
        rows = {line["sourcedId"]: line for line in csv.DictReader(handle)}
    assert rows["s0"]["result"] == "SUCCESS"
    assert rows["s0"]["action"] == "CREATED"
    assert rows["s1"]["givenName"] == "'=HYPERLINK(1)"
    assert rows["bad"]["result"] == "ERROR"
    assert "The role is not one of the known ones" in rows["bad"]["message"]
    again = oak.upload(files, results="full")
    assert again.results_path
    assert "UNCHANGED" in (Path(again.results_path) / "classes.results.csv").read_text("utf-8-sig")
    few = oak.upload(files, results="problems")
    assert few.results_path
    assert [path.name for path in Path(few.results_path).iterdir()] == ["users.results.csv"]


def test_rows_whose_effect_waits_say_so_in_the_result_file(oak: District) -> None:
    files = district(students=40)
    oak.upload(files)
    assert files.users
    files.users = {f"new-{key}": {**fields, "agentSourcedIds": ""} for key, fields in files.users.items()}
    report = oak.upload(Files(users=files.users), results="full")
    assert report.results_path
    assert "HELD" in (Path(report.results_path) / "users.results.csv").read_text("utf-8-sig")


def test_the_migrations_make_exactly_the_declared_tables(service: Service) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext
    from sqlmodel import SQLModel

    with service.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
    assert schema.current_version(service.engine) == schema.newest_version()


def test_a_database_from_the_future_is_refused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="")
    with open_service(settings) as service, writing(service.engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RosterSyncError, match="newer rostersync"), open_service(settings):
        pass


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://"])
def test_a_bad_database_address_is_one_plain_sentence(url: str) -> None:
    with pytest.raises(RosterSyncError, match="ROSTERSYNC_DATABASE_URL"):
        database.create(url)


def test_a_run_that_was_killed_is_failed_by_the_next_one(oak: District) -> None:
    oak.upload(district())
    with writing(oak.service.engine) as connection:
        connection.exec_driver_sql("UPDATE run SET state = 'applying', report = '{}' WHERE id = 1")
    upload(oak.service, "test", [oak.write(district())], started_by="tests", results="none")
    killed = history.get_run(oak.service, 1)
    assert killed.state == "failed"
    assert "interrupted" in killed.error


def test_a_run_that_takes_nothing_does_not_look_like_success(pine: District) -> None:
    files = Files(users={f"s{number}": user(schools="nowhere") for number in range(5)})
    with pytest.raises(DistrictActionError, match="None of the records could be taken") as caught:
        pine.upload(files)
    assert "The school is not known here" in caught.value.for_admin
    (newest,) = history.list_runs(pine.service)
    assert newest.state == "failed"
    assert len(history.list_problems(pine.service, newest.run_id)) == 5


def test_files_without_a_single_record_do_not_look_like_success(oak: District) -> None:
    with pytest.raises(DistrictActionError, match="lists no records at all"):
        oak.upload(Files(users={}, classes={}, enrollments=[]))


def test_the_first_problems_show_a_few_of_each_sort(oak: District) -> None:
    users = {f"s{number}": user(role="wizard") for number in range(30)}
    users |= {"ok": user(email="nonsense"), "ok2": user(schools="nowhere")}
    report = oak.upload(Files(users=users))
    shown = [problem.code for problem in report.first_problems]
    assert (shown.count("unknown_role"), shown.count("unknown_school"), shown.count("bad_email")) == (5, 1, 1)
    assert codes(report)["unknown_role"] == 30


def test_a_database_that_cannot_be_written_says_try_again(oak: District, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr("store.writer.insert_rows", full)
    with pytest.raises(RetryLaterError, match="the roster is as it was"):
        oak.upload(district())
    assert history.list_runs(oak.service)[0].state == "failed"
    assert oak.people() == {}


def test_what_another_connection_archived_is_taken_over_by_who_lists_it(oak: District) -> None:
    files = without_guardians()
    oak.upload(files)
    oak.upload(Files(guardians=[row("s1", "g1"), row("s2", "g2")]), connection="guardians")
    oak.upload(Files(guardians=[row("s2", "g2")]), connection="guardians")
    assert oak.guardianships("archived") == {("s1", "g1")}
    with writing(oak.service.engine) as connection:
        connection.exec_driver_sql("UPDATE guardianship SET connection_id = NULL WHERE status = 'archived'")
    oak.upload(Files(guardians=[row("s1", "g1"), row("s2", "g2")]), connection="guardians")
    assert oak.guardianships() == {("s2", "g2")}, "a row made by hand, archived by hand, stays archived"


def test_a_run_goes_through_its_states_in_order(pine: District) -> None:
    states: list[str] = []

    def watch(_progress: Progress | None = None) -> None:
        states.extend(state for (state,) in pine.rows("SELECT state FROM run"))

    pine.upload(district(), progress=watch)
    watch()

    assert list(dict.fromkeys(states)) == ["pulling", "checking", "applying", "applied"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("guard.removals.percent", "-1"),
        ("guard.removals.percent", "101"),
        ("guard.nonsense", "1"),
        ("create_schools", "maybe"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(oak: District, key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=key):
        tenants.set_setting(oak.service, "test", key, value)
    assert tenants.show_tenant(oak.service, "test").settings["create_schools"] is False


def test_the_error_of_a_run_names_it(oak: District) -> None:
    with pytest.raises(DistrictActionError) as caught:
        oak.upload(Files(users={"a": user(schools="nowhere")}))
    assert caught.value.run_id == history.list_runs(oak.service)[0].run_id


def test_result_files_that_cannot_be_written_do_not_undo_the_run(oak: District) -> None:
    oak.service.settings.results_dir.write_text("a file where the folder should be")
    report = oak.upload(district(), results="full")
    assert report.state == "applied"
    assert "The result files could not be written" in report.notes[-1]
    stored = history.get_run(oak.service, report.run_id)
    assert (stored.state, stored.notes) == ("applied", report.notes)


def test_a_run_that_is_stopped_has_changed_nothing(pine: District) -> None:
    from models.errors import CancelledError

    files = district()
    pine.upload(files)
    before = pine.snapshot()
    assert files.users is not None
    files.users["s1"]["givenName"] = "Changed"

    asked = iter([False, False, True])
    with pytest.raises(CancelledError) as stopped:
        pine.upload(files, cancelled=lambda: next(asked, True))

    assert pine.snapshot() == before
    assert stopped.value.code == "cancelled"
    assert pine.rows("SELECT state FROM run ORDER BY id DESC LIMIT 1") == [("failed",)]
