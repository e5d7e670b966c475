"""The product's own files: users.csv, classes.csv, enrollments.csv, and guardians.csv for guardians without a school.

What they cannot express is left out and counted: middle and preferred names, usernames, whether an account is enabled,
identifiers; codes, courses, subjects and terms of classes; primary marks and dates of enrollments; all roles of a
person but one (``sync.export_roster.leading_place``). A guardian whose language is not known reads back as English.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from models.vocabulary import role_group
from sync.export_files import Cells, SetWriter, list_cell
from sync.export_roster import Person, Roster, columns_of, leading_place, texts

HEADERS: Final[dict[str, Cells]] = {
    "users.csv": (
        "sourceId", "orgSourcedIds", "role", "givenName", "familyName", "email", "sms", "phone", "agentSourcedIds",
        "grades", "language",
    ),
    "classes.csv": ("sourcedId", "title", "grades", "location", "schoolSourcedId", "periods"),
    "enrollments.csv": ("classSourcedId", "schoolSourcedId", "userSourcedId", "role"),
    "guardians.csv": (
        "studentSourcedId", "guardianSourcedId", "givenName", "familyName", "email", "sms", "phone", "language",
        "relationship",
    ),
}  # fmt: skip

_CONTACT: Final = ("given_name", "family_name", "email", "sms", "phone")
_NO_PLACE_PERSON: Final = {
    "middle_name": "middle names",
    "preferred_name": "preferred names",
    "username": "usernames",
}
_NO_PLACE_CLASS: Final = {
    "code": "class codes",
    "course_title": "course titles",
    "course_number": "course numbers",
}


def write_product(roster: Roster, writer: SetWriter) -> None:
    """Write the whole roster in the product's form."""
    writer.write("users.csv", _users(roster, writer.lost["users.csv"]))
    writer.write("guardians.csv", guardian_rows(roster, writer.lost["guardians.csv"]))
    class_schools: dict[int, str] = {}
    writer.write("classes.csv", _classes(roster, class_schools, writer.lost["classes.csv"]))
    writer.write("enrollments.csv", _enrollments(roster, class_schools, writer.lost["enrollments.csv"]))


def guardian_rows(roster: Roster, lost: Counter[str]) -> Iterator[Cells]:
    """guardians.csv: a row per student for each guardian who has no role anywhere."""
    for person in roster.people() if roster.has_apart else ():
        if not person.apart:
            continue
        _count_person(person, lost)
        contact = [person.text(name) for name in _CONTACT]
        language = person.text("language")
        lost.update({"guardians' unknown languages": not language})
        for student in person.students:
            lost.update({"contact types": student.contact_type is not None})
            yield (student.person, person.source_id, *contact, language, student.relationship or "")


def row_role(roster: Roster, person: Person, lost: Counter[str]) -> tuple[str, list[str]] | None:
    """The one role of a person's row and the schools where they have it; None for somebody who has no role at all."""
    if not person.places:
        role = roster.stored.enrolled_as(person.columns[0])
        lost.update({"people without a role": role is None})
        return None if role is None else (role, [])
    lead = leading_place(person.places)
    schools = [place.school for place in person.places if place.role == lead.role]
    lost.update({"further roles of people with several": len(person.places) - len(schools)})
    return lead.role, schools


def _users(roster: Roster, lost: Counter[str]) -> Iterator[Cells]:
    for person in roster.people():
        if person.apart:
            continue
        found = row_role(roster, person, lost)
        if found is None:
            continue
        role, schools = found
        _count_person(person, lost)
        language = person.text("language")
        lost.update({"guardians' unknown languages": role_group(role) == "guardian" and not language})
        lost.update({"primary marks of roles": sum(place.primary is not None for place in person.places)})
        yield (
            person.source_id,
            list_cell(schools),
            role,
            *(person.text(name) for name in _CONTACT),
            list_cell(agents(person, lost)),
            list_cell(person.grades),
            language,
        )


def agents(person: Person, lost: Counter[str]) -> list[str]:
    """The guardians on a student's row; those who stand in guardians.csv are named there."""
    named = [relative for relative in person.guardians if not relative.apart]
    lost.update({"relationships of guardians": sum(relative.relationship is not None for relative in named)})
    lost.update({"contact types": sum(relative.contact_type is not None for relative in named)})
    return [relative.person for relative in named]


def _count_person(person: Person, lost: Counter[str]) -> None:
    lost.update({what: bool(person.text(name)) for name, what in _NO_PLACE_PERSON.items()})
    lost.update({"enabled marks": person.enabled is not None, "identifiers": len(person.identifiers)})


def _classes(roster: Roster, class_schools: dict[int, str], lost: Counter[str]) -> Iterator[Cells]:
    for row in roster.stored.entities("class"):
        found = columns_of("class", row)
        class_id, school_id = roster.class_ids(found["id"]), roster.school_ids(found["school_id"])
        if class_id is None or school_id is None:
            continue
        class_schools[found["id"]] = school_id
        lost.update({what: found[name] is not None for name, what in _NO_PLACE_CLASS.items()})
        lost.update({"subjects": found["subjects"] != "[]", "terms": found["term_ids"] != "[]"})
        yield (
            class_id,
            found["title"],
            list_cell(texts(found["grades"])),
            found["location"] or "",
            school_id,
            list_cell(texts(found["periods"])),
        )


def _enrollments(roster: Roster, class_schools: dict[int, str], lost: Counter[str]) -> Iterator[Cells]:
    marks = dates = 0
    for class_id, person_id, (internal_id, _, role, primary, begins_on, ends_on) in roster.enrollments():
        marks += primary is not None
        dates += begins_on is not None or ends_on is not None
        yield (class_id, class_schools.get(internal_id, ""), person_id, role)
    lost.update({"primary marks": marks, "dates": dates})
