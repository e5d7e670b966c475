"""OneRoster 1.1 and 1.2 CSV sets: bulk and delta, tombstones, manifest, courses, roles."""

from pathlib import Path

import pytest

from models.pages import Refusal
from models.records import Affiliation, Class, Enrollment, Guardianship, Person, School, Term
from models.settings import UploadOptions
from tests.connectors.csv_cases import GUARDIANS, pull

Files = dict[str, str | bytes]

ORGS = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n"
SESSIONS = "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
COURSES = "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects\n"
CLASSES = (
    "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
    "termSourcedIds,subjects,subjectCodes,periods\n"
)
USERS = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password\n"
)
ENROLLMENTS = (
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
)
DEMOGRAPHICS = "sourcedId,status,dateLastModified,birthDate,sex\n"
USERS_12 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,"
    "sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,primaryOrgSourcedId\n"
)
ROLES = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId\n"


def manifest(**modes: str) -> str:
    lines = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.1"]
    return "\n".join(lines + [f"file.{name},{mode}" for name, mode in modes.items()])


def bulk_set() -> Files:
    return {
        "manifest.csv": manifest(orgs="bulk", academicSessions="bulk", courses="bulk", classes="bulk", users="bulk",
                                 enrollments="bulk", demographics="bulk", lineItems="absent"),
        "orgs.csv": ORGS + "S1,,,North,school,77,D1\nD1,,,District,District,,\nS2,active,,South,departments,,D1\n",
        "academicSessions.csv": SESSIONS + "T1,,,Fall,semester,2026-08-31,2027-01-15,,2027\n"
        + "T2,,,Odd,term,1/15/2027,2026-01-01,,\n",
        "courses.csv": COURSES + "K1,,,,Algebra,ALG1,\"09,10\",D1,Math\n",
        "classes.csv": CLASSES + "C1,,,Algebra 1,,K1,A-1,scheduled,R1,S1,\"T1,T2\",,,\"1,2\"\n"
        + "C2,,,Art,3,K9,,homeroom,,S2,T1,Arts,,\n",
        "users.csv": USERS
        + "1,,,true,\"S1,S2\",student,ann,{stateId:9},Ann,Abel,M,1001,,,,G1,08,hunter2\n"
        + "2,,,FALSE,S1,teacher,bob,,Bob,Brown,,55,b@b.co,,,,,hunter2\n"
        + "G1,,,1,S1,parent,,,Pat,Abel,,,p@b.co,,,\"1,3\",,\n",
        "enrollments.csv": ENROLLMENTS + "E1,,,C1,S1,1,student,,2026-08-31,2027-01-15\nE2,,,C1,S1,2,teacher,true,,\n",
        "demographics.csv": DEMOGRAPHICS + "1,,,2012-01-01,female\n",
    }  # fmt: skip


def test_a_bulk_set(tmp_path: Path) -> None:
    pulled = pull(tmp_path, bulk_set())
    assert pulled.records("school") == [
        School("D1", "District", type="district"),
        School("S1", "North", "77", "school", "D1"),
        School("S2", "South", None, "departments", "D1"),
    ]
    assert pulled.records("term") == [
        Term("T1", "Fall", "semester", "2026-08-31", "2027-01-15", "2027"), Term("T2", "Odd", "term"),
    ]  # fmt: skip
    assert pulled.records("class") == [
        Class("C1", "Algebra 1", "S1", "A-1", "Algebra", "ALG1", ("Math",), ("09", "10"), ("1", "2"), "R1",
              ("T1", "T2")),
        Class("C2", "Art", "S2", subjects=("Arts",), grades=("03",), term_source_ids=("T1",)),
    ]  # fmt: skip
    assert pulled.records("person") == [
        Person("1", "Ann", "M", "Abel", username="ann", grades=("08",), enabled=True,
               identifiers=(("state_id", "9"), ("student_number", "1001"))),
        Person("2", "Bob", None, "Brown", username="bob", email="b@b.co", enabled=False,
               identifiers=(("staff_id", "55"),)),
        Person("G1", "Pat", None, "Abel", email="p@b.co", enabled=True),
    ]  # fmt: skip
    assert pulled.records("affiliation") == [
        Affiliation("1", "S1", "student"), Affiliation("1", "S2", "student"), Affiliation("2", "S1", "teacher"),
        Affiliation("G1", "S1", "parent"),
    ]  # fmt: skip
    assert pulled.records("guardianship") == [Guardianship("1", "G1"), Guardianship("3", "G1")]
    assert pulled.records("enrollment") == [
        Enrollment("C1", "1", "student", None, "2026-08-31", "2027-01-15"), Enrollment("C1", "2", "teacher", True),
    ]  # fmt: skip
    assert pulled.codes == ["date_reformatted", "dates_reversed", "file_ignored", "unknown_course", "unknown_type"]
    assert {statement.verdict for statement in pulled.coverage.values()} == {"complete"}
    assert pulled.arrivals["demographics.csv"].role == "ignored"
    assert "hunter2" not in str(pulled.events)


def test_tombstones_are_pages_of_their_own(tmp_path: Path) -> None:
    files: Files = {
        "orgs.csv": ORGS + "S1,,,North,school,,\nS2,tobedeleted,,,school,,\n",
        "academicSessions.csv": SESSIONS + "T1,ToBeDeleted,,,,,,,\n",
        "classes.csv": CLASSES + "C1,inactive,,,,,,,,,,,,\n",
        "users.csv": USERS + "1,tobedeleted,,,,,,,,,,,,,,,,\n2,gone?,,,S1,teacher,,,B,B,,,,,,,,\n",
        "enrollments.csv": ENROLLMENTS + "E1,tobedeleted,,C1,S1,1,student,,,\nE2,tobedeleted,,,,1,student,,,\n",
    }
    pulled = pull(tmp_path, files)
    assert [record.source_id for record in pulled.gone("school")] == ["S2"]
    assert [record.source_id for record in pulled.gone("term")] == ["T1"]
    assert [record.source_id for record in pulled.gone("class")] == ["C1"]
    assert pulled.gone("person") == [Person("1")]
    assert pulled.gone("enrollment") == [Enrollment("C1", "1", "student")]
    assert pulled.refusals("person") == [Refusal(3, ("2",))]
    assert pulled.refusals("enrollment") == [Refusal(3, None)]
    assert pulled.codes == ["bad_status", "id_missing", "unidentified_rows"]
    assert pulled.verdict("person", "users") == "none"  # nobody is said to be there
    assert pulled.verdict("school", "orgs") == "complete"


def test_a_delta_proves_no_absence(tmp_path: Path) -> None:
    files = bulk_set() | {
        "manifest.csv": manifest(users="delta", enrollments="Delta", classes="bulk"),
        "enrollments.csv": ENROLLMENTS,
    }
    pulled = pull(tmp_path, files)
    assert pulled.verdict("person", "users") == pulled.verdict("affiliation", "users") == "none"
    assert pulled.verdict("guardianship", "users") == pulled.verdict("enrollment", "enrollments") == "none"
    assert "delta" in pulled.coverage[("person", "users")].reason
    assert pulled.verdict("class", "classes") == "complete"
    assert "file_header_only" not in pulled.codes


def test_a_manifest_that_does_not_agree(tmp_path: Path) -> None:
    files = bulk_set() | {"manifest.csv": manifest(users="bulk", enrollments="bulk", classes="absent", roles="bulk")}
    del files["enrollments.csv"]
    pulled = pull(tmp_path, files)
    assert [problem.detail for problem in pulled.problems if problem.code == "manifest_mismatch"] == [
        "(enrollments.csv is announced and did not come)",
        "(roles.csv is announced and did not come)",
        "(classes.csv came and is said to be absent)",
    ]
    assert pulled.verdict("enrollment", "enrollments") == "none"
    assert pulled.verdict("class", "classes") == "partial"
    assert pulled.verdict("person", "users") == "complete"


def set_12() -> Files:
    return {
        "users.csv": USERS_12
        + "1,,,true,ann,{SIS:7},Ann,Abel,,1001,,,,G1,08,pw,m1,Annie,S1\n"
        + "2,,,true,bob,,Bob,Brown,,55,,,,,,,,,\n"
        + "G1,,,,,,Pat,Abel,,,,,,1,,,,,\n"
        + "G2,,,,,,Gil,Abel,,,,5550100100,,1,,,,,\n",
        "roles.csv": ROLES
        + "R1,,,1,primary,student,,,S1\n"
        + "R2,,,1,secondary,student,,,S2\n"
        + "R3,,,2,Primary,districtAdministrator,,,D1\n"
        + "R4,,,2,secondary,parent,,,S1\n"
        + "R5,,,G1,primary,guardian,,,S1\n"
        + "R6,,,G2,primary,relative,,,S1\n"
        + "R7,,,2,primary,sorcerer,,,S1\n"
        + "R8,tobedeleted,,2,primary,aide,,,S1\n",
    }


def test_a_set_with_roles(tmp_path: Path) -> None:
    pulled = pull(tmp_path, set_12())
    assert pulled.records("affiliation") == [
        Affiliation("1", "S1", "student", True), Affiliation("1", "S2", "student", False),
        Affiliation("2", "D1", "districtAdministrator", True), Affiliation("2", "S1", "parent", False),
        Affiliation("G1", "S1", "guardian", True), Affiliation("G2", "S1", "relative", True),
    ]  # fmt: skip
    assert pulled.gone("affiliation") == [Affiliation("2", "S1", "aide")]
    assert pulled.records("person") == [
        Person("1", "Ann", None, "Abel", "Annie", "ann", grades=("08",), enabled=True,
               identifiers=(("master_id", "m1"), ("sis_id", "7"), ("student_number", "1001"))),
        Person("2", "Bob", None, "Brown", username="bob", enabled=True, identifiers=(("staff_id", "55"),)),
        Person("G2", "Gil", None, "Abel", sms="5550100100"),
    ]  # fmt: skip
    assert pulled.codes == ["guardian_no_contact", "unknown_role"]
    assert pulled.refusals("person") == [Refusal(4, ("G1",))]
    assert pulled.refusals("affiliation") == [Refusal(8, ("2", "S1"))]
    assert pulled.records("guardianship") == [Guardianship("1", "G1"), Guardianship("1", "G2")]
    assert pulled.verdict("affiliation", "roles") == "complete"
    assert ("affiliation", "users") not in pulled.coverage


def test_the_children_of_one_who_is_staff_too(tmp_path: Path) -> None:
    files = set_12() | {
        "users.csv": USERS_12 + "1,,,true,ann,,Ann,Abel,,,,,,,08,,,,\n" + "2,,,true,bob,,Bob,Brown,,55,,,,1,,,,,\n"
    }
    assert pull(tmp_path, files).records("guardianship") == [Guardianship("1", "2")]


def test_a_class_without_a_title_is_called_by_its_course_or_its_code(tmp_path: Path) -> None:
    files = bulk_set() | {
        "courses.csv": COURSES + "K1,,,,Grade 3,,,D1,\nK2,,,,,G3,,D1,\n",
        "classes.csv": CLASSES
        + "C1,,,,,K1,3-A,,,S1,,,,\nC2,,,,,K2,3-B,,,S1,,,,\nC3,,,,,,3-C,,,S1,,,,\nC4,,,,,K2,,,,S1,,,,\n"
        + "C5,,,,,K1,,,,,,,,\n",
    }
    pulled = pull(tmp_path, files)
    assert [(found.source_id, found.title) for found in pulled.records("class")] == [
        ("C1", "Grade 3"), ("C2", "3-B"), ("C3", "3-C"),
    ]  # fmt: skip
    assert [(problem.source_id, problem.field) for problem in pulled.problems if problem.kind == "class"] == [
        ("C4", "title"), ("C5", "schoolSourcedId"),
    ]  # fmt: skip


def test_roles_prove_nothing_without_all_people(tmp_path: Path) -> None:
    files = set_12() | {"manifest.csv": manifest(users="delta", roles="bulk")}
    assert pull(tmp_path / "1", files).verdict("affiliation", "roles") == "partial"
    del files["users.csv"]
    assert pull(tmp_path / "2", files).verdict("affiliation", "roles") == "partial"


def test_roles_that_cannot_be_read_leave_users_without_their_roles(tmp_path: Path) -> None:
    pulled = pull(tmp_path, set_12() | {"roles.csv": "sourcedId,userSourcedId,roleType\nR1,1,primary\n",
                                        "guardians.csv": GUARDIANS + "1,G9,Pat,Abel,p@b.co,,,,\n"})  # fmt: skip
    assert pulled.arrivals["users.csv"].role == pulled.arrivals["roles.csv"].role == "unreadable"
    assert pulled.verdict("affiliation", "roles") == pulled.verdict("person", "users") == "none"
    assert pulled.verdict("person", "guardians") == "complete"


def test_a_school_level_set_speaks_of_its_school_only(tmp_path: Path) -> None:
    pulled = pull(tmp_path, bulk_set(), UploadOptions(school="S1"))
    assert [record.source_id for record in pulled.records("school")] == ["S1"]
    assert pulled.verdict("term", "academicSessions") == "partial"
    assert pulled.verdict("person", "users") == "complete"
    assert {statement.scope for statement in pulled.coverage.values()} == {"S1"}


@pytest.mark.parametrize("name", ["resources", "classResources", "lineItems", "results", "categories", "userProfiles"])
def test_files_of_no_use_are_left_alone(tmp_path: Path, name: str) -> None:
    pulled = pull(tmp_path, bulk_set() | {f"{name}.csv": "sourcedId,status,dateLastModified,title\nX,,,Y\n"})
    assert pulled.arrivals[f"{name}.csv"].role == "ignored"
    assert {statement.verdict for statement in pulled.coverage.values()} == {"complete"}


def test_orgs_in_a_circle_and_without_a_parent(tmp_path: Path) -> None:
    rows = "A,,,A,school,,B\nB,,,B,school,,A\nC,,,C,school,,nowhere\n,,,D,school,,\nE,,,,school,,\n"
    pulled = pull(tmp_path, {"orgs.csv": ORGS + rows})
    assert len(pulled.records("school")) == 3
    assert pulled.codes == ["id_missing", "required_missing", "unidentified_rows"]
    assert pulled.verdict("school", "orgs") == "partial"


def test_values_of_enrollments_and_users_that_cannot_be_used(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {
            "users.csv": USERS + "1,,,perhaps,S1,student,,,A,B,,,,,,,,\n",
            "enrollments.csv": ENROLLMENTS
            + "E1,,,C1,S1,1,student,x,soon,2027-01-01\nE2,,,C1,S1,2,student,,9/1/2026,8/1/2026\n",
        },
    )
    assert pulled.codes == ["bad_boolean", "bad_boolean", "bad_date", "date_reformatted", "date_reformatted",
                            "dates_reversed"]  # fmt: skip
    assert pulled.records("enrollment") == [
        Enrollment("C1", "1", "student", None, None, "2027-01-01"), Enrollment("C1", "2", "student"),
    ]  # fmt: skip


def test_guardians_beside_a_oneroster_set(tmp_path: Path) -> None:
    pulled = pull(tmp_path, bulk_set() | {"guardians.csv": GUARDIANS + "1,G9,Sam,Abel,s@b.co,,,,father\n"})
    assert pulled.records("guardianship")[-1] == Guardianship("1", "G9", "father")
    assert {key for key in pulled.coverage if key[0] == "guardianship"} == {
        ("guardianship", "users"), ("guardianship", "guardians"),
    }  # fmt: skip
