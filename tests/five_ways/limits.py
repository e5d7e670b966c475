"""What a source cannot express: the list of docs/sources.md, as functions on a picture of the roster.

A limit speaks of one source, and turns what another source makes of a district into what this one would have made of it. Two
ways in agree if the pictures are equal after each went through the limits of the other.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

import msgspec

from fixtures.clever import SUBJECT_WORDS
from fixtures.oneroster import DISTRICT_ID
from models.vocabulary import role_group
from sync.snapshot import Snapshot

Record = dict[str, Any]
Change = Callable[[Record], Record]
Roles = frozenset[str]

#: What tells two relations apart; without ``archived``.
_KEYS: Final = ("class", "person", "student", "guardian", "school", "role")
_NO_ROLES: Final[Roles] = frozenset()


class Limit(NamedTuple):
    """``source`` and ``what`` are a row of docs/sources.md."""

    source: str
    what: str
    apply: Callable[[Snapshot], Snapshot]


def reduced(picture: Snapshot, sources: Collection[str], *, but: Limit | None = None) -> Snapshot:
    """The picture without what none of ``sources`` can express; one limit may be left out."""
    for limit in LIMITS:
        if limit.source in sources and limit is not but:
            picture = limit.apply(picture)
    return picture


# --- how limits are made ----------------------------------------------------------------------------------------------


def _each(kind: str, change: Change) -> Callable[[Snapshot], Snapshot]:
    """Change every record of a kind, archived or not."""
    return lambda picture: picture | {kind: [change(record) for record in picture[kind]]}


def _without(*names: str) -> Change:
    return lambda record: {name: value for name, value in record.items() if name not in names}


def _changed(**changes: Callable[[Any], Any]) -> Change:
    """Change the fields that are there."""
    return lambda record: record | {name: changes[name](record[name]) for name in changes if name in record}


def _of_people(change: Callable[[Record, Roles], Record]) -> Callable[[Snapshot], Snapshot]:
    """Change people, knowing their roles (those of archived people, too)."""

    def apply(picture: Snapshot) -> Snapshot:
        roles: dict[str, Roles] = {}
        for place in picture["affiliation"]:
            leads = place["school"] == DISTRICT_ID and role_group(place["role"]) == "administrator"
            role = "districtAdministrator" if leads else place["role"]
            roles[place["person"]] = roles.get(place["person"], _NO_ROLES) | {role}
        return _each("person", lambda person: change(person, roles.get(person["id"], _NO_ROLES)))(picture)

    return apply


def _of_affiliations(change: Change) -> Callable[[Snapshot], Snapshot]:
    """Change affiliations; those that become the same are one, which is archived only if all were."""

    def apply(picture: Snapshot) -> Snapshot:
        found: dict[bytes, Record] = {}
        for record in map(change, picture["affiliation"]):
            key = msgspec.json.encode([record.get(name) for name in _KEYS])
            if key not in found or "archived" in found[key]:
                found[key] = record
        return picture | {"affiliation": list(found.values())}

    return apply


def _is_guardian(roles: Roles) -> bool:
    return {role_group(role) for role in roles} == {"guardian"}


def _ids(keep: Callable[[str, Roles], bool]) -> Callable[[Snapshot], Snapshot]:
    """Keep some types of identifiers of people."""

    def change(person: Record, roles: Roles) -> Record:
        kept = {name: value for name, value in person.get("identifiers", {}).items() if keep(name, roles)}
        return _without("identifiers")(person) | ({"identifiers": kept} if kept else {})

    return _of_people(change)


# --- OneRoster --------------------------------------------------------------------------------------------------------


def _older_role(role: str) -> str:
    """The role of 1.1 that stands for a role of 1.2."""
    if role_group(role) == "administrator":
        return "administrator"
    return "aide" if role == "counselor" else role


def _split_entries(entries: list[str]) -> list[str]:
    return [part.strip() for entry in entries for part in entry.split(",")]


# --- Clever -----------------------------------------------------------------------------------------------------------


def _clever_subject(record: Record) -> Record:
    """By the subject in the class's code ("PE05")."""
    return record | {"subjects": [SUBJECT_WORDS[record["code"][:-2]]]} if "subjects" in record else record


def _one_name(person: Record, roles: Roles) -> Record:
    if "archived" in person or not _is_guardian(roles):
        return person
    names = " ".join(person[name] for name in ("given_name", "family_name") if name in person)
    return _without("given_name")(person) | {"family_name": names}


def _one_number(person: Record, roles: Roles) -> Record:
    keeps = _is_guardian(roles) and "sms" not in person
    return person if keeps else _without("phone")(person)


def _no_username(person: Record, roles: Roles) -> Record:
    return _without("username")(person) if _is_guardian(roles) or _leads_district(roles) else person


def _leads_district(roles: Roles) -> bool:
    return "districtAdministrator" in roles


def _staff_ids(name: str, roles: Roles) -> bool:
    staff = not roles & {"student", "teacher"} and not _is_guardian(roles)
    return not (_leads_district(roles) or (staff and name == "state_id"))


def _clever_role(record: Record) -> Record:
    """Whoever works at a school and is no teacher is staff, which is read as administrator."""
    role, group = record["role"], role_group(record["role"])
    if role in ("student", "teacher", "districtAdministrator") or group == "guardian":
        return record
    return record | {"role": "administrator"}


def _clever_guardian(record: Record) -> Record:
    return record | {"role": "guardian"} if role_group(record["role"]) == "guardian" else record


def _clever_guardian_place(record: Record) -> Record:
    return record | {"school": DISTRICT_ID} if role_group(record["role"]) == "guardian" else record


def _plain_term(record: Record) -> Record:
    return _without("school_year")(record) | ({"type": "term"} if "type" in record else {})


def _unsaid_primary(record: Record) -> Record:
    return _without("is_primary")(record) if record["role"] == "student" else record


def _only_with_students(picture: Snapshot) -> Snapshot:
    """A contact is there for its students: without any left it is absent, and who never had one never was."""
    ever = {link["guardian"] for link in picture["guardianship"]}
    now = {link["guardian"] for link in picture["guardianship"] if "archived" not in link}
    guardians = {place["person"] for place in picture["affiliation"] if role_group(place["role"]) == "guardian"}
    never, alone = guardians - ever, guardians - now

    def without(records: list[Record], owner: str, keys: Collection[str], cause: str) -> list[Record]:
        return [
            {key: record[key] for key in keys if key in record} | {"archived": cause}
            if record[owner] in alone
            else record
            for record in records
            if record[owner] not in never
        ]

    return picture | {
        "person": without(picture["person"], "id", ("id",), "absent"),
        "affiliation": without(picture["affiliation"], "person", _KEYS, "parent_removed"),
    }


LIMITS: Final = (
    Limit("CSV", "A comma within an entry of a list", _each("class", _changed(subjects=_split_entries))),
    Limit("OneRoster 1.1", "Levels of administrators, and counselors", _of_affiliations(_changed(role=_older_role))),
    Limit(
        "OneRoster 1.1", "Which role, or school, is a person's primary one", _of_affiliations(_without("is_primary"))
    ),
    Limit(
        "OneRoster 1.1",
        "Relationship and contact type of guardians",
        _each("guardianship", _without("relationship", "contact_type")),
    ),
    Limit(
        "OneRoster 1.1",
        "Ids that only Clever has",
        _ids(lambda name, roles: name not in ("legacy_id", "sis_id") or (name == "sis_id" and _is_guardian(roles))),
    ),
    Limit("Clever", "Type and school year of terms", _each("term", _plain_term)),
    Limit("Clever", "More than one term of a class", _each("class", _changed(terms=lambda terms: terms[:1]))),
    Limit("Clever", "Where a class meets", _each("class", _without("location"))),
    Limit("Clever", "Subjects in the district's words", _each("class", _clever_subject)),
    Limit("Clever", "Begin and end of enrollments", _each("enrollment", _without("begins_on", "ends_on"))),
    Limit("Clever", "That a student's enrollment is not a primary one", _each("enrollment", _unsaid_primary)),
    Limit("Clever", "Whether a person is enabled", _each("person", _without("enabled"))),
    Limit("Clever", "Given and family name of guardians apart", _of_people(_one_name)),
    Limit("Clever", "Telephone of staff; a guardian's second number", _of_people(_one_number)),
    Limit("Clever", "Usernames of guardians and district administrators", _of_people(_no_username)),
    Limit("Clever", "State ids of staff; ids of district administrators", _ids(_staff_ids)),
    Limit("Clever", "Whether a guardian is parent, guardian or relative", _of_affiliations(_clever_guardian)),
    Limit("Clever", "Schools of guardians", _of_affiliations(_clever_guardian_place)),
    Limit("Clever", "Roles of staff other than teachers", _of_affiliations(_clever_role)),
    Limit("Clever", "Guardians without a student", _only_with_students),
)
