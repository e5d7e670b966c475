"""Where two sources, two listings, or two rows of one record meet."""

from pathlib import Path

import pytest

from models.errors import SettingsError
from sync import history, plans, tenants
from tests.sync.district import District, Files, codes, counts, district, guardian, user
from tests.sync.test_engine import one_roster, row, without_guardians


def many_families(files: Files, number: int = 40) -> None:
    """More students with guardians, so that a few removals stay below the guard's limits."""
    assert files.users
    for index in range(number):
        files.users[f"k{index}"] = user(agentSourcedIds=f"kp{index}")
        files.users[f"kp{index}"] = guardian(givenName=f"K{index}", email=f"k{index}@example.org", orgSourcedIds="")


def test_an_enrollment_dropped_and_listed_again_stays_whatever_the_order(oak: District, tmp_path: Path) -> None:
    folder = one_roster(tmp_path / "set", [("pine", "Pine")])
    oak.upload_paths([folder])
    lines = (folder / "enrollments.csv").read_text().splitlines()
    dropped = lines[1].replace("e-s-pine,,", "e-old,tobedeleted,")
    for rows in ([lines[0], dropped, *lines[1:]], [*lines, dropped]):
        (folder / "enrollments.csv").write_text("\n".join(rows) + "\n")
        report = oak.upload_paths([folder])
        assert report.state == "applied"
        assert counts(report, "enrollment").archived == 0
        assert ("c", "s-pine", "student") in oak.enrollments()


def test_a_connection_of_relations_only_is_guarded(oak: District) -> None:
    files = district(students=60)
    enrollments = files.enrollments
    files.enrollments = None
    oak.upload(files)
    oak.upload(Files(enrollments=enrollments), connection="enrollments")
    assert enrollments
    report = oak.upload(Files(enrollments=enrollments[:1]), connection="enrollments")
    assert report.state == "held"
    assert len(oak.enrollments()) == 64


def test_a_record_that_moves_to_another_file_needs_that_file_to_be_absent(pine: District) -> None:
    files = without_guardians()
    many_families(files)
    assert files.users
    files.users["s1"] = {**files.users["s1"], "agentSourcedIds": "g1"}
    files.users["g1"] = user("parent", schools="", givenName="Gia", familyName="Lee", email="g1@example.org")
    pine.upload(files)
    files.users.pop("g1")
    files.users["s1"] = {**files.users["s1"], "agentSourcedIds": ""}
    files.guardians = [row("s1", "g1")]
    pine.upload(files)
    again = pine.upload(files)
    assert all(kind.created == kind.updated == kind.archived == 0 for kind in again.kinds)
    files.guardians = None

    report = pine.upload(files)

    assert "g1" in pine.people()
    assert ("s1", "g1") in pine.guardianships()
    assert counts(report, "person").archived == 0


def test_guardians_of_another_connection_are_counted_once(oak: District) -> None:
    files = without_guardians()
    many_families(files)
    assert files.users
    for index in (1, 2, 3):
        files.users[f"p{index}"] = guardian(givenName=f"P{index}", email=f"p{index}@example.org", orgSourcedIds="")
    files.users["s1"] = {**files.users["s1"], "agentSourcedIds": "g1,g2,g3,p1,p2,p3"}
    oak.upload(files)
    oak.upload(Files(guardians=[row("s1", f"g{index}") for index in (1, 2, 3)]), connection="guardians")

    report = oak.upload(files)

    assert counts(report, "guardianship").archived == 0
    assert "too_many_guardians" not in codes(report)
    assert len([pair for pair in oak.guardianships() if pair[0] == "s1"]) == 6


def test_a_school_that_comes_back_is_back_for_every_connection(pine: District, tmp_path: Path) -> None:
    tenants.set_setting(pine.service, "test", "create_schools", "true")
    both = one_roster(tmp_path / "a", [("pine", "Pine"), ("new", "New"), ("new2", "New too")])
    fewer = one_roster(tmp_path / "a2", [("pine", "Pine"), ("new2", "New too")])
    other = one_roster(tmp_path / "b", [("pine", "Pine"), ("new", "New")])
    pine.upload_paths([both], connection="a")
    pine.upload_paths([other], connection="b")
    held = pine.upload_paths([fewer], connection="a")
    assert held.state == "held", "another source still fills the school"
    assert any(hold.measure == "in_use" for hold in held.holds)
    plans.approve_plan(pine.service, held.run_id, decided_by="tests")
    pine.upload_paths([both], connection="a")

    report = pine.upload_paths([other], connection="b")

    assert "unknown_school" not in codes(report)


def test_a_plan_is_decided_once(oak: District, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two deciders saw the run while it still waited."""
    planned = oak.upload(district(), dry_run=True)
    stale = plans._waiting(oak.service, planned.run_id)
    plans.discard_plan(oak.service, planned.run_id, decided_by="first")
    monkeypatch.setattr(plans, "_waiting", lambda *_args: stale)
    with pytest.raises(SettingsError, match="is discarded"):
        plans.approve_plan(oak.service, planned.run_id, decided_by="second")
    with pytest.raises(SettingsError, match="is discarded"):
        plans.discard_plan(oak.service, planned.run_id, decided_by="second")
    assert history.get_run(oak.service, planned.run_id).state == "discarded"


def test_a_tombstone_of_one_school_does_not_reach_another(oak: District, tmp_path: Path) -> None:
    oak.upload(district(students=60))
    (tmp_path / "users.csv").write_text(
        "sourcedId,status,orgSourcedIds,role,givenName,familyName\n"
        "t1,tobedeleted,,teacher,Tess1,Ray\n"
        "o1,,oak,student,Ola,Lee\n"
    )
    oak.upload_paths([tmp_path / "users.csv"], school="oak")
    assert {"t1", "o1"} <= set(oak.people())


def test_a_delta_of_a_tombstone_and_a_bad_row_is_applied(oak: District, tmp_path: Path) -> None:
    oak.upload_paths([one_roster(tmp_path / "bulk", [("pine", "Pine"), ("oak", "Oak")])])
    delta = one_roster(tmp_path / "delta", [("oak", "Oak")], mode="delta")
    for name in ("classes", "enrollments", "orgs", "courses", "academicSessions"):
        (delta / f"{name}.csv").unlink()
    header = (delta / "users.csv").read_text().splitlines()[0]
    rows = ["t,tobedeleted,,true,pine,teacher,,,Kim,Lee,,,,,,,,", "bad,,,true,pine,wizard,,,Kim,Lee,,,,,,,,"]
    (delta / "users.csv").write_text("\n".join([header, *rows]) + "\n")
    report = oak.upload_paths([delta])
    assert report.state == "applied"
    assert set(oak.people("archived")) == {"t"}


def test_a_school_set_up_by_hand_after_its_source_dropped_it(oak: District, tmp_path: Path) -> None:
    tenants.set_setting(oak.service, "test", "create_schools", "true")
    oak.upload_paths([one_roster(tmp_path / "a", [("pine", "Pine"), ("new", "New"), ("new2", "New too")])])
    held = oak.upload_paths([one_roster(tmp_path / "b", [("pine", "Pine"), ("new2", "New too")])])
    if held.state == "held":
        plans.approve_plan(oak.service, held.run_id, decided_by="tests")
    view = tenants.add_school(oak.service, "test", "new", "New by hand")
    assert (view.name, view.managed_by, view.status) == ("New by hand", "hand", "active")
    report = oak.upload(Files(users={"x": user(schools="new")}), connection="files")
    assert counts(report, "person").created == 1
    again = oak.upload(Files(users={"y": user(schools="new")}))
    assert "unknown_school" not in codes(again)


def test_an_extension_role_is_as_quiet_the_second_day(pine: District) -> None:
    files = district()
    assert files.enrollments
    files.enrollments.append(("c1", "t0", "ext:coach"))
    assert codes(pine.upload(files)) == {}
    assert codes(pine.upload(files)) == {}
    assert ("c1", "t0", "ext:coach") in pine.enrollments()


def test_approving_a_dry_run_tells_all_that_happened(oak: District) -> None:
    files = district(students=60)
    oak.upload(files)
    assert files.users
    assert files.enrollments
    files.enrollments = [entry for entry in files.enrollments if entry[1] != "s5"]
    files.users = {
        key: {
            **fields,
            "agentSourcedIds": "" if key.startswith("s") and key > "s2" else fields.get("agentSourcedIds", ""),
        }
        for key, fields in files.users.items()
    }
    planned = oak.upload(files, dry_run=True)
    assert len(planned.consequences) == 2
    approved = plans.approve_plan(oak.service, planned.run_id, decided_by="tests")
    assert "1 student loses their last class" in approved.consequences
    assert any("now lose their last guardian" in sentence for sentence in approved.consequences)


def test_a_bad_course_costs_its_values_and_nothing_else(pine: District, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.csv").write_text(
        "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.courses,bulk\nfile.classes,bulk\n"
    )
    (folder / "courses.csv").write_text(
        "sourcedId,title,courseCode,orgSourcedId\n,Nameless,N1,district\nk1,Algebra,A1,d\n"
    )
    (folder / "classes.csv").write_text(
        "sourcedId,title,classType,schoolSourcedId,courseSourcedId,termSourcedIds\nc1,First,scheduled,pine,k1,\n"
    )

    report = pine.upload_paths([folder])

    assert codes(report)["id_missing"] == 1
    assert pine.rows("SELECT title, course_title FROM class") == [("First", "Algebra")]
