"""A user of Clever's and the person that it is: all roles stand in one record (reference/clever.md, 2.4).

Of what differs by role the first one counts that has it: student, teacher, staff, district_admin, contact.
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any, Final

import msgspec

from connectors.clever.text import clean
from connectors.normalize import people
from connectors.normalize.cleaning import Shape
from connectors.normalize.listing import Listing
from models.records import Person


class _Name(msgspec.Struct, gc=False):
    """A contact's whole name is in ``last``, and ``first`` is missing."""

    first: Any = ""
    middle: Any = ""
    last: Any = ""


class _Credentials(msgspec.Struct, gc=False):
    district_username: Any = ""


class CleverRelationship(msgspec.Struct, gc=False):
    student: Any = ""
    type: str | None = ""
    relationship: str | None = ""


class CleverRole(msgspec.Struct, gc=False):
    """What is read of any role; each has some of it."""

    legacy_id: Any = ""
    sis_id: Any = ""
    staff_id: Any = ""
    state_id: Any = ""
    student_number: Any = ""
    teacher_number: Any = ""
    grade: Any = ""
    phone: Any = ""
    phone_type: Any = ""
    school: str | None = ""
    schools: list[str | None] | None = None
    credentials: _Credentials | None = None
    preferred_name: _Name | None = None
    student_relationships: list[CleverRelationship] | None = None


class CleverRoles(msgspec.Struct, gc=False):
    student: CleverRole | None = None
    teacher: CleverRole | None = None
    staff: CleverRole | None = None
    district_admin: CleverRole | None = None
    contact: CleverRole | None = None


class CleverUser(msgspec.Struct, gc=False):
    id: str
    email: Any = ""
    name: _Name | None = None
    roles: CleverRoles | None = None


#: Sorted, as a person's identifiers are.
_ID_TYPES: Final = ("legacy_id", "sis_id", "staff_id", "state_id", "student_number", "teacher_number")
_OF_ROLE: Final = attrgetter(*_ID_TYPES, "grade", "phone", "phone_type")
_SHAPES: Final[tuple[tuple[str, Shape], ...]] = (
    ("id", "id"),
    ("email", "text"),
    ("name.first", "text"),
    ("name.middle", "text"),
    ("name.last", "text"),
    ("credentials.district_username", "text"),
    ("preferred_name.first", "text"),
    *((name, "id") for name in _ID_TYPES),
    ("grade", "list"),
    ("phone", "text"),
    ("phone_type", "code"),
)
_NO_NAME: Final = _Name()
_BLANK: Final = ("",) * (len(_ID_TYPES) + 5)


#: Our role, and what the record says of it.
Held = list[tuple[str, CleverRole]]


def held_roles(roles: CleverRoles) -> Held:
    """All roles but contact."""
    held = []
    if roles.student is not None:
        held.append(("student", roles.student))
    if roles.teacher is not None:
        held.append(("teacher", roles.teacher))
    if roles.staff is not None:
        held.append(("administrator", roles.staff))
    if roles.district_admin is not None:
        held.append(("districtAdministrator", roles.district_admin))
    return held


def strings_of(listing: Listing, line: int, user: CleverUser, parts: list[CleverRole]) -> Sequence[str]:
    """What ``person_of`` makes a person of, cleaned; the first string is the id. ``parts`` are the roles that count."""
    said: Iterable[Any] = _of_role(parts[0]) if parts else _BLANK
    if len(parts) > 1:
        said = map(_first_said, zip(*map(_of_role, parts), strict=True))
    name = user.name or _NO_NAME
    values = (user.id, user.email, name.first, name.middle, name.last, *said)
    return clean(values, _SHAPES, listing, line)


def _of_role(role: CleverRole) -> tuple[Any, ...]:
    login, preferred = role.credentials, role.preferred_name
    return (login.district_username if login else "", preferred.first if preferred else "", *_OF_ROLE(role))


def person_of(listing: Listing, line: int, strings: Sequence[str]) -> Person:
    """The person; ``strings`` are those of ``strings_of``. Tells the listing what cannot be used."""
    source_id, email, given, middle, family, username, preferred = strings[:7]
    ids, (grade, number, number_type) = strings[7:-3], strings[-3:]
    sms, phone = (number, "") if number_type.lower() == "cell" else ("", number)
    good_email, good_sms, good_phone = people.contact(listing, line, source_id, email, sms, phone)
    return Person(
        source_id,
        given or None,
        middle or None,
        family or None,
        preferred or None,
        username or None,
        good_email,
        good_sms,
        good_phone,
        people.grades(listing, line, source_id, grade) if grade else (),
        identifiers=_identifiers(ids),
    )


def _identifiers(ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """A teacher's number is what other sources call a staff id; it keeps a name of its own only beside one."""
    legacy_id, sis_id, staff_id, state_id, student_number, teacher_number = ids
    if teacher_number and not staff_id:
        ids = (legacy_id, sis_id, teacher_number, state_id, student_number, "")
    return tuple(compress(zip(_ID_TYPES, ids, strict=True), ids))


def _first_said(values: Iterable[Any]) -> Any:
    """The first value that is neither blank nor missing."""
    return next((value for value in values if value and not (isinstance(value, str) and value.isspace())), "")
