"""Records in every shape that providers send, and what becomes of them (reference/oneroster-classlink.md, 2.2, 3 and 4.2)."""

from pathlib import Path
from typing import Any

import pytest

from models.pages import Refusal
from models.records import Affiliation, Class, Enrollment, Guardianship, Person, School, Term
from tests.connectors.oneroster.oneroster_cases import FakeProvider, Pulled, Row, enrollment, pull, ref, roster, user


def of(tmp_path: Path, **collections: list[Any]) -> Pulled:
    return pull(FakeProvider(roster(**collections)), tmp_path)


def person(tmp_path: Path, **fields: Any) -> Person:
    (found,) = of(tmp_path, users=[user("1", **fields)]).records("person")
    assert isinstance(found, Person)
    return found


def role(name: str, org: str | None = "S1", kind: str | None = "primary") -> Row:
    entry: Row = {"role": name, "roleType": kind}
    return entry | ({"org": ref(org, "org")} if org else {})


def user12(source_id: str, *roles: Row, **more: Any) -> Row:
    """A user as 1.2 has it."""
    known = user(source_id, **more)
    for field in ("role", "orgs"):
        if field not in more:
            del known[field]
    return known | {"roles": list(roles), "enabledUser": "true"}


# --- users -----------------------------------------------------------------------------------------------------------------


def test_a_user_of_1_1_with_all_that_is_kept(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user(
                "0012", orgs=[ref("S2", "org"), ref("S1", "org")], username="kim.n", middleName="M", email="Kim@Example.org",
                sms="(555) 010-9999", phone="555-010-1234", grades=["9", "K"], identifier="1001",
                userIds=[{"type": "stateId", "identifier": "77"}, {"type": "Fed", "identifier": 5}],
                preferredFirstName="Kimmy", userMasterIdentifier="M-1", pronouns="they", metadata={"language": "es"},
            )
        ],
    )  # fmt: skip
    assert pulled.records("person") == [
        Person("0012", "Kim", "M", "No0012", "Kimmy", "kim.n", "kim@example.org", "5550109999", "5550101234",
               ("09", "KG"), None, True,
               (("fed", "5"), ("master_id", "M-1"), ("state_id", "77"), ("student_number", "1001"))),
    ]  # fmt: skip
    assert pulled.records("affiliation") == [Affiliation("0012", "S2", "student"), Affiliation("0012", "S1", "student")]
    assert pulled.schools("person") == [("S2", "S1")]
    assert "must-not-be-kept" not in str(pulled.events)


def test_a_user_of_1_2_has_a_role_per_org(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user12("1", role("teacher"), role("Teacher", "S2", "Secondary"), role("principal", "S2"), role("teacher")),
            user12("2", role("ext:coach", "S1", None)),
        ],
    )
    assert pulled.records("affiliation") == [
        Affiliation("1", "S1", "teacher", True),
        Affiliation("1", "S2", "teacher", False),
        Affiliation("1", "S2", "principal", True),
        Affiliation("2", "S1", "ext:coach", None),
    ]
    assert pulled.schools("person") == [("S1", "S2"), ("S1",)]
    assert pulled.records("person")[0].enabled is True
    assert pulled.codes == []


def test_both_shapes_in_one_payload(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user("1"),
            user12("2", role("teacher")),
            user12("3", role("aide", "S2"), role="teacher", orgs=[ref("S1", "org")]),
            user12("4", role("aide", None), role="teacher", orgs=[ref("S1", "org")]),
            user("5", roles=[]),
            user("6", roles=None),
            user12("7", role="teacher", orgs=["S1"]) | {"roles": role("proctor", "S2")},
            user12("8", role("teacher", None) | {"orgSourcedId": "S2"}),
            user12("9", role("student", None), primaryOrg=ref("S2", "org")),
            user12("10", role("teacher"), role("aide", None), primaryOrg=ref("S2", "org"), orgs=[ref("S3", "org")]),
        ],
    )
    assert [(a.person_source_id, a.school_source_id, a.role) for a in pulled.records("affiliation")] == [
        ("1", "S1", "student"), ("2", "S1", "teacher"), ("3", "S2", "aide"), ("4", "S1", "aide"), ("5", "S1", "student"),
        ("6", "S1", "student"), ("7", "S2", "proctor"), ("8", "S2", "teacher"), ("9", "S2", "student"),
        ("10", "S1", "teacher"), ("10", "S3", "aide"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "orgs",
    [
        [{"sourcedId": "S1"}, {"sourcedId": "S2"}],
        ["S1", "S2"],
        [{"href": "~/ims/orgs/S1", "sourcedId": "S1", "type": "user"}, "S2"],
        [None, {"sourcedId": "S1"}, {"sourcedId": None}, {}, "", "S2", "S1", []],
        "S1,S2",
        [" S1", '"S2"'],
    ],
)
def test_references_in_every_shape(tmp_path: Path, orgs: Any) -> None:
    pulled = of(tmp_path, users=[user("1", orgs=orgs)])
    assert pulled.records("affiliation") == [Affiliation("1", "S1", "student"), Affiliation("1", "S2", "student")]


@pytest.mark.parametrize("orgs", [{"sourcedId": 7}, 7, "7", ["7"], [7]])
def test_ids_are_texts_whatever_they_come_as(tmp_path: Path, orgs: Any) -> None:
    pulled = of(tmp_path, users=[user("1", orgs=orgs) | {"sourcedId": 12}, user("0012", orgs=orgs)])
    assert pulled.ids("person") == ["12", "0012"]
    assert {a.school_source_id for a in pulled.records("affiliation")} == {"7"}


@pytest.mark.parametrize("spelling", [True, "true", "TRUE", "True", 1, "1", "yes", " true "])
def test_true_in_every_spelling(tmp_path: Path, spelling: Any) -> None:
    assert person(tmp_path, enabledUser=spelling).enabled is True


@pytest.mark.parametrize("spelling", [False, "false", "FALSE", 0, "0", "no"])
def test_false_in_every_spelling(tmp_path: Path, spelling: Any) -> None:
    assert person(tmp_path, enabledUser=spelling).enabled is False


@pytest.mark.parametrize("spelling", [None, "", [], {}])
def test_no_boolean_at_all(tmp_path: Path, spelling: Any) -> None:
    assert person(tmp_path, enabledUser=spelling).enabled is None


def test_a_boolean_that_is_none_is_told(tmp_path: Path) -> None:
    pulled = of(tmp_path, users=[user("1", enabledUser="perhaps")])
    assert pulled.codes == ["bad_boolean"]
    assert pulled.records("person")[0].enabled is None


@pytest.mark.parametrize(
    ("grades", "codes"),
    [
        (["09"], ("09",)),
        ("9", ("09",)),
        (9, ("09",)),
        (0, ("KG",)),
        ([0, -1], ("KG", "PK")),
        (["-2", -3, "PK-4"], ("PK",)),
        ("09,10", ("09", "10")),
        (["09,10", "11"], ("09", "10", "11")),
        (["K", None, ""], ("KG",)),
        ([None], ()),
        (None, ()),
        ([], ()),
        ("", ()),
        ({"grade": "9"}, ()),
        (["Form 4"], ("Form 4",)),
    ],
)
def test_grades_in_every_shape(tmp_path: Path, grades: Any, codes: tuple[str, ...]) -> None:
    assert person(tmp_path, grades=grades).grades == codes


def test_the_grade_of_1_0(tmp_path: Path) -> None:
    assert person(tmp_path, grades=None, grade="7").grades == ("07",)


@pytest.mark.parametrize(
    "user_ids",
    [
        [{"type": "StateID", "identifier": "9"}],
        {"type": "StateID", "identifier": 9},
        "{StateID:9}",
        [None, "x", {"type": "StateID", "identifier": " 9 "}, {"identifier": "8"}, {"type": "Fed", "identifier": None}],
    ],
)
def test_user_ids_in_every_shape(tmp_path: Path, user_ids: Any) -> None:
    assert person(tmp_path, userIds=user_ids).identifiers == (("state_id", "9"),)


def test_the_identifier_is_named_by_the_role(tmp_path: Path) -> None:
    pulled = of(tmp_path, users=[user("1", identifier="A"), user("2", "teacher", identifier="B"),
                                 user("3", "parent", identifier="C", email="p@example.org")])  # fmt: skip
    assert [found.identifiers for found in pulled.records("person")] == [
        (("student_number", "A"),), (("staff_id", "B"),), (("sis_id", "C"),),
    ]  # fmt: skip


def test_blank_null_and_missing_are_the_same(tmp_path: Path) -> None:
    fields = (
        "username",
        "middleName",
        "identifier",
        "email",
        "sms",
        "phone",
        "userMasterIdentifier",
        "preferredFirstName",
    )
    bare = {"sourcedId": "1", "role": "student", "orgs": ["S1"], "givenName": "Kim", "familyName": "No1"}
    for row in (
        bare,
        bare | dict.fromkeys(fields),
        bare | dict.fromkeys(fields, ""),
        bare | dict.fromkeys(fields, " "),
    ):
        assert of(tmp_path, users=[row]).records("person") == [Person("1", "Kim", None, "No1")]


def test_texts_are_cleaned_as_cells_are(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user("1 ", givenName=" Kim\u200b", familyName='"No"', username="k\tn", email=" K@example.org "),
            user("2", givenName="Zoë"),
        ],
    )
    (first, second) = pulled.records("person")
    assert first == Person("1", "Kim", None, "No", username="k n", email="k@example.org", enabled=True)
    assert second.given_name == "Zoë"
    assert pulled.codes == ["invisible_characters", "invisible_characters", "quotes_left"]


def test_people_without_a_school(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user("1", orgs=[]),
            user("2", "teacher", orgs=None),
            user("3", "guardian", orgs=[], email="g@example.org"),
            user12("4", role("student", None)),
            user12("5", role("relative", None), email="r@example.org"),
            user12("6", role("teacher", None), role("parent", None)),
        ],
    )
    assert pulled.ids("person") == ["3", "5", "6"]
    assert pulled.records("affiliation") == [
        Affiliation("3", None, "guardian"),
        Affiliation("5", None, "relative", True),
        Affiliation("6", None, "parent", True),
    ]
    assert pulled.refusals("person") == [
        Refusal(1, ("1",), "student"), Refusal(2, ("2",), "teacher"), Refusal(4, ("4",)),
    ]  # fmt: skip
    assert pulled.refusals("affiliation") == [Refusal(6, None)]
    assert pulled.codes == ["required_missing"] * 4
    assert pulled.verdict("person") == "complete"
    assert pulled.verdict("affiliation") == "partial"


def test_unknown_roles_are_refused_and_protected(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user("1", "wizard"),
            user("2", ""),
            user("3", None),  # type: ignore[arg-type]
            user12("4", role("wizard"), role("teacher", "S2")),
            user12("5", role("wizard", None)),
            user12("6", role("wizard")),
            user("7", "STUDENT"),
            user("8", "District Administrator"),
        ],
    )
    assert pulled.ids("person") == ["4", "6", "7", "8"]
    assert [a.role for a in pulled.records("affiliation")] == ["teacher", "student", "districtAdministrator"]
    assert pulled.refusals("person") == [Refusal(1, ("1",)), Refusal(2, ("2",)), Refusal(3, ("3",)), Refusal(5, ("5",))]
    assert pulled.refusals("affiliation") == [Refusal(4, ("4", "S1")), Refusal(6, ("6", "S1"))]
    assert pulled.codes == ["required_missing"] * 2 + ["unknown_role"] * 4
    assert pulled.verdict("affiliation") == "complete"


def test_a_guardian_needs_a_contact_unless_something_else_too(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user("1", "parent", phone="555-010-1234"),
            user("2", "parent", sms="555-010-9999"),
            user("3", "parent", email="no address"),
            user12("4", role("parent"), role("teacher")),
        ],
    )
    assert pulled.ids("person") == ["2", "4"]
    assert pulled.refusals("person") == [Refusal(1, ("1",), "parent"), Refusal(3, ("3",), "parent")]
    assert pulled.codes == ["bad_email", "guardian_no_contact", "guardian_no_contact"]


# --- guardians -------------------------------------------------------------------------------------------------------------


def parent(source_id: str, *students: str, **more: Any) -> Row:
    return user(
        source_id, "parent", email=f"{source_id}@example.org", agents=[ref(one, "user") for one in students], **more
    )


def test_guardians_from_either_side_are_one_link(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[
            user("1", agents=[ref("G1", "user"), ref("G1", "user")]),
            user("2"),
            parent("G1", "1", "2"),
            parent("G2", "1"),
            user("9", "teacher", agents=[ref("1", "user")]),
        ],
    )
    assert pulled.records("guardianship") == [Guardianship("1", "G1"), Guardianship("2", "G1"), Guardianship("1", "G2")]
    assert pulled.coverage["guardianship"].received == 3
    assert pulled.verdict("guardianship") == "complete"


def test_the_children_of_one_who_is_staff_too(tmp_path: Path) -> None:
    """1.2 merges the records of a person who teaches and has a child at school."""
    pulled = of(
        tmp_path,
        users=[
            user("1"),
            user12("T1", role("teacher"), role("parent"), agents=[ref("1", "user")]),
            user12("A1", role("principal"), role("guardian"), agents=[ref("1", "user")]),
            user12("T2", role("teacher"), agents=[ref("1", "user")]),
        ],
    )
    assert pulled.records("guardianship") == [Guardianship("1", "T1"), Guardianship("1", "A1")]


@pytest.mark.parametrize("agents", ["G1", ["G1"], {"sourcedId": "G1"}, [{"sourcedId": "G1"}]])
def test_agents_in_every_shape(tmp_path: Path, agents: Any) -> None:
    assert of(tmp_path, users=[user("1", agents=agents)]).records("guardianship") == [Guardianship("1", "G1")]


def test_agents_that_nobody_sends_prove_nothing(tmp_path: Path) -> None:
    def without(row: Row) -> Row:
        return {name: value for name, value in row.items() if name != "agents"}

    for rows in ([without(user("1"))], [user("1", agents=None)]):
        pulled = of(tmp_path, users=rows)
        assert pulled.verdict("guardianship") == "none"
        assert "agents" in pulled.coverage["guardianship"].reason
        assert pulled.verdict("affiliation") == "complete"
    assert of(tmp_path, users=[without(user("1")), user("2")]).verdict("guardianship") == "complete"


# --- what is gone, and what is no record -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["tobedeleted", "ToBeDeleted", "inactive"])
def test_tombstones_in_every_collection(tmp_path: Path, status: str) -> None:
    gone = {"status": status}
    pulled = of(
        tmp_path,
        orgs=[{"sourcedId": "S9"} | gone, *roster()["orgs"]],
        academicSessions=[{"sourcedId": "T9"} | gone],
        classes=[{"sourcedId": "C9"} | gone],
        users=[{"sourcedId": "9"} | gone, user("1")],
        enrollments=[enrollment("E9", "C1", "1") | gone, {"sourcedId": "E8"} | gone, enrollment("E1", "C1", "2")],
    )
    assert [pulled.gone(kind) for kind in ("school", "term", "class", "person", "enrollment")] == [
        [School("S9", "")], [Term("T9", "")], [Class("C9", "", "")], [Person("9")], [Enrollment("C1", "1", "student")],
    ]  # fmt: skip
    assert pulled.codes == ["id_missing"]
    assert pulled.verdict("enrollment") == "complete"  # a bare tombstone says of nobody that they are there


def test_an_enabled_user_is_something_else_than_an_active_record(tmp_path: Path) -> None:
    pulled = of(tmp_path, users=[user("1", enabledUser="false")])
    assert pulled.records("person")[0].enabled is False
    assert pulled.gone("person") == []


def test_an_unknown_status_refuses_and_protects(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        users=[user("1") | {"status": "asleep"}, user("2") | {"status": None}],
        enrollments=[enrollment("E1", "C1", "1", status="asleep")],
    )
    assert pulled.ids("person") == ["2"]
    assert pulled.refusals("person") == [Refusal(1, ("1",))]
    assert pulled.refusals("enrollment") == [Refusal(1, ("C1", "1"), "student")]
    assert pulled.codes == ["bad_status", "bad_status"]


@pytest.mark.parametrize("collection", ["orgs", "academicSessions", "classes", "users", "enrollments"])
@pytest.mark.parametrize("odd", [None, "1", 5, ["x"], {}])
def test_what_nobody_can_identify_makes_the_listing_partial(tmp_path: Path, collection: str, odd: Any) -> None:
    rows = [*roster()[collection], odd]
    pulled = of(tmp_path, **{collection: rows})
    kind = {"orgs": "school", "academicSessions": "term", "classes": "class", "users": "person"}.get(
        collection, "enrollment"
    )
    assert pulled.verdict(kind) == "partial"
    assert pulled.refusals(kind) == [Refusal(len(rows), None)]
    assert pulled.codes == sorted(["unidentified_rows", "id_missing" if odd == {} else "record_malformed"])


# --- orgs, sessions, classes, enrollments ----------------------------------------------------------------------------------


def test_orgs_of_every_type_parents_first(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        orgs=[
            {"sourcedId": "3", "name": "Room", "type": "departments", "parent": "2"},
            {"sourcedId": "2", "name": "Pine", "type": "Department", "parentSourcedId": "1", "identifier": 77},
            {
                "sourcedId": "1",
                "name": "Springfield",
                "type": "district",
                "parent": None,
                "children": [ref("2", "org")],
            },
            {"sourcedId": "4", "name": "Oak"},
            {"sourcedId": "5", "name": " "},
        ],
    )
    assert pulled.records("school") == [
        School("1", "Springfield", type="district"),
        School("4", "Oak"),
        School("2", "Pine", "77", "department", "1"),
        School("3", "Room", None, "departments", "2"),
    ]
    assert pulled.codes == ["required_missing", "unknown_type"]
    assert pulled.refusals("school") == [Refusal(5, ("5",))]
    assert (pulled.facts.district_id, pulled.facts.district_name) == ("1", "Springfield")


@pytest.mark.parametrize(
    ("written", "iso"),
    [("2026-08-31", "2026-08-31"), ("2026-08-31T00:00:00.000Z", "2026-08-31"), ("2026-08-31 08:01:05", "2026-08-31"),
     ("8/31/2026", "2026-08-31"), ("1/05/2023", "2023-01-05"), ("soon", None), ("", None), (None, None)],
)  # fmt: skip
def test_dates_in_every_spelling(tmp_path: Path, written: Any, iso: str | None) -> None:
    session = {"sourcedId": "T1", "title": "Fall", "type": "GradingPeriod", "startDate": written, "schoolYear": "2027"}
    seat = enrollment("E1", "C1", "1", beginDate=written)
    pulled = of(tmp_path, academicSessions=[session], enrollments=[seat])
    assert pulled.records("term") == [Term("T1", "Fall", "gradingPeriod", iso, None, "2027")]
    assert pulled.records("enrollment") == [Enrollment("C1", "1", "student", None, iso)]
    assert ("bad_date" in pulled.codes) == (written == "soon")


def test_sessions_with_reversed_dates_or_odd_types(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        academicSessions=[
            {"sourcedId": "T1", "title": "A", "type": "trimester", "startDate": "2027-01-01", "endDate": "2026-01-01"},
            {"sourcedId": "T2", "title": "", "type": "term"},
            {"sourcedId": "T3", "title": "C", "startDate": "2026-01-01", "endDate": "2026-06-30", "schoolYear": 2026},
        ],
    )
    assert pulled.records("term") == [
        Term("T1", "A", "trimester"), Term("T3", "C", "term", "2026-01-01", "2026-06-30", "2026"),
    ]  # fmt: skip
    assert pulled.codes == ["dates_reversed", "required_missing", "unknown_type"]


def clazz(source_id: str, **more: Any) -> Row:
    return {"sourcedId": source_id, "title": "Algebra", "school": ref("S1", "org")} | more


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("periods", ["1", "2"], {"periods": ("1", "2")}),
        ("periods", "1,2", {"periods": ("1", "2")}),
        ("periods", "0", {"periods": ("0",)}),
        ("periods", 3, {"periods": ("3",)}),
        ("periods", [1, 2.5], {"periods": ("1", "2.5")}),
        ("periods", [], {}),
        ("subjects", "Math", {"subjects": ("Math",)}),
        ("subjects", ["Science (grade 5)", None], {"subjects": ("Science (grade 5)",)}),
        ("subjects", ["Reading, Writing"], {"subjects": ("Reading, Writing",)}),
        ("subjects", "Reading,Writing", {"subjects": ("Reading", "Writing")}),
        ("terms", ["T1", ref("T2", "term")], {"term_source_ids": ("T1", "T2")}),
        ("termSourcedIds", "T1,T2", {"term_source_ids": ("T1", "T2")}),
        ("terms", None, {}),
        ("classCode", "", {}),
        ("classCode", 7, {"code": "7"}),
        ("location", 101, {"location": "101"}),
        ("grades", "3", {"grades": ("03",)}),
    ],
)
def test_classes_in_every_shape(tmp_path: Path, field: str, value: Any, expected: dict[str, Any]) -> None:
    pulled = of(tmp_path, classes=[clazz("C1", **{field: value})])
    assert pulled.records("class") == [Class("C1", "Algebra", "S1", **expected)]


@pytest.mark.parametrize(
    "school",
    [
        {"schoolSourcedId": "S1"},
        {"school": "S1"},
        {"school": ["S1"]},
        {"school": {"sourcedId": "S1", "type": "user"}},
        {"school": {}, "schoolSourcedId": "S1"},
    ],
)
def test_the_school_of_a_class_in_every_shape(tmp_path: Path, school: Row) -> None:
    pulled = of(tmp_path, classes=[{"sourcedId": "C1", "title": "Algebra"} | school])
    assert pulled.records("class") == [Class("C1", "Algebra", "S1")]


def test_classes_take_from_their_course_what_they_lack(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        courses=[
            {"sourcedId": "K1", "title": "Algebra I", "courseCode": "ALG1", "grades": "9,10", "subjects": "Math"},
            {"sourcedId": "K2", "status": "tobedeleted", "title": "Gone"},
            {"title": "Nameless"},
            None,
        ],
        classes=[
            clazz("C1", course=ref("K1", "course")),
            clazz("C2", courseSourcedId="K1", subjects=["Art"], grades=["1"]),
            clazz("C3", course="K2"),
            clazz("C4", title=""),
            clazz("C5", school=None),
        ],
    )
    assert pulled.records("class") == [
        Class("C1", "Algebra", "S1", None, "Algebra I", "ALG1", ("Math",), ("09", "10")),
        Class("C2", "Algebra", "S1", None, "Algebra I", "ALG1", ("Art",), ("01",)),
        Class("C3", "Algebra", "S1"),
    ]
    assert pulled.codes == ["id_missing", "record_malformed", "required_missing", "required_missing", "unknown_course"]
    assert pulled.refusals("class") == [Refusal(4, ("C4",)), Refusal(5, ("C5",))]
    assert pulled.verdict("class") == "complete"


def test_a_class_without_a_title_is_called_by_its_course_or_its_code(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        courses=[{"sourcedId": "K1", "title": "Grade 3"}, {"sourcedId": "K2", "courseCode": "G3"}],
        classes=[
            clazz("C1", title="", course="K1", classCode="3-A"),
            clazz("C2", title=None, course="K2", classCode="3-B"),
            clazz("C3", title=" ", classCode="3-C"),
            clazz("C4", title="", course="K2"),
            clazz("C5", title="", course="elsewhere"),
            clazz("C6", title="", course="K1", school=None),
        ],
    )
    assert [(found.source_id, found.title) for found in pulled.records("class")] == [
        ("C1", "Grade 3"), ("C2", "3-B"), ("C3", "3-C"),
    ]  # fmt: skip
    told = [(problem.source_id, problem.code, problem.field) for problem in pulled.problems]
    assert told == [
        ("C4", "required_missing", "title"), ("C5", "required_missing", "title"), ("C6", "required_missing", "school"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "ends",
    [
        {"class": ref("C1", "class"), "user": ref("1", "user"), "school": ref("S1", "org")},
        {"classSourcedId": "C1", "userSourcedId": 1, "schoolSourcedId": "S1"},
        {"class": "C1", "user": "1", "school": "S1"},
        {"class": ["C1"], "user": [{"sourcedId": "1"}], "school": [None, "S1"]},
    ],
)
def test_the_ends_of_an_enrollment_in_every_shape(tmp_path: Path, ends: Row) -> None:
    pulled = of(tmp_path, enrollments=[{"sourcedId": "E1", "role": "Student", "primary": "FALSE"} | ends])
    assert pulled.records("enrollment") == [Enrollment("C1", "1", "student", False)]
    assert pulled.schools("enrollment") == [("S1",)]


def test_enrollments_that_cannot_be_taken(tmp_path: Path) -> None:
    pulled = of(
        tmp_path,
        enrollments=[
            enrollment("E1", "C1", "1", "wizard"),
            enrollment("E2", "C1", "1", "parent"),
            enrollment("E3", "C1", ""),
            enrollment("E4", "C1", "1", beginDate="2026-09-01", endDate="2026-08-01", primary="perhaps"),
            enrollment("E5", "elsewhere", "nobody"),
            enrollment("E6", "C1", "2", beginDate="2026-08-01", endDate="2026-08-01", school=None),
        ],
    )
    assert pulled.records("enrollment") == [
        Enrollment("C1", "1", "student"),
        Enrollment("elsewhere", "nobody", "student"),
        Enrollment("C1", "2", "student", None, "2026-08-01", "2026-08-01"),
    ]
    assert pulled.refusals("enrollment") == [
        Refusal(1, ("C1", "1")),
        Refusal(2, ("C1", "1"), "parent"),
        Refusal(3, None),
    ]
    assert pulled.codes == [
        "bad_boolean", "dates_reversed", "guardian_enrolled", "id_missing", "unidentified_rows", "unknown_role",
    ]  # fmt: skip
    assert pulled.schools("enrollment") == [("S1",), ("S1",), ()]
