"""Schools, terms, courses and sections, and who is in them."""

from typing import Any

import pytest

from models.records import Class, Enrollment, School, Term
from tests.connectors.clever.cases import (
    DISTRICT,
    Json,
    Pulled,
    Reply,
    always,
    pull,
    school,
    section,
    small,
    student,
    teacher,
    user,
)

COURSE = {"id": "course1", "district": DISTRICT, "name": "Class 001, Homeroom", "number": "1"}


def pull_sections(*sections: Json, **lists: list[Any]) -> Pulled:
    return pull(small(**({"sections": list(sections)} | lists)))


def members(pulled: Pulled) -> list[tuple[str, str, bool | None]]:
    found: list[Enrollment] = pulled.records("enrollment")
    return [(record.person_source_id, record.role, record.primary) for record in found]


# --- schools ---------------------------------------------------------------------------------------------------------------


def test_the_district_is_the_parent_of_its_schools() -> None:
    pulled = pull(
        small(schools=[school(), school("school2", school_number=""), school("school3", school_number=None, sis_id="")])
    )
    assert pulled.records("school") == [
        School(DISTRICT, "Forest Unified", None, "district"),
        School("school1", "Pine Elementary", "01", "school", DISTRICT),
        School("school2", "Pine Elementary", "9255", "school", DISTRICT),
        School("school3", "Pine Elementary", None, "school", DISTRICT),
    ]
    assert pulled.lines("school") == [0, 1, 2, 3]
    assert pulled.arrivals["schools"].rows == 3


def test_a_school_without_a_name_stays_as_stored() -> None:
    pulled = pull(small(schools=[school(), school("school2", name=" ")]))
    assert [refusal.source_ids for refusal in pulled.refusals("school")] == [("school2",)]
    assert pulled.problem("required_missing").field == "name"
    assert pulled.coverage["school", "schools"].verdict == "complete"


def test_a_district_without_a_name_is_there_all_the_same() -> None:
    clever = small()
    clever.district["name"] = None
    assert pull(clever).records("school")[0].name == DISTRICT


# --- terms and courses -----------------------------------------------------------------------------------------------------


def term(source_id: str = "term1", **more: Any) -> Json:
    return {"id": source_id, "district": DISTRICT, **more}


def test_a_term_ends_on_the_day_after_its_last() -> None:
    pulled = pull(small(terms=[term(name="S1", start_date="2012-08-01", end_date="2012-12-01")]))
    assert pulled.records("term") == [Term("term1", "S1", "term", "2012-08-01", "2012-12-02")]
    assert pulled.coverage["term", "terms"].verdict == "complete"


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({"start_date": "2026-08-17", "end_date": "2027-01-15"}, "2026-08-17 to 2027-01-15"),
        ({"start_date": "2026-08-17", "name": ""}, "from 2026-08-17"),
        ({"end_date": "2027-01-15T00:00:00.000Z", "name": None}, "until 2027-01-15"),
        ({"name": "Year"}, "Year"),
    ],
)
def test_a_term_without_a_name_is_called_by_its_dates(facts: Json, title: str) -> None:
    assert [record.title for record in pull(small(terms=[term(**facts)])).records("term")] == [title]


def test_terms_that_say_nothing_or_nonsense() -> None:
    pulled = pull(
        small(
            terms=[
                term("a"), term("b", name="B", start_date="2026-08-17", end_date="2026-01-15"),
                term("c", name="C", start_date="soon", end_date="9999-12-31"),
            ]
        )
    )  # fmt: skip
    assert pulled.records("term") == [Term("b", "B"), Term("c", "C", ends_on="9999-12-31")]
    assert [refusal.source_ids for refusal in pulled.refusals("term")] == [("a",)]
    assert pulled.codes == ["bad_date", "dates_reversed", "required_missing"]


def test_without_terms_there_are_none() -> None:
    pulled = pull(small())
    assert pulled.coverage["term", "terms"].verdict == "none"
    assert pulled.codes == []


@pytest.mark.parametrize(("name", "kind"), [("terms", "term"), ("courses", "class")])
def test_terms_and_courses_may_be_refused(name: str, kind: str) -> None:
    clever = small(courses=[COURSE], sections=[section(course="course1", term_id="term1")])
    clever.faults.append(always(name, Reply(403, {"error": "Resource not in token's scopes"})))
    pulled = pull(clever)
    assert pulled.problem("listing_refused").kind == kind
    assert pulled.facts.missing == [f"Clever does not let your app read {name}."]
    assert pulled.verdicts().get("term/terms") == "none"
    assert pulled.coverage["class", "sections"].verdict == "complete"
    (clazz,) = pulled.records("class")
    assert clazz.course_number == (None if name == "courses" else "1")
    assert clazz.term_source_ids == ("term1",)
    assert "unknown_course" not in pulled.codes


def test_a_course_that_cannot_be_read_is_not_known() -> None:
    broken: list[Any] = [{"id": "course2", "name": {}, "number": 2}, {"id": ["course3"]}]
    clever = small(
        sections=[section(course="course2"), section("bio", course="course3"), section("gym", course="course1")]
    )
    data = [{"data": record} for record in [COURSE, *broken]]
    clever.faults.append(always("courses", Reply(200, {"data": data, "links": [], "count": 3})))
    pulled = pull(clever)
    assert [(clazz.course_title, clazz.course_number) for clazz in pulled.records("class")] == [
        (None, "2"), (None, None), ("Class 001, Homeroom", "1"),
    ]  # fmt: skip
    assert pulled.codes == ["record_malformed", "unknown_course"]
    assert pulled.problem("record_malformed").file == "courses"
    assert pulled.refusals("class") == []


# --- sections --------------------------------------------------------------------------------------------------------------


def test_a_section_as_a_class() -> None:
    pulled = pull_sections(
        section(course="course1", term_id="term1", section_number="4-A", ext={"classroom": "A1"}, grade="Kindergarten"),
        courses=[COURSE],
    )
    assert pulled.records("class") == [
        Class(
            "art", "Art 4", "school1", "4-A", "Class 001, Homeroom", "1", ("arts and music",), ("KG",), ("2",), None, ("term1",)
        )
    ]  # fmt: skip
    assert pulled.codes == []


def test_what_a_section_need_not_have() -> None:
    bare = {"id": "art", "school": "school1", "name": "Art 4", "students": ["kim"], "teachers": []}
    null = section(
        "bio", **dict.fromkeys(["subject", "grade", "period", "course", "term_id", "section_number", "teacher"])
    )
    pulled = pull_sections(bare, null | {"teachers": []})
    assert pulled.records("class") == [Class("art", "Art 4", "school1"), Class("bio", "Art 4", "school1", "587")]
    assert pulled.coverage["enrollment", "sections"].verdict == "complete"


def test_periods_are_a_list_and_subjects_are_not() -> None:
    (clazz,) = pull_sections(section(period="1, 3", subject="english/language arts")).records("class")
    assert clazz.periods == ("1", "3")
    assert clazz.subjects == ("english/language arts",)


@pytest.mark.parametrize(
    ("primary", "teachers", "expected"),
    [
        ("tess", ["tess", "tom"], [("tess", True), ("tom", False)]),
        ("tom", ["tess", "tom", "tess"], [("tom", True), ("tess", False)]),
        (None, ["tess", "tom"], [("tess", True), ("tom", False)]),
        ("tess", None, [("tess", True)]),
        ("tess", [], [("tess", True)]),
        (None, [], []),
    ],
)
def test_the_primary_teacher_comes_first(primary: Any, teachers: Any, expected: list[tuple[str, bool]]) -> None:
    users = [student(), teacher(), teacher("tom")]
    pulled = pull_sections(section(teacher=primary, teachers=teachers), users=users)
    assert members(pulled) == [*((name, "teacher", flag) for name, flag in expected), ("kim", "student", None)]
    assert pulled.coverage["enrollment", "sections"].verdict == "complete"


def test_members_count_once() -> None:
    pulled = pull_sections(section(students=["kim", "kim", " kim"]))
    assert members(pulled) == [("tess", "teacher", True), ("kim", "student", None)]


def test_members_who_are_not_shared_are_counted_and_left_out() -> None:
    pulled = pull_sections(
        section(students=["kim", "hidden1", "hidden2"], teacher="hidden3", teachers=["hidden3", "tess"]),
        section("bio", students=["hidden1"]),
    )
    assert members(pulled) == [("tess", "teacher", False), ("kim", "student", None), ("tess", "teacher", True)]
    problem = pulled.problem("unshared_members")
    assert (problem.kind, problem.file, problem.detail, problem.line) == ("enrollment", "sections", "4", 0)
    assert pulled.coverage["enrollment", "sections"].received == 3
    assert pulled.coverage["enrollment", "sections"].verdict == "complete"


def test_a_member_who_came_and_was_refused_is_not_unshared() -> None:
    users = [student(), teacher(), user("sam", student={"schools": []}), {"id": "odd", "roles": 5}]
    pulled = pull_sections(section(students=["kim", "sam", "odd"]), users=users)
    assert [person for person, _, _ in members(pulled)] == ["tess", "kim", "sam", "odd"]
    assert "unshared_members" not in pulled.codes


def test_a_refused_section_keeps_its_members() -> None:
    pulled = pull_sections(section(), section("bio", name=""), section("gym", school=None))
    assert [refusal.source_ids for refusal in pulled.refusals("class")] == [("bio",), ("gym",)]
    assert [problem.field for problem in pulled.problems if problem.code == "required_missing"] == ["name", "school"]
    assert [(refusal.source_ids, refusal.role) for refusal in pulled.refusals("enrollment")] == [
        (("bio", "tess"), "teacher"), (("bio", "kim"), "student"), (("gym", "tess"), "teacher"), (("gym", "kim"), "student"),
    ]  # fmt: skip
    assert members(pulled) == [("tess", "teacher", True), ("kim", "student", None)]
    assert pulled.coverage["enrollment", "sections"].verdict == "complete"


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "bio", "school": "school1", "name": "Biology", "teachers": ["tess"]},
        {"id": "bio", "school": "school1", "name": "Biology", "students": ["kim"]},
        section("bio", students=["kim", None]),
        section("bio", teachers=["tess", ""]),
        section("bio", students={"kim": True}),
        section("bio", students=[5]),
    ],
    ids=["no students", "no teachers", "a student without id", "a teacher without id", "no list", "no ids"],
)
def test_a_section_that_does_not_say_who_is_in_it_proves_nobodys_absence(broken: Json) -> None:
    pulled = pull_sections(section(), broken)
    statement = pulled.coverage["enrollment", "sections"]
    assert (statement.verdict, statement.reason) == ("partial", "1 section(s) do not say who is in them")
    assert pulled.coverage["class", "sections"].verdict == "complete"


def test_a_section_without_an_id_leaves_everything_open() -> None:
    clever = small()
    data = [{"data": section()}, {"data": {"name": "Biology", "school": "school1", "students": ["kim"]}}]
    clever.faults.append(always("sections", Reply(200, {"data": data, "links": [], "count": 2})))
    pulled = pull(clever)
    assert pulled.problem("unidentified_rows").detail == "1"
    assert pulled.coverage["class", "sections"].verdict == "partial"
    assert pulled.coverage["enrollment", "sections"].verdict == "partial"


def test_large_lists_come_as_pages() -> None:
    users = [*(student(f"kim{n:02d}") for n in range(30)), teacher()]
    ids = [f"kim{n:02d}" for n in range(30)]
    clever = small(users=users, sections=[section(f"s{n}", students=ids[n : n + 10]) for n in range(8)])
    pulled = pull(clever, records_per_page=20)
    sizes = [len(page.records) for page in pulled.pages if page.kind == "enrollment"]
    assert sum(sizes) == 88
    assert max(sizes) < 40
    assert [len(page.lines) for page in pulled.pages if page.kind == "enrollment"] == sizes
