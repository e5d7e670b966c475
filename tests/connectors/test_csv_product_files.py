"""The product's own four files, clean and with the mistakes that people make in them."""

from pathlib import Path

import pytest

from connectors.csvfiles import CsvUpload
from connectors.csvfiles.guardians import contact_id
from models.errors import DistrictActionError, NotFoundError, SettingsError
from models.pages import Refusal
from models.records import Affiliation, Class, Enrollment, Guardianship, Person
from models.settings import UploadOptions
from models.vocabulary import KINDS
from tests.connectors.csv_cases import ANN, BOB, CLASSES, ENROLLMENTS, GUARDIANS, USERS, pull, pull_paths

SCHOOL = UploadOptions(school="S1")


def test_the_three_files_become_records_in_order(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {
            "users.csv": USERS
            + '001,"S1,S2",Student,Ann,Abel,ANN@example.org,(555) 010-0199,,"009,010",K,\n'
            + "009,S1,parent,Pat,Abel,pat@example.org,,555-010-0100,,,\n"
            + "010,S1,guardian,Gil,Abel,,+1 555 010 0101,,,,Spanish\n"
            + BOB,
            "classes.csv": CLASSES + 'C1,Algebra,"9,10",Room 1,S1,"1,2"\n',
            "enrollments.csv": ENROLLMENTS + "C1,S1,001,student\nC1,S1,002,Teacher\n",
        },
    )
    assert pulled.records("class") == [
        Class("C1", "Algebra", "S1", grades=("09", "10"), periods=("1", "2"), location="Room 1")
    ]
    assert pulled.records("person") == [
        Person("001", "Ann", None, "Abel", email="ann@example.org", sms="5550100199", grades=("KG",)),
        Person("009", "Pat", None, "Abel", email="pat@example.org", phone="5550100100", language="en"),
        Person("010", "Gil", None, "Abel", sms="+15550100101", language="es"),
        Person("002", "Bob", None, "Brown", email="bob@example.org"),
    ]
    assert pulled.records("affiliation") == [
        Affiliation("001", "S1", "student"), Affiliation("001", "S2", "student"), Affiliation("009", "S1", "parent"),
        Affiliation("010", "S1", "guardian"), Affiliation("002", "S1", "teacher"),
    ]  # fmt: skip
    assert pulled.records("guardianship") == [Guardianship("001", "009"), Guardianship("001", "010")]
    assert pulled.records("enrollment") == [Enrollment("C1", "001", "student"), Enrollment("C1", "002", "teacher")]
    assert pulled.lines("person") == [2, 3, 4, 5]
    assert pulled.codes == []
    assert {statement.verdict for statement in pulled.coverage.values()} == {"complete"}
    order = [KINDS.index(page.kind) for page in pulled.pages]
    assert order == sorted(order)


def test_the_templates_are_recognized_as_what_they_are() -> None:
    folder = Path(CsvUpload.__module__.replace(".", "/")).parent / "templates"
    pulled = pull_paths(Path(__file__).parents[2] / folder)
    assert sorted(file.role for file in pulled.upload.files) == ["classes", "enrollments", "guardians", "users"]
    assert set(pulled.codes) == {"file_header_only"}
    assert {statement.verdict for statement in pulled.coverage.values()} == {"none"}


def test_a_school_level_upload_needs_no_school_columns(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {
            "users.csv": "sourceId,role,givenName,familyName,email\n1,student,Ann,Abel,\n",
            "classes.csv": "sourcedId,title,grades\nC1,Art,3\n",
            "enrollments.csv": "classSourcedId,userSourcedId,role\nC1,1,student\n",
        },
        SCHOOL,
    )
    assert pulled.records("affiliation") == [Affiliation("1", "S1", "student")]
    assert pulled.records("class") == [Class("C1", "Art", "S1", grades=("03",))]
    assert {statement.scope for statement in pulled.coverage.values()} == {"S1"}
    assert pulled.verdict("affiliation", "users") == "complete"
    assert ("guardianship", "users") not in pulled.coverage
    assert pulled.codes == []


def test_a_school_level_upload_refuses_rows_of_other_schools(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {
            "users.csv": USERS + ANN + '3,S2,student,Cy,Cole,,,,,,\n4,"S2,S1",student,Di,Dorn,,,,,,\n',
            "classes.csv": CLASSES + "C1,Art,3,,S1,\nC2,Art,3,,S2,\n",
            "enrollments.csv": ENROLLMENTS + "C2,S2,001,student\n",
        },
        SCHOOL,
    )
    assert pulled.codes == ["wrong_school"] * 3
    assert pulled.records("affiliation") == [Affiliation("001", "S1", "student"), Affiliation("4", "S1", "student")]
    assert pulled.refusals("person") == [Refusal(3, ("3",), "student")]
    assert pulled.refusals("class") == [Refusal(3, ("C2",))]
    assert pulled.refusals("enrollment") == [Refusal(2, ("C2", "001"), "student")]
    assert pulled.verdict("enrollment", "enrollments") == "none"


def test_district_files_without_their_school_columns_are_not_read(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {
            "users.csv": "sourceId,role,givenName,familyName\n1,student,A,B\n",
            "classes.csv": "sourcedId,title,grades,location\nC1,Art,1,\n",
            "enrollments.csv": ENROLLMENTS + "C1,S1,1,student\n",
        },
    )
    assert pulled.codes == ["header_missing", "header_missing"]
    assert pulled.arrivals["users.csv"].role == "unreadable"
    assert pulled.verdict("person", "users") == pulled.verdict("class", "classes") == "none"
    assert pulled.verdict("enrollment", "enrollments") == "complete"


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        ("sourcedId,ordSourcedIds,role,givenName,familyName", ["header_guessed"]),
        ("\ufeffSOURCEID,orgsourcedids, Role ,given_name,FamilyName\u200b", ["header_cleaned", "header_cleaned"]),
        ("\"sourceId\",'orgSourcedIds',role,First Name,Last Name", []),
        ("sourceId,orgSourcedIds,role,givenNmae,famlyName", ["header_guessed", "header_guessed"]),
        ("sourceId,orgSourcedIds,role,givenName,familyName,shoeSize", ["header_unknown"]),
    ],
)
def test_header_variants(tmp_path: Path, header: str, codes: list[str]) -> None:
    pulled = pull(tmp_path, {"users.csv": f"{header}\n1,S1,student,Ann,Abel\n"})
    assert [person.given_name for person in pulled.records("person") if isinstance(person, Person)] == ["Ann"]
    assert [problem.code for problem in pulled.problems if problem.code.startswith("header")] == codes


def test_school_sourced_id_in_any_case(tmp_path: Path) -> None:
    for number, name in enumerate(("schoolSourcedID", "schoolSourcedId", "SchoolSourceId", "school_sourced_id")):
        pulled = pull(tmp_path / str(number), {"classes.csv": f"sourcedId,title,grades,{name}\nC1,Art,1,S1\n"})
        assert pulled.records("class") == [Class("C1", "Art", "S1", grades=("01",))]
        assert pulled.codes == []


def test_repeated_headers_count_once(tmp_path: Path) -> None:
    header = "sourceId,orgSourcedIds,role,givenName,familyName,email,email\n"
    pulled = pull(tmp_path, {"users.csv": header + "1,S1,student,A,B,a@b.co,a@b.co\n"})
    assert pulled.codes == []
    pulled = pull(tmp_path, {"users.csv": header + "1,S1,student,A,B,a@b.co,other@b.co\n"})
    assert pulled.codes == ["header_repeated"]
    assert pulled.records("person") == [Person("1", "A", None, "B", email="a@b.co")]


def test_rows_that_cannot_be_taken_are_refused_one_by_one(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {
            "users.csv": USERS
            + ANN
            + ",S1,student,No,Id,,,,,,\n"
            + "5,S1,wizard,Wi,Zard,,,,,,\n"
            + "6,S1,,No,Role,,,,,,\n"
            + "7,,teacher,No,School,,,,,,\n"
            + "8,S1,parent,No,Contact,nonsense,123,555-010-0100,,,\n",
            "enrollments.csv": ENROLLMENTS + "C1,S1,001,student\n,S1,001,student\nC1,S1,8,parent\nC1,S1,9,elf\n",
        },
    )
    errors = "bad_email bad_phone guardian_enrolled guardian_no_contact id_missing id_missing required_missing"
    assert pulled.codes == [
        *errors.split(), "required_missing", "unidentified_rows", "unidentified_rows", "unknown_role", "unknown_role",
    ]  # fmt: skip
    assert [(refusal.line, refusal.source_ids) for refusal in pulled.refusals("person")] == [
        (3, None), (4, ("5",)), (5, ("6",)), (6, ("7",)), (7, ("8",)),
    ]  # fmt: skip
    assert pulled.refusals("enrollment") == [
        Refusal(3, None), Refusal(4, ("C1", "8"), "parent"), Refusal(5, ("C1", "9")),
    ]  # fmt: skip
    assert pulled.verdict("person", "users") == pulled.verdict("affiliation", "users") == "partial"
    assert pulled.coverage[("enrollment", "enrollments")].refused == 3
    assert len(pulled.records("person")) == 1


def test_a_guardian_without_a_school_belongs_to_the_district(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": USERS + "9,,guardian,Pat,Abel,p@b.co,,,,,\n"})
    assert pulled.records("affiliation") == [Affiliation("9", None, "guardian")]


def test_values_that_cannot_be_used_leave_the_row(tmp_path: Path) -> None:
    pulled = pull(
        tmp_path,
        {"users.csv": USERS + '1,S1,student,A,B,nope,12,x,,Grade 99,Klingon\n2,S1,student,C,D,,,,,"5,,5",\n'},
    )
    assert pulled.codes == [
        "bad_email", "bad_phone", "bad_phone", "list_cleaned", "unknown_grade", "unknown_language",
    ]  # fmt: skip
    assert pulled.records("person") == [
        Person("1", "A", None, "B", grades=("Grade 99",), language="Klingon"),
        Person("2", "C", None, "D", grades=("05",)),
    ]


def test_class_needs_title_and_school(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"classes.csv": CLASSES + "C1,,1,,S1,\nC2,Art,1,,,\nC3,Art,,,S1,\n"})
    assert [(problem.code, problem.field) for problem in pulled.problems] == [
        ("required_missing", "title"), ("required_missing", "schoolSourcedId"),
    ]  # fmt: skip
    assert len(pulled.refusals("class")) == 2
    assert pulled.records("class") == [Class("C3", "Art", "S1")]


def test_ids_keep_their_zeros_and_lose_what_stands_around_them(tmp_path: Path) -> None:
    rows = 'C1,S1,"""007""",student\nC1,S1, 07 ,student\nC1,S1,7\u200b,student\n'
    pulled = pull(tmp_path, {"enrollments.csv": ENROLLMENTS + rows})
    assert [record.person_source_id for record in pulled.records("enrollment") if isinstance(record, Enrollment)] == [
        "007", "07", "7",
    ]  # fmt: skip
    assert pulled.codes == ["invisible_characters", "quotes_left"]


def test_what_repeats_on_every_row_is_told_once(tmp_path: Path) -> None:
    rows = "".join(f'{number},"S1,,S1",student,"""A""",B\u00a0C,,,,,,\n' for number in range(50))
    pulled = pull(tmp_path, {"users.csv": USERS + rows})
    assert pulled.codes == ["invisible_characters", "list_cleaned", "quotes_left"]
    assert len(pulled.records("person")) == 50


def test_an_empty_agent_column_says_that_there_are_none(tmp_path: Path) -> None:
    pulled = pull(tmp_path, {"users.csv": USERS + ANN})
    assert pulled.verdict("guardianship", "users") == "complete"
    assert pulled.coverage[("guardianship", "users")].received == 0


def test_guardians_file(tmp_path: Path) -> None:
    rows = (
        "001,G1,Pat,Abel,pat@example.org,,,,mother\n"
        "002,G1,Pat,Abel,pat@example.org,,,,mother\n"
        "001,,Gil,Abel,,(555) 010-0101,,es,\n"
        "002,,GIL ,abel,,5550100101,,es,\n"
        "003,,No,Contact,,,555-010-0100,,\n"
        "004,G4,No,Contact,,,,,\n"
        ",G5,No,Student,x@example.org,,,,\n"
    )
    pulled = pull(tmp_path, {"guardians.csv": GUARDIANS + rows})
    derived = contact_id("Gil", "Abel", None, "5550100101")
    people = [person for person in pulled.records("person") if isinstance(person, Person)]
    assert [person.source_id for person in people] == ["G1", derived, derived]  # the second is spelled differently
    assert people[0] == Person("G1", "Pat", None, "Abel", email="pat@example.org", language="en")
    assert pulled.records("guardianship") == [
        Guardianship("001", "G1", "mother"), Guardianship("002", "G1", "mother"),
        Guardianship("001", derived), Guardianship("002", derived),
    ]  # fmt: skip
    assert pulled.refusals("person") == [Refusal(6, None), Refusal(7, ("G4",)), Refusal(8, ("G5",))]
    assert pulled.refusals("guardianship") == [Refusal(6, None), Refusal(7, ("004", "G4")), Refusal(8, None)]
    assert {page.listing for page in pulled.pages} == {"guardians"}
    assert pulled.verdict("person", "guardians") == pulled.verdict("guardianship", "guardians") == "partial"


def test_a_guardian_of_several_children_is_one_person(tmp_path: Path) -> None:
    rows = "".join(f"{child:03d},,Pat,Abel,pat@example.org,,,,\n" for child in range(30))
    pulled = pull(tmp_path, {"guardians.csv": GUARDIANS + rows}, UploadOptions(page_size=7))
    assert len(pulled.records("person")) == 1
    assert len(pulled.records("guardianship")) == 30
    assert max(len(page.records) for page in pulled.pages) == 7
    assert pulled.verdict("guardianship", "guardians") == "complete"


def test_pages_are_no_larger_than_asked_for(tmp_path: Path) -> None:
    rows = "".join(f'{number},"S1,S2,S3",student,A,B,,,,"x,y",,\n' for number in range(23))
    pulled = pull(tmp_path, {"users.csv": USERS + rows}, UploadOptions(page_size=5))
    assert [len(page.records) for page in pulled.pages if page.kind == "person"] == [5, 5, 5, 5, 3]
    assert sum(len(page.records) for page in pulled.pages if page.kind == "affiliation") == 69
    assert sum(len(page.records) for page in pulled.pages if page.kind == "guardianship") == 46
    assert all(len(page.records) == len(page.lines) for page in pulled.pages)


def test_rereading_gives_the_rows_as_they_came_at_the_same_lines(tmp_path: Path) -> None:
    text = USERS + '\n001,S1,student," Ann ","A\nB",,,,,,\n\n' + BOB + "broken,row\n"
    pulled = pull(tmp_path, {"users.csv": text})
    header, rows = pulled.upload.reread("users.csv")
    assert header == USERS.strip().split(",")
    found = dict(rows)
    assert list(found) == [3, 6, 7]
    assert found[3][:5] == ["001", "S1", "student", " Ann ", "A\nB"]
    assert found[7] == ["broken", "row"]
    assert pulled.lines("person") == [3, 6]
    with pytest.raises(NotFoundError):
        pulled.upload.reread("other.csv")


def test_nothing_usable_asks_the_district_after_the_arrivals(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Dear all,\nhere is the roster\n")
    (tmp_path / "scratch").mkdir()
    upload = CsvUpload([tmp_path / "notes.txt"], UploadOptions(), tmp_path / "scratch")
    events = upload.pull()
    first = next(events)
    assert [problem.code for problem in getattr(first, "problems", ())] == ["file_not_recognized"]
    with pytest.raises(DistrictActionError):
        next(events)


def test_a_path_that_does_not_exist_is_a_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        pull_paths(tmp_path / "nowhere")


def test_problems_hold_no_values(tmp_path: Path) -> None:
    secret = "Zebulon"
    rows = (
        f"1,S1,parent,{secret},{secret},{secret},{secret},{secret},,{secret},{secret}\n"
        f"2,S1,{secret},{secret},{secret}\n"
        f"3,S1,student,{secret},{secret},{secret},,,,,,,,{secret}\n"
        f'4,S1,student,"{secret},{secret}\n'
    )
    pulled = pull(tmp_path, {"users.csv": USERS + rows, f"{'users'}2.csv": f"{secret},1\n2,{secret}\n"})
    assert pulled.problems
    assert not [problem for problem in pulled.problems if secret in str(problem)]
