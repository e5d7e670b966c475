"""OneRoster 1.1 and 1.2 bulk sets with manifest, as their CSV bindings lay them out.

The stored roster denormalizes courses into classes; here they become courses again, with ids made of title and number.
Enrollments and roles get ids made of their internal ends. A blank roleType or primary says that nobody knows.

So that a set always reads back to the same roster, what has no place in it stands beside, if there is any:

* preferred name and master id (1.1) and language (both) in further columns of users.csv, at the right end;
* in 1.1 a roles.csv as in 1.2, if somebody has several roles or none, or a role is marked as primary or not; rows of
  users.csv then hold the leading role (``sync.export_roster.leading_place``);
* guardians who have no role anywhere in guardians.csv, the product's own file.

Left out and counted: relationship and contact type of guardians who have a role.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from xxhash import xxh3_64_hexdigest

from models.tables import DISTRICT_SCHOOL_ID
from models.vocabulary import RoleGroup, role_group
from sync.export_files import Cells, SetWriter, flag_cell, list_cell
from sync.export_product import HEADERS as PRODUCT_HEADERS
from sync.export_product import agents, guardian_rows, row_role
from sync.export_roster import Person, Roster, columns_of, internal_ids, leading_place, texts

VERSIONS: Final = ("1.1", "1.2")

_BASE: Final = ("sourcedId", "status", "dateLastModified")
#: Blank in bulk mode, both of them.
_NO_STATUS: Final = ("", "")
_COMMON: Final[dict[str, Cells]] = {
    "manifest.csv": ("propertyName", "value"),
    "orgs.csv": (*_BASE, "name", "type", "identifier", "parentSourcedId"),
    "academicSessions.csv": (*_BASE, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"),
    "courses.csv": (
        *_BASE, "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId", "subjects", "subjectCodes",
    ),
    "classes.csv": (
        *_BASE, "title", "grades", "courseSourcedId", "classCode", "classType", "location", "schoolSourcedId",
        "termSourcedIds", "subjects", "subjectCodes", "periods",
    ),
    "enrollments.csv": (
        *_BASE, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate",
    ),
}  # fmt: skip
_USERS_11: Final = (
    *_BASE, "enabledUser", "orgSourcedIds", "role", "username", "userIds", "givenName", "familyName", "middleName",
    "identifier", "email", "sms", "phone", "agentSourcedIds", "grades", "password",
)  # fmt: skip
_USERS_12: Final = (
    *_BASE, "enabledUser", "username", "userIds", "givenName", "familyName", "middleName", "identifier", "email", "sms",
    "phone", "agentSourcedIds", "grades", "password", "userMasterIdentifier", "resourceSourcedIds",
    "preferredGivenName", "preferredMiddleName", "preferredFamilyName", "primaryOrgSourcedId", "pronouns",
)  # fmt: skip
_ROLES_12: Final = (
    *_BASE, "userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId", "userProfileSourcedId",
)  # fmt: skip
#: Every file that a manifest has to speak of, by version.
_MANIFEST: Final = {
    "1.1": "academicSessions categories classes classResources courses courseResources demographics enrollments "
    "lineItems orgs resources results users",
    "1.2": "academicSessions categories classes classResources courses courseResources demographics enrollments "
    "lineItemLearningObjectiveIds lineItems lineItemScoreScales orgs resources resultLearningObjectiveIds results "
    "resultScoreScales roles scoreScales userProfiles userResources users",
}
_MASTER_ID: Final = "master_id"
#: OneRoster's ``identifier`` is the id that people know each other by; whose it is, the role says.
_IDENTIFIER_OF: Final[dict[RoleGroup, str]] = {
    "student": "student_number",
    "teacher": "staff_id",
    "administrator": "staff_id",
    "guardian": "sis_id",
}


def headers(roster: Roster, version: str) -> dict[str, Cells]:
    """The set's files and their columns; ``users.csv`` has the further columns that this roster needs."""
    users = list(_USERS_11 if version == "1.1" else _USERS_12)
    further = {"preferredGivenName": "preferred_name", "language": "language"}
    users += [
        name for name, column in further.items() if name not in users and roster.stored.has_value("person", column)
    ]
    if version == "1.1" and roster.stored.has_identifier(_MASTER_ID):
        users.append("userMasterIdentifier")
    files: dict[str, Cells] = {**_COMMON, "users.csv": users}
    if version == "1.2" or _needs_roles(roster):
        files["roles.csv"] = _ROLES_12
    return {**files, "guardians.csv": PRODUCT_HEADERS["guardians.csv"]}


def _needs_roles(roster: Roster) -> bool:
    stored = roster.stored
    return (
        stored.has_value("affiliation", "is_primary") or stored.has_several_roles() or stored.has_people_without_role()
    )


def write_oneroster(roster: Roster, writer: SetWriter, columns: dict[str, Cells], version: str) -> None:
    """Write the whole roster; ``columns`` are what ``headers`` gave for it."""
    writer.write("orgs.csv", _orgs(roster))
    writer.write("academicSessions.csv", _sessions(roster))
    writer.write("courses.csv", _courses(roster))
    class_schools: dict[int, str] = {}
    writer.write("classes.csv", _classes(roster, class_schools))
    _Users(roster, columns, writer).write()
    writer.write("guardians.csv", guardian_rows(roster, writer.lost["guardians.csv"]))
    writer.write("enrollments.csv", _enrollments(roster, class_schools))
    writer.write("manifest.csv", _manifest(writer, version))


def _manifest(writer: SetWriter, version: str) -> Iterator[Cells]:
    yield ("manifest.version", "1.0")
    yield ("oneroster.version", version)
    for name in _MANIFEST[version].split():
        yield (f"file.{name}", "bulk" if writer.rows[f"{name}.csv"] else "absent")
    yield ("source.systemName", "rostersync")
    yield ("source.systemCode", "rostersync")


def _orgs(roster: Roster) -> Iterator[Cells]:
    for row in roster.stored.entities("school"):
        found = columns_of("school", row)
        parent = roster.school_ids(found["parent_id"]) if found["parent_id"] else None
        source_id = roster.school_ids(found["id"]) or ""
        yield (source_id, *_NO_STATUS, found["name"], found["type"], found["number"] or "", parent or "")


def _sessions(roster: Roster) -> Iterator[Cells]:
    for row in roster.stored.entities("term"):
        found = columns_of("term", row)
        dates = (found["begins_on"] or "", found["ends_on"] or "")
        source_id = roster.term_ids(found["id"]) or ""
        yield (source_id, *_NO_STATUS, found["title"], found["type"], *dates, "", found["school_year"] or "")


def _course_id(title: str | None, number: str | None) -> str:
    """The same course has the same id in every export; blank for no course."""
    if title is None and number is None:
        return ""
    return f"rs-course-{_digest(title or '', number or '')}"


def _digest(*texts_of_key: str) -> str:
    return xxh3_64_hexdigest("\0".join(texts_of_key).encode())


def _courses(roster: Roster) -> Iterator[Cells]:
    district = roster.school_ids(DISTRICT_SCHOOL_ID) or ""
    for title, number in roster.stored.courses():
        yield (_course_id(title, number), *_NO_STATUS, "", title or "", number or "", "", district, "", "")


def _classes(roster: Roster, class_schools: dict[int, str]) -> Iterator[Cells]:
    for row in roster.stored.entities("class"):
        found = columns_of("class", row)
        class_id, school_id = roster.class_ids(found["id"]), roster.school_ids(found["school_id"])
        if class_id is None or school_id is None:
            continue
        class_schools[found["id"]] = school_id
        terms = [roster.term_ids(term) for term in internal_ids(found["term_ids"])]
        yield (
            class_id,
            *_NO_STATUS,
            found["title"],
            list_cell(texts(found["grades"])),
            _course_id(found["course_title"], found["course_number"]),
            found["code"] or "",
            "scheduled",
            found["location"] or "",
            school_id,
            list_cell(term for term in terms if term is not None),
            list_cell(texts(found["subjects"])),
            "",
            list_cell(texts(found["periods"])),
        )


def _enrollments(roster: Roster, class_schools: dict[int, str]) -> Iterator[Cells]:
    for class_id, person_id, (internal_class, internal_person, role, primary, begins, ends) in roster.enrollments():
        yield (
            f"rs-enrollment-{internal_class}-{internal_person}-{role}",
            *_NO_STATUS,
            class_id,
            class_schools.get(internal_class, ""),
            person_id,
            role,
            flag_cell(primary),
            begins or "",
            ends or "",
        )


class _Users:
    """users.csv, and in 1.2 roles.csv. Rows are put together by name, as the columns differ by version and roster."""

    def __init__(self, roster: Roster, columns: dict[str, Cells], writer: SetWriter) -> None:
        self._roster = roster
        self._columns = columns["users.csv"]
        self._has_roles_file = "roles.csv" in columns
        self._writer = writer
        self._lost = writer.lost["users.csv"]

    def write(self) -> None:
        for person in self._roster.people():
            if person.apart:
                continue
            self._writer.write("users.csv", self._row(person))
            if self._has_roles_file:
                self._writer.write("roles.csv", _role_rows(person))

    def _row(self, person: Person) -> Iterator[Cells]:
        """The person's row: in 1.1 with the leading role and its orgs, in 1.2 with the primary org."""
        if "role" in self._columns:
            # With a roles.csv nothing is lost, whatever the row has room for.
            found = row_role(self._roster, person, Counter() if self._has_roles_file else self._lost)
            role, schools = found or ("", [])
            cells = self._cells(person, role_group(role))
            yield self._in_order({**cells, "role": role, "orgSourcedIds": list_cell(schools)})
        else:
            lead = leading_place(person.places) if person.places else None
            cells = self._cells(person, role_group(lead.role) if lead else None)
            home = next((place.school for place in person.places if place.primary), lead.school if lead else "")
            yield self._in_order({**cells, "primaryOrgSourcedId": home})

    def _in_order(self, cells: dict[str, str]) -> Cells:
        return [cells.get(name, "") for name in self._columns]

    def _cells(self, person: Person, group: RoleGroup | None) -> dict[str, str]:
        identifiers = person.identifiers
        language = person.text("language")
        self._lost.update({"guardians' unknown languages": self._names_language(group, language)})
        return {
            "sourcedId": person.source_id,
            "enabledUser": flag_cell(person.enabled),
            "username": person.text("username"),
            "userIds": self._user_ids(identifiers),
            "givenName": person.text("given_name"),
            "familyName": person.text("family_name"),
            "middleName": person.text("middle_name"),
            "identifier": identifiers.get(_IDENTIFIER_OF[group], "") if group else "",
            "email": person.text("email"),
            "sms": person.text("sms"),
            "phone": person.text("phone"),
            "agentSourcedIds": list_cell(self._agents(person, group)),
            "grades": list_cell(person.grades),
            "userMasterIdentifier": identifiers.get(_MASTER_ID, ""),
            "preferredGivenName": person.text("preferred_name"),
            "language": language,
        }

    def _names_language(self, group: RoleGroup | None, language: str) -> bool:
        """A blank reads back as English for a guardian, but only in a file that has the column."""
        return group == "guardian" and not language and "language" in self._columns

    def _agents(self, person: Person, group: RoleGroup | None) -> list[str]:
        """Guardianships stand on both sides (1.1: an agent of a parent is a student), and only in these two groups."""
        if group == "guardian":
            return [student.person for student in person.students]
        return agents(person, self._lost) if person.guardians else []

    def _user_ids(self, identifiers: dict[str, str]) -> str:
        pairs = []
        for name, value in identifiers.items():
            if not {"{", "}"}.isdisjoint(name + value) or ":" in name:
                self._lost.update(["identifiers with braces"])
            elif name != _MASTER_ID:
                pairs.append(f"{{{name}:{value}}}")
        return ",".join(pairs)


def _role_rows(person: Person) -> Iterator[Cells]:
    """One row per affiliation; a blank roleType says that nobody knows whether it is the primary one."""
    for place in person.places:
        role_type = {True: "primary", False: "secondary", None: ""}[place.primary]
        row_id = f"rs-role-{person.columns[0]}-{_digest(place.school, place.role)}"
        yield (row_id, *_NO_STATUS, person.source_id, role_type, place.role, "", "", place.school, "")
