"""Users: roles, names, ids, telephones; contacts and whose they are."""

from typing import Any

import pytest

from models.records import Affiliation, Guardianship, Person
from tests.connectors.clever.cases import (
    DISTRICT,
    Json,
    Pulled,
    Reply,
    always,
    contact,
    link,
    pull,
    section,
    small,
    student,
    teacher,
    user,
)


def pull_users(*users: Json, **settings: Any) -> Pulled:
    """With a student "kim", so that links and sections have somebody to name."""
    return pull(small(users=[student(), *users], sections=[section(teacher=None, teachers=[])]), **settings)


def person(pulled: Pulled, source_id: str) -> Person:
    (found,) = [record for record in pulled.records("person") if record.source_id == source_id]
    assert isinstance(found, Person)
    return found


def roles_of(pulled: Pulled, source_id: str) -> list[tuple[str | None, str, bool | None]]:
    affiliations: list[Affiliation] = pulled.records("affiliation")
    return [
        (record.school_source_id, record.role, record.primary)
        for record in affiliations
        if record.person_source_id == source_id
    ]


def test_a_student_as_a_record() -> None:
    sam = student(
        "sam", student_number="100", state_id="S-1", grade="Kindergarten", credentials={"district_username": "samz33"},
        schools=["school1", "school2"], legacy_id="", dob="2/11/2007", gender="M", race="Asian", hispanic_ethnicity="Y",
        frl_status="Free", iep_status="Y", location={"zip": "10459"}, ext={"gifted_status": "Y"}, email="roles@example.org",
        home_language="Spanish", enrollments=[],
    )  # fmt: skip
    pulled = pull_users(sam)
    assert person(pulled, "sam") == Person(
        "sam", "Robin", "M", "Vale", None, "samz33", "sam@example.org", None, None, ("KG",), None, None,
        (("sis_id", "sam"), ("state_id", "S-1"), ("student_number", "100")),
    )  # fmt: skip
    assert roles_of(pulled, "sam") == [("school1", "student", True), ("school2", "student", False)]
    assert pulled.codes == []


def test_nothing_sensitive_is_read() -> None:
    secret = "never-to-be-seen"
    sam = student(
        "sam", dob=secret, gender=secret, race=secret, hispanic_ethnicity=secret, frl_status=secret, iep_status=secret,
        ell_status=secret, home_language=secret, disability={"type": secret}, location={"address": secret}, ext={"x": secret},
        section_504_status=secret, credentials={"district_username": "sam", "district_password": secret},
    )  # fmt: skip
    pulled = pull_users(sam, teacher() | {"created": secret, "password": secret})
    assert secret not in repr(pulled.events)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("InfantToddler", "IT"), ("Preschool", "PR"), ("PreKindergarten", "PK"), ("TransitionalKindergarten", "TK"),
        ("Kindergarten", "KG"), ("1", "01"), ("13", "13"), ("PostGraduate", "PS"), ("Ungraded", "UG"), ("Other", "Other"),
        ("K", "KG"),
    ],
)  # fmt: skip
def test_every_grade_of_clever_is_a_code(spelling: str, code: str) -> None:
    pulled = pull_users(student("sam", grade=spelling))
    assert person(pulled, "sam").grades == (code,)
    assert pulled.codes == []


def test_an_unknown_grade_is_kept_and_told() -> None:
    pulled = pull_users(student("sam", grade="Wizard"))
    assert person(pulled, "sam").grades == ("Wizard",)
    assert pulled.problem("unknown_grade").source_id == "sam"


def test_someone_with_several_roles_comes_once() -> None:
    robin = user(
        "robin",
        teacher={
            "legacy_id": "old-t", "school": "school1", "schools": ["school1", "school2"], "sis_id": "47",
            "teacher_number": "230186", "state_id": "", "credentials": {"district_username": " "},
        },
        staff={
            "legacy_id": "old-s", "staff_id": "S-47", "schools": ["school1"], "roles": ["SchoolTechLead"], "state_id": "7",
            "credentials": {"district_username": "robin.vale"},
        },
        district_admin={"title": "", "legacy_id": "old-d"},
    )  # fmt: skip
    pulled = pull_users(robin)
    assert person(pulled, "robin").identifiers == (
        ("legacy_id", "old-t"), ("sis_id", "47"), ("staff_id", "S-47"), ("state_id", "7"), ("teacher_number", "230186"),
    )  # fmt: skip
    assert person(pulled, "robin").username == "robin.vale"
    assert roles_of(pulled, "robin") == [
        ("school1", "teacher", True),
        ("school2", "teacher", False),
        ("school1", "administrator", None),
        (None, "districtAdministrator", None),
    ]


def test_a_teachers_number_is_a_staff_id_unless_there_is_one() -> None:
    """As in files, where both are names of the same thing; none of the two is lost."""
    pulled = pull_users(teacher("tess", teacher_number="7"), teacher("tom", teacher_number="8", staff_id="S-8"))
    assert person(pulled, "tess").identifiers == (("sis_id", "tess"), ("staff_id", "7"))
    assert person(pulled, "tom").identifiers == (("sis_id", "tom"), ("staff_id", "S-8"), ("teacher_number", "8"))


def test_staff_have_no_primary_school_and_district_admins_none_at_all() -> None:
    pulled = pull_users(
        user(
            "sue", staff={"staff_id": "S-1", "schools": ["school1", "school1"], "title": "Tech lead", "department": ""}
        ),
        user("ada", district_admin={}),
    )
    assert roles_of(pulled, "sue") == [("school1", "administrator", None)]
    assert person(pulled, "sue").identifiers == (("staff_id", "S-1"),)
    assert roles_of(pulled, "ada") == [(None, "districtAdministrator", None)]


def test_which_schools_decide_whether_someone_is_known_here() -> None:
    pulled = pull_users(
        teacher(schools=["school1", "school2"]),
        user("ada", district_admin={}, staff={"schools": ["school9"]}),
    )
    (page,) = [page for page in pulled.pages if (page.kind, page.listing) == ("person", "users")]
    assert [getattr(record, "source_id", "") for record in page.records] == ["ada", "kim", "tess"]
    assert page.schools == [(), ("school1",), ("school1", "school2")]


@pytest.mark.parametrize(
    ("role", "places"),
    [
        ({"school": "school2", "schools": ["school1"]}, [("school1", False), ("school2", True)]),
        ({"school": "school1", "schools": ["school1", "", None, "school1"]}, [("school1", True)]),
        ({"school": "", "schools": ["school1"]}, [("school1", None)]),
        ({"school": None, "schools": ["school1"]}, [("school1", None)]),
        ({"school": " school1", "schools": ["school1 "]}, [("school1", True)]),
    ],
)
def test_schools_come_from_both_fields(role: Json, places: list[tuple[str, bool | None]]) -> None:
    pulled = pull_users(user("sam", student=role))
    assert [(school, primary) for school, _, primary in roles_of(pulled, "sam")] == places


def test_someone_without_a_school_stays_as_stored() -> None:
    pulled = pull_users(user("sam", student={"school": "", "schools": []}), user("tom", teacher={}))
    assert pulled.codes == ["required_missing", "required_missing"]
    assert [refusal.source_ids for refusal in pulled.refusals("person")] == [("sam",), ("tom",)]
    assert [record.source_id for record in pulled.records("person")] == ["kim"]
    assert roles_of(pulled, "sam") == []


def test_schools_that_are_not_told_are_not_gone() -> None:
    """A field that is not shared is left out (reference/clever.md, 2.3); what is stored of it must stay."""
    tom = user("tom", teacher={"sis_id": "1"}, staff={"schools": ["school1"]})
    pulled = pull_users(tom)
    assert person(pulled, "tom")
    assert pulled.coverage["person", "users"].verdict == "complete"
    assert pulled.coverage["affiliation", "users"].verdict == "partial"
    assert pull_users(teacher()).coverage["affiliation", "users"].verdict == "complete"


@pytest.mark.parametrize("roles", [{}, {"wizard": {"schools": ["school1"]}}, None, {"student": None}])
def test_someone_without_a_role_that_we_know_stays_as_stored(roles: Any) -> None:
    pulled = pull_users(user("sam") | {"roles": roles})
    assert pulled.codes == ["unknown_role"]
    assert [refusal.source_ids for refusal in pulled.refusals("person")] == [("sam",)]


def test_unknown_words_never_break_a_pull() -> None:
    """Words of a list may grow, keys come and go, digits may come as numbers (reference/clever.md, 2.5)."""
    sam = student("sam", grade=4, student_number=100, state_id={"odd": 1}, sis_id=True, new_key={"a": [1]})
    dan = contact("dan", link("kim", "Guru", "Second cousin"), phone_type="Satellite", phone="(555) 555-0100")
    pulled = pull_users(sam | {"lms_status": 5}, dan | {"roles": dan["roles"] | {"wizard": 1}})
    assert person(pulled, "sam").grades == ("04",)
    assert person(pulled, "sam").identifiers == (("student_number", "100"),)
    assert person(pulled, "dan").phone == "5555550100"
    assert pulled.records("guardianship") == [Guardianship("kim", "dan", "Second cousin", "Guru")]
    assert pulled.codes == []


def test_missing_null_and_blank_are_the_same() -> None:
    bare = {"district": DISTRICT, "roles": {"student": {"schools": ["school1"]}}}
    null = {
        "email": None,
        "name": None,
        "roles": {"student": {"schools": ["school1"], "credentials": None, "grade": None}},
    }
    blank = {
        "email": "",
        "name": {"first": " "},
        "roles": {"student": {"schools": ["school1"], "credentials": {}, "sis_id": ""}},
    }
    pulled = pull_users({"id": "a", **bare}, {"id": "b", **null}, {"id": "c", **blank})
    assert [person(pulled, name) for name in "abc"] == [Person("a"), Person("b"), Person("c")]


def test_strings_are_cleaned_like_the_cells_of_a_file() -> None:
    sam = student("sam", sis_id=" 0012 ", grade=" 4 ") | {
        "name": {"first": '"Sam\u200b"', "middle": "  ", "last": "O\u2019Neil\u00a0 Smith "},
        "email": " Sam@Example.ORG\t",
    }
    pulled = pull_users(sam)
    assert person(pulled, "sam") == Person(
        "sam",
        "Sam",
        None,
        "O\u2019Neil Smith",
        email="sam@example.org",
        grades=("04",),
        identifiers=(("sis_id", "0012"),),
    )
    assert set(pulled.codes) <= {"quotes_left", "invisible_characters"}
    assert {problem.field for problem in pulled.problems} == {"name.first", "name.last"}


@pytest.mark.parametrize(
    "unclean",
    [
        {"id": " sam"}, {"id": "sam "}, {"email": " sam@example.org"}, {"email": "sam@example.org "},
        {"name": {"last": '"Vale"'}}, {"name": {"last": "\u201cVale\u201d"}}, {"name": {"last": "Vale\x07"}},
        {"name": {"last": "\u00a0Vale"}},
    ],
)  # fmt: skip
def test_one_unclean_value_is_enough(unclean: Json) -> None:
    sam = {"id": "sam", "email": "sam@example.org", "name": {"last": "Vale"}}
    pulled = pull_users(sam | {"roles": {"student": {"schools": ["school1"]}}} | unclean)
    assert person(pulled, "sam") == Person("sam", None, None, "Vale", email="sam@example.org")


def test_an_address_that_is_none_is_left_out_and_told() -> None:
    pulled = pull_users(student("sam") | {"email": "sam at example"})
    assert person(pulled, "sam").email is None
    assert pulled.problem("bad_email").source_id == "sam"


def test_preferred_names_are_the_students_own() -> None:
    pulled = pull_users(student("sam", preferred_name={"first": "Sammy", "last": "Z"}), version="v3.1")
    assert person(pulled, "sam").preferred_name == "Sammy"


# --- contacts --------------------------------------------------------------------------------------------------------------


def test_a_contact_as_a_record() -> None:
    dana = contact("dana", link("kim"), phone="(555) 555-0100", phone_type="Cell", sis_id="G-1", legacy_id="old")
    pulled = pull_users(dana)
    assert pulled.records("person", "contacts") == [
        Person(
            "dana", None, None, "Dana Vale", None, None, "dana@example.org", "5555550100", None,
            identifiers=(("legacy_id", "old"), ("sis_id", "G-1")),
        )
    ]  # fmt: skip
    assert pulled.records("affiliation", "contacts") == [Affiliation("dana", None, "guardian")]
    assert pulled.records("guardianship", "contacts") == [Guardianship("kim", "dana", "Parent", "Parent/Guardian")]
    assert pulled.arrivals["contacts"].rows == 1
    assert pulled.arrivals["users"].rows == 1


@pytest.mark.parametrize(
    ("kind", "sms", "phone"),
    [("Cell", "5555550100", None), ("cell", "5555550100", None), ("Home", None, "5555550100"), ("", None, "5555550100"),
     ("Work", None, "5555550100"), ("Other", None, "5555550100"), (None, None, "5555550100")],
)  # fmt: skip
def test_the_type_of_a_telephone_says_what_it_is_for(kind: str | None, sms: str | None, phone: str | None) -> None:
    dana = person(pull_users(contact("dana", link("kim"), phone="555-555-0100", phone_type=kind)), "dana")
    assert (dana.sms, dana.phone) == (sms, phone)


def test_a_guardian_who_cannot_be_reached_is_refused_and_stays_as_stored() -> None:
    home = contact("dan", link("kim"), phone="555-555-0100", phone_type="Home") | {"email": ""}
    cell = contact("dot", link("kim"), phone="555-555-0101", phone_type="Cell") | {"email": ""}
    pulled = pull_users(home, cell, contact("dana", link("kim")))
    assert [record.source_id for record in pulled.records("person", "contacts")] == ["dana", "dot"]
    assert pulled.problem("guardian_no_contact").source_id == "dan"
    assert [(refusal.source_ids, refusal.role) for refusal in pulled.refusals("person")] == [(("dan",), "guardian")]
    assert {record.guardian_source_id for record in pulled.records("guardianship")} == {"dana", "dot"}
    assert pulled.coverage["person", "contacts"].verdict == "complete"
    assert "unshared_members" not in pulled.codes


def test_contacts_of_unwanted_types_are_left_out_and_counted_once() -> None:
    pulled = pull_users(
        student("lee"),
        contact("dana", link("kim"), link("lee", "Emergency")),
        contact("dan", link("kim", "Emergency"), link("lee", "Secondary")),
        contact("dot", link("kim", "emergency ")),
        contact("dee", link("kim", "", "")),
    )
    assert [record.source_id for record in pulled.records("person", "contacts")] == ["dana", "dee"]
    assert pulled.problem("contacts_skipped").detail == "2"
    assert pulled.problem("contacts_skipped").file == "contacts"
    links = [(record.student_source_id, record.guardian_source_id) for record in pulled.records("guardianship")]
    assert links == [("kim", "dana"), ("kim", "dee")]
    assert pulled.arrivals["contacts"].rows == 4


def test_relationships_can_be_left_out_too_and_nothing_need_be() -> None:
    users = [contact("dana", link("kim", "Emergency", "Parent")), contact("dan", link("kim", "Family", "Sibling"))]
    chosen = pull_users(*users, skip_contact_types=(), skip_relationships=("sibling",))
    assert [record.source_id for record in chosen.records("person", "contacts")] == ["dana"]
    everybody = pull_users(*users, skip_contact_types=(), skip_relationships=())
    assert len(everybody.records("person", "contacts")) == 2
    assert "contacts_skipped" not in everybody.codes


def test_a_contact_who_stands_twice_at_a_student_is_one_guardian() -> None:
    pulled = pull_users(contact("dana", link("kim", "Family", "Aunt/Uncle"), link("kim")))
    assert pulled.records("guardianship") == [Guardianship("kim", "dana", "Aunt/Uncle", "Family")]


def test_students_who_are_not_shared_are_counted_and_left_out() -> None:
    pulled = pull_users(contact("dana", link("kim"), link("hidden1")), contact("dan", link("hidden2")))
    assert [record.student_source_id for record in pulled.records("guardianship")] == ["kim"]
    problem = pulled.problem("unshared_members")
    assert (problem.kind, problem.file, problem.detail, problem.line) == ("guardianship", "contacts", "2", 0)
    assert [record.source_id for record in pulled.records("person", "contacts")] == ["dan", "dana"]
    assert pulled.coverage["guardianship", "contacts"].verdict == "complete"


def test_a_link_to_a_student_who_came_and_was_refused_is_kept() -> None:
    """What is stored of the student stays, and so must the link."""
    pulled = pull_users(user("sam", student={"schools": []}), contact("dana", link("sam")))
    assert pulled.records("guardianship") == [Guardianship("sam", "dana", "Parent", "Parent/Guardian")]
    assert "unshared_members" not in pulled.codes


def test_a_link_without_a_student_proves_nothing_about_the_others() -> None:
    pulled = pull_users(contact("dana", link("kim"), link("")))
    assert len(pulled.records("guardianship")) == 1
    assert pulled.coverage["guardianship", "contacts"].verdict == "partial"
    assert pulled.coverage["person", "contacts"].verdict == "complete"
    assert pulled.problem("record_malformed").source_id == "dana"


def test_a_contact_whose_students_are_not_told_keeps_them() -> None:
    dan = contact("dan")
    del dan["roles"]["contact"]["student_relationships"]
    pulled = pull_users(dan, contact("dana", link("kim")))
    assert [record.source_id for record in pulled.records("person", "contacts")] == ["dan", "dana"]
    assert pulled.coverage["guardianship", "contacts"].reason == "1 contact(s) do not say whose they are"


def test_a_contact_of_nobody_is_a_guardian_all_the_same() -> None:
    """Only links that are there can be unwanted."""
    pulled = pull_users(contact("dan"))
    assert [record.source_id for record in pulled.records("person", "contacts")] == ["dan"]
    assert "contacts_skipped" not in pulled.codes


def test_contacts_can_be_left_alone() -> None:
    dan = teacher("tess")
    dan["roles"]["contact"] = contact("x", link("kim"))["roles"]["contact"]
    pulled = pull_users(contact("dana", link("kim")), dan, contacts=False)
    assert [record.source_id for record in pulled.records("person")] == ["kim", "tess"]
    assert roles_of(pulled, "tess") == [("school1", "teacher", True)]
    assert pulled.records("guardianship") == []
    assert "contacts" not in pulled.arrivals
    for kind in ("person", "affiliation", "guardianship"):
        assert pulled.coverage[kind, "contacts"].verdict == "none"
    assert pulled.coverage["person", "contacts"].reason == "the setting contacts is off"
    assert pulled.coverage["person", "users"].verdict == "complete"


def test_no_contacts_at_all_prove_nothing_and_are_told_where_the_scope_lacks() -> None:
    clever = small(users=[student(), teacher()])
    pulled = pull(clever)
    assert pulled.coverage["person", "contacts"].verdict == "none"
    assert "listing_refused" not in pulled.codes
    clever.scopes = (
        "read:students_limited",
        "read:teachers",
        "read:school_admins",
        "read:district_admins",
        "read:sections",
    )
    pulled = pull(clever)
    assert pulled.coverage["person", "contacts"].reason == "your app may not read contacts at Clever"
    assert pulled.coverage["guardianship", "contacts"].verdict == "none"
    assert pulled.problem("listing_refused").detail == "contacts"
    assert ["read:student_contacts" in text for text in pulled.facts.missing] == [True]


def test_someone_who_works_here_and_has_a_child_here_is_one_person() -> None:
    """Clever says that the two never combine (reference/clever.md, 0, 3); if they do, nothing is lost."""
    tess = teacher("tess")
    tess["roles"]["contact"] = contact("x", link("kim"), phone="555-555-0100", phone_type="Cell")["roles"]["contact"]
    pulled = pull_users(tess)
    assert person(pulled, "tess").sms == "5555550100"
    assert roles_of(pulled, "tess") == [("school1", "teacher", True), (None, "guardian", None)]
    assert pulled.records("guardianship") == [Guardianship("kim", "tess", "Parent", "Parent/Guardian")]
    assert pulled.records("person", "contacts") == []
    assert (pulled.arrivals["users"].rows, pulled.arrivals["contacts"].rows) == (2, 0)
    unwanted = pull_users(tess, skip_relationships=("Parent",))
    assert roles_of(unwanted, "tess") == [("school1", "teacher", True)]
    assert "contacts_skipped" not in unwanted.codes


def test_a_list_of_users_that_is_empty_is_for_the_engine_to_judge() -> None:
    clever = small(users=[], sections=[])
    pulled = pull(clever)
    for name in ("person/users", "affiliation/users", "class/sections", "enrollment/sections", "person/contacts"):
        assert pulled.verdicts()[name] == "none"
    clever.faults.append(always("users", Reply(200, {"data": [], "links": [], "count": 0})))
    assert pull(clever).verdicts()["person/users"] == "none"
